// Goal: the engine's word takes an instance out of traffic at once and gives it back, and never does more: it makes nobody healthy, no
// silence of the engine ends it, and neither flapping nor doubt about ourselves holds it up.
// Method: a checker over a server that answers or not, given every word in turn by assignments, as control does.

#include <gtest/gtest.h>

#include "probe/checker.h"
#include "probe/test_world.h"

namespace hale::probe::test {
namespace {

constexpr auto web = "10.0.0.5:3000";

struct Housed {
    explicit Housed(std::vector<std::shared_ptr<config::CheckSpec>> checks) : specs(std::move(checks)) {
        auto own = std::make_shared<config::CheckSpec>();
        own->name = "container";
        own->what = config::ContainerCheck{};
        own->timing.rise = own->timing.fall = 1;
        specs.push_back(std::move(own));
        say(nullptr);
    }
    void say(std::shared_ptr<const catalog::ContainerWord> word, std::uint16_t generation = 1) {
        auto assignment = bench.assignment(0, web, specs, generation);
        assignment.container = std::move(word);
        bench.assign(std::move(assignment));
        bench.run_for(2ms);
    }
    void say(Outcome outcome, Reason reason = Reason::ok) {
        say(std::make_shared<const catalog::ContainerWord>(
            catalog::ContainerWord{.outcome = outcome, .reason = reason, .text = "container web: " + std::string(verdict::code(reason)), .evidence = "e"}));
    }

    Bench bench{1};
    Server server{bench.network, bench.loop, "web", web};
    std::vector<std::shared_ptr<config::CheckSpec>> specs;
};

TEST(Container, AFailIsFinalAndAPassGivesBackWhatTheOthersSay) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy)) << "an engine that never spoke is no reason to wait";
    for (const Reason reason : {Reason::container_exited, Reason::container_oom, Reason::container_unhealthy, Reason::crash_loop}) {
        housed.say(Outcome::fail, reason);
        EXPECT_EQ(housed.bench.state(0), State::unhealthy) << "at once";
        const auto record = housed.bench.record(0);
        EXPECT_EQ(record->reason, reason);
        EXPECT_EQ(record->decided_by, "container");
        EXPECT_EQ(record->text, "container web: " + std::string(verdict::code(reason)));
        ASSERT_EQ(record->deciding.size(), 1u);
        EXPECT_EQ(record->deciding[0].evidence, "e");
        housed.say(Outcome::pass);
        EXPECT_EQ(housed.bench.state(0), State::healthy) << "the other check never failed";
    }
    housed.say(Outcome::warn, Reason::crash_loop);
    EXPECT_EQ(housed.bench.state(0), State::degraded);
    housed.bench.run_for(24h);
    EXPECT_EQ(housed.bench.state(0), State::degraded) << "no time passes for it";
    EXPECT_FALSE(housed.bench.word(0).flags.has(Flag::stale));
    EXPECT_FALSE(housed.bench.word(0).flags.has(Flag::flapping));
    EXPECT_TRUE(housed.bench.first_failures.empty());
}

TEST(Container, WhyNobodyAnswersIsThatItEnded) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy));
    housed.server.stop_listening();
    housed.server.close_all();
    ASSERT_TRUE(housed.bench.until(0, State::unhealthy));
    housed.bench.run_for(2ms);  // Until it is reported.
    EXPECT_EQ(housed.bench.record(0)->reason, Reason::connect_refused);
    housed.say(Outcome::fail, Reason::container_oom);
    EXPECT_EQ(housed.bench.record(0)->reason, Reason::container_oom);
    housed.say(Outcome::pass);
    EXPECT_EQ(housed.bench.record(0)->reason, Reason::connect_refused);
}

TEST(Container, ItMakesNobodyHealthy) {
    Housed silent({Bench::http()});
    silent.server.stop_listening();
    silent.server.close_all();
    silent.say(Outcome::pass);
    silent.bench.run_for(100ms);
    EXPECT_NE(silent.bench.state(0), State::healthy);

    auto none = std::make_shared<config::CheckSpec>();
    none->what = config::Unchecked{"it has nothing to ask"};
    Housed unchecked({none});
    EXPECT_EQ(unchecked.bench.state(0), State::unknown);
    EXPECT_EQ(unchecked.bench.record(0)->reason, Reason::unchecked);
    unchecked.say(Outcome::pass);
    EXPECT_EQ(unchecked.bench.state(0), State::unknown);
    EXPECT_EQ(unchecked.bench.record(0)->reason, Reason::unchecked);
    unchecked.say(Outcome::fail, Reason::container_exited);
    EXPECT_EQ(unchecked.bench.state(0), State::unhealthy);
    unchecked.say(Outcome::pass);
    EXPECT_EQ(unchecked.bench.record(0)->reason, Reason::unchecked);
}

TEST(Container, DoubtAboutOurselvesDoesNotHoldItUp) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy));
    housed.bench.send(catalog::SuspectSelf{5s});
    housed.say(Outcome::fail, Reason::container_exited);
    EXPECT_EQ(housed.bench.state(0), State::unhealthy);
}

TEST(Container, HoweverOftenItEndsOneStartIsEnough) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy));
    for (int i = 0; i < 40; ++i) {
        housed.say(Outcome::fail, Reason::container_exited);
        EXPECT_EQ(housed.bench.state(0), State::unhealthy);
        housed.say(Outcome::pass);
        EXPECT_EQ(housed.bench.state(0), State::healthy) << i;
    }
}

TEST(Container, AGateAsksTheOthersAlone) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy));
    std::optional<catalog::GateOutcome> outcome;
    catalog::OpenGate gate{.row = 0, .generation = 1, .gate = 1, .timeout = 10s, .reply = [&](catalog::GateOutcome how) { outcome = std::move(how); }};
    housed.bench.send(std::move(gate));
    housed.bench.run_for(3s);
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, catalog::GateEnd::passed);
}

TEST(Container, WhoAsksNowHearsWhatWasSaidLast) {
    Housed housed({Bench::http()});
    housed.say(Outcome::fail, Reason::container_exited);
    const auto answers = housed.bench.probe_now(0);
    ASSERT_EQ(answers.size(), 2u);
    const auto own = std::ranges::find(answers, "container", &catalog::ProbeAnswer::check);
    ASSERT_NE(own, answers.end());
    EXPECT_EQ(own->observation.reason, Reason::container_exited);
}

TEST(Container, ANewGenerationIsToldAgain) {
    Housed housed({Bench::http()});
    ASSERT_TRUE(housed.bench.until(0, State::healthy));
    const auto word = std::make_shared<const catalog::ContainerWord>(catalog::ContainerWord{.outcome = Outcome::fail, .reason = Reason::container_exited, .text = "t", .evidence = ""});
    housed.say(word, 2);
    EXPECT_EQ(housed.bench.state(0), State::unhealthy);
    EXPECT_EQ(housed.bench.word(0).generation, 2);
}

}  // namespace
}  // namespace hale::probe::test
