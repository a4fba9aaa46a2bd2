// What every handler works with: the folded view, the doors to the rest of the daemon, and the ways to answer.
// One per server, on the api's loop.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/backend.h"
#include "api/event_hub.h"
#include "api/json_writer.h"
#include "api/route_table.h"
#include "api/server.h"
#include "api/tally.h"
#include "api/waiting.h"
#include "api/words.h"
#include "base/random.h"
#include "catalog/mutation.h"
#include "catalog/own_health.h"
#include "catalog/view.h"
#include "guard/tokens.h"
#include "io/loop.h"

namespace hale::api {

// An error member of a problem document (RFC 9457).
struct ProblemPart {
    std::string pointer = {};
    std::string detail = {};
    std::string file = {};
    int line = 0;
};

struct Problem {
    int status = 500;
    std::string code;
    std::string detail;
    std::vector<ProblemPart> parts = {};
    std::optional<std::uint64_t> revision = {};
};
std::string to_json(const Problem& problem);
Problem problem_of(const Error& error);
// Code `invalid`; the first fault is its detail.
Problem invalid(int status, std::vector<ProblemPart> faults);

struct Desk {
    Desk(io::Loop& loop, Backend& backend, const catalog::OwnHealth& own, ServerOptions options);

    io::Loop& loop;
    Backend& backend;
    const catalog::OwnHealth& own;
    const ServerOptions options;
    catalog::View view;
    guard::Tokens tokens;
    Tally tally;
    Waiting waiting;
    EventHub hub;
    Random random;
    Duration fold_lag{};
    bool left = false;  // Another process answers now, and knows more.
    // Idempotency keys whose first request is under way; calls may outlive the desk.
    const std::shared_ptr<std::set<std::string>> keys_in_use = std::make_shared<std::set<std::string>>();

    Telling telling() const { return {options.node, loop.utc()}; }

    // Checks Host, Origin, credentials and the route's rule, then hands the call to its handler.
    void take(const std::shared_ptr<http::ServerExchange>& exchange, bool health_listener);
    bool may(const Route& route, const Call& call) const;

private:
    // What was answered to this Idempotency-Key before is answered again; else its handler's turn.
    void carry_out_once(const CallPtr& call, std::string_view key);
};

// ---- Answers ----
void answer_json(const CallPtr& call, int status, std::string body, http::ServerFields more = {});
// One that is long, made in slices.
void stream_json(const CallPtr& call, std::unique_ptr<http::BodyProducer> body);
// With an ETag; 304 when the caller has it already.
void answer_at(const CallPtr& call, std::uint64_t revision, std::string body);
void answer_problem(const CallPtr& call, const Problem& problem, http::ServerFields more = {});
void answer_error(const CallPtr& call, const Error& error);
std::string etag(std::uint64_t revision);
// Of If-None-Match, If-Match or `revision=`: the number in it.
std::optional<std::uint64_t> parse_etag(std::string_view text);

// Long poll: runs `answer` at once, or with `?wait=` when the revision has passed `?revision=` (or If-None-Match),
// or the wait is over. `revision` of what is gone is 0.
void when_newer(Desk& desk, const CallPtr& call, std::function<std::uint64_t(const catalog::View&)> revision, std::function<void()> answer);

// ---- Mutations ----
struct MutationPlan {
    std::string object;
    std::string detail = "{}";  // Redacted JSON, for the audit.
    int status = 200;
    // Members of the answer besides revision and id, no secrets. For a kept answer they are written on control's
    // thread: they may only use what they hold.
    std::function<void(JsonWriter&)> members = {};
    // Only in the first answer, never stored: the secret of a new token.
    std::function<void(JsonWriter&)> once = {};
    std::function<void()> after = {};  // When it is in force.
};
// For a mutation that was asked with an Idempotency-Key; nothing without.
std::optional<catalog::KeptAnswer> kept_answer(Desk& desk, const CallPtr& call, const std::shared_ptr<MutationPlan>& plan);
void mutate(Desk& desk, const CallPtr& call, catalog::Change change, MutationPlan plan);

// ---- Finding what the path names; answers 404 when it is not there ----
const catalog::ServiceView* need_service(Desk& desk, const CallPtr& call);
const catalog::InstanceView* need_instance(Desk& desk, const CallPtr& call);

}  // namespace hale::api
