#include "rollout/machine.h"

#include <algorithm>
#include <utility>

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
        case Phase::creating: return limits.creating;
        case Phase::starting: return limits.starting;
        case Phase::verifying: return limits.verifying;
        case Phase::switching: return limits.switching;
        case Phase::baking: return limits.baking;
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
        enter(plan_.pull ? Phase::pulling : Phase::creating);
    }
    void on(const Pulled&) {
        if (p_.phase == Phase::pulling) enter(Phase::creating);
    }
    void on(const Created& event) {
        if (Container* one = at(event.container)) one->created = true;
    }
    void on(const Started& event) {
        Container* one = at(event.container);
        if (one == nullptr || !starting_or_verifying() || one->started) return;
        one->started = true;
        ask_directly(event.container);
    }
    void on(const Health& event) {
        Container* one = at(event.container);
        if (one == nullptr || !before_switch()) return;
        one->health = event.healthy ? Word::pass : Word::fail;
        if (!event.healthy) note(event.text);
    }
    void on(const Ended& event) {
        Container* one = at(event.container);
        if (one == nullptr || !candidate_matters()) return;
        if (event.oom) return fail(Fault::container_oom, event.text);
        if (!plan_.containers[event.container].one_shot) return fail(Fault::container_exited, event.text);
        if (event.exit_code != 0) return fail(Fault::one_shot_failed, event.text);
        one->started = one->ended = true;
    }
    void on(const Looping& event) {
        if (at(event.container) != nullptr && candidate_matters()) fail(Fault::crash_loop, event.text);
    }
    void on(const Direct& event) {
        Container* one = at(event.container);
        if (one == nullptr || !starting_or_verifying() || one->direct == Word::pass) return;
        one->direct = event.passed ? Word::pass : Word::fail;
        if (!event.passed) note(event.text);
    }
    void on(const Through& event) {
        if (p_.phase != Phase::verifying || !p_.asked_proxy || p_.proxy == Word::pass) return;
        p_.proxy = event.passed ? Word::pass : Word::fail;
        if (!event.passed) note(event.text), p_.fault = event.missing ? Fault::route_missing : Fault::proxy_failed;
        else p_.fault = Fault::none;
    }
    void on(const Switched&) {
        if (p_.phase != Phase::switching) return;
        p_.users_switched = true;
        p_.text.clear();
        enter(plan_.deadlines.baking > Duration{0} ? Phase::baking : after_baking());
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
        if (p_.phase < Phase::draining) fail(event.fault, event.text);
        else if (p_.phase != Phase::rolling_back) note(event.text);
    }
    void on(const Abort& event) {
        // From draining on there is nothing to go back to.
        if (p_.phase < Phase::draining) fail(event.why, event.text);
    }
    void on(const Tick&) {
        if (now_ < p_.deadline) return;
        switch (p_.phase) {
            case Phase::baking: return enter(after_baking());  // Nothing bad was seen for so long.
            case Phase::draining: return enter(plan_.retire_old ? Phase::retiring : Phase::done);
            case Phase::retiring: return enter(Phase::done);
            case Phase::rolling_back: return enter(Phase::failed);  // Nobody knows whether it is undone: that is no rolled_back.
            case Phase::verifying: return fail(unverified(), p_.text);
            default: return fail(Fault::timed_out, p_.text);
        }
    }

    // ── What follows by itself ──

    void advance() {
        if (p_.phase == Phase::creating && all([](const ContainerPlan&, const Container& one) { return one.created; })) enter(Phase::starting);
        if (p_.phase == Phase::starting) {
            start_those_who_may();
            if (all([](const ContainerPlan&, const Container& one) { return one.started; })) enter(Phase::verifying);
        }
        if (p_.phase != Phase::verifying) return;
        const bool directly = all([](const ContainerPlan& plan, const Container& one) { return !plan.direct || plan.one_shot || one.direct == Word::pass; });
        const bool routed = std::ranges::any_of(plan_.containers, &ContainerPlan::routed);
        if (directly && routed && !p_.asked_proxy) {
            p_.asked_proxy = true;
            say(Do::ask_through);
        }
        const bool healthy = all([](const ContainerPlan& plan, const Container& one) {
            return plan.one_shot ? one.ended : !plan.container_health || one.health == Word::pass;
        });
        if (directly && healthy && (!routed || p_.proxy == Word::pass)) enter(Phase::switching);
    }

    void start_those_who_may() {
        for (std::size_t i = 0; i < p_.containers.size(); ++i) {
            Container& one = p_.containers[i];
            if (one.started || one.asked_to_start || !may_start(i)) continue;
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
            case Phase::requested: return say(Do::preflight);
            case Phase::pulling: return say(Do::pull);
            case Phase::creating:
                for (std::size_t i = 0; i < p_.containers.size(); ++i)
                    if (!p_.containers[i].created) say(Do::create, i);
                return;
            case Phase::starting:
            case Phase::verifying:
                for (std::size_t i = 0; i < p_.containers.size(); ++i) {
                    if (p_.containers[i].started) ask_directly(i);
                    else p_.containers[i].asked_to_start = false;  // Those who may are named in advance().
                }
                if (p_.asked_proxy && p_.proxy != Word::pass) say(Do::ask_through);
                return;
            case Phase::switching: return say(Do::switch_route);
            case Phase::baking: return say(Do::bake);
            case Phase::draining: return say(Do::drain_old);
            case Phase::retiring: return say(Do::retire_old);
            case Phase::rolling_back: return say(Do::roll_back);
            case Phase::done:
            case Phase::rolled_back:
            case Phase::superseded:
            case Phase::failed: return;
        }
    }

    void enter(Phase phase) {
        const bool was_asking = starting_or_verifying();
        p_.phase = phase;
        p_.entered = now_;
        p_.deadline = over(phase) ? Utc::max() : now_ + limit_of(plan_.deadlines, phase);
        if (was_asking && !starting_or_verifying()) say(Do::close_gates);
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
        const auto some = [&](auto&& which) {
            for (std::size_t i = 0; i < p_.containers.size(); ++i)
                if (which(plan_.containers[i], p_.containers[i])) return true;
            return false;
        };
        if (some([](const ContainerPlan& plan, const Container& one) { return plan.container_health && one.health == Word::fail; })) return Fault::container_unhealthy;
        if (some([](const ContainerPlan& plan, const Container& one) { return plan.direct && !plan.one_shot && one.direct != Word::pass; })) return Fault::not_ready;
        if (p_.asked_proxy && p_.proxy != Word::pass) return p_.fault == Fault::none ? Fault::proxy_failed : p_.fault;
        return Fault::timed_out;
    }

    void ask_directly(std::size_t i) {
        const ContainerPlan& plan = plan_.containers[i];
        if (plan.direct && !plan.one_shot && p_.containers[i].direct != Word::pass) say(Do::ask_directly, i);
    }

    Phase after_baking() const { return plan_.has_old ? Phase::draining : Phase::done; }
    bool starting_or_verifying() const { return p_.phase == Phase::starting || p_.phase == Phase::verifying; }
    bool before_switch() const { return p_.phase < Phase::switching; }
    // An end of a container is its end for users as long as there is a way back.
    bool candidate_matters() const { return p_.phase >= Phase::starting && p_.phase < Phase::draining; }
    Container* at(std::size_t i) { return i < p_.containers.size() ? &p_.containers[i] : nullptr; }
    void note(std::string_view text) { p_.text = text; }
    void say(Do what, std::size_t container = 0) { commands_.push_back({what, container}); }
    template <class Fn>
    bool all(Fn&& fn) const {
        for (std::size_t i = 0; i < p_.containers.size(); ++i)
            if (!fn(plan_.containers[i], p_.containers[i])) return false;
        return true;
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
    for (std::size_t i = 0; i < plan.containers.size(); ++i)
        if (plan.containers[i].external) progress.containers[i].created = progress.containers[i].started = true;
    return progress;
}

std::vector<Command> step(const Plan& plan, Progress& progress, const Event& event, Utc now) { return Step(plan, progress, now).take(event); }

Duration longest(const Plan& plan) {
    const Deadlines& limits = plan.deadlines;
    Duration sum{0};
    for (Phase phase = Phase::requested; phase <= Phase::rolling_back; phase = static_cast<Phase>(std::to_underlying(phase) + 1)) sum += limit_of(limits, phase);
    return sum;
}

}  // namespace hale::rollout
