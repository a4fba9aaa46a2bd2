// Goal: whatever an authority answers, in whatever order, the machine asks one thing at a time, takes back what it showed
// exactly once, and ends. Method: the usual ways told step by step; every event in every stage that can be reached in six
// steps; long random walks; endless patience of the other side against the limits.

#include "acme/order.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::acme {
namespace {

using Stage = Order::Stage;

Answer json(std::string body, int status = 200, std::string location = {}) { return {.status = status, .location = std::move(location), .body = std::move(body)}; }
Answer order(std::string_view status, std::string_view more = {}) {
    return json(fmt::format(R"({{"status":"{}","authorizations":["https://ca.example/z"],"finalize":"https://ca.example/f"{}}})", status, more), 201, "https://ca.example/o/1");
}
Answer authorization(std::string_view status, std::string_view type = "http-01", std::string_view error = {}) {
    return json(fmt::format(R"({{"status":"{}","identifier":{{"type":"dns","value":"www.example"}},"challenges":[{{"type":"{}","url":"https://ca.example/c","token":"tok","status":"{}"{}}}]}})",
                            status, type, status, error));
}
const std::string chain = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
Answer problem(int status, std::string_view type) { return json(fmt::format(R"({{"type":"urn:ietf:params:acme:error:{}","detail":"No, says the authority"}})", type), status); }
const Answer valid_order = order("valid", R"(,"certificate":"https://ca.example/cert")");

OrderPlan plan() { return {.names = {"www.example"}}; }

template <class T>
T& is(Command& command) {
    EXPECT_TRUE(std::holds_alternative<T>(command)) << command.index();
    return std::get<T>(command);
}
std::string url_of(Command command) { return is<command::Post>(command).what.url; }

TEST(Order, GetsACertificateStepByStep) {
    Order machine(plan());
    auto command = machine.begin();
    EXPECT_EQ(is<command::Post>(command).what.to, Errand::To::new_order);
    EXPECT_EQ(is<command::Post>(command).what.payload, R"({"identifiers":[{"type":"dns","value":"www.example"}]})");
    EXPECT_EQ(url_of(machine.on(event::Answered{order("pending")})), "https://ca.example/z");
    command = machine.on(event::Answered{authorization("pending")});
    EXPECT_EQ(is<command::Present>(command).host, "www.example");
    EXPECT_EQ(is<command::Present>(command).token, "tok");
    command = machine.on(event::Done{});
    EXPECT_EQ(url_of(command), "https://ca.example/c");
    EXPECT_EQ(is<command::Post>(command).what.payload, "{}");
    command = machine.on(event::Answered{json("{}")});
    EXPECT_EQ(is<command::Pause>(command).time, poll_interval);
    EXPECT_EQ(url_of(machine.on(event::Done{})), "https://ca.example/z");
    Answer slow = authorization("pending");
    slow.retry_after = 7s;
    command = machine.on(event::Answered{slow});
    EXPECT_EQ(is<command::Pause>(command).time, Duration(7s));
    machine.on(event::Done{});
    command = machine.on(event::Answered{authorization("valid")});
    is<command::Withdraw>(command);
    EXPECT_EQ(url_of(machine.on(event::Done{})), "https://ca.example/o/1");
    command = machine.on(event::Answered{order("ready")});
    is<command::MakeRequest>(command);
    command = machine.on(event::Requested{"der"});
    EXPECT_EQ(is<command::Post>(command).what.url, "https://ca.example/f");
    EXPECT_EQ(is<command::Post>(command).what.payload, R"({"csr":"ZGVy"})");
    command = machine.on(event::Answered{order("processing")});
    is<command::Pause>(command);
    EXPECT_EQ(url_of(machine.on(event::Done{})), "https://ca.example/o/1");
    EXPECT_EQ(url_of(machine.on(event::Answered{valid_order})), "https://ca.example/cert");
    command = machine.on(event::Answered{json(chain)});
    EXPECT_EQ(is<command::Finish>(command).chain_pem, chain);
    EXPECT_EQ(machine.stage(), Stage::issued);
}

TEST(Order, SkipsWhatIsProvedAlready) {
    Order machine(plan());
    machine.begin();
    machine.on(event::Answered{order("pending")});
    EXPECT_EQ(url_of(machine.on(event::Answered{authorization("valid")})), "https://ca.example/o/1");
    Order ready(plan());
    ready.begin();
    auto command = ready.on(event::Answered{order("ready")});
    is<command::MakeRequest>(command);
    Order there(plan());
    there.begin();
    EXPECT_EQ(url_of(there.on(event::Answered{valid_order})), "https://ca.example/cert");
}

TEST(Order, TellsTheAuthoritysSentenceOfAFailedProofOnceItIsWithdrawn) {
    Order machine(plan());
    machine.begin();
    machine.on(event::Answered{order("pending")});
    machine.on(event::Answered{authorization("pending")});
    machine.on(event::Done{});
    machine.on(event::Answered{json("{}")});
    machine.on(event::Done{});
    auto command = machine.on(event::Answered{authorization("invalid", "http-01", R"(,"error":{"type":"urn:ietf:params:acme:error:connection","detail":"Connection refused by 10.0.0.9"})")});
    is<command::Withdraw>(command);
    command = machine.on(event::Done{});
    const Failure& failure = is<command::GiveUp>(command).failure;
    EXPECT_EQ(failure.kind, FailureKind::invalid);
    EXPECT_EQ(failure.text, "the authority could not verify www.example by http-01: Connection refused by 10.0.0.9 (connection)");
}

TEST(Order, NamesTheChallengesThatAreOffered) {
    Order machine(plan());
    machine.begin();
    machine.on(event::Answered{order("pending")});
    auto command = machine.on(event::Answered{authorization("pending", "dns-01")});
    EXPECT_EQ(is<command::GiveUp>(command).failure.text, "the authority does not offer http-01 for www.example, only: dns-01");
}

TEST(Order, KeepsRetryAfterOfALimit) {
    Order machine(plan());
    machine.begin();
    Answer limited = problem(429, "rateLimited");
    limited.retry_after = 1h;
    auto command = machine.on(event::Answered{limited});
    const Failure& failure = is<command::GiveUp>(command).failure;
    EXPECT_EQ(failure.kind, FailureKind::rate_limited);
    EXPECT_EQ(failure.retry_after, Duration(1h));
    EXPECT_FALSE(failure.whole_authority);
    EXPECT_NE(failure.text.find("No, says the authority"), std::string::npos);
}

TEST(Order, LooksAgainAfterAHiccupAndGivesUpAfterSome) {
    for (int more = 0; more <= 1; ++more) {
        Order machine(plan());
        machine.begin();
        machine.on(event::Answered{valid_order});
        Command command = command::Nothing{};
        for (int i = 0; i < most_hiccups + more; ++i) {
            command = machine.on(event::Failed{{.kind = FailureKind::unreachable, .text = "gone"}});
            if (std::holds_alternative<command::GiveUp>(command)) break;
            is<command::Pause>(command);
            machine.on(event::Done{});
            machine.on(event::Answered{valid_order});
        }
        EXPECT_EQ(machine.over(), more == 1);
    }
}

// ---- Any authority ----

struct Tried {
    std::string name;
    Event event;
};
std::vector<Tried> alphabet() {
    const Failure gone{.kind = FailureKind::unreachable, .text = "gone"}, no{.kind = FailureKind::refused, .text = "no"};
    std::vector<Tried> all{{"done", event::Done{}}, {"requested", event::Requested{"der"}}, {"unreachable", event::Failed{gone}}, {"refused", event::Failed{no}}, {"stop", event::Stop{no}}};
    for (const std::string_view status : {"pending", "ready", "processing", "valid", "invalid"}) all.push_back({fmt::format("order {}", status), event::Answered{order(status)}});
    all.push_back({"order valid with certificate", event::Answered{valid_order}});
    for (const std::string_view status : {"pending", "valid", "invalid", "expired"}) all.push_back({fmt::format("authorization {}", status), event::Answered{authorization(status)}});
    all.push_back({"other challenge", event::Answered{authorization("pending", "dns-01")}});
    all.push_back({"chain", event::Answered{json(chain)}});
    all.push_back({"garbage", event::Answered{json("<html>")}});
    all.push_back({"no location", event::Answered{json(R"({"status":"pending"})")}});
    all.push_back({"429", event::Answered{problem(429, "rateLimited")}});
    all.push_back({"not ready", event::Answered{problem(403, "orderNotReady")}});
    all.push_back({"503", event::Answered{json("", 503)}});
    return all;
}

// Follows a machine and says what must hold of every step.
struct Watched {
    Order machine{plan()};
    bool shown = false;
    int presented = 0, withdrawn = 0;

    bool waits_for(const Event& event) const {
        switch (machine.stage()) {
            case Stage::presenting: return std::holds_alternative<event::Done>(event) || std::holds_alternative<event::Failed>(event);
            case Stage::pausing:
            case Stage::waiting:
            case Stage::withdrawing: return std::holds_alternative<event::Done>(event);
            case Stage::requesting: return std::holds_alternative<event::Requested>(event) || std::holds_alternative<event::Failed>(event);
            case Stage::idle:
            case Stage::issued:
            case Stage::failed: return false;
            default: return std::holds_alternative<event::Answered>(event) || std::holds_alternative<event::Failed>(event);
        }
    }

    void check(const Command& command) {
        const auto holds = [&]<class T>(T) { return std::holds_alternative<T>(command); };
        switch (machine.stage()) {
            case Stage::presenting: ASSERT_TRUE(holds(command::Present{})); break;
            case Stage::pausing:
            case Stage::waiting: {
                ASSERT_TRUE(holds(command::Pause{}));
                const Duration time = std::get<command::Pause>(command).time;
                ASSERT_GE(time, least_pause);
                ASSERT_LE(time, most_pause);
                break;
            }
            case Stage::withdrawing: ASSERT_TRUE(holds(command::Withdraw{})); break;
            case Stage::requesting: ASSERT_TRUE(holds(command::MakeRequest{})); break;
            case Stage::issued: ASSERT_TRUE(holds(command::Finish{})); break;
            case Stage::failed:
                ASSERT_TRUE(holds(command::GiveUp{}));
                ASSERT_FALSE(std::get<command::GiveUp>(command).failure.text.empty());
                break;
            default: ASSERT_TRUE(holds(command::Post{})); break;
        }
        if (holds(command::Present{})) {
            ASSERT_FALSE(shown);
            shown = true;
        }
        if (holds(command::Withdraw{})) ASSERT_TRUE(shown);
        if (holds(command::Finish{}) || holds(command::GiveUp{})) ASSERT_FALSE(shown) << "a proof is left standing";
    }

    void take(const Tried& tried) {
        const Stage before = machine.stage();
        const bool stop = std::holds_alternative<event::Stop>(tried.event);
        const bool expected = waits_for(tried.event) || (stop && !machine.over() && before != Stage::idle);
        // The proof is gone once the withdrawal ended, or nobody waits for it.
        if (expected && before == Stage::withdrawing) shown = false;
        const bool stopped_again = stop && before == Stage::withdrawing;
        const Command command = machine.on(tried.event);
        if (!expected) {
            ASSERT_TRUE(std::holds_alternative<command::Nothing>(command)) << tried.name;
            ASSERT_EQ(machine.stage(), before);
            return;
        }
        if (stopped_again && machine.stage() == Stage::withdrawing) shown = true;  // Withdrawn for another reason: once more.
        check(command);
    }
};

void explore(const Watched& from, const std::vector<Tried>& events, int depth, std::set<Stage>& seen, std::string way) {
    seen.insert(from.machine.stage());
    for (const Tried& tried : events) {
        Watched next = from;
        const Stage before = from.machine.stage();
        {
            SCOPED_TRACE(way + " > " + tried.name);
            next.take(tried);
            if (testing::Test::HasFatalFailure()) return;
        }
        if (depth > 0 && (next.machine.stage() != before)) explore(next, events, depth - 1, seen, way + " > " + tried.name);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Order, TakesEveryEventInEveryStage) {
    const auto events = alphabet();
    std::set<Stage> seen;
    Watched start;
    for (const Tried& tried : events) start.take(tried);  // Before it began: nothing.
    start.check(start.machine.begin());
    EXPECT_TRUE(std::holds_alternative<command::Nothing>(start.machine.begin()));
    explore(start, events, 6, seen, "begin");
    for (const Stage stage : {Stage::ordering, Stage::reading, Stage::presenting, Stage::answering, Stage::pausing, Stage::checking, Stage::withdrawing, Stage::requesting,
                              Stage::finalizing, Stage::waiting, Stage::polling, Stage::downloading, Stage::issued, Stage::failed})
        EXPECT_TRUE(seen.contains(stage)) << static_cast<int>(stage);
}

TEST(Order, EndsOnEveryRandomWay) {
    const auto seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    const auto events = alphabet();
    for (int walk = 0; walk < 3000; ++walk) {
        Watched one;
        one.check(one.machine.begin());
        int steps = 0;
        for (; !one.machine.over(); ++steps) {
            ASSERT_LT(steps, 100'000);
            // Seldom stopped, so that long ways are walked.
            const Tried& tried = events[random.below(events.size())];
            if (std::holds_alternative<event::Stop>(tried.event) && !random.one_in(20)) continue;
            one.take(tried);
            if (HasFatalFailure()) return;
        }
    }
}

TEST(Order, DoesNotWaitForeverForAnAuthorityThatIsNeverReady) {
    for (const std::string_view always : {"pending", "ready", "processing"}) {
        Order machine(plan());
        machine.begin();
        machine.on(event::Answered{order("ready")});
        int steps = 0;
        for (; !machine.over() && steps < 10'000; ++steps) {
            machine.on(event::Done{});
            machine.on(event::Requested{"der"});
            machine.on(event::Answered{order(always)});
        }
        EXPECT_EQ(machine.stage(), Stage::failed) << always;
        EXPECT_LE(steps, 2 * most_polls + 2) << always;
    }
    Order machine(plan());
    machine.begin();
    machine.on(event::Answered{order("pending")});
    int steps = 0;
    for (; !machine.over() && steps < 10'000; ++steps) {
        machine.on(event::Answered{authorization("pending")});
        machine.on(event::Done{});
    }
    EXPECT_EQ(machine.stage(), Stage::failed);
    EXPECT_LE(steps, 2 * most_polls + 2);
}

}  // namespace
}  // namespace hale::acme
