// Whether a host that a client asked for, and that nobody declared, may get a certificate: only at a bounded rate, only
// names that can be public hosts, only once the ask URL said yes. Pure; the asking is the driver's.

#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hale::acme {

class OnDemand {
public:
    static constexpr std::size_t most_remembered = 4096;  // Refusals kept.
    static constexpr Duration refusal_holds = 10min;
    explicit OnDemand(unsigned per_hour) : per_hour_(per_hour) {}

    enum class Verdict : std::uint8_t {
        ask,        // Ask the URL; tell answered() then.
        refused,    // Not a host that could have one, or refused lately.
        too_many,   // The hour's allowance is used up.
    };
    Verdict wanted(std::string_view host, Instant now);
    void answered(std::string_view host, bool yes, Instant now);

private:
    unsigned per_hour_;
    std::deque<Instant> asked_;
    std::map<std::string, Instant, std::less<>> refused_;  // Until when; also while the question is open.
};

// "www.example" but not "localhost", "10.0.0.1", "*.example" or what no certificate may name.
bool could_be_certified(std::string_view host);

}  // namespace hale::acme
