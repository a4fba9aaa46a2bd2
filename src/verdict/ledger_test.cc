// Goal: the eligibility table, the word and panic are what the pages say.
// Method: the whole table by enumeration against an oracle that is its rows in order; every word there and back.

#include "verdict/ledger.h"

#include <gtest/gtest.h>

#include <set>

#include "verdict/panic.h"

namespace hale::verdict {
namespace {

constexpr State states[] = {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown};
constexpr Lifecycle lifecycles[] = {Lifecycle::starting, Lifecycle::serving, Lifecycle::draining, Lifecycle::retired};
constexpr std::optional<OverrideState> overrides[] = {std::nullopt, OverrideState::up, OverrideState::down,
                                                      OverrideState::maintenance};

void each_standing(auto visit) {
    for (const Lifecycle lifecycle : lifecycles)
        for (const auto override : overrides)
            for (const State state : states)
                for (int flags = 0; flags < 64; ++flags)
                    for (const bool was : {false, true})
                        for (const bool unchecked : {false, true})
                            visit(Standing{
                                lifecycle, override,
                                Word{.state = state, .was_eligible = was, .flags = {static_cast<std::uint8_t>(flags)}},
                                unchecked});
}

TEST(Eligibility, IsTheTableFirstRowThatMatches) {
    int seen = 0;
    each_standing([&](const Standing& s) {
        struct Row {
            bool matches;
            bool eligible;
        };
        const bool judged_before = s.word.flags.has(Flag::held);
        const Row table[] = {
            {s.lifecycle != Lifecycle::serving, false},
            {s.override == OverrideState::maintenance || s.override == OverrideState::down, false},
            {s.override == OverrideState::up, true},
            {s.word.flags.has(Flag::ejected), false},
            {s.word.state == State::healthy || s.word.state == State::degraded, true},
            {s.word.state == State::unhealthy || s.word.state == State::pending, false},
            {s.word.state == State::unknown && judged_before, s.word.was_eligible},
            {s.word.state == State::unknown && !judged_before, s.unchecked},
        };
        int rule = 1;
        for (const Row& row : table) {
            if (row.matches) {
                const Eligibility e = eligibility(s);
                ASSERT_EQ(e.rule, rule);
                ASSERT_EQ(e.eligible, row.eligible);
                ++seen;
                return;
            }
            ++rule;
        }
        FAIL() << "no row matches";
    });
    EXPECT_EQ(seen, 4 * 4 * 5 * 64 * 2 * 2);
}

TEST(Eligibility, MaintenanceOverDownOverUp) {
    using enum OverrideState;
    EXPECT_EQ(stronger(std::nullopt, std::nullopt), std::nullopt);
    for (const auto a : overrides)
        for (const auto b : overrides) {
            const auto s = stronger(a, b);
            EXPECT_EQ(s, stronger(b, a));
            const auto either = [&](OverrideState o) { return a == o || b == o; };
            if (either(maintenance))
                EXPECT_EQ(s, maintenance);
            else if (either(down))
                EXPECT_EQ(s, down);
            else if (either(up))
                EXPECT_EQ(s, up);
        }
}

TEST(Word, PacksAndUnpacksEverything) {
    for (const State state : states)
        for (int flags = 0; flags < 256; ++flags)
            for (const bool was : {false, true})
                for (const std::uint16_t generation : std::initializer_list<std::uint16_t>{0, 1, 255, 65535})
                    for (const std::uint32_t version : {0u, 1u, 0x80000000u, 0xffffffffu}) {
                        const Word w{state, was, {static_cast<std::uint8_t>(flags)}, generation, version};
                        ASSERT_EQ(Word::unpack(w.pack()), w);
                        ASSERT_EQ(read_word(w.pack(), generation), w);
                        const auto other = static_cast<std::uint16_t>(generation + 1);
                        ASSERT_EQ(read_word(w.pack(), other), Word{.generation = other});
                    }
}

TEST(Ledger, HandsOutEachRowOnceUpToItsLimitAndAgainAfterRecycling) {
    constexpr std::size_t most = 5000;  // More than a chunk.
    Ledger ledger(most);
    std::set<RowId> ids;
    std::set<Row*> rows;
    for (std::size_t i = 0; i < most; ++i) {
        const auto id = ledger.allocate(static_cast<std::uint16_t>(i));
        ASSERT_TRUE(id);
        ids.insert(*id);
        rows.insert(&ledger.row(*id));
        ASSERT_EQ(Word::unpack(ledger.row(*id).word.load()), Word{.generation = static_cast<std::uint16_t>(i)});
    }
    EXPECT_EQ(ids.size(), most);
    EXPECT_EQ(rows.size(), most);
    EXPECT_FALSE(ledger.allocate(1));
    ledger.row(17).word.store(~std::uint64_t{0});
    ledger.row(17).in_flight.store(9);
    ledger.recycle(17);
    EXPECT_EQ(ledger.in_use(), most - 1);
    EXPECT_EQ(ledger.allocate(3), 17u);
    EXPECT_EQ(ledger.row(17).in_flight.load(), 0u);
    EXPECT_EQ(Word::unpack(ledger.row(17).word.load()).state, State::pending);
}

TEST(Panic, BeginsBelowItsShareAndEndsTenPointsAbove) {
    for (const std::uint32_t below : {1u, 50u, 95u, 100u})
        for (std::uint32_t covered = 0; covered <= 20; ++covered)
            for (std::uint32_t eligible = 0; eligible <= covered; ++eligible) {
                const PanicPolicy policy{.below_percent = below, .min_instances = 3};
                const double share = covered == 0 ? 100.0 : 100.0 * eligible / covered;
                const bool enough = covered >= 3;
                EXPECT_EQ(in_panic(policy, covered, eligible, false), enough && share < below - 1e-9);
                EXPECT_EQ(in_panic(policy, covered, eligible, true),
                          enough && share < std::min(100u, below + 10) - 1e-9);
            }
}

TEST(Panic, CoversJudgedServingNotOverridden) {
    each_standing([](const Standing& s) {
        const bool judged = s.word.state == State::healthy || s.word.state == State::degraded ||
                            s.word.state == State::unhealthy ||
                            (s.word.state == State::unknown && s.word.flags.has(Flag::held));
        ASSERT_EQ(covered_by_panic(s), s.lifecycle == Lifecycle::serving && !s.override && judged);
    });
}

}  // namespace
}  // namespace hale::verdict
