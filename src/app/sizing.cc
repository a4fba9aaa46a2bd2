#include "app/sizing.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "base/time.h"

namespace hale::app {

namespace {
// One probe, in seconds of CPU.
constexpr double pooled_http = 12e-6;
constexpr double fresh_connection = 35e-6;
constexpr double child_process = 2e-3;

double cost(const config::CheckSpec& check) {
    double one = 0;
    if (std::holds_alternative<config::HttpCheck>(check.what))
        one = check.connection == config::ConnectionMode::pooled ? pooled_http : fresh_connection;
    else if (std::holds_alternative<config::ExecCheck>(check.what)) one = child_process;
    else if (check.probes()) one = fresh_connection;
    return one / std::max(0.1, seconds(check.timing.interval));
}
}  // namespace

double checking_load(const config::Document& document) {
    double load = 0;
    for (const auto& service : document.services)
        for (const auto& instance : service.instances)
            for (const auto& check : service.checks_of(instance)) load += cost(*check);
    return load;
}

unsigned auto_checkers(const config::Document& document, unsigned cores) {
    const auto wanted = static_cast<unsigned>(std::ceil(checking_load(document) / 0.5));
    return std::clamp(wanted, std::min(2u, cores), cores);
}

}  // namespace hale::app
