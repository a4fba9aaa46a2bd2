// What a deployment was asked for, and the answer to it.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/mutation.h"

namespace hale::deploy {

struct Request {
    std::string service;
    std::vector<std::string> targets;  // As instances' addresses are declared. None: containers are made.
    std::string overrides;  // The request's own word over the service's `deploy`, as JSON; empty: nothing.
    // Made with its instances, where they are not there.
    std::optional<catalog::PutApiService> makes_service;
    std::optional<catalog::PutApiRoute> makes_route;
    std::optional<Duration> verifying;  // How long its verification may take; nothing: what the checks need.
    std::string actor;
};

struct Accepted {
    std::string id;  // Empty: planned only.
    std::uint64_t number = 0;
    std::string json;  // The record, as it was planned.
};
using AcceptedReply = std::move_only_function<void(Result<Accepted>)>;

}  // namespace hale::deploy
