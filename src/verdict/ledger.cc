#include "verdict/ledger.h"

#include <utility>

#include "base/check.h"

namespace hale::verdict {

namespace {
constexpr std::uint64_t was_eligible_bit = 0x80;
}

std::uint64_t Word::pack() const {
    return std::uint64_t{version} << 32 | std::uint64_t{generation} << 16 | std::uint64_t{flags.bits} << 8 |
           (was_eligible ? was_eligible_bit : 0) | std::to_underlying(state);
}

Word Word::unpack(std::uint64_t packed) {
    Word word;
    word.state = static_cast<State>(packed & 0x7f);
    word.was_eligible = (packed & was_eligible_bit) != 0;
    word.flags.bits = static_cast<std::uint8_t>(packed >> 8);
    word.generation = static_cast<std::uint16_t>(packed >> 16);
    word.version = static_cast<std::uint32_t>(packed >> 32);
    return word;
}

Ledger::Ledger(std::size_t most_rows) : most_rows_(most_rows) {
    chunks_.reserve((most_rows + chunk_rows - 1) / chunk_rows);
}

Ledger::~Ledger() = default;

std::optional<RowId> Ledger::allocate(std::uint16_t generation) {
    RowId id = 0;
    if (!free_.empty()) {
        id = free_.back();
        free_.pop_back();
    } else {
        if (next_ >= most_rows_) return std::nullopt;
        if (next_ % chunk_rows == 0) chunks_.push_back(std::make_unique<Chunk>());
        id = static_cast<RowId>(next_++);
    }
    ++in_use_;
    Row& fresh = row(id);
    fresh.in_flight.store(0, std::memory_order_relaxed);
    fresh.word.store(Word{.generation = generation}.pack(), std::memory_order_release);
    return id;
}

void Ledger::recycle(RowId id) {
    HALE_CHECK(in_use_ > 0);
    --in_use_;
    free_.push_back(id);
}

Row& Ledger::row(RowId id) { return chunks_[id / chunk_rows]->rows[id % chunk_rows]; }

Eligibility eligibility(const Standing& s) {
    if (s.lifecycle != Lifecycle::serving) return {false, 1};
    if (s.override == OverrideState::maintenance || s.override == OverrideState::down) return {false, 2};
    if (s.override == OverrideState::up) return {true, 3};
    if (s.word.flags.has(Flag::ejected)) return {false, 4};
    switch (s.word.state) {
        case State::healthy:
        case State::degraded:
            return {true, 5};
        case State::unhealthy:
        case State::pending:
            return {false, 6};
        case State::unknown:
            if (s.word.flags.has(Flag::held)) return {s.word.was_eligible, 7};
            return {s.unchecked, 8};
    }
    std::unreachable();
}

std::optional<OverrideState> stronger(std::optional<OverrideState> a, std::optional<OverrideState> b) {
    if (!a) return b;
    if (!b) return a;
    return std::to_underlying(*a) > std::to_underlying(*b) ? a : b;
}

Word read_word(std::uint64_t packed, std::uint16_t expected_generation) {
    const Word word = Word::unpack(packed);
    if (word.generation == expected_generation) return word;
    return Word{.generation = expected_generation};
}

}  // namespace hale::verdict
