// Goal: a request is sent once more exactly when that is harmless, on another instance, within the budget; and
// under any interleaving of deaths, restarts, drains and verdicts no idempotent request is lost while another
// instance may serve.
// Method: each rule by a scripted instance that fails in one way; the decision table against the law written
// out; then seeded random interleavings under load, counting answers that are not 200.

#include "proxy/retry.h"

#include <gtest/gtest.h>

#include "proxy/bed_test.h"

namespace hale::proxy {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(MaySendAgain, IsTheLaw) {
    for (const auto loss : {Loss::connect, Loss::closed, Loss::timeout})
        for (int bits = 0; bits < 16; ++bits) {
            const LostTry t{loss, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
            const bool provably_unsent = loss == Loss::connect || !t.sent;
            EXPECT_EQ(may_send_again(t), t.replayable && (provably_unsent || t.idempotent));
        }
}

TEST(RetryBudget, IsTenASecondAndAPercentageOfTheLastTenSeconds) {
    RetryBudget budget;
    Instant now{1h};
    const auto takes = [&](std::uint32_t percent) {
        int taken = 0;
        while (taken < 10'000 && budget.take(now, percent)) ++taken;
        return taken;
    };
    EXPECT_EQ(takes(10), 100);
    for (int i = 0; i < 100; ++i) budget.count_request(now);
    EXPECT_EQ(takes(10), 10);
    EXPECT_EQ(takes(30), 20);
    now += 9s;
    EXPECT_EQ(takes(10), 0);
    now += 1s;  // The first second has left the window, its requests with it.
    EXPECT_EQ(takes(10), 100);
    EXPECT_EQ(takes(0), 0);
}

std::string post(const std::string& body = "abc") {
    return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Two instances; whichever is met first fails in the given way, the other one answers.
struct Pair : Bed {
    explicit Pair(Instance::Script fails, WorkerOptions options = {}) : Bed(1, options) {
        auto& web = serve("web", 2);
        web.retry = {.max = 1, .budget_percent = 100};
        for (auto& instance : instances)
            instance->script = [this, fails](Talker& t, const Request& r) {
                if (++met == 1) fails(t, r);
                else t.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(r.body.size()) + "\r\n\r\n" + r.body);
            };
        open();
    }
    int met = 0;
};

TEST(Retry, AnIdempotentRequestGoesToAnotherInstance) {
    Pair bed([](Talker& t, const Request&) { t.reset(); });
    const auto got = bed.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ") && got.ends_with("abc")) << got;
    EXPECT_EQ(bed.instances[0]->requests.size(), 1u);
    EXPECT_EQ(bed.instances[1]->requests.size(), 1u);
    EXPECT_EQ(bed.stats_of("web").retries, 1u);
    ASSERT_EQ(bed.passive.size(), 1u);
    EXPECT_EQ(bed.passive[0].reason, verdict::Reason::connect_reset);
    bed.worker->stop();
    EXPECT_TRUE(has(bed.lines.text, "\"retries\":1")) << bed.lines.text;
}

TEST(Retry, ASentPostIsNotRepeated) {
    for (const bool politely : {false, true}) {
        Pair bed([&](Talker& t, const Request&) { politely ? t.close() : t.reset(); });
        const auto got = bed.ask(post());
        EXPECT_TRUE(got.starts_with("HTTP/1.1 502 ") && has(got, "Hale-Reason: upstream_reset")) << got;
        EXPECT_EQ(bed.met, 1);
        EXPECT_EQ(bed.stats_of("web").unsafe_not_retried, 1u);
    }
}

TEST(Retry, NothingIsRepeatedAfterTheFirstByteOfAnAnswer) {
    for (const char* bytes : {"H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}) {
        Pair bed([&](Talker& t, const Request&) {
            t.send(bytes);
            t.close();
        });
        const auto got = bed.ask(get());
        EXPECT_TRUE(has(got, "HTTP/1.1 502 ")) << got;
        EXPECT_EQ(bed.met, 1);
    }
}

TEST(Retry, AFailedConnectIsRepeatedForAnyMethod) {
    Pair bed([](Talker& t, const Request& r) { t.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + r.body); });
    bed.instances[0]->kill();
    for (int i = 0; i < 4; ++i) {
        const auto got = bed.ask(post());
        EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ") && got.ends_with("abc")) << got;
    }
    EXPECT_GE(bed.stats_of("web").connect_failures, 1u);
    EXPECT_EQ(bed.passive.at(0).reason, verdict::Reason::connect_refused);
    bed.instances[1]->kill();
    bed.world.run_for(1s);
    const auto got = bed.ask(get());
    EXPECT_TRUE(got.starts_with("HTTP/1.1 502 ") && has(got, "Hale-Reason: upstream_connect")) << got;
}

TEST(Retry, AnOldConnectionThatClosesIsReplacedWhereThatIsSafe) {
    for (const bool safe : {true, false}) {
        Bed bed;
        auto& web = bed.serve("web", 1);
        web.retry = {.max = 1, .budget_percent = 100};
        bed.open();
        bed.instances[0]->script = [](Talker& t, const Request& r) {
            if (r.nth == 1) t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            else t.close();  // As a server whose keep-alive ran out just now.
        };
        bed.ask(get());
        const auto got = bed.ask(safe ? get() : post());
        EXPECT_TRUE(got.starts_with(safe ? "HTTP/1.1 200 " : "HTTP/1.1 502 ")) << got;
        EXPECT_EQ(bed.instances[0]->accepted, safe ? 2u : 1u);
    }
}

TEST(Retry, APostThatWasNotWrittenIsRepeated) {
    Bed bed;
    auto& web = bed.serve("web", 1);
    web.retry = {.max = 1, .budget_percent = 100};
    bed.open();
    bed.ask(get());
    auto& c = bed.client();
    bed.world.run_for(10ms);
    c.send(post());
    bed.network.net("proxy", bed.loop).fail_next(sim::Operation::write, EPIPE);
    bed.world.run_for(1s);
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 200 ")) << c.got;
    EXPECT_EQ(bed.stats_of("web").retries, 1u);
}

TEST(Retry, ABodyThatWasLetGoCanNotBeRepeated) {
    Pair bed([](Talker& t, const Request&) { t.reset(); }, {.buffer_bytes = 1000});
    const std::string body(5000, 'x');
    const auto got = bed.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + body);
    // The whole of it came in one read, before the connection stood: it was still here.
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ")) << got.substr(0, 200);
    bed.met = 0;
    auto& c = bed.client();
    c.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    for (int i = 0; i < 5; ++i) bed.world.run_for(10ms), c.send(std::string(1000, 'x'));
    bed.world.run_for(1s);
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 502 ")) << c.got;
}

TEST(Retry, StaysWithinMaximumAndBudget) {
    Bed bed;
    auto& web = bed.serve("web", 3);
    web.retry = {.max = 5, .budget_percent = 100};
    int met = 0;
    for (auto& instance : bed.instances)
        instance->script = [&](Talker& t, const Request&) { ++met, t.reset(); };
    bed.open();
    EXPECT_TRUE(bed.ask(get()).starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(met, 3);  // Each instance once.
    web.retry = {.max = 0, .budget_percent = 100};
    bed.adopt();
    bed.ask(get());
    EXPECT_EQ(met, 4);
    web.retry = {.max = 1, .budget_percent = 10};
    bed.adopt();
    bed.world.run_for(11s);
    met = 0;
    for (int i = 0; i < 120; ++i) bed.ask(get(), 50ms);
    EXPECT_EQ(met, 120 + 100 + 12);  // Ten for each second of the window, and a tenth of the requests.
    EXPECT_EQ(bed.stats_of("web").retries_over_budget, 8u);
}

TEST(Retry, TheSecondInstanceGetsItsOwnHost) {
    Pair bed([](Talker& t, const Request&) { t.reset(); });
    auto& web = bed.table.service("web");
    web.endpoints[0].authority = "one.internal";
    web.endpoints[1].authority = "two-with-a-long-name.internal";
    bed.adopt();
    bed.ask(get());
    EXPECT_EQ(bed.instances[0]->requests.at(0).fields["host"], "one.internal");
    EXPECT_EQ(bed.instances[1]->requests.at(0).fields["host"], "two-with-a-long-name.internal");
    EXPECT_EQ(bed.instances[1]->requests.at(0).fields["x-forwarded-host"], "a.example");
}

// A client that always has one request out, and notes every answer that is not a whole 200.
struct Asker {
    Bed& bed;
    Talker* talker = nullptr;
    std::size_t asked = 0, answered = 0, failed = 0;
    std::string first_failure;
    bool stopping = false;

    void ask() {
        if (stopping) return;
        if (talker == nullptr || talker->over()) {
            talker = &bed.client();
            talker->then = [this] { look(); };
        }
        ++asked;
        talker->send(get("/" + std::to_string(asked)));
    }
    void look() {
        if (answered == asked) return;
        const auto end = talker->got.find("\r\n\r\n");
        if (end == std::string::npos && !talker->over()) return;
        const bool whole = end != std::string::npos && talker->got.size() >= end + 6;
        if (!whole && !talker->over()) return;
        ++answered;
        if (!whole || !talker->got.starts_with("HTTP/1.1 200 ") || !talker->got.ends_with("ok")) {
            ++failed;
            if (first_failure.empty()) first_failure = talker->got + (talker->failed ? "<reset>" : "<end>");
        }
        talker->got.clear();
        bed.loop.post_at(bed.world.now() + Duration(bed.world.random().below(3'000'000)), [this] { ask(); });
    }
};

TEST(Retry, NoIdempotentRequestIsLostWhileAnotherInstanceMayServe) {
    sim::for_each_seed(3, [](std::uint64_t seed) {
        Bed bed(seed, {.seed = seed});
        auto& web = bed.serve("web", 4);
        web.retry = {.max = 1, .budget_percent = 100};
        web.balance.kind = seed % 2 == 0 ? config::BalanceKind::round_robin : config::BalanceKind::least_requests;
        std::array<Instant, 4> shut_since;
        shut_since.fill(never);
        std::size_t late = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            bed.instances[i]->script = [&bed, i](Talker& t, const Request&) {
                const auto after = Duration(bed.world.random().below(2'000'000));
                bed.loop.post_at(bed.world.now() + after, [&t] { t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); });
                (void)i;
            };
            // Nothing starts toward an instance once its verdict turned, but for what is already on its way.
            bed.instances[i]->on_head = [&, i](Talker&, const Request&) {
                late += shut_since[i] != never && bed.world.now() > shut_since[i] + 10ms;
            };
        }
        bed.network.set_faults({.latency = 50us, .jitter = 500us, .short_read = 0.05, .spurious_notice = 0.05});
        bed.open();
        std::vector<std::unique_ptr<Asker>> askers;
        for (int i = 0; i < 20; ++i) askers.push_back(std::make_unique<Asker>(bed)), askers.back()->ask();

        std::array<bool, 4> dead{};
        auto& random = bed.world.random();
        for (int step = 0; step < 100; ++step) {
            bed.world.run_for(Duration(random.below(40'000'000)));
            const auto i = random.below(4);
            const auto others = [&](auto able) {
                int n = 0;
                for (std::size_t k = 0; k < 4; ++k) n += k != i && able(k);
                return n;
            };
            const auto serves = [&](std::size_t k) {
                return !dead[k] && shut_since[k] == never && web.endpoints[k].lifecycle == verdict::Lifecycle::serving;
            };
            if (others(serves) == 0) continue;
            switch (random.below(4)) {
                case 0:  // The verdict turns, whatever is true.
                    shut_since[i] = shut_since[i] == never && others(serves) > 0 ? bed.world.now() : never;
                    bed.table.judge(web.endpoints[i], shut_since[i] == never ? verdict::State::healthy : verdict::State::unhealthy);
                    break;
                case 1:
                case 2:  // It dies or comes back. One at a time: a retry may not meet a second death.
                    if (dead[i]) {
                        bed.instances[i]->start();
                        dead[i] = false;
                        bed.world.run_for(50ms);
                    } else if (others([&](std::size_t k) { return dead[k]; }) == 0) {
                        bed.instances[i]->kill();
                        dead[i] = true;
                    }
                    break;
                case 3:  // A drain, by a new snapshot.
                    web.endpoints[i].lifecycle = web.endpoints[i].lifecycle == verdict::Lifecycle::serving ? verdict::Lifecycle::draining
                                                                                                           : verdict::Lifecycle::serving;
                    bed.adopt();
                    break;
            }
        }
        for (auto& asker : askers) asker->stopping = true;
        bed.world.run_for(5s);
        std::size_t answered = 0;
        for (auto& asker : askers) {
            answered += asker->answered;
            EXPECT_EQ(asker->failed, 0u) << asker->first_failure;
            EXPECT_EQ(asker->answered, asker->asked);
        }
        EXPECT_GT(answered, 1000u);
        EXPECT_EQ(late, 0u);
        bed.worker->stop();
    });
}

TEST(Retry, TheMostThatMayBeSaidIsDone) {
    Bed bed;
    auto& web = bed.table.service("web");
    bed.table.route("*", "web");
    for (std::uint16_t i = 0; i < 12; ++i) web.endpoints.push_back(bed.table.endpoint(bed.instance(i % 8, static_cast<std::uint16_t>(80 + i)).at()));
    web.retry = {.max = 10, .budget_percent = 100};
    bed.open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(has(bed.ask(get(), 50ms), "HTTP/1.1 200 "));
    for (auto& instance : bed.instances) instance->kill();
    bed.world.run_for(50ms);
    EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 502 "));
    EXPECT_EQ(bed.stats_of("web").connect_failures, 11u);
    EXPECT_EQ(bed.stats_of("web").retries, 10u);
}

}  // namespace
}  // namespace hale::proxy
