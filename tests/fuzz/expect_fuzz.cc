// Any text as a condition, any bytes as the answer: an error's column stays inside the text, and what
// compiles evaluates to one of two ends, the same twice, with a sentence when it doesn't hold.
//
// Input: the condition up to the first newline, then a byte of switches, then the body.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "expect/conditions.h"

namespace {
void require(bool holds) {
    if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hale;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto end = input.find('\n');
    const std::string_view text = input.substr(0, end);
    std::string_view rest = end == std::string_view::npos ? std::string_view{} : input.substr(end + 1);
    const unsigned switches = rest.empty() ? 0u : static_cast<unsigned char>(rest.front());
    if (!rest.empty()) rest.remove_prefix(1);

    const auto condition = expect::compile(text, (switches & 1) != 0 ? expect::Severity::warn : expect::Severity::fail);
    if (!condition) {
        require(condition.error().column >= 1 && condition.error().column <= text.size() + 1);
        require(!condition.error().what.empty());
        return 0;
    }
    expect::Conditions all;
    require(all.add(*condition).has_value());
    const std::vector<expect::Header> headers{{"content-type", rest.substr(0, 20)}};
    const expect::Response response{.status = (switches & 2) != 0 ? 200 : 503,
                                    .connected = (switches & 4) != 0,
                                    .headers = headers,
                                    .body = rest,
                                    .body_truncated = (switches & 8) != 0,
                                    .ip = Ip::v4(10, 0, 0, 1),
                                    .timings = {.connect = Duration{1000}, .total = Duration{5000}}};
    const auto seen = all.evaluate(response);
    require(seen.outcome != verdict::Outcome::error);
    require((seen.outcome == verdict::Outcome::pass) == (seen.held == 1));
    require((seen.outcome == verdict::Outcome::pass) == seen.resolved.empty());
    const auto again = all.resolve(response);
    require(again.size() == 1 && again[0].held == (seen.held == 1));
    (void)expect::lint(all, response);
    return 0;
}
