// Any bytes as what Redis might answer: replies read the same in two pieces as at once.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/fuzz/in_two_pieces.h"
#include "wire/resp.h"

using namespace hale::wire;

namespace {

auto read(std::string_view text, std::size_t cut) {
    return hale::fuzz::read_in_two_pieces<RespStatus>(RespReader({.max_line = 64, .max_bulk_bytes = 256, .max_items = 16, .max_depth = 3}), text, cut);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    HALE_CHECK(read(text, data[0] % text.size()) == read(text, text.size()));
    (void)info_field(text, "role");
    return 0;
}
