// Any bytes as an answer: the head reads the same in two pieces as at once.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/support/wire_describe.h"

using namespace hale::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    constexpr Method methods[] = {Method::get, Method::head, Method::connect, Method::post};
    const Method request = methods[data[0] & 3];
    const std::string whole = response_in_pieces(text, {}, {}, request);
    const std::size_t cut = 1 + (data[0] >> 2) % text.size();
    if (cut >= text.size()) return 0;
    std::string split = response_in_pieces(text, {cut}, {}, request);
    if (split == "need_more") split = response_in_pieces(std::string(text) + "\r\n\r\n", {cut}, {}, request);
    HALE_CHECK(whole == "need_more" || split == whole);
    return 0;
}
