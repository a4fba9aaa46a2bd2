#include "rollout/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "rollout/waves.h"

namespace hale::rollout {

namespace {

template <class... Fs>
struct Overloaded : Fs... {
    using Fs::operator()...;
};

Duration limit_of(const Deadlines& limits, Phase phase) {
    switch (phase) {
        case Phase::requested: return limits.requested;
        case Phase::pulling: return limits.pulling;
        case Phase::yielding: return limits.yielding;
        case Phase::creating: return limits.creating;
        case Phase::starting: return limits.starting;
        case Phase::verifying: return limits.verifying;
        case Phase::switching: return limits.switching;
        case Phase::baking: return limits.hooks_after + limits.baking;
        case Phase::draining: return limits.draining;
        case Phase::retiring: return limits.retiring;
        case Phase::rolling_back: return limits.rolling_back;
        case Phase::done:
        case Phase::rolled_back:
        case Phase::superseded:
        case Phase::failed: break;
    }
    return Duration{0};
}

// Nothing is missing that it has to show by itself.
bool proven(const ContainerPlan& plan, const Container& one) {
    return (!plan.direct || one.direct == Word::pass) && (!plan.container_health || one.health == Word::pass);
}

// With a breaker: until when it has to have proved itself; nothing where that is no question now.
std::optional<Utc> patience(const Plan& plan, const Progress& p, std::size_t i) {
    const Container& one = p.containers[i];
    const ContainerPlan& its = plan.containers[i];
    const bool asked = p.phase == Phase::starting || p.phase == Phase::verifying;
    if (plan.breaker == 0 || plan.replace_after <= Duration{0} || !asked || its.external || its.made || its.one_shot) return std::nullopt;
    if (!one.in_wave || !one.started || one.removing || proven(its, one)) return std::nullopt;
    return one.since + plan.replace_after;
}

// One step: reads and moves the progress, and gathers what is to be done.
class Step {
public:
    Step(const Plan& plan, Progress& progress, Utc now) : plan_(plan), p_(progress), now_(now) {}

