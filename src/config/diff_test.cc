// Goal: a plan says what differs, neither more nor less. Method: one base file, one edit at a time.

#include "config/diff.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "config/load.h"
#include "tests/support/seed.h"

namespace hale::config {
namespace {

Document loaded(std::string text) {
    LoadRequest request;
    request.texts.push_back({"f", std::move(text)});
    auto document = load_document(request);
    if (!document) {
        ADD_FAILURE() << hale::config::text(document.error());
        return {};
    }
    return std::move(*document);
}

std::string file(std::string_view instances, std::string_view check, std::string_view more = "") {
    return fmt::format("services:\n  other: {{instances: [\"10.9.9.9:1\"]}}\n  web:\n    instances: [{}]\n    check: {{{}}}\n{}", instances, check, more);
}

const std::string base = file("\"10.0.0.1:1\", \"10.0.0.2:1\", {name: c, address: \"10.0.0.3:1\"}", "http: /up");

Plan against_base(const std::string& text) { return diff(loaded(base), loaded(text)); }

TEST(Diff, NothingIsNothing) {
    const Plan plan = against_base(base);
    EXPECT_TRUE(plan.empty());
    EXPECT_TRUE(plan.text.empty());
    EXPECT_EQ(plan.unchanged_services, 2u);
    EXPECT_EQ(plan.unchanged_instances, 4u);
}

TEST(Diff, OrderOfInstancesMeansNothing) {
    EXPECT_TRUE(against_base(file("{name: c, address: \"10.0.0.3:1\"}, \"10.0.0.2:1\", \"10.0.0.1:1\"", "http: /up")).empty());
}

TEST(Diff, TimingIsToldFromTheQuestion) {
    const std::string same_instances = "\"10.0.0.1:1\", \"10.0.0.2:1\", {name: c, address: \"10.0.0.3:1\"}";
    const Plan timing = against_base(file(same_instances, "http: /up, interval: 9s, fall: 5"));
    ASSERT_EQ(timing.services.size(), 1u);
    EXPECT_TRUE(timing.services[0].timing_only());
    EXPECT_EQ(timing.text, std::vector<std::string>{"~ service web: ~ check main: timing or thresholds: verdict and counters are kept"});
    const Plan question = against_base(file(same_instances, "http: /other"));
    EXPECT_TRUE(question.services[0].question_changed());
    EXPECT_FALSE(question.services[0].timing_only());
    const Plan expectation = against_base(file(same_instances, "http: /up, expect: [\"[STATUS] == 200\"]"));
    EXPECT_TRUE(expectation.services[0].question_changed());
}

TEST(Diff, InstancesComeGoMoveAndWeigh) {
    const Plan plan = against_base(file("\"10.0.0.2:1\", \"10.0.0.4:1\", {name: c, address: \"10.0.0.5:1\", weight: 3}", "http: /up"));
    ASSERT_EQ(plan.services.size(), 1u);
    EXPECT_EQ(plan.text, (std::vector<std::string>{
                             "~ service web: ~ instance c: address 10.0.0.3:1 → 10.0.0.5:1: a new generation beside the old one",
                             "~ service web: ~ instance c: weight 1 → 3",
                             "~ service web: - instance web-1 at 10.0.0.1:1",
                             "~ service web: + instance web-2 at 10.0.0.4:1",
                         }));
    EXPECT_EQ(plan.unchanged_instances, 2u);
}

TEST(Diff, ServicesRoutesAndSettings) {
    const Plan plan = diff(loaded("services:\n  a: {instances: [\"10.0.0.1:1\"], hosts: [a.example], check: {http: /}}\n"),
                           loaded("listen: {http: \":80\"}\ndrain_timeout: 1s\nservices:\n  b: {instances: [\"10.0.0.1:1\"], hosts: [a.example, b.example], check: {http: /}}\n"));
    EXPECT_EQ(plan.text, (std::vector<std::string>{
                             "~ listen.http: none → [::]:80 (takes effect at the next start)",
                             "~ drain_timeout: 30s → 1s",
                             "- service a: 1 instances",
                             "+ service b: 1 instances, 1 checks",
                             "~ route a.example/ → b",
                             "+ route b.example/ → b",
                         }));
}

// Property: applying the plan's instance changes to the old list gives the new one, whatever the lists.
TEST(Diff, EveryInstanceIsAccountedForOnce) {
    const std::uint64_t seed = test_seed();
    Random random(seed);
    for (int round = 0; round < 200; ++round) {
        SCOPED_TRACE(fmt::format("{}, round {}", seed_text(seed), round));
        const auto make = [&] {
            ServiceSpec service;
            service.name = "s";
            for (std::uint64_t n = 0; n < 6; ++n) {
                if (random.one_in(2)) continue;
                InstanceSpec instance;
                instance.named = random.one_in(3);
                instance.name = fmt::format("{}{}", instance.named ? "n" : "s-", n);
                instance.target = *Target::parse(fmt::format("10.0.0.{}:1", instance.named ? random.below(3) : n));
                service.instances.push_back(instance);
            }
            for (std::size_t i = service.instances.size(); i > 1; --i) std::swap(service.instances[i - 1], service.instances[random.below(i)]);
            return service;
        };
        const ServiceSpec a = make(), b = make();
        const auto change = diff(a, b);
        std::size_t added = 0, removed = 0;
        if (change) {
            for (const InstanceChange& one : change->instances) {
                added += one.turn == Turn::added;
                removed += one.turn == Turn::removed;
                if (one.turn != Turn::changed) continue;
                EXPECT_EQ(a.instances[*one.before].name, b.instances[*one.after].name);
            }
        }
        const auto has = [](const ServiceSpec& in, const InstanceSpec& what) {
            return std::ranges::any_of(in.instances, [&](const InstanceSpec& one) {
                return one.named == what.named && (one.named ? one.name == what.name : one.target.declared == what.target.declared);
            });
        };
        EXPECT_EQ(added, static_cast<std::size_t>(std::ranges::count_if(b.instances, [&](const auto& one) { return !has(a, one); })));
        EXPECT_EQ(removed, static_cast<std::size_t>(std::ranges::count_if(a.instances, [&](const auto& one) { return !has(b, one); })));
    }
}

}  // namespace
}  // namespace hale::config
