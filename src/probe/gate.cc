#include "probe/gate.h"

#include <algorithm>
#include <utility>

#include "probe/subject.h"

namespace hale::probe {

using verdict::Outcome;

Gate::Gate(Subject& subject, catalog::OpenGate order, io::Loop& loop, std::uint32_t opened_after, std::size_t checks)
    : subject_(subject),
      order_(std::move(order)),
      opened_after_(opened_after),
      tallies_(checks),
      deadline_(loop, io::member_fire<&Gate::timed_out>, this) {
    deadline_.arm(loop.now() + order_.timeout);
}

void Gate::take(std::size_t check, const verdict::Observation& seen, bool counted, std::uint16_t rise) {
    if (kept_.size() == most_kept) kept_.erase(kept_.begin());
    kept_.push_back(seen);
    Tally& tally = tallies_[check];
    switch (seen.outcome) {
        case Outcome::pass:
        case Outcome::warn:
            tally.passes = std::min<std::uint32_t>(tally.passes + 1, rise);
            break;
        case Outcome::fail:
            tally.passes = 0;
            if (counted) ++tally.fails;
            break;
        case Outcome::error:
            break;
    }
}

bool Gate::wants(std::size_t check, std::uint16_t rise) const { return tallies_[check].passes < rise; }

void Gate::end(catalog::GateEnd how, verdict::RowId row, verdict::State state, std::uint32_t needed,
               std::span<const std::size_t> asked) {
    catalog::GateOutcome outcome{
        .row = row, .end = how, .needed = needed, .state = state, .observations = std::move(kept_)};
    bool first = true;
    for (const std::size_t check : asked) {
        if (check >= tallies_.size()) continue;  // Came with a reload after the gate opened.
        const Tally& tally = tallies_[check];
        outcome.passes = first ? tally.passes : std::min(outcome.passes, tally.passes);
        outcome.fails = std::max(outcome.fails, tally.fails);
        first = false;
    }
    deadline_.disarm();
    order_.reply(std::move(outcome));
}

void Gate::timed_out() noexcept { subject_.gate_timed_out(*this); }

}  // namespace hale::probe
