// Prints what the documentation says but the code knows: the configuration reference, the reason codes, and how
// soon trouble is noticed. tools/docs_are_current.py puts it into the pages under docs/ and compares them.
//
//   hale_reference configuration | reasons | detection

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "config/load.h"
#include "config/schema.h"
#include "verdict/judge.h"
#include "verdict/policy.h"
#include "verdict/reason.h"

namespace hale {
namespace {

std::string reasons() {
    std::string out = "| Code | Meaning | Retryable |\n|---|---|---|\n";
    for (const verdict::ReasonFacts& facts : verdict::all_reasons())
        out += fmt::format("| `{}` | {} | {} |\n", facts.code, facts.sentence, facts.retryable ? "yes" : "no");
    return out;
}

// Settings worth a row: the default, faster, slower, a foreign service, and three of five slots.
struct Example {
    std::string_view settings;
    verdict::JudgePolicy policy;
};

std::string bound(Duration worst) { return worst == Duration::max() ? "never" : duration_text(worst); }

std::string detection() {
    verdict::JudgePolicy slots;
    slots.m_of_n = verdict::MofN{};
    verdict::JudgePolicy patient = slots;
    patient.timeout = patient.interval;
    const Example examples[] = {
        {"the defaults", {}},
        {"`interval: 1s`, `timeout: 500ms`", {.interval = 1s, .timeout = 500ms}},
        {"`interval: 2s`, `timeout: 1s`, `fall: 2`", {.fall = 2, .interval = 2s, .timeout = 1s}},
        {"`interval: 10s`", {.interval = 10s}},
        {"`interval: 30s`, `timeout: 10s`", {.interval = 30s, .timeout = 10s}},
        {"`interval: 15m`, `timeout: 10s`", {.interval = 15min, .timeout = 10s}},
        {"`m_of_n: {m: 3, n: 5}`", slots},
        {"the same with `timeout: 5s`, the interval", patient},
    };
    std::string out =
        "| Settings | Port refuses: unhealthy within | Nothing answers: unhealthy within | `stale` after | `unknown` after |\n"
        "|---|---|---|---|---|\n";
    for (const Example& example : examples) {
        const config::Detection worst = config::detection(example.policy);
        const Duration stale = verdict::Judge(example.policy, Instant{}, Instant{}).stale_after(example.policy);
        out += fmt::format("| {} | {} | {} | {} | {} |\n", example.settings, bound(worst.refused), bound(worst.silent), duration_text(stale),
                           duration_text(2 * stale));
    }
    return out;
}

}  // namespace
}  // namespace hale

int main(int count, char** arguments) {
    const std::string_view part = count == 2 ? arguments[1] : "";
    std::optional<std::string> text;
    if (part == "configuration") text = hale::config::reference_page();
    else if (part == "reasons") text = hale::reasons();
    else if (part == "detection") text = hale::detection();
    else fmt::print(stderr, "usage: hale_reference configuration | reasons | detection\n");
    if (!text) return 2;
    fmt::print("{}", *text);
    return 0;
}
