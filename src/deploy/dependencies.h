// What a new version needs of others before anything is made: each of `deploy.needs` is looked at, all at once. A service of
// Hale's is judged by its own verdict and by nothing else; an address by one connection. On the deployer's loop.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/deploying.h"

namespace hale::deploy {

inline constexpr Duration dependency_timeout = 3s;  // For an address to take a connection.

// One sentence for each that is not there, in the order of `needs`; empty: nothing is missing. `then` is called once, in a later
// turn where there is something to ask.
void look_at_dependencies(catalog::Deploying& catalog, const std::vector<std::string>& needs, std::move_only_function<void(std::vector<std::string>)> then);

}  // namespace hale::deploy
