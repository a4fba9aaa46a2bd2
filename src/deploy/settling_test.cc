// Goal: what serves as it is stays, what was left for a way back is started again, and nothing unverified passes for verified.
// Method: plans of two containers against every state of what is there; each part of a container's making changes its print.

#include "deploy/settling.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "deploy/planning.h"

namespace hale::deploy {
namespace {

using State = docker::ContainerState;

Record record_of(std::size_t count, bool keeps) {
    Record out{.id = "d-9", .service = "web", .actor = "t", .number = 9, .containers = true, .keeps = keeps, .image = {}, .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .route_json = {},
               .candidates = {}, .parts = {}, .plan = {}, .progress = {}, .phases = {}, .seen = {}};
    out.parts.push_back({.service = "web", .makes = {}, .declares = {}, .declared = {}, .from = {"web-1-1", "web-1-2"}, .before = {}, .gone = {"web-1-1", "web-1-2"}});
    std::set<std::string> names;
    for (std::size_t i = 1; i <= count; ++i) {
        std::string name = free_name(names, "web", 9, i);
        out.plan.containers.push_back({.name = name, .direct = true, .after = {}});
        out.candidates.push_back({.name = name, .service = "web", .container = {}, .target = {}, .image = {}, .unverified = {}, .observations = {}, .log = {}});
    }
    out.progress = rollout::begin(out.plan, Utc(1h));
    return out;
}

Wanted wanted(const std::string& image = "sha256:1") {
    Wanted out;
    out.spec.image = "web:1";
    out.image.id = image;
    out.image.digests = {"web@sha256:d"};
    out.plan = container_plan(out.spec, {.service = "web", .deployment = "d-9", .number = 9, .application = {}, .container = {}}, "", 80);
    out.plan.labels[std::string(config_label)] = fingerprint(out.plan, image);
    return out;
}

docker::Listed listed(const std::string& name, State state, const std::string& print) {
    docker::Listed out;
    out.names = {name};
    out.state = state;
    out.image = "web:old";
    out.labels[std::string(config_label)] = print;
    return out;
}

TEST(Settling, WhatWouldBeMadeTheSameStaysAndTheRestIsMade) {
    const Wanted want = wanted();
    const std::string print = want.plan.labels.at(std::string(config_label));
    for (const bool keeps : {false, true})
        for (const State state : {State::running, State::exited, State::paused})
            for (const bool same : {false, true}) {
                Record record = record_of(3, keeps);
                ASSERT_TRUE(settle(record, {want, want, want}, {listed("web-1-1", state, same ? print : "other"), listed("stranger", State::running, print)}));
                const bool stays = keeps && same && state == State::running;
                EXPECT_EQ(record.candidates[0].name, stays ? "web-1-1" : "web-9-1");
                EXPECT_EQ(record.candidates[0].kept, stays);
                EXPECT_EQ(record.plan.containers[0].external, stays);
                EXPECT_EQ(record.progress.containers[0].started, stays);
                EXPECT_EQ(record.candidates[1].name, "web-9-2") << "nobody takes another's place, and who does not serve is nobody's";
                EXPECT_FALSE(record.candidates[1].kept);
                EXPECT_EQ(record.parts[0].gone, stays ? std::vector<std::string>{"web-1-2"} : (std::vector<std::string>{"web-1-1", "web-1-2"}));
                EXPECT_TRUE(record.plan.has_old);
                EXPECT_EQ(record.candidates[2].image, "web@sha256:d");
                // Settled again amid the same: the same.
                const Record once = record;
                ASSERT_TRUE(settle(record, {want, want, want}, {listed("web-1-1", state, same ? print : "other")}));
                EXPECT_EQ(record.candidates, once.candidates);
                EXPECT_EQ(record.plan, once.plan);
                // What stayed is gone meanwhile: one is made in its place, under a name of its own.
                ASSERT_TRUE(settle(record, {want, want, want}, {}));
                EXPECT_EQ(record.candidates[0].name.substr(0, 5), "web-9");
                EXPECT_FALSE(record.candidates[0].kept || record.progress.containers[0].started);
            }
}

// A Hale that lost its state gives a number again, and so a name that is taken.
TEST(Settling, AnEarlierHalesContainerKeepsItsName) {
    const Wanted want = wanted();
    auto theirs = listed("web-9-1", State::running, "other");
    for (const std::string deployment : {"d-former", "d-9", ""}) {
        theirs.labels[std::string(deployment_label)] = deployment;
        Record record = record_of(2, false);
        for (int again = 0; again < 2; ++again) {
            ASSERT_TRUE(settle(record, {want, want}, {theirs}));
            EXPECT_EQ(record.candidates[0].name, deployment == "d-former" ? "web-9-1-2" : "web-9-1") << "its own, or a stranger's, of which creating tells";
            EXPECT_EQ(record.plan.containers[0].name, record.candidates[0].name);
            EXPECT_EQ(record.candidates[1].name, "web-9-2");
        }
    }
}

TEST(Settling, NumbersGoOnAfterTheHighestThatIsLeft) {
    std::vector<docker::Listed> there;
    EXPECT_EQ(highest_number(there), 0u);
    const auto add = [&](const std::string& deployment, const std::string& number) {
        there.push_back(listed("web", State::exited, ""));
        if (!deployment.empty()) there.back().labels[std::string(deployment_label)] = deployment;
        there.back().labels[std::string(number_label)] = number;
    };
    add("", "70");  // Not ours.
    EXPECT_EQ(highest_number(there), 0u);
    add("d-1", "7");
    add("d-2", "12");
    add("d-3", "9");
    add("d-4", "many");
    EXPECT_EQ(highest_number(there), 12u);
}

// Somebody wants new containers of an application: what alone may write its volume is not among them.
TEST(Settling, NobodyIsMadeBesideTheOneWriterOfAVolume) {
    Wanted want = wanted();
    want.plan.mounts.push_back({.kind = docker::Mount::Kind::volume, .source = "data", .target = "/data"});
    want.plan.labels[std::string(config_label)] = fingerprint(want.plan, "sha256:1");
    const std::string print = want.plan.labels.at(std::string(config_label));
    for (const bool application : {false, true})
        for (const bool routed : {false, true}) {
            Record record = record_of(1, false);
            record.compose = application ? "services: {}" : "";
            record.plan.containers[0].routed = routed;
            auto there = listed("web-1-1", State::running, print);
            there.labels[std::string(writes_label)] = "data";
            const auto settled = settle(record, {want}, {there});
            EXPECT_EQ(settled.has_value(), application || routed) << "two at once would damage it";
            if (settled) EXPECT_EQ(record.candidates[0].kept, application && !routed);
        }
}

TEST(Settling, NothingLeavesWhereEverythingStays) {
    const Wanted want = wanted();
    const std::string print = want.plan.labels.at(std::string(config_label));
    Record record = record_of(2, true);
    ASSERT_TRUE(settle(record, {want, want}, {listed("web-1-1", State::running, print), listed("web-1-2", State::running, print)}));
    EXPECT_FALSE(record.plan.has_old);
    EXPECT_TRUE(record.parts[0].gone.empty());
}

TEST(Settling, AWayBackStartsWhatWasLeft) {
    const Wanted want = wanted();
    for (const State state : {State::exited, State::created, State::running, State::paused, State::removing}) {
        Record record = record_of(2, false);
        record.way_back = {{"web-4-1", ""}, {"web-4-2", "another"}};
        const std::vector<docker::Listed> there{listed("web-4-1", state, "whatever"), listed("web-4-2", State::exited, "whatever")};
        ASSERT_TRUE(settle(record, {want, want}, there));
        const bool again = state == State::exited || state == State::created;
        EXPECT_EQ(record.candidates[0].name, again ? "web-4-1" : "web-9-1");
        EXPECT_EQ(record.candidates[0].reused, again);
        EXPECT_EQ(record.plan.containers[0].made, again);
        EXPECT_EQ(record.progress.containers[0].created, again);
        EXPECT_FALSE(record.progress.containers[0].started);
        EXPECT_EQ(record.candidates[1].name, "web-9-2") << "another container of the file";
        if (!again) continue;
        EXPECT_EQ(record.candidates[0].image, "web:old") << "as it was made then";
        // A restart finds it running: by this deployment.
        auto running = there;
        running[0].state = State::running;
        ASSERT_TRUE(settle(record, {want, want}, running));
        EXPECT_TRUE(record.candidates[0].reused);
    }
}

TEST(Settling, TwoVersionsDoNotWriteOneVolumeUnlessUsersAreRoutedToThem) {
    Wanted want = wanted();
    want.plan.mounts.push_back({docker::Mount::Kind::volume, "data", "/data", false});
    EXPECT_EQ(written_by(want.plan), "data");
    for (const bool routed : {false, true})
        for (const State state : {State::running, State::exited})
            for (const std::string theirs : {"data", "other data", "database", ""}) {
                Record record = record_of(1, true);
                record.plan.containers[0].routed = routed;
                auto old = listed("web-1-1", state, "other");
                old.labels[std::string(writes_label)] = theirs;
                const auto settled = settle(record, {want}, {old});
                const bool damages = !routed && state == State::running && (theirs == "data" || theirs == "other data");
                EXPECT_EQ(!settled, damages) << theirs;
                if (!settled) EXPECT_NE(settled.error().text.find("web writes volume data, and so does web-1-1"), std::string::npos) << settled.error().text;
            }
    want.plan.mounts.front().read_only = true;
    EXPECT_EQ(written_by(want.plan), "");
}

TEST(Settling, V13NothingUnverifiedPassesSilently) {
    Wanted want = wanted();
    Record record = record_of(1, false);
    record.plan.containers[0].direct = false;
    const auto refused = settle(record, {want}, {});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("nothing verifies container web-9-1"), std::string::npos);
    want.image.health_check = docker::HealthCheck{.test = {"CMD", "true"}, .interval = 10s, .timeout = 5s, .start_period = 60s, .retries = 3};
    ASSERT_TRUE(settle(record, {want}, {}));
    EXPECT_TRUE(record.plan.containers[0].container_health);
    EXPECT_EQ(record.plan.deadlines.verifying, 60s + 3 * 15s + rollout::verification_margin);
    record.verifying_said = true, record.plan.deadlines.verifying = 44s;
    ASSERT_TRUE(settle(record, {want}, {}));
    EXPECT_EQ(record.plan.deadlines.verifying, 44s) << "what was said stays";
    record.candidates[0].unverified = "tried by hand";
    want.image.health_check.reset();
    EXPECT_TRUE(settle(record, {want}, {}));
}

TEST(Settling, APrintIsOfEverythingThatMakesTheContainer) {
    const docker::ContainerPlan plain = wanted().plan;
    std::set<std::string> prints{fingerprint(plain, "i")};
    const auto differs = [&](auto change, const std::string& image = "i") {
        auto other = plain;
        change(other);
        EXPECT_TRUE(prints.insert(fingerprint(other, image)).second);
    };
    differs([](auto&) {}, "another image");
    differs([](auto& p) { p.environment["A"] = "1"; });
    differs([](auto& p) { p.environment["A"] = "2"; });
    differs([](auto& p) { p.labels["team"] = "a"; });
    differs([](auto& p) { p.labels[std::string(port_label)] = "81"; });
    differs([](auto& p) { p.command = std::vector<std::string>{"a", "b"}; });
    differs([](auto& p) { p.command = std::vector<std::string>{"ab"}; });
    differs([](auto& p) { p.entrypoint = std::vector<std::string>{"a", "b"}; });
    differs([](auto& p) { p.mounts.push_back({docker::Mount::Kind::volume, "data", "/data", false}); });
    differs([](auto& p) { p.mounts.push_back({docker::Mount::Kind::volume, "data", "/data", true}); });
    differs([](auto& p) { p.ports.push_back({{80, "tcp"}, "", 8080}); });
    differs([](auto& p) { p.network = "n"; });
    differs([](auto& p) { p.aliases = {"web"}; });
    differs([](auto& p) { p.memory_bytes = 1 << 26; });
    differs([](auto& p) { p.processors = 0.5; });
    differs([](auto& p) { p.restart.kind = docker::RestartPolicy::Kind::always; });
    differs([](auto& p) { p.stop_signal = "SIGINT"; });
    differs([](auto& p) { p.user = "nobody"; });
    differs([](auto& p) { p.health_check = docker::HealthCheck{.test = {"NONE"}}; });
    auto same = plain;
    same.name = "web-10-1", same.labels[std::string(deployment_label)] = "d-10", same.labels[std::string(number_label)] = "10", same.stop_timeout = 1s;
    EXPECT_TRUE(prints.contains(fingerprint(same, "i"))) << "another deployment's is the same";
}

}  // namespace
}  // namespace hale::deploy
