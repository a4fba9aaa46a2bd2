// Goal: what the engine said of a container means the same whatever was heard of it and in which pieces; nobody's silence means
// anything. Method: every sequence of up to five things that happen, against an oracle that counts ends; each state by itself.

#include "fleet/evidence.h"

#include <gtest/gtest.h>

#include <vector>

namespace hale::fleet {
namespace {

using docker::ContainerState;
using docker::EventKind;
using verdict::Outcome;
using verdict::Reason;

docker::Inspected inspected(ContainerState state, std::int64_t code = 0, bool oom = false, docker::HealthStatus health = docker::HealthStatus::none) {
    docker::Inspected out;
    out.id = "c1";
    out.name = "web-1";
    out.state = state;
    out.exit_code = code;
    out.oom_killed = oom;
    if (state != ContainerState::created) out.started = Utc{1s};
    if (health != docker::HealthStatus::none) {
        out.health = docker::Health{.status = health, .failing_streak = 3, .log = {}};
        docker::HealthLogEntry entry;
        entry.exit_code = 1;
        entry.output = "can't connect\nto \x1b[31mdb";
        out.health->log.push_back(entry);
    }
    return out;
}

docker::Event event(EventKind kind, std::optional<std::int64_t> code = std::nullopt, std::string signal = "") {
    docker::Event out;
    out.kind = kind;
    out.id = "c1";
    out.name = "web-1";
    out.exit_code = code;
    out.signal = std::move(signal);
    return out;
}

constexpr Instant begin{1h};

TEST(Evidence, EachStateHasItsWord) {
    struct Case {
        docker::Inspected container;
        Outcome outcome;
        Reason reason;
        std::string_view text;
    };
    for (const auto& [container, outcome, reason, text] : std::vector<Case>{
             {inspected(ContainerState::running), Outcome::pass, Reason::ok, "container web-1: runs"},
             {inspected(ContainerState::running, 0, false, docker::HealthStatus::healthy), Outcome::pass, Reason::ok, "container web-1: runs, and its health check passes"},
             {inspected(ContainerState::running, 0, false, docker::HealthStatus::starting), Outcome::pass, Reason::ok, "container web-1: runs, and its health check has not passed yet"},
             {inspected(ContainerState::running, 0, false, docker::HealthStatus::unhealthy), Outcome::fail, Reason::container_unhealthy,
              "container web-1: its health check fails: exit code 1: can't connect\\nto \\x1b[31mdb"},
             {inspected(ContainerState::paused), Outcome::fail, Reason::container_unhealthy, "container web-1: is paused"},
             {inspected(ContainerState::exited, 1), Outcome::fail, Reason::container_exited, "container web-1: exited with code 1"},
             {inspected(ContainerState::exited, 137, true), Outcome::fail, Reason::container_oom, "container web-1: exited with code 137 (out of memory)"},
             {inspected(ContainerState::restarting, 2), Outcome::fail, Reason::container_exited, "container web-1: exited with code 2"},
             {inspected(ContainerState::dead, 3), Outcome::fail, Reason::container_exited, "container web-1: exited with code 3"},
         }) {
        Evidence one;
        one.seen(container, begin);
        const auto word = one.word(begin);
        ASSERT_TRUE(word);
        EXPECT_EQ(word->outcome, outcome) << text;
        EXPECT_EQ(word->reason, reason) << text;
        EXPECT_EQ(word->text, text);
        EXPECT_EQ(word->evidence.empty(), reason != Reason::container_unhealthy || container.state == ContainerState::paused);
    }
    Evidence fresh;
    EXPECT_FALSE(fresh.word(begin)) << "nothing was said";
    fresh.seen(inspected(ContainerState::created), begin);
    EXPECT_FALSE(fresh.word(begin)) << "it was never started";
}

TEST(Evidence, AnEndIsKnownByItsEventAlone) {
    Evidence one;
    one.seen(inspected(ContainerState::running), begin);
    one.heard(event(EventKind::oom), begin);
    one.heard(event(EventKind::die, 137), begin);
    EXPECT_EQ(one.word(begin)->reason, Reason::container_oom);
    EXPECT_EQ(one.word(begin)->text, "container web-1: exited with code 137 (out of memory)");
    one.heard(event(EventKind::start), begin);
    EXPECT_EQ(one.word(begin)->outcome, Outcome::pass);
}

TEST(Evidence, WhoeverWasStoppedLeavesAndWhoeverFellStaysToBeSeen) {
    for (const std::string_view signal : {"15", "9", "SIGTERM", "2"}) {
        Evidence one;
        one.seen(inspected(ContainerState::running), begin);
        one.heard(event(EventKind::kill, {}, std::string(signal)), begin);
        one.heard(event(EventKind::die, 137), begin);
        one.seen(inspected(ContainerState::exited, 137), begin);
        EXPECT_FALSE(one.ended_badly()) << signal;
        EXPECT_EQ(one.word(begin)->outcome, Outcome::fail) << "no request goes there while it leaves";
    }
    for (const std::string_view signal : {"1", "HUP", "10", "SIGUSR2"}) {
        Evidence one;
        one.seen(inspected(ContainerState::running), begin);
        one.heard(event(EventKind::kill, {}, std::string(signal)), begin);
        one.heard(event(EventKind::die, 1), begin + 1h);
        EXPECT_TRUE(one.ended_badly()) << signal << " asks nobody to end";
    }
    Evidence orderly;
    orderly.seen(inspected(ContainerState::running), begin);
    orderly.heard(event(EventKind::die, 0), begin);
    EXPECT_FALSE(orderly.ended_badly()) << "it had done its work";
    Evidence unheard;
    unheard.seen(inspected(ContainerState::running), begin);
    unheard.seen(inspected(ContainerState::exited, 1), begin);
    EXPECT_TRUE(unheard.ended_badly());
    unheard.removed();
    EXPECT_FALSE(unheard.ended_badly());
    EXPECT_EQ(unheard.word(begin)->text, "container web-1: was removed");
}

TEST(Evidence, WhoIsBeingStoppedIsLeftBeforeItEnds) {
    for (const std::string_view image_says : {"", "SIGQUIT", "SIGWINCH", "37"}) {
        auto container = inspected(ContainerState::running);
        container.stop_signal = image_says;
        container.stop_timeout = 20s;
        Evidence one;
        one.seen(container, begin);
        const std::string signal = image_says.empty() ? "15" : image_says == "SIGQUIT" ? "3" : image_says == "SIGWINCH" ? "28" : "37";
        one.heard(event(EventKind::kill, {}, signal == "15" ? "3" : "15"), begin);
        EXPECT_EQ(one.word(begin)->outcome, Outcome::pass) << "it ends by another signal";
        one.heard(event(EventKind::kill, {}, signal), begin);
        EXPECT_EQ(one.word(begin)->text, "container web-1: is being stopped");
        one.seen(container, begin);
        EXPECT_EQ(one.word(begin)->outcome, Outcome::fail) << "that it still runs is no news";
        EXPECT_EQ(one.changes_at(begin), begin + 25s);
        EXPECT_EQ(one.word(begin + 25s)->outcome, Outcome::pass) << "it did not mean to end";
        one.heard(event(EventKind::die, 0), begin);
        EXPECT_EQ(one.word(begin)->text, "container web-1: exited with code 0");
        EXPECT_FALSE(one.ended_badly());
        one.heard(event(EventKind::start), begin);
        EXPECT_EQ(one.word(begin)->outcome, Outcome::pass);
    }
}

// What happens: it ends by itself, is stopped, is started, is looked at, a minute passes, three minutes pass.
TEST(Evidence, EndsAreCountedOnceWhateverWasHeardOfThem) {
    std::size_t loops = 0, sequences = 0;
    for (int length = 1; length <= 7; ++length) {
        std::vector<int> steps(static_cast<std::size_t>(length));
        for (;;) {
            Evidence one;
            one.seen(inspected(ContainerState::running), begin);
            Instant now = begin;
            bool runs = true;
            std::vector<Instant> ends;
            for (const int step : steps) {
                if (step == 0 && runs) {
                    one.heard(event(EventKind::die, 1), now);
                    ends.push_back(now);
                    runs = false;
                } else if (step == 1 && runs) {
                    one.heard(event(EventKind::kill, {}, "15"), now);
                    one.heard(event(EventKind::die, 143), now);
                    one.heard(event(EventKind::stop), now);
                    runs = false;
                } else if (step == 2 && !runs) {
                    one.heard(event(EventKind::start), now);
                    runs = true;
                }
                if (step == 3) one.seen(inspected(runs ? ContainerState::running : ContainerState::exited, runs ? 0 : 1), now);
                if (step == 4) now += 2min;
                const auto recent = static_cast<std::size_t>(std::ranges::count_if(ends, [&](Instant at) { return now - at < loop_window; }));
                const auto word = one.word(now);
                ASSERT_TRUE(word);
                EXPECT_EQ(word->outcome == Outcome::fail, !runs);
                EXPECT_EQ(word->reason == Reason::crash_loop, recent >= loop_ends) << word->text;
                if (runs && recent >= loop_ends) {
                    EXPECT_EQ(word->outcome, Outcome::warn);
                    EXPECT_NE(one.word(one.changes_at(now))->reason, Reason::crash_loop);
                    EXPECT_EQ(one.word(one.changes_at(now) - 1ns)->reason, Reason::crash_loop);
                }
                loops += word->reason == Reason::crash_loop;
            }
            ++sequences;
            std::size_t at = 0;
            while (at < steps.size() && ++steps[at] == 5) steps[at++] = 0;
            if (at == steps.size()) break;
        }
    }
    EXPECT_GT(loops, 100u) << "of " << sequences;
}

}  // namespace
}  // namespace hale::fleet
