// From what containers claim to what control is to hold: one change for each service whose claims are not in force. Pure.

#pragma once

#include <string>
#include <vector>

#include "catalog/discovering.h"
#include "fleet/labels.h"

namespace hale::fleet {

// A service as its containers' labels declare it; those that can't stand are told apart.
struct Wanted {
    catalog::Discover change;
    std::string in_force;  // What Housing::discovered says of it once it is.
    std::vector<Claim> claims;  // In the change, the oldest container first.
};
struct Refusal {
    std::string container;
    std::string why;
    auto operator<=>(const Refusal&) const = default;
};
std::string text(const Refusal& refusal);

// `claims` of one service, in any order; `other`: what the file or the API declares under its name, may be null.
// One that says nothing of the service joins those that do. Whoever contradicts an older container, or another owner, is refused and left out.
Wanted wanted(const std::string& service, std::vector<Claim> claims, const std::shared_ptr<const config::ServiceSpec>& other, const config::Document& document,
              std::vector<Refusal>& refused);

}  // namespace hale::fleet
