// Goal: long answers let others through; event streams lose nothing that matters, resume, resync, and hold no
// more than their share.
// Method: the simulated network; a hundred thousand instances; clients that stop reading.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "api/event_hub.h"
#include "api/fake_daemon.h"
#include "api/slice.h"

namespace hale::api {
namespace {

struct Streams : ::testing::Test {
    std::unique_ptr<Client> connect() { return std::make_unique<Client>(d.world, d.network.net("hale", d.world.loop()), d.admin); }
    std::unique_ptr<Client> follow(std::string_view fields = "", std::string_view target = "/api/v1/events") {
        auto client = connect();
        client->send(d.head("GET", target, "read", "", fields));
        d.world.run_for(100ms);
        EXPECT_TRUE(client->got.starts_with("HTTP/1.1 200 ")) << client->got;
        return client;
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t found = 0;
        for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
        return found;
    }
    Daemon d;
};

TEST_F(Streams, HealthIsAnsweredWhileAHundredThousandInstancesAreListed) {
    d.add_service(0, "web");
    constexpr catalog::Slot many = 100'000;
    std::vector<catalog::Delta> deltas;
    for (catalog::Slot slot = 0; slot < many; ++slot) {
        auto facts = std::make_shared<catalog::InstanceFacts>();
        facts->slot = slot;
        facts->id = fmt::format("i-{:012}", slot);
        facts->service = "web";
        facts->name = fmt::format("web-{}", slot);
        facts->declared = "10.0.0.1:80";
        facts->checks = d.checks;
        deltas.push_back({.revision = ++d.backend.revision, .at = d.world.utc(), .what = catalog::InstancePut{facts}});
    }
    d.server->tell(std::move(deltas));
    // A filter that nothing passes looks at all of them in one page.
    auto lister = connect(), prober = connect();
    lister->send(d.head("GET", "/api/v1/verdicts?limit=1000&state=healthy", "read", "", ""));
    prober->send(d.head("GET", "/health", "", "", ""));
    EXPECT_TRUE(d.world.run_until([&] { return prober->got.find("pass") != std::string::npos; }, 1s));
    EXPECT_TRUE(lister->got.empty() || lister->got.find("\"next\"") == std::string::npos);  // Not done yet.
    EXPECT_EQ(lister->next().json().at("items").size(), 0u);
    // So it is while everything is examined, and while all are told as targets.
    for (const std::string_view target : {"/api/v1/doctor", "/sd/prometheus"}) {
        prober->next();
        lister->send(d.head("GET", target, "read", "", ""));
        prober->send(d.head("GET", "/health", "", "", ""));
        EXPECT_TRUE(d.world.run_until([&] { return prober->got.find("pass") != std::string::npos; }, 1s));
        EXPECT_EQ(lister->got.find(target == "/sd/prometheus" ? "hale_service" : "findings"), std::string::npos) << target;
        const Json all = lister->next().json();
        if (target == "/sd/prometheus") EXPECT_EQ(all.at(0).at("targets").size(), many);
        else EXPECT_TRUE(all.at("findings").is_array());
    }
    // All pages together are all instances, each once.
    std::size_t total = 0;
    std::string cursor = "0";
    for (int pages = 0; pages < 5 && !cursor.empty(); ++pages) {
        const Json page = d.ask("GET", fmt::format("/api/v1/verdicts?limit=1000&cursor={}", cursor)).json();
        EXPECT_EQ(page.at("items").size(), 1000u);
        total += page.at("items").size();
        EXPECT_EQ(page.at("items").back().at("instance"), fmt::format("web-{}", total - 1));
        cursor = page.at("next");
    }
    // Series per instance are off now.
    EXPECT_EQ(d.ask("GET", "/metrics", "").body.find("hale_verdict{"), std::string::npos);
}

TEST_F(Streams, EventsAreCloudEventsWithTheRevisionAsId) {
    d.add_service(0, "web");
    d.add_instance(0, 0, "web-1", verdict::State::healthy);
    auto client = follow();
    client->got.clear();
    d.judge(0, verdict::State::unhealthy, 2);
    d.world.run_for(100ms);
    const auto at = client->got.find("data: ");
    ASSERT_NE(at, std::string::npos) << client->got;
    EXPECT_NE(client->got.find(fmt::format("id: {}\nevent: verdict\n", d.backend.revision)), std::string::npos) << client->got;
    const Json event = Json::parse(client->got.substr(at + 6, client->got.find('\n', at) - at - 6));
    EXPECT_EQ(event.at("specversion"), "1.0");
    EXPECT_EQ(event.at("source"), "/hale/host-a");
    EXPECT_EQ(event.at("subject"), "i-000000000000");
    EXPECT_EQ(event.at("data").at("state"), "unhealthy");
    // A filter keeps others out; a ping keeps the line open.
    auto other = follow("", "/api/v1/events?service=db");
    other->got.clear();
    d.judge(0, verdict::State::healthy, 3);
    d.world.run_for(16s);
    EXPECT_EQ(count(other->got, "event:"), 0u);
    EXPECT_GE(count(other->got, ": ping"), 1u);
}

TEST_F(Streams, ResumesAfterTheLastIdOrSaysResync) {
    d.add_service(0, "web");
    for (catalog::Slot slot = 0; slot < 10; ++slot) d.add_instance(slot, 0, fmt::format("web-{}", slot + 1), verdict::State::healthy);
    const std::uint64_t seen = d.backend.revision;
    for (catalog::Slot slot = 0; slot < 10; ++slot) d.judge(slot, verdict::State::unhealthy, 2);
    EXPECT_EQ(count(follow(fmt::format("Last-Event-ID: {}\r\n", seen))->got, "event: verdict"), 10u);
    EXPECT_EQ(count(follow(fmt::format("Last-Event-ID: {}\r\n", seen + 7))->got, "event: verdict"), 3u);
    EXPECT_EQ(count(follow(fmt::format("Last-Event-ID: {}\r\n", d.backend.revision))->got, "event:"), 0u);
    EXPECT_EQ(count(follow("Last-Event-ID: 999999\r\n")->got, "event: resync"), 1u);  // Another life.
    for (std::uint32_t n = 0; n < most_ring_events + 10; ++n) d.judge(n % 10, verdict::State::healthy, n + 3);
    const auto late = follow(fmt::format("Last-Event-ID: {}\r\n", seen));
    EXPECT_EQ(count(late->got, "event: resync"), 1u);
    EXPECT_EQ(count(late->got, "event: verdict"), 0u);
}

// A change of one kind never makes one of another kind needless: somebody may follow that one alone.
TEST_F(Streams, AVerdictIsNotLostToALaterChangeOfItsInstance) {
    d.add_service(0, "web");
    d.add_instance(0, 0, "web-1", verdict::State::healthy);
    const std::uint64_t seen = d.backend.revision;
    d.judge(0, verdict::State::unhealthy, 2);
    auto facts = std::make_shared<catalog::InstanceFacts>();
    facts->id = "i-000000000000";
    facts->service = "web";
    facts->name = "web-1";
    facts->checks = d.checks;
    facts->weight = 7;
    d.put(catalog::InstancePut{facts});
    const std::string last = fmt::format("Last-Event-ID: {}\r\n", seen);
    EXPECT_EQ(count(follow(last, "/api/v1/events?types=verdict")->got, "event: verdict"), 1u);
    EXPECT_EQ(count(follow(last, "/api/v1/events?types=instance")->got, "event: instance"), 1u);
    EXPECT_EQ(count(follow(last)->got, "event: "), 2u);
}

// One that is connected and falls behind is told so once, and goes on with what comes then.
TEST_F(Streams, ALiveSubscriberThatTheRingLeftBehindIsToldResync) {
    d.add_service(0, "web");
    for (catalog::Slot slot = 0; slot < 10; ++slot) d.add_instance(slot, 0, fmt::format("web-{}", slot + 1), verdict::State::healthy);
    auto client = follow();
    client->got.clear();
    // All before the next flush.
    for (std::uint32_t n = 0; n < most_ring_events + 10; ++n) d.judge(n % 10, verdict::State::unhealthy, n + 2);
    d.world.run_for(100ms);
    EXPECT_EQ(count(client->got, "event: resync"), 1u);
    EXPECT_EQ(count(client->got, "event: verdict"), 0u);
    EXPECT_NE(client->got.find(fmt::format("event: resync\nid: {}\n", d.backend.revision)), std::string::npos);
    client->got.clear();
    d.judge(3, verdict::State::healthy, 100'000);
    d.world.run_for(100ms);
    EXPECT_EQ(count(client->got, "event: resync"), 0u);
    EXPECT_EQ(count(client->got, "event: verdict"), 1u);
    EXPECT_NE(d.ask("GET", "/metrics", "").body.find("hale_event_resyncs_total 1\n"), std::string::npos);
}

// V19: what was coalesced before it came here is said to everybody who listens, once.
TEST_F(Streams, WhatWasSkippedOnTheWayIsAResyncForAll) {
    d.add_service(0, "web");
    d.add_instance(0, 0, "web-1", verdict::State::healthy);
    auto one = follow(), two = follow("", "/api/v1/events?service=other");
    one->got.clear(), two->got.clear();
    d.judge(0, verdict::State::unhealthy, 2);
    d.put(catalog::DeltasSkipped{17});
    d.world.run_for(100ms);
    for (const auto& client : {one.get(), two.get()}) {
        EXPECT_EQ(count(client->got, "event: resync"), 1u) << client->got;
        EXPECT_EQ(count(client->got, "\"skipped\":17"), 1u) << client->got;
    }
    const std::uint64_t seen = d.backend.revision - 1;
    EXPECT_EQ(count(follow(fmt::format("Last-Event-ID: {}\r\n", seen))->got, "event: resync"), 1u) << "who resumes from before it, too";
    d.judge(0, verdict::State::healthy, 3);
    d.world.run_for(100ms);
    EXPECT_EQ(count(one->got, "event: resync"), 1u);
    EXPECT_EQ(count(one->got, "event: verdict"), 1u);
}

TEST_F(Streams, ASlowSubscriberGetsTheLatestOfEachAndHoldsNoMoreThanItsShare) {
    d.add_service(0, "web");
    for (catalog::Slot slot = 0; slot < 5; ++slot) d.add_instance(slot, 0, fmt::format("web-{}", slot + 1), verdict::State::healthy);
    auto client = follow();
    client->got.clear();
    // Five thousand changes within one flush: five events.
    for (std::uint32_t n = 0; n < 5'000; ++n) d.judge(n % 5, verdict::State::unhealthy, n + 2);
    d.world.run_for(200ms);
    EXPECT_EQ(count(client->got, "event: verdict"), 5u);
    EXPECT_NE(client->got.find("\"version\":5001"), std::string::npos);
    // One that reads nothing is left alone until the stall ends it; meanwhile others get theirs.
    auto stalled = follow();
    stalled->paused = true;
    for (int round = 0; round < 700; ++round) {
        for (catalog::Slot slot = 0; slot < 5; ++slot) d.judge(slot, verdict::State::healthy, static_cast<std::uint32_t>(6000 + round));
        client->got.clear();
        d.world.run_for(100ms);
        ASSERT_EQ(count(client->got, "event: verdict"), 5u) << round;
    }
    EXPECT_LT(d.network.bytes_held(), 512 * 1024u);
    EXPECT_NE(d.ask("GET", "/metrics", "").body.find("hale_event_subscribers 1\n"), std::string::npos);
}

TEST_F(Streams, StoppingEndsStreamsAndWaits) {
    d.add_service(0, "web");
    auto client = follow();
    auto waiter = connect();
    waiter->send(d.head("GET", fmt::format("/api/v1/services?wait=30s&revision={}", d.backend.revision), "read", "", ""));
    d.world.run_for(100ms);
    EXPECT_TRUE(waiter->got.empty());
    d.server->stop();
    d.world.run_for(2s);
    EXPECT_TRUE(client->ended);
    EXPECT_NE(waiter->got.find("\"items\""), std::string::npos);
    EXPECT_TRUE(waiter->ended);
}

TEST_F(Streams, LogsComeAsTheyAreToldAndNothingIsTakenThatWasNotSent) {
    d.add_service(0, "web");
    d.backend.holds_logs = true;
    auto reader = connect();
    reader->send(d.head("GET", "/api/v1/services/web/logs?follow=true&tail=5&since=10m", "operate", "", ""));
    d.world.run_for(100ms);
    EXPECT_TRUE(d.backend.asked.back().starts_with("logs of \"web\" \"\" tail 5 follow true since ")) << d.backend.asked.back();
    EXPECT_NE(reader->got.find(R"({"containers":["web-1","web-2"]})"), std::string::npos) << "who is read comes first";
    EXPECT_EQ(d.backend.taken, 0u) << "that is no line of theirs";
    const std::string line = R"({"container":"web-1","source":"output","line":"hello"})" "\n";
    d.world.loop().run([&] { d.backend.hearing.more(line); });
    d.world.run_for(10ms);
    EXPECT_NE(reader->got.find("hello"), std::string::npos);
    EXPECT_EQ(d.backend.taken, line.size());
    d.world.run_for(2 * ping_interval);
    EXPECT_EQ(d.backend.taken, line.size()) << "nor are empty lines";
    EXPECT_GE(count(reader->got, "1\r\n\n\r\n"), 1u) << "a silent stream is alive";
    // Who takes nothing: it stays here, and is not said to be taken.
    reader->paused = true;
    const std::string much(4u << 20, 'x');
    d.world.loop().run([&] { d.backend.hearing.more(much); });
    d.world.run_for(5s);
    EXPECT_LT(d.backend.taken, line.size() + much.size() / 2);
    EXPECT_EQ(d.backend.readers, 1u);
    reader.reset();
    d.world.run_for(60s);
    EXPECT_EQ(d.backend.readers, 0u) << "who goes away ends it";
}

TEST_F(Streams, LogsEndWithTheirContainersAndRefusalsAreAnswers) {
    d.add_service(0, "web");
    EXPECT_EQ(d.ask("GET", "/api/v1/services/web/logs", "read").status, 403) << "they may hold anything";
    const Answer whole = d.ask("GET", "/api/v1/containers/web-1/logs", "operate");
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.body, "{\"containers\":[\"web-1\",\"web-2\"]}\n{\"container\":\"web-1\",\"line\":\"x\"}\n");
    EXPECT_EQ(d.backend.readers, 0u);
    EXPECT_EQ(d.ask("GET", "/api/v1/containers/nothing/logs", "operate").status, 404);
    for (const char* query : {"tail=x", "tail=100001", "since=yesterday", "since=-1s"})
        EXPECT_EQ(d.ask("GET", fmt::format("/api/v1/containers/web-1/logs?{}", query), "operate").status, 400) << query;
    EXPECT_EQ(d.backend.readers, 0u);
    // Gone before anything was told.
    d.backend.holds_logs = true;
    auto reader = connect();
    reader->send(d.head("GET", "/api/v1/containers/web-1/logs?follow", "operate", "", ""));
    reader.reset();
    d.world.run_for(60s);
    EXPECT_EQ(d.backend.readers, 0u);
}

}  // namespace
}  // namespace hale::api
