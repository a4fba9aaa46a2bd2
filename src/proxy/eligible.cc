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
    for (std::uint32_t i = 0; i < service.endpoints.size(); ++i) {
        const auto& endpoint = service.endpoints[i];
        const auto word = verdict::read_word(endpoint.row->word.load(std::memory_order_acquire), endpoint.generation);
        const verdict::Standing standing{endpoint.lifecycle, endpoint.override, word, endpoint.unchecked};
        const bool eligible = verdict::eligibility(standing).eligible;
        if (!eligible && !(endpoint.in_panic && verdict::covered_by_panic(standing))) continue;
        candidates_.push_back({i, weight_of(service, endpoint, word), word.version, !eligible});
    }

    // A weight of 0 takes no share while somebody else has one, and the last resort when nobody has.
    const bool any_weight = std::ranges::any_of(candidates_, [](const Candidate& c) { return c.weight > 0; });
    if (any_weight) std::erase_if(candidates_, [](const Candidate& c) { return c.weight <= 0; });
    else
        for (auto& c : candidates_) c.weight = 1;
}

}  // namespace hale::proxy
