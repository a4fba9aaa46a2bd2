// Any bytes as a request: the head reads the same in two pieces as at once, and written anew it says the same.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/support/wire_describe.h"
#include "wire/http1_write.h"

using namespace hale::wire;

namespace {

void check_rewritten(std::string_view text) {
    HeadScan scan;
    RequestHead head;
    if (parse_request_head(text, {}, scan, head).status != ParseStatus::done) return;
    HALE_CHECK(head.fields.size() <= HeadLimits{}.max_fields);
    HALE_CHECK(head.framing.kind != BodyKind::until_close);
    std::string out;
    HeadWriter writer(out);
    writer.request(head.method_name, head.target, head.minor);
    for (const Field& field : head.fields) writer.field(field.name, field.value);
    HALE_CHECK(writer.end());
    HeadScan again_scan;
    RequestHead again;
    const HeadResult result = parse_request_head(out, {.max_head_bytes = 128 * 1024}, again_scan, again);
    HALE_CHECK(result.status == ParseStatus::done && result.consumed == out.size());
    HALE_CHECK(describe(result, head) == describe(result, again));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const HeadLimits tight{.max_request_line = 40, .max_head_bytes = 120, .max_fields = 4};
    const HeadLimits limits = (data[0] & 1) != 0 ? HeadLimits{} : tight;
    const std::string whole = request_in_pieces(text, {}, limits);
    const std::size_t cut = 1 + (data[0] >> 1) % text.size();
    if (cut < text.size()) {
        std::string split = request_in_pieces(text, {cut}, limits);
        if (split == "need_more") split = request_in_pieces(std::string(text) + "\r\n\r\n", {cut}, limits);
        HALE_CHECK(whole == "need_more" || split == whole);
    }
    check_rewritten(text);
    return 0;
}
