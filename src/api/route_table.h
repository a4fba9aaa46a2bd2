// The one table of everything the admin listener answers: method, path, who may, what it does. Dispatch,
// authorisation and the OpenAPI document are all made from it, so a route without a rule cannot exist.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/query.h"
#include "guard/door.h"
#include "http/server_exchange.h"
#include "wire/http1.h"

namespace hale::api {

struct Desk;
struct Route;

enum class Access : std::uint8_t {
    unset,      // Never in force: a test and start-up refuse it.
    open,       // Without credentials: health, one bit.
    metrics,    // Role read, or a peer on loopback.
    read,
    operate,
    admin,
    heartbeat,  // Role operate, or the check's own token.
};
std::string_view to_text(Access access);

using Params = std::vector<std::pair<std::string_view, std::string>>;  // By the pattern's names.

// The key is held until its first request was answered.
struct Keyed {
    std::string key;
    std::string digest;  // Of the question: the same key with another one is refused.
    std::shared_ptr<void> hold;
};

// One request on its way to an answer.
struct Call {
    std::shared_ptr<http::ServerExchange> exchange;
    const Route* route = nullptr;
    Params params;
    Query query;
    guard::Caller caller;
    bool health_listener = false;
    std::optional<Keyed> keyed;  // A mutation with an Idempotency-Key that has no answer yet.

    const http::ServerRequest& request() const { return exchange->request; }
    const std::string& param(std::string_view name) const;
    std::string_view path() const;  // Without the query.
};
using CallPtr = std::shared_ptr<Call>;
using Handler = void (*)(Desk&, const CallPtr&);

struct Route {
    wire::Method method;
    std::string_view path;  // "/api/v1/services/{s}:verify"
    Access access = Access::unset;
    Handler handle = nullptr;
    std::string_view id = {};       // operationId
    std::string_view summary = {};
    std::string_view queries = {};  // Names of query keys, "state selector cursor".
    std::string_view body = {};     // Name of the schema of the body; empty: none.
    std::string_view answer = {};   // Name of the schema of what `statuses` carry.
    std::string_view statuses = "200";  // That are no problems: "200 201".
};

std::span<const Route> all_routes();
bool mutates(const Route& route);
bool takes_key(const Route& route);    // Idempotency-Key
bool takes_match(const Route& route);  // If-Match

struct Found {
    const Route* route = nullptr;
    Params params;
    std::vector<wire::Method> others;  // Methods that the path does have, when `route` is null.
};
// Literal segments win over parameters. `path` as sent; nullopt parameters when an escape is broken.
Found find_route(wire::Method method, std::string_view path);
// Matches one pattern; shared with `aliases:`.
std::optional<Params> match_pattern(std::string_view pattern, std::string_view path);

}  // namespace hale::api
