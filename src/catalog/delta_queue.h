// What control has told and the readers' thread has not taken yet: bounded, so that a reader that stands still
// costs a share of memory and no more. Pure; `app` carries the batches between the threads.
//
// As long as the reader keeps up, every batch leaves at once and in order. Beyond `most_untaken` deltas under
// way, what verdicts and probes bring is held back here, the latest of each object (states skip nothing true);
// what a mutation brings takes along everything before it at once, since whoever asked for it is answered next.
// A batch that skipped something ends with DeltasSkipped.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catalog/facts.h"

namespace hale::catalog {

class DeltaQueue {
public:
    static constexpr std::size_t most_untaken = 65'536;  // On their way, and again as many held.

    explicit DeltaQueue(std::size_t most = most_untaken) : most_(most) {}

    // What to send now; often all of it, possibly nothing.
    std::vector<Delta> push(std::vector<Delta> deltas);
    // The reader took so many: what to send now.
    std::vector<Delta> taken(std::size_t count);

    std::size_t held() const { return held_.size(); }
    std::uint64_t skipped() const { return skipped_; }

private:
    std::vector<Delta> send(std::vector<Delta> deltas);
    std::vector<Delta> release();
    void coalesce();

    std::size_t most_;
    std::vector<Delta> held_;
    std::size_t on_their_way_ = 0;
    std::size_t coalesce_at_ = most_;  // Moves up where there are more objects than that.
    std::uint64_t skipped_ = 0, untold_ = 0;
};

}  // namespace hale::catalog
