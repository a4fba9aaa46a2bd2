// Any bytes as a certificate chain with its key: what is taken can be shown, and what is not is refused in words.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tls/credentials.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    // Within the lifetime of the corpus's certificate.
    const hale::Utc now = hale::Utc{} + std::chrono::hours(24 * 365 * 57);
    // Chain and key in one text, as haproxy has them, and parted at the key.
    const auto key = text.find("-----BEGIN PRIVATE KEY");
    const auto chain = key == std::string_view::npos ? text : text.substr(0, key);
    const auto made = hale::tls::Credentials::parse(chain, key == std::string_view::npos ? text : text.substr(key), "fuzz", now);
    if (made) HALE_CHECK((*made)->not_before() <= now && now <= (*made)->not_after() && !(*made)->fingerprint().empty());
    else HALE_CHECK(!made.error().text.empty());
    const auto believed = hale::tls::authorities_work(text, "fuzz");
    HALE_CHECK(believed.has_value() || !believed.error().text.empty());
    return 0;
}
