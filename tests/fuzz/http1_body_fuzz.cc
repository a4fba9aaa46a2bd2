// Any bytes as a body of any framing: the same payload, trailers and end in pieces as at once, and never more
// taken than there is.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/support/wire_describe.h"

using namespace hale::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 3, size - 3};
    const Framing framing{static_cast<BodyKind>(data[0] & 3), data[0]};
    const BodyLimits tight{
        .max_chunk_line = 10, .max_extension_bytes = 12, .max_trailer_bytes = 30, .max_trailer_fields = 2};
    const BodyLimits limits = (data[0] & 4) != 0 ? BodyLimits{} : tight;
    std::size_t first = data[1] % text.size(), second = data[2] % text.size();
    if (first > second) std::swap(first, second);
    const BodySeen whole = body_in_pieces(text, {}, framing, limits);
    HALE_CHECK(!whole.stuck && whole.consumed <= text.size() && whole.payload.size() <= whole.consumed);
    HALE_CHECK(body_in_pieces(text, {first, second}, framing, limits).text() == whole.text());
    HALE_CHECK(body_in_pieces(text, every_byte(text), framing, limits).text() == whole.text());
    return 0;
}
