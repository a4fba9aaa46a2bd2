// Who may receive a service's requests now: the eligibility table over all its endpoints, and declared
// fail-open on top of it, while control says that it is in force. Pure: words in, list out. A worker asks again
// only when the service's epoch moved or its part of the snapshot changed.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "catalog/routing.h"

namespace hale::proxy {

struct Candidate {
    std::uint32_t endpoint = 0;  // Index into RoutedService::endpoints.
    double weight = 1;           // Above 0.
    std::uint32_t version = 0;   // Of the word that was read.
    bool panicked = false;       // Not eligible: here only by fail-open.
};

class EligibleList {
public:
    // Reads every endpoint's word.
    void rebuild(const catalog::RoutedService& service);

    std::span<const Candidate> candidates() const { return candidates_; }

private:
    std::vector<Candidate> candidates_;
};

}  // namespace hale::proxy