    std::vector<Command> take(const Event& event) {
        if (!over(p_.phase)) {
            std::visit([this](const auto& one) { on(one); }, event);
            advance();
        }
        return std::move(commands_);
    }

private:
    void on(const Began&) { give_commands(); }
    void on(const PreflightPassed&) {
        if (p_.phase != Phase::requested) return;
        // Absence is never success (V13).
        if (p_.containers.empty()) return fail(Fault::preflight_failed, "there is nothing to deploy");
        if (plan_.hooks_before) return run_hooks();
        leave_requested();
    }
    void on(const HooksPassed&) {
        if (!std::exchange(p_.asked_hooks, false)) return;
        if (p_.phase == Phase::requested) return leave_requested();
        p_.hooked = true;
        if (plan_.deadlines.baking <= Duration{0}) return enter(after_baking());
        p_.deadline = now_ + plan_.deadlines.baking;
        say(Do::bake);
    }
    void on(const Pulled&) {
        if (p_.phase == Phase::pulling) next_wave();
    }
    void on(const Created& event) {
        Container* one = at(event.container);
        if (one != nullptr && one->in_wave && !one->removing && (p_.phase == Phase::creating || starting_or_verifying())) one->created = true;
    }
    void on(const Started& event) {
        Container* one = at(event.container);
        if (one == nullptr || !starting_or_verifying() || !one->in_wave || !one->created || one->started) return;
        one->started = true;
        one->since = now_;
        ask_directly(event.container);
    }
    void on(const Health& event) {
        Container* one = at(event.container);
        if (one == nullptr || !before_switch() || !one->started || one->serving) return;
        one->health = event.healthy ? Word::pass : Word::fail;
        if (!event.healthy) note(event.text);
    }
    void on(const Ended& event) {
        Container* one = at(event.container);
        if (one == nullptr || !matters(*one)) return;
        if (event.oom) return lose(event.container, Fault::container_oom, event.text);
        if (!plan_.containers[event.container].one_shot) return lose(event.container, Fault::container_exited, event.text);
        if (event.exit_code != 0) return fail(Fault::one_shot_failed, event.text);
        one->started = one->ended = true;
    }
    void on(const Looping& event) {
        const Container* one = at(event.container);
        if (one != nullptr && matters(*one)) lose(event.container, Fault::crash_loop, event.text);
    }
    void on(const Direct& event) {
        Container* one = at(event.container);
        if (one == nullptr || !starting_or_verifying() || !one->started || one->serving || one->direct == Word::pass) return;
        one->direct = event.passed ? Word::pass : Word::fail;
        if (!event.passed) note(event.text);
    }
    void on(const Through& event) {
        if (p_.phase != Phase::verifying || !p_.asked_proxy || p_.proxy == Word::pass) return;
        p_.proxy = event.passed ? Word::pass : Word::fail;
        if (!event.passed) note(event.text), p_.fault = event.missing ? Fault::route_missing : Fault::proxy_failed;
        else p_.fault = Fault::none;
    }
    void on(const PreExisting& event) {
        if (p_.phase != Phase::verifying) return;
        // A container that is not up, or says itself that it is sick, is this version's own.
        const bool up = all([](const ContainerPlan& plan, const Container& one) {
            return one.started && (plan.one_shot ? one.ended : !plan.container_health || one.health == Word::pass);
        });
        if (!plan_.accept_pre_existing || !up) return fail(Fault::pre_existing, event.text);
        p_.accepted = true;
        p_.fault = Fault::none;
        note(event.text);
        switch_over();
    }
    void on(const Switched&) {
        if (p_.phase != Phase::switching) return;
        p_.users_switched = true;
        if (!p_.accepted) p_.text.clear();
        for (Container& one : p_.containers)
            if (std::exchange(one.in_wave, false)) one.serving = true;
        if (fleet().missing() > 0) return std::ranges::any_of(p_.old, [](const Old& one) { return one.leaving && !one.stopped; }) ? enter(Phase::yielding) : next_wave();
        const bool watched = plan_.hooks_after || plan_.deadlines.baking > Duration{0};
        enter(watched ? Phase::baking : after_baking());
    }
    void on(const Yielded&) {
        if (p_.phase != Phase::yielding) return;
        for (Old& one : p_.old) one.stopped |= one.leaving;
        next_wave();
    }
    void on(const Removed& event) {
        Container* one = at(event.container);
        if (one == nullptr || !one->removing) return;
        *one = Container{.in_wave = starting_or_verifying()};
        if (starting_or_verifying()) return say(Do::create, event.container);
        lead_back();
    }
    void on(const Restored& event) {
        if (p_.phase != Phase::rolling_back || event.container >= p_.old.size() || !p_.old[event.container].restoring) return;
        p_.old[event.container] = {};
        lead_back();
    }
    void on(const Drained&) {
        if (p_.phase == Phase::draining) enter(plan_.retire_old ? Phase::retiring : Phase::done);
    }
    void on(const Retired&) {
        if (p_.phase == Phase::retiring) enter(Phase::done);
    }
    void on(const RolledBack&) {
        if (p_.phase != Phase::rolling_back) return;
        p_.users_switched = false;
        enter(p_.fault == Fault::superseded ? Phase::superseded : Phase::rolled_back);
    }
    void on(const Failed& event) {
        Container* one = at(event.container);
        // Its end was told before: it is made anew by now.
        if (one != nullptr && starting_or_verifying() && !one->asked_to_start) return;
        if (one != nullptr && matters(*one)) lose(event.container, event.fault, event.text);
        else if (p_.phase < Phase::draining) fail(event.fault, event.text);
        else if (p_.phase != Phase::rolling_back) note(event.text);
    }
    void on(const Abort& event) {
        // From draining on there is nothing to go back to.
        if (p_.phase < Phase::draining) fail(event.why, event.text);
    }
    void on(const Tick&) {
        if (now_ < p_.deadline) return lose_the_late();
        switch (p_.phase) {
            case Phase::baking:
                if (plan_.hooks_after && !p_.hooked) return fail(Fault::hook_failed, "the hooks after the switch were not over in time");
                return enter(after_baking());  // Nothing bad was seen for so long.
            case Phase::draining: return enter(plan_.retire_old ? Phase::retiring : Phase::done);
            case Phase::retiring: return enter(Phase::done);
            case Phase::rolling_back: return enter(Phase::failed);  // Nobody knows whether it is undone: that is no rolled_back.
            case Phase::verifying: return fail(unverified(), p_.text);
            case Phase::requested: return fail(p_.asked_hooks ? Fault::hook_failed : Fault::timed_out, p_.asked_hooks ? "the hooks before were not over in time" : p_.text);
            default: return fail(Fault::timed_out, p_.text);
        }
    }

    // ── What follows by itself ──

