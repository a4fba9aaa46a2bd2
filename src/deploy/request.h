// What a deployment was asked for, and the answer to it.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/mutation.h"
#include "config/load.h"

namespace hale::deploy {

struct Request {
    std::string service;
    std::vector<std::string> targets;  // As instances' addresses are declared. None: containers are made.
    std::string overrides;  // The request's own word over the service's `deploy`, as JSON; empty: nothing.
    // An application: its compose file, and what it asks for of the environment. `service` is its name then.
    std::string compose;
    config::Variables variables;
    bool keeps = false;  // Containers that would be made as they are stay: for scaling, and for applications unless that is unwanted.
    // Containers that an earlier deployment left may be started again in their place: name, and which of its file.
    std::vector<std::pair<std::string, std::string>> way_back;
    // Made with its instances, where they are not there.
    std::optional<catalog::PutApiService> makes_service;
    std::optional<catalog::PutApiRoute> makes_route;
    std::optional<Duration> verifying;  // How long its verification may take; nothing: what the checks need.
    std::string actor;
};

// The same word, but of this image.
std::string with_image(const std::string& overrides, const std::string& image);
// The same word, but so many.
std::string with_replicas(const std::string& overrides, std::uint32_t replicas);

struct Accepted {
    std::string id;  // Empty: planned only.
    std::uint64_t number = 0;
    std::string json;  // The record, as it was planned.
};
using AcceptedReply = std::move_only_function<void(Result<Accepted>)>;

}  // namespace hale::deploy
