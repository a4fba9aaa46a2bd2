// Goal: what was committed is what the next start finds, in order, whole batches only; limits answer instead of
// growing; a failing disk fails commits and nothing else.
// Method: every kind of change through close and open against a map kept beside; the queue before its thread starts;
// the disk through RLIMIT_FSIZE and through a file system layer that fails the Nth write or fsync.

#include "store/state_store.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>

#include "base/random.h"
#include "store/test_disk.h"
#include "store/test_state.h"

namespace hale::store {
namespace {

using namespace config;

TEST(StateStore, EveryChangeComesBackAfterAStart) {
    TestDirectory directory;
    Restored expected;
    {
        OpenState s(directory.path());
        ASSERT_TRUE(s.store) << s.error.text;
        EXPECT_EQ(text_of(s.restored), text_of({}));
        const std::string odd("quote ' nul \0 end \xff", 19);
        expected.objects = {{"route", "r-1", "{}", 7}, {"service", "web", odd, 0xffff'ffff'ffff'fff0u}};
        expected.overrides = {{"web", "", verdict::OverrideState::maintenance, "uid:0", odd, day(1), day(2), 9},
                              {"web", "i-1", verdict::OverrideState::up, "tok", "", Utc{}, Utc::max(), 10}};
        for (std::uint32_t n = 0; n < 5; ++n) expected.verdicts.push_back(verdict_number(n));
        expected.verdicts[1].version = 0xffff'ffff;
        expected.verdicts[1].generation = 0xffff;
        expected.verdicts[1].text = odd;
        std::ranges::sort(expected.verdicts, {}, &StoredVerdict::instance);
        expected.standings = {{"api", verdict::State::unhealthy, day(1)}, {"web", verdict::State::healthy, day(2)}};
        expected.traffic = {{"i-1", 0, false, {}}, {"i-2", {}, true, {}}, {"web", 0xffff'ffff, true, day(3)}};
        expected.tokens = {{"ci", "ab12", "operate", day(1), {}}, {"root", "cd34", "admin", day(1), day(9)}};
        expected.deployments = {{"d-1", "web", 1, true, false, day(1), odd}, {"d-2", "web", 0xffff'ffff'ffff'fff0u, false, true, day(2), "{}"}};
        expected.revisions_reserved = 1'000'000;
        expected.versions_reserved = 0xffff'ffff;

        std::vector<Change> all;
        all.push_back(PutObject{{"service", "web", "older", 1}});
        for (const auto& o : expected.objects) all.push_back(PutObject{o});
        all.push_back(PutObject{{"service", "gone", "{}", 1}});
        for (const auto& o : expected.overrides) all.push_back(PutOverride{o});
        all.push_back(PutOverride{{.service = "web", .instance = "i-gone"}});
        for (const auto& v : expected.verdicts) all.push_back(PutVerdict{v});
        all.push_back(PutVerdict{{.instance = "i-gone"}});
        for (const auto& known : expected.standings) all.push_back(PutStanding{known});
        all.push_back(PutStanding{{"gone", verdict::State::pending, day(1)}});
        for (const auto& t : expected.traffic) all.push_back(PutTraffic{t});
        all.push_back(PutTraffic{{"gone", 5, true, day(1)}});
        for (const auto& t : expected.tokens) all.push_back(PutToken{t});
        all.push_back(PutToken{{"gone", "", "read", {}, {}}});
        for (const auto& d : expected.deployments) all.push_back(PutDeployment{d});
        all.push_back(PutDeployment{{.id = "d-gone", .service = "web"}});
        all.push_back(ReserveRevisions{1'000'000});
        all.push_back(ReserveRevisions{5});  // Never goes back.
        all.push_back(ReserveVersions{0xffff'ffff});
        ASSERT_TRUE(s.commit(std::move(all)));
        ASSERT_TRUE(s.commit({RemoveObject{"service", "gone"}, RemoveOverride{"web", "i-gone"}, RemoveVerdict{"i-gone"}, RemoveStanding{"gone"},
                              PutTraffic{{"gone", {}, false, {}}}, RemoveToken{"gone"}, RemoveDeployment{"d-gone"}},
                             false));
    }
    for (int start = 0; start < 2; ++start) {
        OpenState s(directory.path());
        ASSERT_TRUE(s.store) << s.error.text;
        EXPECT_EQ(text_of(s.restored), text_of(expected));
    }
    struct stat status{};
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u) << entry.path();
    }
    ASSERT_EQ(::stat(directory.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(StateStore, AuditIsReadNewestFirstInPagesAndKeepsOnlyTheNewest) {
    TestDirectory directory;
    OpenState s(directory.path());
    std::uint64_t revision = 0;
    for (int batch = 0; batch < 102; ++batch) {
        std::vector<Change> changes;
        for (int i = 0; i < 1'000; ++i)
            changes.push_back(PutAudit{{++revision, day(1), "uid:0", "PUT /x", "web", fmt::format("{}", revision)}});
        ASSERT_TRUE(s.commit(std::move(changes), false));
    }
    std::optional<std::uint64_t> before;
    std::uint64_t expected = revision, seen = 0;
    do {
        const auto page = s.store->audit(777, before);
        ASSERT_TRUE(page) << page.error().text;
        for (const auto& e : page->entries) {
            ASSERT_EQ(e.revision, expected--);
            ASSERT_EQ(e.detail, fmt::format("{}", e.revision));
            ++seen;
        }
        before = page->next;
    } while (before);
    EXPECT_EQ(seen, audit_kept);
    EXPECT_EQ(s.store->audit(0, {})->entries.size(), 1u);
    EXPECT_EQ(s.store->audit(1'000'000, {})->entries.size(), audit_page);
}

TEST(StateStore, AnAnswerIsKeptForADayPerKeyAndActor) {
    TestDirectory directory;
    const auto put = [](std::string key, std::string actor, int status, Utc at) {
        return std::vector<Change>{PutIdempotent{std::move(key), std::move(actor), status, "body", at}};
    };
    {
        OpenState s(directory.path());
        ASSERT_TRUE(s.commit(put("k", "a", 200, day(1))));
        ASSERT_TRUE(s.commit(put("k", "b", 409, day(1) + 1h)));
        const auto is = [&](const char* actor, Utc now) {
            const auto answer = s.store->idempotent("k", actor, now);
            EXPECT_TRUE(answer) << answer.error().text;
            return answer && *answer ? (*answer)->status : 0;
        };
        EXPECT_EQ(is("a", day(1)), 200);
        EXPECT_EQ(is("b", day(1)), 409);
        EXPECT_EQ(is("c", day(1)), 0);
        EXPECT_EQ(is("a", day(2)), 200);
        EXPECT_EQ(is("a", day(2) + 1s), 0);  // Asked by the caller's clock, though the row is there.
        ASSERT_TRUE(s.commit(put("later", "a", 201, day(2) + 30min)));
        EXPECT_EQ(is("a", day(1)), 0);  // Pruned by the newer answer.
        EXPECT_EQ(is("b", day(1)), 409);
    }
    OpenState s(directory.path(), day(2) + 2h);
    EXPECT_FALSE(*s.store->idempotent("k", "b", day(1)));  // Pruned by the start.
    EXPECT_TRUE(*s.store->idempotent("later", "a", day(2) + 2h));
}

TEST(StateStore, CommitsAreOrderedAndTheQueueHasALimit) {
    TestDirectory directory;
    TestLoop loop;
    auto opened = StateStore::open(loop, {.directory = directory.path(), .now = day(0)});
    ASSERT_TRUE(opened);
    auto& store = *opened->store;
    std::vector<std::size_t> done;
    std::size_t refused = 0;
    for (std::size_t i = 0; i < queue_limit + 10; ++i)
        store.commit({PutObject{{"service", "web", "{}", i}}}, i % 7 == 0, [&, i](Result<> r) {
            if (r) return done.push_back(i);
            EXPECT_EQ(r.error().code, Code::exhausted);
            ++refused;
        });
    EXPECT_EQ(store.waiting(), queue_limit);
    EXPECT_EQ(done.size() + refused, 0u);  // Never inside commit.
    store.start();
    loop.run_until([&] { return done.size() == queue_limit; });
    EXPECT_EQ(refused, 10u);
    EXPECT_TRUE(std::ranges::is_sorted(done));
    store.commit({PutObject{{"service", "web", "last", 1}}}, false, nullptr);
    store.stop();
    bool late = false;
    store.commit({}, true, [&](Result<> r) { late = !r && r.error().code == Code::unavailable; });
    loop.run_until([&] { return late; });
    opened->store.reset();
    OpenState s(directory.path());
    EXPECT_EQ(s.restored.objects.at(0).json, "last");  // stop() writes what waits.
}

TEST(StateStore, AHundredThousandVerdictsAreWrittenAndLoaded) {
    TestDirectory directory;
    {
        OpenState s(directory.path());
        std::size_t done = 0;
        for (std::uint32_t n = 0; n < 100'000; n += 1'000) {
            std::vector<Change> batch;
            for (std::uint32_t i = n; i < n + 1'000; ++i) batch.push_back(PutVerdict{verdict_number(i)});
            s.store->commit(std::move(batch), false, [&](Result<> r) { done += r.has_value(); });
        }
        s.loop.run_until([&] { return done == 100; });
    }
    OpenState s(directory.path());
    EXPECT_EQ(s.restored.verdicts.size(), 100'000u);
}

TEST(StateStore, AFullDiskFailsTheCommitAndLaterOnesSucceedAgain) {
    TestDirectory directory;
    {
        OpenState s(directory.path());
        ASSERT_TRUE(s.commit({PutObject{{"service", "before", "{}", 1}}}));
        struct rlimit old{};
        ::getrlimit(RLIMIT_FSIZE, &old);
        const auto previous = ::signal(SIGXFSZ, SIG_IGN);
        const struct rlimit small{.rlim_cur = 256 * 1024, .rlim_max = old.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
        const auto big = s.commit(
            {PutObject{{"service", "half", "{}", 1}}, PutObject{{"service", "big", std::string(1 << 20, 'x'), 1}}});
        const auto fits = s.commit({PutObject{{"service", "fits", "{}", 1}}});
        ::setrlimit(RLIMIT_FSIZE, &old);
        ::signal(SIGXFSZ, previous);
        ASSERT_FALSE(big);
        EXPECT_EQ(big.error().code, Code::unavailable) << big.error().text;
        EXPECT_NE(big.error().text.find(directory.state()), std::string::npos) << big.error().text;
        EXPECT_TRUE(fits) << fits.error().text;
        ASSERT_TRUE(s.commit({PutObject{{"service", "web", std::string(1 << 20, 'y'), 1}}}));
    }
    OpenState s(directory.path());
    std::vector<std::string> keys;
    for (const auto& o : s.restored.objects) keys.push_back(o.key);
    EXPECT_EQ(keys, (std::vector<std::string>{"before", "fits", "web"}));  // Nothing of the failed batch.
}

// Fails operation 0, 1, 2 … until a run meets no failure. Acknowledged: there. Refused: not there, except after a
// failed fsync, where nobody knows, and every later commit is refused too.
void fail_each(std::atomic<int>& left, bool final) {
    for (int n = 0;; ++n) {
        TestDirectory directory;
        std::vector<std::string> acknowledged, refused;
        {
            OpenState s(directory.path());
            ASSERT_TRUE(s.store) << s.error.text;
            left = n;
            for (int i = 0; i < 12; ++i) {
                const std::string key = fmt::format("s{:02}", i);
                const auto r =
                    s.commit({PutObject{{"service", key, std::string(i == 5 ? 9'000 : 10, 'x'), 1}}}, i % 3 != 1);
                if (r && !refused.empty()) EXPECT_FALSE(final);
                (r ? acknowledged : refused).push_back(key);
                if (!r) EXPECT_EQ(r.error().code, Code::unavailable) << r.error().text;
            }
        }
        const bool met = left < 0;
        left = -1;
        OpenState s(directory.path());
        ASSERT_TRUE(s.store) << n << ": " << s.error.text;
        std::vector<std::string> keys;
        for (const auto& o : s.restored.objects) keys.push_back(o.key);
        if (final)
            EXPECT_TRUE(std::ranges::includes(keys, acknowledged)) << n;
        else
            EXPECT_EQ(keys, acknowledged) << n;
        if (!met) {
            EXPECT_GT(n, 8);
            return;
        }
        ASSERT_LT(n, 500);
    }
}

TEST(StateStore, EveryWriteMayFail) {
    const TestDisk disk;
    fail_each(TestDisk::writes_left, false);
}

TEST(StateStore, AFailedFsyncIsFinalUntilTheNextStart) {
    const TestDisk disk;
    fail_each(TestDisk::syncs_left, true);
}

// After every acknowledgement the power goes: what was written but never synced is gone.
TEST(StateStore, WhatIsDurableWasSyncedBeforeItWasAcknowledged) {
    const TestDisk disk;
    TestDirectory directory;
    OpenState s(directory.path());
    ASSERT_TRUE(s.store) << s.error.text;
    std::vector<std::string> acknowledged;
    int unsynced = 0;
    for (int i = 0; i < 20; ++i) {
        const bool durable = i % 3 != 1;
        ASSERT_TRUE(s.commit(
            {PutObject{{"service", fmt::format("s{:02}", i), std::string(i % 7 == 5 ? 9'000 : 10, 'x'), 1}}}, durable));
        acknowledged.push_back(fmt::format("s{:02}", i));
        TestDirectory after;
        for (const char* part : {"", "-wal"})
            write_file(after.state() + part, TestDisk::synced(directory.state() + part));
        OpenState t(after.path());
        ASSERT_TRUE(t.store) << i << ": " << t.error.text;
        std::vector<std::string> keys;
        for (const auto& o : t.restored.objects) keys.push_back(o.key);
        if (durable)
            EXPECT_EQ(keys, acknowledged) << i;
        else
            unsynced += keys != acknowledged;
    }
    EXPECT_GT(unsynced, 0) << "the power cut takes nothing away, so this test shows nothing";
}

TEST(StateStore, OneBadBatchOfAGroupIsRefusedAlone) {
    TestDirectory directory;
    TestLoop loop;
    auto opened = StateStore::open(loop, {.directory = directory.path(), .now = day(0)});
    ASSERT_TRUE(opened);
    std::vector<bool> results;
    struct rlimit old{};
    ::getrlimit(RLIMIT_FSIZE, &old);
    const auto previous = ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small{.rlim_cur = 512 * 1024, .rlim_max = old.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 5; ++i)
        opened->store->commit({PutObject{{"service", fmt::format("{}", i), std::string(i == 2 ? 1 << 20 : 1, 'x'), 1}}},
                              true, [&](Result<> r) { results.push_back(r.has_value()); });
    opened->store->start();
    loop.run_until([&] { return results.size() == 5; });
    ::setrlimit(RLIMIT_FSIZE, &old);
    ::signal(SIGXFSZ, previous);
    opened->store->stop();
    EXPECT_EQ(results, (std::vector<bool>{true, true, false, true, true}));
}

}  // namespace
}  // namespace hale::store