    void advance() {
        if (p_.phase == Phase::creating && all([](const ContainerPlan&, const Container& one) { return one.created; })) enter(Phase::starting);
        if (starting_or_verifying()) start_those_who_may();
        const bool up = all([](const ContainerPlan&, const Container& one) { return one.started; });
        if (p_.phase == Phase::starting && up) enter(Phase::verifying);
        if (p_.phase != Phase::verifying || !up) return;
        const bool directly = all([](const ContainerPlan& plan, const Container& one) { return !plan.direct || plan.one_shot || one.direct == Word::pass; });
        const bool routed = any([](const ContainerPlan& plan, const Container&) { return plan.routed; });
        if (directly && routed && !p_.asked_proxy) {
            p_.asked_proxy = true;
            say(Do::ask_through);
        }
        const bool healthy = all([](const ContainerPlan& plan, const Container& one) {
            return plan.one_shot ? one.ended : !plan.container_health || one.health == Word::pass;
        });
        if (directly && healthy && (!routed || p_.proxy == Word::pass)) switch_over();
    }

    void leave_requested() {
        if (plan_.pull) enter(Phase::pulling);
        else next_wave();
    }

    void run_hooks() {
        p_.asked_hooks = true;
        say(Do::run_hooks);
    }

    // ── Waves ──

    Fleet fleet() const {
        const auto count = [](const auto& all, auto which) { return static_cast<std::uint32_t>(std::ranges::count_if(all, which)); };
        return {.desired = static_cast<std::uint32_t>(p_.containers.size()),
                .new_serving = count(p_.containers, &Container::serving),
                .old_serving = count(p_.old, [](const Old& one) { return !one.leaving; }),
                .running = count(p_.containers, [](const Container& one) { return one.created || one.removing; }) + count(p_.old, [](const Old& one) { return !one.stopped || one.restoring; })};
    }

    // Those that are made next; without waves all. Where there is no room for any, old ones make it first.
    void next_wave() {
        if (!plan_.in_waves()) return enter(Phase::creating);
        auto more = room(plan_, fleet());
        if (more == 0) {
            leave(to_yield(plan_, fleet()));
            return enter(Phase::yielding);
        }
        for (Container& one : p_.containers)
            if (!one.serving && more > 0) one.in_wave = true, --more;
        p_.proxy = Word::none;
        p_.asked_proxy = false;
        ++p_.wave;
        enter(Phase::creating);
    }

    // The first so many that still serve, in the plan's order.
    void leave(std::uint32_t so_many) {
        for (Old& one : p_.old)
            if (so_many > 0 && !one.leaving) one.leaving = true, --so_many;
    }

    void switch_over() {
        if (plan_.in_waves()) {
            Fleet then = fleet();
            then.new_serving += static_cast<std::uint32_t>(std::ranges::count_if(p_.containers, &Container::in_wave));
            leave(then.old_serving - to_keep(then));
        }
        enter(Phase::switching);
    }

    // The way back, step by step: nothing runs beyond the limit, and as many serve as have to, until all old ones do.
    void lead_back() {
        if (p_.leading_back) return;
        const auto waits = [&] { return std::ranges::any_of(p_.old, &Old::restoring) || std::ranges::any_of(p_.containers, &Container::removing); };
        // Those that run need no room; and the wave may be what took their place.
        restore([](const Old& one) { return one.leaving && !one.stopped; });
        if (waits()) return;
        for (std::size_t i = 0; i < p_.containers.size(); ++i)
            if (std::exchange(p_.containers[i].in_wave, false)) remove(i);
        const std::uint32_t most = std::max(plan_.most_running, static_cast<std::uint32_t>(p_.old.size()));
        restore([&](const Old& one) { return one.stopped && fleet().running < most; });
        if (waits()) return;
        const Fleet now = fleet();
        auto back = static_cast<std::uint32_t>(std::ranges::count_if(p_.old, &Old::stopped));
        if (back == 0) {
            p_.leading_back = true;
            return say(Do::roll_back);
        }
        // No room: new ones make it, as many as nobody misses.
        back = std::min(back, now.new_serving + now.old_serving - plan_.least_serving);
        for (std::size_t i = 0; i < p_.containers.size() && back > 0; ++i)
            if (p_.containers[i].serving) remove(i), --back;
    }

    template <class Which>
    void restore(Which which) {
        for (std::size_t i = 0; i < p_.old.size(); ++i) {
            if (p_.old[i].restoring || !which(p_.old[i])) continue;
            p_.old[i].restoring = true;
            say(Do::restore_old, i);
        }
    }

    // `halfway`: who stopped or serves nobody knows exactly.
    void begin_to_lead_back(bool halfway) {
        if (halfway || std::ranges::any_of(p_.old, &Old::stopped)) return lead_back();
        p_.leading_back = true;
        say(Do::roll_back);
    }

    void remove(std::size_t i) {
        p_.containers[i].removing = true;
        p_.containers[i].serving = false;
        say(Do::remove, i);
    }

