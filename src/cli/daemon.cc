#include "cli/daemon.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "cli/exits.h"
#include "cli/print.h"
#include "config/load.h"

namespace hale::cli {

namespace {

constexpr char default_config[] = "/etc/hale/hale.yml";
constexpr std::size_t most_pages = 10'000;
// While one process hands over to the next, nothing is changed and soon nothing told: it is asked again.
constexpr Duration upgrade_patience = 10s;
constexpr Duration upgrade_pause = 100ms;

bool is_upgrading(const Reply& reply) { return reply.status == 503 && text_at(parse_json(reply.body), "code") == "upgrading"; }

std::string set_or_empty(const Surroundings& around, const char* name) { return around.environment(name).value_or(""); }

std::string socket_of(const config::Settings& settings) {
    if (!settings.socket.empty()) return settings.socket;
    return settings.state == "/var/lib/hale" ? "/run/hale/hale.sock" : settings.state + "/hale.sock";
}

// A daemon that listens everywhere is reached on loopback.
SocketAddress reachable(SocketAddress address) {
    if (address.ip.is_unspecified()) address.ip = Ip::v4(127, 0, 0, 1);
    if (address.port == 0) address.port = admin_port;
    return address;
}

// Every refusal of the admin API is a problem document; those of the traffic listener are too, and tell by their code.
bool is_admin_api(const Reply& reply) {
    if (reply.status / 100 == 2)
        return reply.body.empty() || reply.type.starts_with("application/json") || reply.type.starts_with("text/event-stream");
    if (!reply.type.starts_with("application/problem+json")) return false;
    constexpr std::array<std::string_view, 7> of_traffic{"no_route",       "no_eligible_instance", "maintenance",     "paused",
                                                         "upstream_reset", "upstream_connect",     "upstream_timeout"};
    return std::ranges::find(of_traffic, text_at(parse_json(reply.body), "code")) == of_traffic.end();
}

std::string no_admin_api(const Place& place) {
    return fmt::format("{}: something answers there, but it is no admin API of Hale (its default port is {})", place.shown, admin_port);
}

int exit_for(int status) {
    switch (status) {
        case 400:
        case 413:
        case 415:
        case 422:
            return exits::usage;
        case 401:
        case 403:
            return exits::not_allowed;
        case 404:
            return exits::no_such;
        case 408:
        case 504:
            return exits::timed_out;
        default:
            return exits::failed;
    }
}

}  // namespace

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '.' || c == '_' || c == '~';
        if (plain)
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string config_path(const Invocation& asked, const Surroundings& around) {
    if (!asked.config.empty()) return asked.config;
    if (std::string named = set_or_empty(around, "HALE_CONFIG"); !named.empty()) return named;
    return access(default_config, F_OK) == 0 ? default_config : "";
}

Result<> believe(Place& place, const Surroundings& around) {
    const std::string file = set_or_empty(around, "HALE_CA");
    if (!place.tls || file.empty()) return {};
    HALE_ASSIGN(place.ca_pem, config::read_certificate_file(file));
    return {};
}

Result<Whereabouts> find_daemon(const Invocation& asked, const Surroundings& around) {
    Whereabouts out;
    out.config = config_path(asked, around);
    config::Settings settings;
    if (!out.config.empty()) {
        // Not the whole file: the daemon runs on, and is asked why, when its file is refused or its variables are not ours.
        config::DaemonPlace found = config::load_place(out.config);
        settings = std::move(found.settings);
        if (!found.problems.empty()) out.trouble = config::text(found.problems);
    }
    out.state = settings.state;
    out.socket = socket_of(settings);
    std::string server = asked.server.empty() ? set_or_empty(around, "HALE_SERVER") : asked.server;
    if (!server.empty()) {
        HALE_ASSIGN(Place place, parse_place(server));
        HALE_TRY(believe(place, around));
        out.places = {std::move(place)};
        out.named = true;
        return out;
    }
    out.places.push_back(place_of({.path = out.socket}));
    if (settings.admin) out.places.push_back(place_of(reachable(*settings.admin)));
    return out;
}

Daemon::Daemon(const Invocation& asked, Surroundings& around) : asked_(asked), around_(around) {}

int Daemon::fail(const Failure& failure) {
    for (const std::string_view line : split(failure.text, '\n')) {
        if (!line.empty()) around_.err(fmt::format("hale: {}\n", tame(line)));
    }
    return asked_.nagios_codes ? exits::unknown : failure.exit;
}

Asked<std::unique_ptr<Client>> Daemon::prepare() {
    auto where = find_daemon(asked_, around_);
    if (!where) return std::unexpected(Failure{exits::usage, where.error().text});
    where_ = std::move(*where);
    told_token_ = set_or_empty(around_, "HALE_TOKEN");
    if (told_token_.empty()) {
        own_places_ = own_places(where_.state, where_.socket);
        own_token_ = own_token(where_.state);
    }
    auto client = Client::create();
    if (!client) return std::unexpected(Failure{exits::failed, client.error().text});
    return std::move(*client);
}

std::string Daemon::token_for(const Place& place) const {
    if (!place.command.empty()) return {};  // The far end speaks as the user who logged in there.
    if (!told_token_.empty()) return told_token_;
    return is_shown_own_token(place, own_places_) ? own_token_.text : std::string();
}

std::string Daemon::why_no_token(const Place& place) const {
    if (!place.command.empty()) return "no token is sent over ssh: the rights there are those of the user who logs in";
    if (is_own(place, own_places_)) return fmt::format("no token: set HALE_TOKEN ({})", own_token_.trouble);
    return fmt::format(
        "no token: {} is not where the daemon of {} listens, so its admin.token was not sent; set HALE_TOKEN to a "
        "token of the daemon at {}",
        place.shown, where_.state, place.shown);
}

Failure Daemon::unreachable(const std::vector<std::string>& tried) const {
    std::string text = fmt::format("no daemon answers (tried {})", fmt::join(tried, "; "));
    if (where_.trouble)
        text +=
            fmt::format("\nthe configuration could not be read, so the usual places were tried: {}", *where_.trouble);
    if (where_.named)
        text += "\nis it running there? --server and HALE_SERVER say where to look; `hale doctor` looks further";
    else
        text +=
            "\nstart it with `hale serve --config FILE`, or say where it is: --server unix:/PATH, --server HOST:4253, "
            "--config FILE";
    return {exits::unreachable, text};
}

Failure Daemon::refused(const Reply& reply) const {
    const Json problem = parse_json(reply.body);
    std::string detail = text_at(problem, "detail"), text;
    if (detail.empty()) detail = text_at(problem, "title");
    if (detail.empty()) detail = fmt::format("{} answered {} without saying why", place_->shown, reply.status);
    // The detail usually is one of the errors, or all of them: each line is said once.
    std::vector<std::string> errors, known;
    for (const Json& error : at(problem, "errors")) {
        const std::string file = text_at(error, "file"), pointer = text_at(error, "pointer");
        const std::string plain = (pointer.empty() ? "" : pointer + ": ") + text_at(error, "detail");
        const bool placed = file.empty() || plain.starts_with(file + ":");
        errors.push_back(placed ? plain : fmt::format("{}:{}: {}", file, count_at(error, "line"), plain));
        known.push_back(plain);
    }
    for (const std::string_view line : split(detail, '\n'))
        if (std::ranges::find(known, line) == known.end()) text += (text.empty() ? "" : "\n") + std::string(line);
    for (const std::string& error : errors) text += (text.empty() ? "" : "\n") + error;
    if (reply.status == 401)
        text += '\n' + (token_for(*place_).empty() ? why_no_token(*place_)
                                                   : fmt::format("the token came from {}; `hale token list` beside the daemon shows those that are valid",
                                                                 told_token_.empty() ? where_.state + "/admin.token" : std::string("HALE_TOKEN")));
    return {exit_for(reply.status), text};
}

Asked<Reply> Daemon::reach(const Question& question,
                           const std::function<Result<Reply>(const Place&, const Question&)>& send) {
    if (!client_) {
        auto client = prepare();
        if (!client) return std::unexpected(client.error());
        client_ = std::move(*client);
    }
    std::vector<std::string> tried;
    const std::vector<Place> only = place_ ? std::vector{*place_} : where_.places;
    const bool long_one = question.may_take_long();
    for (const Place& place : only) {
        // Nobody waits long for somebody who is not there: what answers this is awake.
        if (long_one && !place_) {
            if (const auto awake = client_->ask(place, {.target = "/live"}); !awake) {
                tried.push_back(awake.error().text);
                if (awake.error().code == Code::timed_out) break;
                continue;
            }
        }
        Question complete = question;
        if (long_one) complete.first_byte = complete.within;
        complete.fields.emplace_back("Accept", "application/json, text/event-stream");
        // Over the socket the kernel says who we are; HALE_TOKEN may say otherwise.
        if (const std::string token = token_for(place); !token.empty())
            complete.fields.emplace_back("Authorization", "Bearer " + token);
        // Whoever has a deadline of its own has said it; any other wait says its end as soon as it is felt.
        // A question that waits for a change is answered late by nature.
        bool said = progress_of > Duration{0} || question.target.find("?wait=") != std::string::npos;
        client_->while_waiting = [&](Duration waited) {
            if (progress_of > Duration{0} && around_.terminal) {
                around_.err(fmt::format("  … {} of {}\n", human(std::chrono::floor<std::chrono::seconds>(waited)),
                                        human(progress_of)));
            } else if (!std::exchange(said, true)) {
                around_.err(fmt::format("hale: {} took the question and has not answered; waiting {} at most\n",
                                        place.shown, human(std::min(complete.within, complete.first_byte))));
            }
        };
        auto reply = send(place, complete);
        // Refused is not carried out, so that nothing is done twice.
        for (const Instant began = client_->now(); reply && is_upgrading(*reply) && client_->now() - began < upgrade_patience;) {
            client_->wait(upgrade_pause);
            reply = send(place, complete);
        }
        client_->while_waiting = {};
        if (reply && !is_admin_api(*reply)) {
            tried.push_back(no_admin_api(place));
            continue;
        }
        if (reply) {
            place_ = place;
            if (reply->status / 100 == 2) return std::move(*reply);
            return std::unexpected(refused(*reply));
        }
        if (reply.error().code == Code::timed_out && !long_one) {
            tried.push_back(reply.error().text);
            break;  // It took the connection: the next place would be the same daemon.
        }
        if (reply.error().code == Code::timed_out)
            return std::unexpected(Failure{exits::timed_out, reply.error().text});
        if (reply.error().code == Code::invalid) return std::unexpected(Failure{exits::usage, reply.error().text});
        tried.push_back(reply.error().text);
    }
    return std::unexpected(unreachable(tried));
}

Asked<Json> Daemon::ask(Question question) {
    auto reply =
        reach(question, [this](const Place& place, const Question& complete) { return client_->ask(place, complete); });
    if (!reply) return std::unexpected(reply.error());
    if (reply->body.empty()) return Json::object();
    Json body = parse_json(reply->body);
    if (body.is_discarded()) {
        return std::unexpected(unreachable({fmt::format("{}; it answered {} with what is no JSON: {}", no_admin_api(*place_),
                                                        question.target, escaped(reply->body, 80))}));
    }
    return body;
}

Asked<Json> Daemon::post(std::string target, const Json& body) {
    return ask({.method = "POST", .target = std::move(target), .body = body.is_null() ? std::string() : dumped(body)});
}

Asked<Json> Daemon::all(const std::string& target) {
    const char joint = target.find('?') == target.npos ? '?' : '&';
    Asked<Json> whole = get(target);
    if (!whole) return whole;
    std::string cursor = text_at(*whole, "next");
    for (std::size_t page = 1; !cursor.empty(); ++page) {
        if (page == most_pages)
            return std::unexpected(Failure{exits::failed, fmt::format("{}: more than {} pages", target, most_pages)});
        Asked<Json> more = get(fmt::format("{}{}cursor={}", target, joint, percent_encoded(cursor)));
        if (!more) return more;
        for (const Json& item : at(*more, "items")) (*whole)["items"].push_back(item);
        cursor = text_at(*more, "next");
    }
    if (whole->is_object()) (*whole)["next"] = nullptr;
    return whole;
}

Asked<Json> Daemon::resolve(const std::string& target) {
    return get("/api/v1/resolve?target=" + percent_encoded(target));
}

Asked<Reply> Daemon::follow(Question question, Duration silence, std::optional<Duration> most,
                            const Client::Piece& piece) {
    return reach(question, [&](const Place& place, const Question& complete) {
        return client_->follow(place, complete, silence, most, piece);
    });
}

}  // namespace hale::cli
