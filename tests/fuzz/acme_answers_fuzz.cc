// Any bytes as an authority's document: reading ends in a value within its limits or in a sentence, never in anything else.

#include <cstddef>
#include <cstdint>

#include "acme/answers.h"
#include "base/check.h"

using namespace hale::acme;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 6) {
        case 0:
            if (const auto one = read_directory(text)) HALE_CHECK(one->new_order.size() <= most_url_bytes && !one->new_nonce.empty());
            break;
        case 1:
            if (const auto one = read_order(text)) HALE_CHECK(one->authorizations.size() <= most_authorizations);
            break;
        case 2:
            if (const auto one = read_authorization(text)) HALE_CHECK(one->challenges.size() <= most_challenges);
            break;
        case 3: {
            const auto one = read_problem({.status = 400, .location = {}, .nonce = {}, .retry_after = {}, .body = std::string(text)});
            for (const char c : one.detail) HALE_CHECK(static_cast<unsigned char>(c) >= ' ' && c != 127);
            HALE_CHECK(!one.text().empty());
            break;
        }
        case 4:
            if (const auto one = read_renewal_info(text)) HALE_CHECK(one->start <= one->end);
            break;
        default:
            if (const auto one = read_retry_after(text, hale::Utc{})) HALE_CHECK(*one >= hale::Duration::zero());
            HALE_CHECK(check_chain(text).has_value() || !check_chain(text).error().text.empty());
    }
    return 0;
}
