#include "proxy/eligible.h"

#include <algorithm>

#include "verdict/panic.h"

namespace hale::proxy {

namespace {

double weight_of(const catalog::RoutedService& service, const catalog::Endpoint& endpoint, const verdict::Word& word) {
    const double weight = std::max<double>(endpoint.weight, 0);
    return word.state == verdict::State::degraded ? weight * service.degraded_weight : weight;
}

}  // namespace

void EligibleList::rebuild(const catalog::RoutedService& service) {
    candidates_.clear();
    std::uint32_t covered = 0, covered_eligible = 0;
    for (std::uint32_t i = 0; i < service.endpoints.size(); ++i) {
        const auto& endpoint = service.endpoints[i];
        const auto word = verdict::read_word(endpoint.row->word.load(std::memory_order_acquire), endpoint.generation);
        const verdict::Standing standing{endpoint.lifecycle, endpoint.override, word, endpoint.unchecked};
        const bool eligible = verdict::eligibility(standing).eligible;
        const bool is_covered = verdict::covered_by_panic(standing);
        covered += is_covered;
        covered_eligible += is_covered && eligible;
        if (!eligible && !(service.panic && is_covered)) continue;
        candidates_.push_back({i, weight_of(service, endpoint, word), word.version, !eligible});
    }

    if (!service.panic) {
        panic_ = false;
    } else {
        const verdict::PanicPolicy policy{.below_percent = service.panic->below_percent,
                                          .min_instances = service.panic->min_instances};
        panic_ = verdict::in_panic(policy, covered, covered_eligible, panic_);
        const auto good_before = [&](const Candidate& c) {
            return std::ranges::binary_search(last_good_, service.endpoints[c.endpoint].row_id);
        };
        std::erase_if(candidates_, [&](const Candidate& c) {
            if (!c.panicked) return false;
            if (!panic_) return true;
            // Where no good moment was seen (a restart amid trouble) nobody is known to be worse than the others.
            return service.panic->to == config::PanicTarget::last_good && !last_good_.empty() && !good_before(c);
        });
        if (!panic_) {
            last_good_.clear();
            for (const auto& c : candidates_) last_good_.push_back(service.endpoints[c.endpoint].row_id);
            std::ranges::sort(last_good_);
        }
    }

    // A weight of 0 takes no share while somebody else has one, and the last resort when nobody has.
    const bool any_weight = std::ranges::any_of(candidates_, [](const Candidate& c) { return c.weight > 0; });
    if (any_weight) std::erase_if(candidates_, [](const Candidate& c) { return c.weight <= 0; });
    else
        for (auto& c : candidates_) c.weight = 1;
}

}  // namespace hale::proxy
