// Goal: nothing is lost or out of order while the reader keeps up; a reader that stands still costs a bounded
// memory, misses no final state, waits for no mutation, and is told how much it missed.
// Method: random streams of deltas and of a reader's takings, against a model that keeps every delta; a view
// fed through the queue must end like one that was fed everything.

#include "catalog/delta_queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::catalog {
namespace {

constexpr std::size_t most = 1'000;

Delta verdict(Slot slot, std::uint64_t revision) { return {revision, {}, VerdictPut{slot, nullptr, revision % 2 == 0, 5}}; }
Delta notice(std::uint64_t revision) { return {revision, {}, Notice{"audit", "", ""}}; }

std::uint64_t skipped_in(const std::vector<Delta>& batch) {
    std::uint64_t count = 0;
    for (const auto& delta : batch)
        if (const auto* one = std::get_if<DeltasSkipped>(&delta.what)) count += one->count;
    return count;
}

TEST(DeltaQueue, AReaderThatKeepsUpGetsEachBatchAsItIs) {
    DeltaQueue queue(most);
    for (std::uint64_t n = 1; n < 1000; ++n) {
        std::vector<Delta> batch;
        batch.push_back(verdict(1, 2 * n));
        batch.push_back(notice(2 * n + 1));
        EXPECT_EQ(queue.push(std::move(batch)).size(), 2u);
        EXPECT_TRUE(queue.taken(2).empty());
    }
    EXPECT_EQ(queue.skipped(), 0u);
}

TEST(DeltaQueue, AReaderThatStandsStillCostsAShareAndMissesNoFinalState) {
    DeltaQueue queue(most);
    constexpr Slot slots = 20;
    std::uint64_t revision = 0;
    std::size_t sent = 0, most_held = 0;
    for (int round = 0; round < 500; ++round) {
        std::vector<Delta> batch;
        for (Slot slot = 0; slot < slots; ++slot) batch.push_back(verdict(slot, ++revision));
        sent += queue.push(std::move(batch)).size();
        most_held = std::max(most_held, queue.held());
    }
    EXPECT_LE(sent, most + slots);
    EXPECT_LE(most_held, most + slots);
    EXPECT_GT(queue.skipped(), 0u);
    const auto rest = queue.taken(sent);
    EXPECT_EQ(skipped_in(rest), queue.skipped());
    EXPECT_TRUE(std::holds_alternative<DeltasSkipped>(rest.back().what));
    std::map<Slot, std::uint64_t> last;
    std::uint64_t before = 0;
    for (const auto& delta : rest) {
        EXPECT_GE(delta.revision, before) << "out of order";
        before = delta.revision;
        if (const auto* put = std::get_if<VerdictPut>(&delta.what)) last[put->slot] = delta.revision;
    }
    ASSERT_EQ(last.size(), slots);
    for (const auto& [slot, at] : last) EXPECT_EQ(at, revision - slots + slot + 1) << slot;
    // Once told, it is not told again.
    EXPECT_TRUE(queue.taken(rest.size()).empty());
    EXPECT_EQ(skipped_in(queue.push({verdict(1, ++revision)})), 0u);
}

TEST(DeltaQueue, WhatAMutationBringsTakesAlongAllBeforeIt) {
    DeltaQueue queue(most);
    std::uint64_t revision = 0;
    for (std::size_t n = 0; n < most; ++n) EXPECT_EQ(queue.push({verdict(1, ++revision)}).size(), 1u);
    EXPECT_TRUE(queue.push({verdict(2, ++revision)}).empty());
    const auto now = queue.push({notice(++revision)});
    ASSERT_EQ(now.size(), 2u);
    EXPECT_EQ(now[0].revision, revision - 1);
    EXPECT_EQ(queue.held(), 0u);
}

TEST(DeltaQueue, NeverOutOfOrderAndNeverForgotten) {
    const std::uint64_t seed = test_seed();
    Random random(seed);
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(fmt::format("{}, round {}", seed_text(seed), round));
        DeltaQueue queue(most);
        std::uint64_t revision = 0, seen = 0, told = 0;
        std::size_t untaken = 0;
        std::map<Slot, std::uint64_t> right, got;
        const auto take = [&](const std::vector<Delta>& batch) {
            untaken += batch.size();
            for (const auto& delta : batch) {
                EXPECT_GE(delta.revision, seen);
                seen = delta.revision;
                if (const auto* put = std::get_if<VerdictPut>(&delta.what)) got[put->slot] = delta.revision;
            }
            told += skipped_in(batch);
        };
        for (int step = 0; step < 300; ++step) {
            std::vector<Delta> batch;
            for (std::uint64_t n = random.below(100); n > 0; --n) {
                const auto slot = static_cast<Slot>(random.below(50));
                batch.push_back(verdict(slot, ++revision));
                right[slot] = revision;
            }
            if (random.one_in(50)) batch.push_back(notice(++revision));
            if (!batch.empty()) take(queue.push(std::move(batch)));
            if (random.one_in(30)) {
                const std::size_t some = random.below(untaken + 1);
                untaken -= some;
                take(queue.taken(some));
            }
        }
        while (untaken > 0) take(queue.taken(std::exchange(untaken, 0)));
        EXPECT_EQ(got, right);
        EXPECT_EQ(told, queue.skipped());
        EXPECT_EQ(queue.held(), 0u);
    }
}

}  // namespace
}  // namespace hale::catalog