    // ── The breaker ──

    void lose(std::size_t i, Fault why, std::string text) {
        const bool again = plan_.breaker > 0 && starting_or_verifying() && p_.containers[i].in_wave && !plan_.containers[i].one_shot && !plan_.containers[i].external && !plan_.containers[i].made;
        if (!again) return fail(why, std::move(text));
        if (++p_.failures >= plan_.breaker) return fail(why, fmt::format("{} of {} failures: circuit breaker; the last: {}", p_.failures, plan_.breaker, text));
        p_.containers[i] = Container{.in_wave = true, .removing = true};
        // What was asked through the proxy did not mean the one that comes in its place.
        p_.proxy = Word::none;
        p_.asked_proxy = false;
        p_.fault = Fault::none;
        note(text);
        say(Do::close_gates);
        say(Do::remove, i);
        for (std::size_t other = 0; other < p_.containers.size(); ++other) ask_directly(other);
    }

    void lose_the_late() {
        for (std::size_t i = 0; i < p_.containers.size() && starting_or_verifying(); ++i) {
            const auto until = patience(plan_, p_, i);
            if (!until || now_ < *until) continue;
            const Container& one = p_.containers[i];
            const bool unhealthy = plan_.containers[i].container_health && one.health == Word::fail;
            lose(i, unhealthy ? Fault::container_unhealthy : Fault::not_ready,
                 fmt::format("{} did not prove itself within {} s{}{}", plan_.containers[i].name, std::chrono::duration_cast<std::chrono::seconds>(plan_.replace_after).count(),
                             p_.text.empty() ? "" : ": ", p_.text));
        }
    }

    void start_those_who_may() {
        for (std::size_t i = 0; i < p_.containers.size(); ++i) {
            Container& one = p_.containers[i];
            if (!one.in_wave || !one.created || one.started || one.asked_to_start || !may_start(i)) continue;
            one.asked_to_start = true;
            say(Do::start, i);
        }
    }

    bool may_start(std::size_t i) const {
        return std::ranges::all_of(plan_.containers[i].after, [&](const Dependency& one) {
            const Container& other = p_.containers[one.container];
            switch (one.needs) {
                case Needs::started: return other.started;
                case Needs::completed: return other.ended;
                case Needs::healthy: break;
            }
            const ContainerPlan& its = plan_.containers[one.container];
            return its.container_health ? other.health == Word::pass : its.direct ? other.direct == Word::pass : other.started;
        });
    }

    // A phase's commands, on entering it and again after a restart.
    void give_commands() {
        switch (p_.phase) {
            case Phase::requested: p_.asked_hooks = false; return say(Do::preflight);
            case Phase::pulling: return say(Do::pull);
            case Phase::yielding: return say(Do::yield_old);
            case Phase::creating:
                for (std::size_t i = 0; i < p_.containers.size(); ++i)
                    if (p_.containers[i].in_wave && !p_.containers[i].created) say(Do::create, i);
                return;
            case Phase::starting:
            case Phase::verifying:
                for (std::size_t i = 0; i < p_.containers.size(); ++i) {
                    Container& one = p_.containers[i];
                    if (!one.in_wave) continue;
                    if (one.started) ask_directly(i);
                    else if (one.removing) say(Do::remove, i);
                    else if (!one.created) say(Do::create, i);
                    else one.asked_to_start = false;  // Those who may are named in advance().
                }
                if (p_.asked_proxy && p_.proxy != Word::pass) say(Do::ask_through);
                return;
            case Phase::switching: return say(Do::switch_route);
            case Phase::baking: return plan_.hooks_after && !p_.hooked ? run_hooks() : say(Do::bake);
            case Phase::draining: return say(Do::drain_old);
            case Phase::retiring: return say(Do::retire_old);
            case Phase::rolling_back: return undo_again();
            case Phase::done:
            case Phase::rolled_back:
            case Phase::superseded:
            case Phase::failed: return;
        }
    }

    // Where it was left: whoever was on the way, or the next step.
    void undo_again() {
        if (p_.leading_back) return say(Do::roll_back);
        for (std::size_t i = 0; i < p_.containers.size(); ++i)
            if (p_.containers[i].removing) say(Do::remove, i);
        for (std::size_t i = 0; i < p_.old.size(); ++i)
            if (p_.old[i].restoring) say(Do::restore_old, i);
        if (commands_.empty()) lead_back();
    }

