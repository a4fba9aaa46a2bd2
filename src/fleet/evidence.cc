#include "fleet/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"

namespace hale::fleet {

using docker::ContainerState;
using docker::EventKind;
using docker::HealthStatus;
using verdict::Outcome;
using verdict::Reason;

namespace {

// Signals by which nobody ends: hangup, the two of users, child, continue, window. Those that end by default are the others.
bool asks_to_end(std::string_view signal) {
    constexpr std::array<std::string_view, 12> others{"1", "10", "12", "17", "18", "28", "HUP", "USR1", "USR2", "CHLD", "CONT", "WINCH"};
    if (signal.starts_with("SIG")) signal.remove_prefix(3);
    return std::ranges::find(others, signal) == others.end();
}

// Images name them, events number them.
std::string number_of(std::string_view signal) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> names{{{"HUP", "1"}, {"INT", "2"}, {"QUIT", "3"}, {"KILL", "9"}, {"USR1", "10"}, {"USR2", "12"}, {"TERM", "15"}, {"WINCH", "28"}}};
    if (signal.starts_with("SIG")) signal.remove_prefix(3);
    for (const auto& [name, number] : names)
        if (signal == name) return std::string(number);
    return signal.empty() ? "15" : std::string(signal);
}

}  // namespace

void Evidence::heard(const docker::Event& event, Instant now) {
    if (!event.name.empty()) name_ = event.name;
    switch (event.kind) {
        case EventKind::start:
            state_ = ContainerState::running;
            health_ = HealthStatus::none;
            asked_to_end_ = end_counted_ = out_of_memory_ = false;
            ending_until_ = Instant::min();
            break;
        case EventKind::kill:
            asked_to_end_ = asked_to_end_ || asks_to_end(event.signal) || number_of(event.signal) == stop_signal_;
            if (number_of(event.signal) == stop_signal_ || number_of(event.signal) == "9") ending_until_ = now + stop_time_ + stop_time_margin;
            break;
        case EventKind::stop:
            asked_to_end_ = true;
            break;
        case EventKind::oom:
            out_of_memory_ = true;
            break;
        case EventKind::die:
            state_ = ContainerState::exited;
            if (event.exit_code) exit_code_ = *event.exit_code;
            if (!end_counted_ && !asked_to_end_) ends_.push_back(now);
            end_counted_ = true;
            break;
        case EventKind::rename: case EventKind::health_status: case EventKind::create: case EventKind::restart: case EventKind::pause:
        case EventKind::unpause: case EventKind::update: case EventKind::destroy: case EventKind::other: break;
    }
    while (ends_.size() > loop_ends) ends_.pop_front();
}

void Evidence::seen(const docker::Inspected& container, Instant now) {
    name_ = container.name;
    state_ = container.state;
    removed_ = false;
    const bool ended = state_ == ContainerState::exited || state_ == ContainerState::dead || state_ == ContainerState::restarting;
    if (ended) {
        exit_code_ = container.exit_code;
        out_of_memory_ = out_of_memory_ || container.oom_killed;
        // While the engine was away nobody heard of it.
        if (!end_counted_ && !asked_to_end_ && container.started) ends_.push_back(now);
        end_counted_ = true;
    } else if (running()) {
        end_counted_ = false;
        out_of_memory_ = false;
        // Nobody heard how it was started again.
        if (container.started != started_) asked_to_end_ = false, ending_until_ = Instant::min();
    }
    if (container.started) started_ = container.started;
    stop_signal_ = number_of(container.stop_signal);
    stop_time_ = container.stop_timeout.value_or(usual_stop_time);
    health_ = container.health ? container.health->status : HealthStatus::none;
    health_said_.clear();
    if (container.health && !container.health->log.empty()) {
        const auto& last = container.health->log.back();
        health_said_ = fmt::format("exit code {}{}{}", last.exit_code, last.output.empty() ? "" : ": ", escaped(last.output, most_evidence_bytes));
    }
    while (ends_.size() > loop_ends) ends_.pop_front();
}

void Evidence::removed() {
    removed_ = true;
    state_ = ContainerState::dead;
}

std::size_t Evidence::ends_within(Instant now) const {
    return static_cast<std::size_t>(std::ranges::count_if(ends_, [&](Instant at) { return now - at < loop_window; }));
}

bool Evidence::in_hand() const {
    return state_ == ContainerState::paused || (asked_to_end_ && (state_ == ContainerState::exited || state_ == ContainerState::dead));
}

bool Evidence::ended_badly() const {
    return (state_ == ContainerState::exited || state_ == ContainerState::dead) && !removed_ && !asked_to_end_ && end_counted_ && (exit_code_ != 0 || out_of_memory_);
}

std::shared_ptr<const catalog::ContainerWord> Evidence::word(Instant now) const {
    catalog::ContainerWord out;
    const auto say = [&](Outcome outcome, Reason reason, std::string what) {
        out.outcome = outcome;
        out.reason = reason;
        out.text = fmt::format("container {}: {}", name_, what);
        return std::make_shared<const catalog::ContainerWord>(std::move(out));
    };
    if (removed_) return say(Outcome::fail, Reason::container_exited, "was removed");
    const bool looping = ends_within(now) >= loop_ends;
    const std::string how = fmt::format("exited with code {}{}", exit_code_, out_of_memory_ ? " (out of memory)" : "");
    switch (state_) {
        case ContainerState::unknown:
        case ContainerState::created: return nullptr;
        case ContainerState::running:
            if (now < ending_until_) return say(Outcome::fail, Reason::container_exited, "is being stopped");
            if (health_ == HealthStatus::unhealthy) {
                out.evidence = health_said_;
                return say(Outcome::fail, Reason::container_unhealthy, fmt::format("its health check fails{}{}", health_said_.empty() ? "" : ": ", health_said_));
            }
            if (looping) return say(Outcome::warn, Reason::crash_loop, fmt::format("ended {} times within {}, the last time with code {}; it runs again", loop_ends, human(loop_window), exit_code_));
            if (health_ == HealthStatus::healthy) return say(Outcome::pass, Reason::ok, "runs, and its health check passes");
            return say(Outcome::pass, Reason::ok, health_ == HealthStatus::starting ? "runs, and its health check has not passed yet" : "runs");
        case ContainerState::paused: return say(Outcome::fail, Reason::container_unhealthy, "is paused");
        case ContainerState::restarting:
        case ContainerState::exited:
        case ContainerState::removing:
        case ContainerState::dead: break;
    }
    if (looping) return say(Outcome::fail, Reason::crash_loop, fmt::format("ended {} times within {}; it {}", loop_ends, human(loop_window), how));
    return say(Outcome::fail, out_of_memory_ ? Reason::container_oom : Reason::container_exited, how);
}

Instant Evidence::changes_at(Instant now) const {
    if (state_ != ContainerState::running) return never;
    if (now < ending_until_) return ending_until_;
    if (ends_within(now) < loop_ends) return never;
    return ends_[ends_.size() - loop_ends] + loop_window;
}

}  // namespace hale::fleet
