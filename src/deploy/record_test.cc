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
    Record out{.id = "d-1", .service = "web", .actor = "ops \"x\"", .number = random.below(1'000), .created = at(1), .verifying_said = coin(), .containers = coin(), .image = "web:2", .overrides = R"({"image":"web:2"})", .service_json = coin() ? R"({"check":{"http":"/up"}})" : "",
               .route_json = coin() ? "{}" : "", .candidates = {}, .from = {"web-1"}, .before = {"10.0.0.1:80"}, .gone = {}, .plan = {}, .progress = {}, .phases = {}};
    for (std::uint64_t i = 0; i < 1 + random.below(4); ++i) {
        out.candidates.push_back({fmt::format("web-1-{}", i), fmt::format("10.0.1.{}:80", i), coin(), {"one", "two \u2192 \x01"}, {"line"}});
        rollout::ContainerPlan plan{.name = fmt::format("c{}", i), .external = coin(), .one_shot = coin(), .container_health = coin(), .direct = coin(), .routed = coin(), .after = {}};
        if (i > 0) plan.after.push_back({random.below(i), static_cast<rollout::Needs>(random.below(3))});
        out.plan.containers.push_back(plan);
        out.progress.containers.push_back({.created = coin(), .asked_to_start = coin(), .started = coin(), .ended = coin(), .health = word(), .direct = word()});
    }
    out.plan.deadlines = {.requested = 1ns, .pulling = 2s, .creating = 3s, .starting = 4s, .verifying = 5s, .switching = 6s, .baking = 7s, .draining = 8s, .retiring = 9s, .rolling_back = 10s};
    out.plan.pull = coin(), out.plan.has_old = coin(), out.plan.retire_old = coin();
    auto& now = out.progress;
    now.phase = static_cast<rollout::Phase>(random.below(14));
    now.entered = at(7), now.deadline = rollout::over(now.phase) ? Utc::max() : at(8);
    now.proxy = word(), now.asked_proxy = coin(), now.users_switched = coin();
    now.fault = static_cast<rollout::Fault>(random.below(19));
    now.text = "why";
    out.phases = {{rollout::Phase::requested, at(1), at(2)}, {now.phase, at(7), now.deadline}};
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
    const std::set<std::string> shown_alone{"created", "phase", "over", "entered", "deadline", "longest", "seconds", "users_switched", "fault", "proxy", "deadlines", "phases", "image"};
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
