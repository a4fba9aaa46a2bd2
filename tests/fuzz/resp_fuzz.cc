// Any bytes as what Redis might answer: replies read the same in two pieces as at once.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/resp.h"

using namespace hale::wire;

namespace {

struct Read {
    std::vector<RespValue> values;
    std::string_view why;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view text, std::size_t cut) {
    RespReader reader({.max_line = 64, .max_bulk_bytes = 256, .max_items = 16, .max_depth = 3});
    Read out;
    for (std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
        while (!piece.empty()) {
            const auto step = reader.read(piece);
            HALE_CHECK(step.consumed > 0 && step.consumed <= piece.size());
            piece.remove_prefix(step.consumed);
            if (step.status == RespStatus::bad) return out.why = step.why, out;
            if (step.status == RespStatus::more) break;
            out.values.push_back(reader.take());
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    HALE_CHECK(read(text, data[0] % text.size()) == read(text, text.size()));
    (void)info_field(text, "role");
    return 0;
}
