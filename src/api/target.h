// How a name that a person typed resolves: exact service first, then instance (id or name), then host or URL;
// "service:", "instance:" and "host:" force. One place, for every verb.
//
// A bare word (no dot, no scheme) is a host only when a route names it. A catch-all route would take any word at
// all, so that every misspelt service would silently mean the catch-all's; `host:` or a URL asks for that.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/view.h"

namespace hale::api {

struct Resolved {
    const catalog::ServiceView* service = nullptr;    // Always set.
    const catalog::InstanceView* instance = nullptr;  // Set when an instance was meant.
    const catalog::RouteFacts* route = nullptr;       // Set when a host was meant.
    std::string host;
    std::string path;

    std::string_view kind() const { return instance != nullptr ? "instance" : route != nullptr ? "host" : "service"; }
};

// Code::not_found, with what exists that is near.
Result<Resolved> resolve(const catalog::View& view, std::string_view target);

// Code::not_found, with the service or application that is near; where none is, with `otherwise`.
Error no_such_service(const catalog::View& view, std::string_view name, std::string_view otherwise = {});

}  // namespace hale::api
