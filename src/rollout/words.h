// How phases and faults are spelled, and what a fault means for whoever reads it: may the same thing succeed later, and
// what to try.

#pragma once

#include <optional>
#include <string_view>

#include "rollout/machine.h"

namespace hale::rollout {

std::string_view text(Phase phase);
std::optional<Phase> parse_phase(std::string_view text);

struct FaultFacts {
    Fault fault;
    std::string_view code;      // "image_pull_failed"
    std::string_view sentence;  // What it means.
    std::string_view hint;      // What to try.
    bool retryable;             // May the same deployment succeed later with nobody changing anything?
};
const FaultFacts& facts(Fault fault);
inline std::string_view code(Fault fault) { return facts(fault).code; }
std::optional<Fault> parse_fault(std::string_view code);

// For an answer that a check was not content with, what its status usually means: 301 → Host or redirect policy, 404 →
// path, 400 and 403 → the application's list of hosts. Empty: nothing beyond the sentence.
std::string_view hint_for_status(int status);

}  // namespace hale::rollout
