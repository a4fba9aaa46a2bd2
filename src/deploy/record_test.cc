// Goal: what is stored of a deployment is all of it: whoever goes on from it goes on with the same.
// Method: records of every kind through JSON and back; every member left out, or of another type, is refused and named.

#include "deploy/record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/random.h"
#include "rollout/words.h"
#include "sim/seed.h"

namespace hale::deploy {
namespace {

Utc at(std::int64_t n) { return Utc(Duration(1'795'270'000'000'000'000 + n)); }

Record example(std::uint64_t seed) {
    Random random(seed);
    const auto coin = [&] { return random.below(2) == 1; };
    const auto word = [&] { return static_cast<rollout::Word>(random.below(3)); };
    Record out{.id = "d-1", .service = "web", .actor = "ops \"x\"", .number = random.below(1'000), .created = at(1), .verifying_said = coin(), .containers = coin(), .keeps = coin(), .image = "web:2", .overrides = R"({"image":"web:2"})", .compose = coin() ? "services: {}" : "",
               .variables = {{"TAG", "2"}}, .way_back = {{"web-0-1", ""}}, .route_json = coin() ? "{}" : "", .candidates = {}, .parts = {}, .plan = {}, .progress = {}, .phases = {}, .seen = {}, .seen_whole = coin()};
    out.parts.push_back({.service = "web", .makes = coin() ? R"({"check":{"http":"/up"}})" : "", .declares = coin() ? "{}" : "", .declared = coin() ? "{}" : "", .leaves = coin(), .from = {"web-1"}, .before = {"10.0.0.1:80"}, .gone = {}});
    out.seen.push_back({at(3), "ended", 1, true, false, 137, rollout::Fault::none, "container web-1-1 ended"});
    out.seen.push_back({at(4), "failed", 0, false, false, 0, rollout::Fault::start_failed, "no"});
    for (std::uint64_t i = 0; i < 1 + random.below(4); ++i) {
        out.candidates.push_back({.name = fmt::format("web-1-{}", i), .service = coin() ? "web" : "", .container = coin() ? "web" : "", .target = fmt::format("10.0.1.{}:80", i), .kept = coin(), .reused = coin(),
                                  .image = coin() ? "web@sha256:1" : "", .unverified = coin() ? "so" : "", .observations = {"one", "two \u2192 \x01"}, .log = {"line"}, .address = "10.0.1.1:80", .host = "web.example", .path = "/up"});
        rollout::ContainerPlan plan{.name = fmt::format("c{}", i), .external = coin(), .made = coin(), .one_shot = coin(), .container_health = coin(), .direct = coin(), .routed = coin(), .after = {}};
        if (i > 0) plan.after.push_back({random.below(i), static_cast<rollout::Needs>(random.below(3))});
        out.plan.containers.push_back(plan);
        out.progress.containers.push_back({.created = coin(), .asked_to_start = coin(), .started = coin(), .ended = coin(), .health = word(), .direct = word()});
    }
    out.plan.deadlines = {.requested = 1ns, .pulling = 2s, .creating = 3s, .starting = 4s, .verifying = 5s, .switching = 6s, .baking = 7s, .draining = 8s, .retiring = 9s, .rolling_back = 10s};
    out.plan.pull = coin(), out.plan.has_old = coin(), out.plan.retire_old = coin();
    auto& now = out.progress;
    now.phase = static_cast<rollout::Phase>(random.below(15));
    now.entered = at(7), now.deadline = rollout::over(now.phase) ? Utc::max() : at(8);
    now.proxy = word(), now.asked_proxy = coin(), now.users_switched = coin();
    now.fault = static_cast<rollout::Fault>(random.below(22));
    now.text = "why";
    auto& plan = out.plan;
    plan.hooks_before = coin(), plan.hooks_after = coin(), plan.accept_pre_existing = coin();
    plan.breaker = static_cast<std::uint32_t>(random.below(9)), plan.replace_after = Duration(random.below(99));
    plan.most_running = static_cast<std::uint32_t>(random.below(9)), plan.least_serving = static_cast<std::uint32_t>(random.below(9));
    plan.deadlines.yielding = 11s, plan.deadlines.hooks_after = 12s;
    for (std::uint64_t i = 0; i < random.below(3); ++i) {
        plan.old.push_back(fmt::format("web-0-{}", i));
        now.old.push_back({.leaving = coin(), .stopped = coin(), .restoring = coin()});
    }
    for (auto& one : now.containers) one.in_wave = coin(), one.serving = coin(), one.removing = coin(), one.since = at(static_cast<std::int64_t>(random.below(9)));
    now.asked_hooks = coin(), now.hooked = coin(), now.accepted = coin(), now.leading_back = coin();
    now.failures = static_cast<std::uint32_t>(random.below(9)), now.wave = static_cast<std::uint32_t>(random.below(9));
    out.baked = coin() ? "40 requests, 2 failed" : "";
    out.phases = {{rollout::Phase::requested, at(1), at(2), "asked for"}, {now.phase, at(7), now.deadline, coin() ? "because" : ""}};
    return out;
}

TEST(Record, ComesBackAsItWas) {
    sim::for_each_seed(300, [](std::uint64_t seed) {
        const Record record = example(seed);
        const auto back = record_from(to_json(record));
        ASSERT_TRUE(back) << back.error().text;
        EXPECT_EQ(*back, record) << to_json(record);
        EXPECT_EQ(stored(record).over, rollout::over(record.progress.phase));
    });
}

TEST(Record, WhatIsMissingOrWrongIsRefused) {
    const auto whole = nlohmann::ordered_json::parse(to_json(example(7)));
    int refused = 0;
    const std::set<std::string> shown_alone{"created", "phase", "over", "entered", "deadline", "longest", "seconds", "users_switched", "fault", "proxy", "deadlines", "phases", "image", "digest", "application", "from", "before", "gone", "doing", "accepted", "baked", "failures", "waves"};
    for (const auto& [key, value] : whole.items()) {
        if (shown_alone.contains(key)) continue;
        for (const bool gone : {true, false}) {
            auto broken = whole;
            if (gone) broken.erase(key);
            else broken[key] = nlohmann::ordered_json{{"x", 1}};
            EXPECT_FALSE(record_from(broken.dump())) << key;
            ++refused;
        }
    }
    for (const auto& [key, value] : whole.at("kept").items()) {
        auto broken = whole;
        broken["kept"].erase(key);
        EXPECT_FALSE(record_from(broken.dump())) << key;
        ++refused;
    }
    EXPECT_GT(refused, 25);
    EXPECT_FALSE(record_from("no json"));
    auto newer = whole;
    newer["kept"]["phase"] = "hovering";
    EXPECT_NE(record_from(newer.dump()).error().text.find("this version does not know \"hovering\""), std::string::npos);
    auto fewer = whole;
    fewer["kept"]["containers"].erase(0);
    EXPECT_NE(record_from(fewer.dump()).error().text.find("its instances are not its plan's"), std::string::npos);
}

}  // namespace
}  // namespace hale::deploy
