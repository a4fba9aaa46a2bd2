// The smallest connected pair of streams: for unit tests of what speaks over one stream and needs no network
// around it. Every split of an input, a failure of the Nth operation, a full peer, a reset at a byte.
//
//   auto [ours, theirs] = make_pipe(world.loop(), world.loop(), {.left = faults});

#pragma once

#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/time.h"
#include "io/stream.h"
#include "sim/connection.h"

namespace hale::sim {

class World;

// Of one end. Kept by the test as a shared_ptr, it may be changed while the pipe runs.
struct PipeFaults {
    std::vector<std::uint64_t> read_sizes;   // The most that the first, second ... successful-or-not read may return,
    std::uint64_t most_per_read = no_limit;  // and each one after those.
    std::vector<std::uint64_t> write_sizes;
    std::uint64_t most_per_write = no_limit;
    std::uint64_t fail_operation = 0;  // This read or write, counted from 1, fails; 0: none does.
    int fail_with = ECONNRESET;
    std::uint64_t break_at = no_limit;  // The pipe is reset when so many bytes from here have arrived there.
    std::uint64_t operations = 0;       // Counted for you: run once without a fault, then fail 1 ... n.
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
};

struct PipeOptions {
    std::shared_ptr<PipeFaults> left = nullptr;  // Of the first stream of the pair.
    std::shared_ptr<PipeFaults> right = nullptr;
    std::uint64_t window = 64 * 1024;  // Bytes each way between write and read.
    Duration delay{0};
    std::shared_ptr<Totals> totals = nullptr;  // Filled when given.
};

using StreamPair = std::pair<std::unique_ptr<io::Stream>, std::unique_ptr<io::Stream>>;

StreamPair make_pipe(Loop& left, Loop& right, PipeOptions options = {});
// Both ends on world.loop().
StreamPair make_pipe(World& world, PipeOptions options = {});

}  // namespace hale::sim
