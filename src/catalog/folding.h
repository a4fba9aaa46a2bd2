// From checkers' reports to what everybody reads: keeps each generation's record, folds services and
// composites, and says which deltas and commands follow. Control's thread; changes the model only in what
// belongs to verdicts (record, eligible, standing).

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "catalog/membership.h"
#include "catalog/model.h"
#include "verdict/fold.h"

namespace hale::catalog {

class Folding {
public:
    explicit Folding(Membership& membership) : membership_(membership) {}

    // One report, in its order. Touched services are folded once, at the end.
    void take(CheckReport report, Moment at, Effects& effects);
    // After a mutation: eligibility and standings of these services again.
    void refold(const std::vector<std::string>& services, Moment at, Effects& effects);
    // Since when services were in their states before a restart: in force for a service that comes back in the same state.
    void known_before(std::vector<config::StoredStanding> standings);
    // All that was restored has been folded: what differs from what was known has to be written.
    std::vector<config::Change> end_of_restore();
    // What Hale shows the users of these services ends soon. Folds whom it concerns, or concerned.
    void set_ending(EndingCertificates ending, Moment at, Effects& effects);
    // Composites by member, made anew after a mutation changed declarations.
    void rebuild_dependents();

    // A next generation takes over by its own verdict: an override is the instance's and stays on it.
    static bool next_is_ready(const Instance& instance);
    std::uint64_t discarded() const { return discarded_; }
    std::uint32_t highest_version() const { return highest_version_; }
    // Instances whose next generation became eligible: control replaces them.
    std::vector<Instance*> take_ready() { return std::exchange(ready_, {}); }
    // Services whose declared fail-open should begin or end: control turns it and publishes them.
    std::vector<std::string> take_panic_turns() { return std::exchange(panic_turns_, {}); }
    // Whether it turned. Readers hear of it with the next fold.
    bool turn_panic(Service& service, Moment at);
    // Names that a connect failure wants resolved again.
    std::unordered_set<std::string> take_doubted() { return std::exchange(doubted_, {}); }

private:
    void fold(Service& service, Moment at, Effects& effects);
    static bool wants_panic(const Service& service);
    static void tell_panic(const Service& service, const ServiceStanding& now, Effects& effects);
    void tell_verdict(Instance& instance, Effects& effects);
    void tell_members(std::string_view service, Effects& effects);
    void send_members(Instance& instance, Effects& effects);
    void tell_last_eligible(Service& service, Effects& effects);
    MemberState member_state(const std::string& member);
    bool judge_eligibility(Instance& instance);

    Membership& membership_;
    std::unordered_map<std::string, config::StoredStanding, TextHash, std::equal_to<>> known_;  // By service; empty but while restoring.
    std::unordered_map<std::string, std::vector<std::string>, TextHash, std::equal_to<>> dependents_;  // Member service → composite instances (ids).
    EndingCertificates ending_;
    std::vector<Instance*> ready_;
    std::vector<std::string> panic_turns_;
    std::unordered_set<std::string> doubted_;
    std::uint64_t discarded_ = 0;
    std::uint32_t highest_version_ = 0;
};

// The standing of an instance as eligibility() wants it.
verdict::Standing standing_of(const Instance& instance);

}  // namespace hale::catalog
