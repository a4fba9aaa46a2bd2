// Goal: one engine (V6): the same answer gives the same outcome, reason, phase and sentence, whoever asked.
// Method: servers of every manner and several statuses; each is asked as the schedule does, on demand, for a gate,
// and as `hale check URL` does in its own process. What they saw must be equal, but for who asked and how long it took.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "probe/engine.h"
#include "probe/test_world.h"
#include "probe/words.h"

namespace hale::probe::test {
namespace {

using verdict::Observation;

constexpr auto web = "10.0.0.5:3000";

// "12.3 ms" and "1m02s" differ from probe to probe: lengths of time become one word.
std::string without_lengths(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const bool begins = text[i] >= '0' && text[i] <= '9' && (i == 0 || text[i - 1] == ' ');
        std::size_t end = i;
        while (begins && end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
        std::size_t unit = end + (end < text.size() && text[end] == ' ' ? 1 : 0);
        for (const std::string_view name : {"ns", "µs", "ms", "s"})
            if (end > i && text.substr(unit).starts_with(name)) {
                out += "TIME";
                i = unit + name.size();
                end = i;
                break;
            }
        if (end == i && begins) continue;
        out += text[i++];
    }
    return out;
}

// Of what was asked at `web`, with the sentence that follows from a plain pass.
std::string all_of(const Observation& seen, const std::shared_ptr<config::CheckSpec>& spec) {
    const auto target = *config::Target::parse(web);
    const std::string sentence = told(make_plan(spec), destination_of(target, target.literal, "", true), seen);
    EXPECT_FALSE(sentence.empty());
    std::string reached;
    for (const auto& [name, length] : {std::pair{"dns ", seen.timings.dns}, {"connect ", seen.timings.connect},
                                       {"first_byte ", seen.timings.first_byte}, {"total", seen.timings.total}})
        if (length >= Duration{0}) reached += name;
    return fmt::format("{} {} phase {} status {} reached [{}] at {}: {} | {}", verdict::to_text(seen.outcome), verdict::code(seen.reason),
                       verdict::to_text(seen.phase), seen.status, reached, seen.address.text(), without_lengths(sentence), seen.evidence);
}

Observation from_the_command_line(Bench& bench, const std::shared_ptr<config::CheckSpec>& spec) {
    struct Sink final : ProbeSink {
        std::optional<Observation> seen;
        void on_probed(Observation&& one) noexcept override { seen = std::move(one); }
    } sink;
    Engine engine(bench.loop, bench.network.net("hale", bench.loop), bench.resolver, nullptr, {});
    const Plan plan = make_plan(spec);
    const auto target = *config::Target::parse(web);
    const Destination to = destination_of(target, target.literal, "", true);
    bench.loop.run([&] {
        engine.start({.plan = &plan, .to = to, .trigger = Trigger::on_demand, .fresh = true, .first_contact = true}, sink);
    });
    EXPECT_TRUE(bench.world.run_until([&] { return sink.seen.has_value(); }, 60s));
    bench.loop.run([&] { engine.close(); });
    return sink.seen.value_or(Observation{});
}

struct Recorded {
    std::string name;
    Manner manner = Manner::answer;
    int status = 200;
    std::vector<std::string> conditions;
};

std::vector<Recorded> recordings() {
    std::vector<Recorded> all;
    for (const int status : {200, 204, 301, 404, 500, 503}) all.push_back({fmt::format("status {}", status), Manner::answer, status, {}});
    all.push_back({"a body that does not match", Manner::answer, 200, {"[BODY] == pat(*fine*)"}});
    all.push_back({"a header that warns", Manner::answer, 200, {"warn: [HEADER].x-ready == yes"}});
    for (int manner = static_cast<int>(Manner::silence); manner <= static_cast<int>(Manner::two_lengths); ++manner)
        if (static_cast<Manner>(manner) != Manner::speaks_first)  // Whether it speaks before it is asked is a race, not an answer.
            all.push_back({fmt::format("manner {}", manner), static_cast<Manner>(manner), 200, {}});
    return all;
}

class OneEngine : public testing::TestWithParam<Recorded> {};

TEST_P(OneEngine, V6TheSameAnswerGivesTheSameOutcomeWhoeverAsks) {
    const Recorded& recorded = GetParam();
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    server.manner = recorded.manner;
    server.status = recorded.status;
    auto spec = Bench::http(recorded.conditions);
    spec->connection = config::ConnectionMode::fresh;
    spec->timing.interval = 1h;  // One scheduled probe, and nobody confirms in between.
    spec->timing.confirm_interval = 1h;
    spec->timing.timeout = 500ms;
    bench.assign(bench.assignment(0, web, {spec}));
    bench.run_for(2s);
    ASSERT_EQ(bench.seen.size(), 1u);
    const catalog::Seen first = bench.seen.front();
    EXPECT_EQ(first.trigger, Trigger::scheduled);
    // A plain pass keeps no sentence of its own.
    const Observation scheduled = first.detail ? *first.detail
                                               : Observation{.outcome = first.outcome, .reason = first.reason, .phase = first.phase, .status = first.status,
                                                             .timings = first.timings, .address = *SocketAddress::parse(web)};

    const auto answers = bench.probe_now(0);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].observation.trigger, Trigger::on_demand);

    std::optional<catalog::GateOutcome> gate;
    bench.send(catalog::OpenGate{0, 1, 1, 3s, [&](catalog::GateOutcome end) { gate = std::move(end); }});
    ASSERT_TRUE(bench.world.run_until([&] { return gate.has_value(); }, 60s));
    ASSERT_FALSE(gate->observations.empty());
    EXPECT_EQ(gate->observations.front().trigger, Trigger::gate);

    const Observation here = from_the_command_line(bench, spec);

    // Whoever waits for an answer gets it with its sentence.
    for (const Observation& one : {answers[0].observation, gate->observations.front()}) {
        EXPECT_FALSE(one.text.empty());
        EXPECT_EQ(all_of(one, spec), all_of(scheduled, spec));
    }
    EXPECT_EQ(all_of(here, spec), all_of(scheduled, spec));
    for (const Vehicle vehicle : {answers[0].observation.vehicle, gate->observations.front().vehicle, here.vehicle, first.vehicle})
        EXPECT_EQ(vehicle, Vehicle::fresh);
    EXPECT_EQ(bench.leaks(), "");
}

INSTANTIATE_TEST_SUITE_P(Answers, OneEngine, testing::ValuesIn(recordings()), [](const auto& one) {
    std::string name = one.param.name;
    for (char& c : name)
        if (c == ' ') c = '_';
    return name;
});

}  // namespace
}  // namespace hale::probe::test
