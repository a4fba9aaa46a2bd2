// What a reload would change, as values for whoever carries it out and as lines for `hale config diff`.
// Pure. Linear in the size of both documents.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/document.h"

namespace hale::config {

enum class Turn : std::uint8_t { added, removed, changed };

struct CheckChange {
    Turn turn = Turn::changed;
    std::string check;
    bool question = false;  // Earlier answers answer another question; else only timing, thresholds or flags.
};

struct InstanceChange {
    Turn turn = Turn::changed;
    std::string name;
    // Into ServiceSpec::instances of the old and new document; nothing on the side where it does not exist.
    std::optional<std::size_t> before, after;
    bool address = false;  // Same name, other address: a new generation beside the old one.
    bool weight = false;
    bool checks = false;   // Its own overlay.
};

struct ServiceChange {
    Turn turn = Turn::changed;
    std::string name;
    std::optional<std::size_t> before, after;  // Into Document::services.
    std::vector<CheckChange> checks;
    std::vector<InstanceChange> instances;
    std::vector<std::string> parts;  // Other keys that differ: "balance", "timeouts", …

    bool question_changed() const;
    bool timing_only() const;  // Nothing but timing, thresholds, flags and weights.
};

struct RouteChange {
    Turn turn = Turn::changed;
    std::string id;
    std::optional<std::size_t> before, after;  // Into Document::routes.
};

struct SettingChange {
    std::string key;
    std::string before, after;
    bool restart = false;  // Reported; the running value is kept until the next start.
};

struct Plan {
    std::vector<ServiceChange> services;  // Removed ones first, then in the new order. Unchanged ones are absent.
    std::vector<RouteChange> routes;
    std::vector<SettingChange> settings;
    bool aliases = false;
    std::size_t unchanged_services = 0;
    std::size_t unchanged_instances = 0;  // In changed services too.
    std::vector<std::string> text;        // For people, one line each; empty: nothing changes.

    bool empty() const { return services.empty() && routes.empty() && settings.empty() && !aliases; }
};

// Listed instances are the same when their name (if given) or else their declared address is, whatever
// their order.
Plan diff(const Document& before, const Document& after);

// What differs between two specs of one service; nothing when they have the same effect.
std::optional<ServiceChange> diff(const ServiceSpec& before, const ServiceSpec& after);

}  // namespace hale::config
