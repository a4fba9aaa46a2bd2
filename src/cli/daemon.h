// The daemon as verbs see it: found where the operator said or where it usually is, asked with the token that is
// ours, and its refusals turned into a sentence and an exit code.
//
// Order: --server, HALE_SERVER; else the default socket, then the TCP admin listener (both as the configuration
// named by --config or HALE_CONFIG says). The token: HALE_TOKEN; else admin.token in the state directory, which only
// that directory's own daemon is shown, over TCP (own_token.h). Without one nothing is said until the daemon answers 401.

#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/own_token.h"
#include "cli/place.h"

namespace hale::cli {

struct Failure {
    int exit = 1;
    std::string text;  // Sentences, one a line.
};
template <class T>
using Asked = std::expected<T, Failure>;

// Where the pieces of one installation are, as far as they can be told without a daemon.
struct Whereabouts {
    std::string config;  // "" when there is none.
    std::string state = "/var/lib/hale";
    std::string socket;                  // Of the daemon that the configuration describes.
    std::vector<Place> places;           // To be tried in order.
    std::optional<std::string> trouble;  // Why the configuration could not be read.
    bool named = false;                  // By --server or HALE_SERVER.
};
// Whom HALE_CA says to believe over TLS; a file that can't be read is an error.
Result<> believe(Place& place, const Surroundings& around);
std::string config_path(const Invocation& asked,
                        const Surroundings& around);  // "" when none is named and there is no default one.
Result<Whereabouts> find_daemon(const Invocation& asked, const Surroundings& around);

class Daemon {
public:
    Daemon(const Invocation& asked, Surroundings& around);

    // The answer's body, for every 2xx.
    Asked<Json> ask(Question question);
    Asked<Json> get(std::string target) { return ask({.target = std::move(target)}); }
    Asked<Json> post(std::string target, const Json& body);
    // All pages of a list, in one envelope.
    Asked<Json> all(const std::string& target);
    // One HOST, SERVICE or INSTANCE: {"kind","service","instance" (its id),"name",…}.
    Asked<Json> resolve(const std::string& target);

    Asked<Reply> follow(Question question, Duration silence, std::optional<Duration> most, const Client::Piece& piece);

    // Says it on stderr, answers the exit code (3 for everything where the verb speaks Nagios).
    int fail(const Failure& failure);
    int fail(int exit, std::string text) { return fail(Failure{exit, std::move(text)}); }

    Client* client() { return client_.get(); }
    Duration progress_of{0};  // Set: says on a terminal how long it has waited, of so much.

private:
    Asked<Reply> reach(const Question& question,
                       const std::function<Result<Reply>(const Place&, const Question&)>& send);
    Failure unreachable(const std::vector<std::string>& tried) const;
    Failure refused(const Reply& reply) const;
    Asked<std::unique_ptr<Client>> prepare();
    std::string token_for(const Place& place) const;
    std::string why_no_token(const Place& place) const;

    const Invocation& asked_;
    Surroundings& around_;
    std::unique_ptr<Client> client_;
    Whereabouts where_;
    std::optional<Place> place_;  // That answered.
    std::string told_token_;      // HALE_TOKEN: for whomever the operator names.
    OwnPlaces own_places_;
    OwnToken own_token_;
};

// For a path segment or a query value.
std::string percent_encoded(std::string_view text);

}  // namespace hale::cli
