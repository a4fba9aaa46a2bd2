#include "deploy/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/text.h"

namespace hale::deploy {

namespace {

// The field of an event that `one` has, where it has it.
template <class T, class Fn>
void each_field(T& event, Fn fn) {
    if constexpr (requires { event.container; }) fn(event.container, &Seen::container);
    if constexpr (requires { event.healthy; }) fn(event.healthy, &Seen::yes);
    if constexpr (requires { event.passed; }) fn(event.passed, &Seen::yes);
    if constexpr (requires { event.oom; }) fn(event.oom, &Seen::yes);
    if constexpr (requires { event.missing; }) fn(event.missing, &Seen::more);
    if constexpr (requires { event.exit_code; }) fn(event.exit_code, &Seen::number);
    if constexpr (requires { event.fault; }) fn(event.fault, &Seen::fault);
    if constexpr (requires { event.why; }) fn(event.why, &Seen::fault);
    if constexpr (requires { event.text; }) fn(event.text, &Seen::text);
}

template <class T>
struct Kind {
    using Event = T;
    std::string_view name;
};
constexpr std::tuple kinds{
    Kind<rollout::Began>{"began"},         Kind<rollout::PreflightPassed>{"preflight_passed"}, Kind<rollout::Pulled>{"pulled"},   Kind<rollout::Created>{"created"},
    Kind<rollout::Started>{"started"},     Kind<rollout::Health>{"health"},                    Kind<rollout::Ended>{"ended"},     Kind<rollout::Looping>{"looping"},
    Kind<rollout::Direct>{"direct"},       Kind<rollout::Through>{"through"},                  Kind<rollout::Switched>{"switched"}, Kind<rollout::Drained>{"drained"},
    Kind<rollout::Retired>{"retired"},     Kind<rollout::RolledBack>{"rolled_back"},           Kind<rollout::Failed>{"failed"},   Kind<rollout::Abort>{"abort"},
    Kind<rollout::Tick>{"tick"},           Kind<rollout::HooksPassed>{"hooks_passed"},         Kind<rollout::PreExisting>{"pre_existing"}, Kind<rollout::Yielded>{"yielded"},
    Kind<rollout::Removed>{"removed"},     Kind<rollout::Restored>{"restored"}};
// An event that has no name here could not be repeated.
static_assert(std::tuple_size_v<decltype(kinds)> == std::variant_size_v<rollout::Event>);

template <class Fn>
void each_kind(Fn fn) {
    std::apply([&](const auto&... one) { (fn(one), ...); }, kinds);
}

}  // namespace

Seen seen(Utc at, const rollout::Event& event) {
    Seen out{.at = at, .kind = {}, .text = {}};
    std::visit(
        [&]<class T>(const T& one) {
            each_kind([&]<class K>(const Kind<K>& kind) {
                if constexpr (std::is_same_v<K, T>) out.kind = kind.name;
            });
            each_field(one, [&](const auto& value, auto field) { out.*field = value; });
        },
        event);
    return out;
}

Result<rollout::Event> event_of(const Seen& seen) {
    std::optional<rollout::Event> out;
    each_kind([&]<class K>(const Kind<K>& kind) {
        if (kind.name != seen.kind) return;
        K one{};
        each_field(one, [&](auto& value, auto field) { value = seen.*field; });
        out = std::move(one);
    });
    if (!out) return fail(Code::corrupt, fmt::format("this version knows no event \"{}\"", escaped(seen.kind, 40)));
    return std::move(*out);
}

bool note_seen(std::vector<Seen>& list, Seen one) {
    // What came last of the same kind, of the same container.
    const auto same = std::ranges::find_if(list.rbegin(), list.rend(), [&](const Seen& old) { return old.kind == one.kind && old.container == one.container; });
    const bool repeats = (one.kind == "health" || one.kind == "direct" || one.kind == "through") && same != list.rend() && same->yes == one.yes && same->more == one.more;
    if (repeats) list.erase(std::next(same).base());
    if (list.size() >= most_seen) return false;
    list.push_back(std::move(one));
    return true;
}

Result<Replay> replay(const rollout::Plan& plan, Utc created, const std::vector<Seen>& list) {
    Replay out;
    out.end = rollout::begin(plan, created);
    for (const auto& one : list) {
        HALE_ASSIGN(const rollout::Event event, event_of(one));
        rollout::step(plan, out.end, event, one.at);
        out.steps.push_back({one, out.end.phase});
    }
    return out;
}

}  // namespace hale::deploy
