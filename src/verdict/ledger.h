// The ledger: one row per instance, whose word is the verdict that the router obeys.
//
//   word   63..32 version   31..16 generation   15..8 flags   7..0 state (and whether it served before)
//
// A row's word is written by the instance's checker alone and read by every worker: one atomic load, no
// lock, visible the moment it is judged. Control allocates and recycles rows; a row is recycled only after
// every worker adopted a snapshot without it. Rows never move.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "verdict/state.h"

namespace hale::verdict {

// The unpacked word. `was_eligible` is read only while the flag `held` is set: the state is unknown, but the
// instance was judged before and serves as it did then (our own blindness never takes a service down).
// InstanceVerdict has both. An instance with `check: none` is written as unknown, not left pending.
struct Word {
    State state = State::pending;
    bool was_eligible = false;
    Flags flags;
    std::uint16_t generation = 0;
    std::uint32_t version = 0;

    std::uint64_t pack() const;
    static Word unpack(std::uint64_t packed);
    bool operator==(const Word&) const = default;
};

struct alignas(16) Row {
    std::atomic<std::uint64_t> word{0};       // Written by the checker.
    std::atomic<std::uint32_t> in_flight{0};  // Requests now at the instance, counted by workers.
};

using RowId = std::uint32_t;

// Bumped (by checkers) after any word of the service changed, so that a worker rebuilds its eligible list
// only then.
struct Epoch {
    std::atomic<std::uint32_t> count{0};
};

// Owned by control: allocate and recycle are its alone. row() may be called from any thread for ids that
// control handed out before (the post that carried the id orders it).
class Ledger {
public:
    explicit Ledger(std::size_t most_rows = 1u << 20);
    ~Ledger();

    // Nothing when `most_rows` are in use. The row starts as pending of `generation`.
    std::optional<RowId> allocate(std::uint16_t generation);
    void recycle(RowId row);
    Row& row(RowId id);
    std::size_t in_use() const { return in_use_; }

private:
    static constexpr std::size_t chunk_rows = 4096;
    struct Chunk {
        Row rows[chunk_rows];
    };
    std::vector<std::unique_ptr<Chunk>> chunks_;  // Reserved whole at construction: never moves.
    std::vector<RowId> free_;
    std::size_t most_rows_;
    std::size_t next_ = 0;
    std::size_t in_use_ = 0;
};

// Everything that decides whether an instance may receive traffic now.
struct Standing {
    Lifecycle lifecycle = Lifecycle::serving;
    std::optional<OverrideState> override;  // The strongest of the instance's and its service's.
    Word word;                              // As read; another generation than expected reads as pending.
    bool unchecked = false;                 // `check: none` with a reason.
};

// The eligibility table, first rule that matches. Rows are numbered as in docs/guide/concepts.md.
struct Eligibility {
    bool eligible = false;
    int rule = 0;  // 1..8
};
Eligibility eligibility(const Standing& standing);

// maintenance over down over up; nothing when neither is set.
std::optional<OverrideState> stronger(std::optional<OverrideState> a, std::optional<OverrideState> b);

// A word of another generation than the one expected reads as pending of the expected one.
Word read_word(std::uint64_t packed, std::uint16_t expected_generation);

}  // namespace hale::verdict
