// A bounded wait for evidence that is gathered after it opened. Pure bookkeeping over the critical checks of
// one instance: the subject probes, and tells the gate of each probe that started after it opened.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "catalog/checking.h"
#include "io/loop.h"
#include "verdict/observation.h"

namespace hale::probe {

class Subject;

class Gate {
public:
    static constexpr std::size_t most_kept = 5;  // Observations in the outcome.

    Gate(Subject& subject, catalog::OpenGate order, io::Loop& loop, std::uint32_t opened_after, std::size_t checks);

    std::uint64_t id() const { return order_.gate; }
    // Probes up to this number started before the gate opened.
    std::uint32_t opened_after() const { return opened_after_; }

    // One finished probe of a critical check (by its index). `counted`: the judge let it touch a run.
    void take(std::size_t check, const verdict::Observation& seen, bool counted, std::uint16_t rise);
    // Does this check still owe passes?
    bool wants(std::size_t check, std::uint16_t rise) const;
    bool failed(std::size_t check, std::uint16_t fall) const { return tallies_[check].fails >= fall; }
    void end(catalog::GateEnd how, verdict::RowId row, verdict::State state, std::uint32_t needed,
             std::span<const std::size_t> asked);

private:
    void timed_out() noexcept;

    struct Tally {
        std::uint32_t passes = 0;  // Back to back.
        std::uint32_t fails = 0;   // Counted.
    };
    Subject& subject_;
    catalog::OpenGate order_;
    std::uint32_t opened_after_;
    std::vector<Tally> tallies_;
    std::vector<verdict::Observation> kept_;
    io::Timer deadline_;
};

}  // namespace hale::probe
