#include "base/reached.h"

#include <fmt/format.h>

// Made by the linker around the section of that name; absent in a program without marks.
extern "C" {
extern __attribute__((weak)) hale::ReachedMark __start_hale_reached[];
extern __attribute__((weak)) hale::ReachedMark __stop_hale_reached[];
}

namespace hale {

std::vector<const ReachedMark*> reached_marks() {
    std::vector<const ReachedMark*> marks;
    for (const ReachedMark* mark = __start_hale_reached; mark != __stop_hale_reached; ++mark) marks.push_back(mark);
    return marks;
}

std::vector<std::string> never_reached() {
    std::vector<std::string> lines;
    for (const ReachedMark* mark : reached_marks())
        if (mark->hits.load(std::memory_order_relaxed) == 0)
            lines.push_back(fmt::format("{} ({}:{})", mark->name, mark->file, mark->line));
    return lines;
}

}  // namespace hale