    void enter(Phase phase) {
        const bool was_asking = starting_or_verifying();
        const bool was_yielding = p_.phase == Phase::yielding;
        p_.phase = phase;
        p_.asked_hooks = false;
        p_.entered = now_;
        p_.deadline = over(phase) ? Utc::max() : now_ + limit_of(plan_.deadlines, phase);
        if (phase == Phase::baking && plan_.hooks_after) p_.deadline = now_ + plan_.deadlines.hooks_after;
        if (was_asking && !starting_or_verifying()) say(Do::close_gates);
        if (phase == Phase::rolling_back) return begin_to_lead_back(was_yielding);
        // From starting to verifying everybody is being asked already.
        if (!(was_asking && phase == Phase::verifying)) give_commands();
    }

    void fail(Fault why, std::string text) {
        if (p_.phase == Phase::rolling_back) return;
        p_.fault = why;
        p_.text = std::move(text);
        enter(Phase::rolling_back);
    }

    // What was missing when the time to verify was over; the worst that was seen wins over mere silence.
    Fault unverified() const {
        if (any([](const ContainerPlan& plan, const Container& one) { return plan.container_health && one.health == Word::fail; })) return Fault::container_unhealthy;
        if (any([](const ContainerPlan& plan, const Container& one) { return plan.direct && !plan.one_shot && one.direct != Word::pass; })) return Fault::not_ready;
        if (p_.asked_proxy && p_.proxy != Word::pass) return p_.fault == Fault::none ? Fault::proxy_failed : p_.fault;
        return Fault::timed_out;
    }

    void ask_directly(std::size_t i) {
        const ContainerPlan& plan = plan_.containers[i];
        const Container& one = p_.containers[i];
        if (plan.direct && !plan.one_shot && one.in_wave && one.started && one.direct != Word::pass) say(Do::ask_directly, i);
    }

    Phase after_baking() const { return plan_.has_old ? Phase::draining : Phase::done; }
    bool starting_or_verifying() const { return p_.phase == Phase::starting || p_.phase == Phase::verifying; }
    bool before_switch() const { return p_.phase < Phase::switching; }
    // An end of a container is its end for users as long as there is a way back.
    bool matters(const Container& one) const {
        if (one.removing || p_.phase >= Phase::draining) return false;
        return one.serving || (one.in_wave && p_.phase >= Phase::starting);
    }
    Container* at(std::size_t i) { return i < p_.containers.size() ? &p_.containers[i] : nullptr; }
    void note(std::string_view text) { p_.text = text; }
    void say(Do what, std::size_t container = 0) { commands_.push_back({what, container}); }
    template <class Fn>
    bool all(Fn&& fn) const {
        for (std::size_t i = 0; i < p_.containers.size(); ++i)
            if (p_.containers[i].in_wave && !fn(plan_.containers[i], p_.containers[i])) return false;
        return true;
    }
    template <class Fn>
    bool any(Fn&& fn) const {
        return !all([&](const ContainerPlan& plan, const Container& one) { return !fn(plan, one); });
    }

    const Plan& plan_;
    Progress& p_;
    Utc now_;
    std::vector<Command> commands_;
};

}  // namespace

Progress begin(const Plan& plan, Utc now) {
    Progress progress;
    progress.entered = now;
    progress.deadline = now + plan.deadlines.requested;
    progress.containers.resize(plan.containers.size());
    progress.old.resize(plan.in_waves() ? plan.old.size() : 0);
    for (std::size_t i = 0; i < plan.containers.size(); ++i) {
        progress.containers[i].in_wave = !plan.in_waves();
        progress.containers[i].created = plan.containers[i].external || plan.containers[i].made;
        progress.containers[i].started = plan.containers[i].external;
    }
    return progress;
}

std::vector<Command> step(const Plan& plan, Progress& progress, const Event& event, Utc now) { return Step(plan, progress, now).take(event); }

Duration longest(const Plan& plan) {
    const Deadlines& limits = plan.deadlines;
    const WaveCounts often = wave_counts(plan);
    Duration sum{0};
    for (Phase phase = Phase::requested; phase <= Phase::rolling_back; phase = static_cast<Phase>(std::to_underlying(phase) + 1)) {
        const bool in_loop = phase >= Phase::creating && phase <= Phase::switching;
        sum += limit_of(limits, phase) * (phase == Phase::yielding ? often.yields : in_loop ? often.waves : 1);
    }
    return sum;
}

Utc next_look(const Plan& plan, const Progress& progress) {
    Utc next = progress.deadline;
    for (std::size_t i = 0; i < progress.containers.size(); ++i)
        if (const auto until = patience(plan, progress, i)) next = std::min(next, *until);
    return next;
}

}  // namespace hale::rollout
