// Goal: acknowledged means durable, whenever the process ends; and a state directory has one owner.
// Method: a forked child commits numbered changes, tells each acknowledged number through a pipe, and is killed with
// SIGKILL halfway through a seeded one of its writes; the parent opens what is left, round after round on one
// directory. The first rounds go through the first writes of a new directory one by one.

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "store/test_disk.h"
#include "store/test_state.h"

namespace hale::store {
namespace {

using namespace config;

constexpr int rounds = 60;
constexpr int first_writes = 20;  // Each of them is a round on a directory of its own.
constexpr std::uint64_t most_writes = 400;
constexpr std::uint64_t seed = 20261121;

std::string body_of(std::uint64_t n) { return fmt::format("{}:{}", n, std::string(n * 37 % 6'000, 'x')); }

// Each batch is a pair of objects and an audit entry, so that half a batch would show. Never returns.
[[noreturn]] void commit_until_killed(const std::string& directory, std::uint64_t first, int pipe, int writes) {
    const TestDisk disk;
    TestDisk::writes_to_live = writes;
    OpenState s(directory);
    if (!s.store) ::_exit(3);
    for (std::uint64_t n = first;; ++n) {
        const bool durable = n % 5 != 0;
        s.store->commit({PutObject{{"service", fmt::format("a{}", n % 100), body_of(n), n}},
                         PutObject{{"service", fmt::format("b{}", n % 100), body_of(n), n}},
                         PutAudit{{n, day(1), "uid:0", "PUT", "a", ""}}, ReserveRevisions{n}},
                        durable, [n, pipe](Result<> r) {
                            if (!r || ::write(pipe, &n, sizeof n) != sizeof n) ::_exit(4);
                        });
        // Several batches in flight: groups are cut off too.
        s.loop.run_until([&] { return s.store->waiting() < 8; });
    }
}

// One life of a store, from its start to the kill; then what is left is looked at. Sets `next` to the number that a
// further life begins with.
void live_and_die(const std::string& directory, std::uint64_t& next, int writes, int round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::close(ends[0]);
        commit_until_killed(directory, next, ends[1], writes);
    }
    ::close(ends[1]);
    std::uint64_t acknowledged = next - 1, n = 0;
    while (::read(ends[0], &n, sizeof n) == sizeof n) acknowledged = n;  // Until it is dead.
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round << ": the child ended by itself, " << WEXITSTATUS(status);

    OpenState s(directory);
    ASSERT_TRUE(s.store) << "round " << round << ": " << s.error.text;
    const std::uint64_t last = s.restored.revisions_reserved;
    ASSERT_GE(last, acknowledged) << "round " << round;
    const auto audit = s.store->audit(1'000, {});
    ASSERT_TRUE(audit) << audit.error().text;
    ASSERT_EQ(audit->entries.size(), std::min<std::uint64_t>(last, 1'000));
    std::uint64_t expected = last;
    for (const auto& entry : audit->entries) ASSERT_EQ(entry.revision, expected--);
    ASSERT_EQ(s.restored.objects.size(), 2 * std::min<std::uint64_t>(last, 100));
    for (const auto& o : s.restored.objects) {
        ASSERT_GT(o.revision + 100, last);
        ASSERT_EQ(o.json, body_of(o.revision)) << o.key;
        ASSERT_EQ(o.key.substr(1), fmt::to_string(o.revision % 100));
    }
    next = last + 1;
}

TEST(Crash, WhateverWasAcknowledgedIsThereAfterKillNine) {
    fmt::print("seed {}\n", seed);
    Random random(seed);
    TestDirectory directory;
    std::uint64_t next = 1;
    for (int round = 0; round < rounds && !HasFatalFailure(); ++round)
        live_and_die(directory.path(), next, static_cast<int>(random.below(most_writes)), round);
    EXPECT_GT(next, 1'000u);
}

TEST(Crash, KilledInAnyOfTheFirstWritesItStartsAgain) {
    for (int writes = 0; writes < first_writes && !HasFatalFailure(); ++writes) {
        TestDirectory directory;
        std::uint64_t next = 1;
        live_and_die(directory.path(), next, writes, writes);
    }
}

TEST(Crash, TheDirectoryHasOneOwnerAndItsPidIsTold) {
    TestDirectory directory;
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        OpenState s(directory.path());
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        while (true) ::pause();
    }
    char c = 0;
    ASSERT_EQ(::read(ready[0], &c, 1), 1);
    {
        OpenState second(directory.path());
        ASSERT_FALSE(second.store);
        EXPECT_EQ(second.error.code, Code::conflict);
        EXPECT_NE(second.error.text.find(directory.path()), std::string::npos);
        EXPECT_NE(second.error.text.find(fmt::format("process {}", child)), std::string::npos) << second.error.text;
        const auto restored = restore(directory.path(), directory.state(), day(0));
        ASSERT_FALSE(restored);
        EXPECT_EQ(restored.error().code, Code::conflict);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    OpenState third(directory.path());
    EXPECT_TRUE(third.store) << third.error.text;
}

}  // namespace
}  // namespace hale::store
