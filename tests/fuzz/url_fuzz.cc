// Any bytes as URL, reference, host and path: what is accepted is normal, and normal text stays as it is.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/url.h"

using namespace hale::wire;

namespace {

void check_url(std::string_view text) {
    const auto url = parse_url(text);
    if (!url) return;
    const auto again = parse_url(url->text());
    HALE_CHECK(again && again->text() == url->text() && again->host == url->host);
    HALE_CHECK(again->origin_form() == url->origin_form());
    const auto base = parse_url("http://base.example/a/b?c");
    const auto same = resolve_url(*base, text);
    HALE_CHECK(same && same->host == url->host);
}

void check_reference(std::string_view text) {
    const auto base = parse_url("https://base.example/a/b/c?d");
    const auto url = resolve_url(*base, text);
    if (!url) return;
    HALE_CHECK(parse_url(url->text()).has_value());
    HALE_CHECK(remove_dot_segments(url->path) == url->path);
}

void check_host(std::string_view text) {
    HostScratch scratch, other;
    const auto host = normal_host(text, scratch);
    HALE_CHECK(host.has_value() == host_refusal(text).empty());
    if (host) HALE_CHECK(normal_host(*host, other) == host);
}

void check_path(std::string_view text) {
    std::string scratch, other;
    MatchPath found, again;
    if (path_for_match(text, scratch, found) != PathFault::none) return;
    HALE_CHECK(found.path.find('?') == std::string_view::npos && found.path.find('\\') == std::string_view::npos);
    HALE_CHECK(path_for_match(found.path, other, again) == PathFault::none && again.path == found.path);
    HALE_CHECK(again.other_reading == found.other_reading);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    check_url(text);
    check_reference(text);
    check_host(text);
    check_path(text);
    return 0;
}
