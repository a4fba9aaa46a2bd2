#include "base/log.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace hale {

namespace {
std::function<void(LogLevel, std::string_view)>& sink() {
    static std::function<void(LogLevel, std::string_view)> one = [](LogLevel level, std::string_view sentence) {
        if (level >= LogLevel::warning) fmt::print(stderr, "{}\n", sentence);
    };
    return one;
}
}  // namespace

void log(LogLevel level, std::string_view sentence) { sink()(level, sentence); }
void set_log_sink(std::function<void(LogLevel, std::string_view)> replacement) { sink() = std::move(replacement); }

}  // namespace hale
