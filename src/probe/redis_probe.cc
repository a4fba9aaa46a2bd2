#include "probe/redis_probe.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "expect/conditions.h"
#include "probe/engine.h"

namespace hale::probe {

using verdict::Reason;
using wire::RespStatus;
using wire::RespValue;
using Kind = RespValue::Kind;

namespace {

constexpr std::array<std::string_view, 3> role_names{"any", "master", "replica"};

// What an error of Redis means to whoever must act, before its own words.
std::string_view meaning(std::string_view code, bool has_password) {
    if (code == "LOADING") return "it is still loading its data";
    if (code == "NOAUTH") return has_password ? "it did not take the password" : "it asks for a password, and the check has none";
    if (code == "WRONGPASS") return "user or password are wrong";
    if (code == "NOPERM") return "the user may not do that";
    if (code == "MASTERDOWN") return "its link to the master is down";
    if (code == "DENIED") return "it lets nobody in from here";
    return {};
}

}  // namespace

bool RedisProbe::wants(Turn turn) const {
    switch (turn) {
        case Turn::auth: return !check().password.empty();
        case Turn::ping: return true;
        case Turn::role: return check().role != config::RedisRole::any;
        case Turn::replication:
        case Turn::persistence: return plan().spec->expect && plan().spec->expect->needs_body();
        case Turn::over: return true;
    }
    return false;
}

void RedisProbe::next_turn() {
    do turn_ = static_cast<Turn>(std::to_underlying(turn_) + 1);
    while (!wants(turn_));
}

void RedisProbe::opened() {
    std::string out;
    const auto& [role, username, password, over_tls] = check();
    if (!wants(turn_)) next_turn();
    if (wants(Turn::auth)) {
        if (username.empty()) wire::append_resp_command(out, {"AUTH", password});
        else wire::append_resp_command(out, {"AUTH", username, password});
    }
    wire::append_resp_command(out, {"PING"});
    if (wants(Turn::role)) wire::append_resp_command(out, {"ROLE"});
    if (wants(Turn::replication)) {
        wire::append_resp_command(out, {"INFO", "replication"});
        wire::append_resp_command(out, {"INFO", "persistence"});
    }
    say(out);
}

std::string RedisProbe::awaited() const {
    switch (turn_) {
        case Turn::auth: return "the answer to AUTH";
        case Turn::role: return "the answer to ROLE";
        case Turn::replication:
        case Turn::persistence: return "the answer to INFO";
        default: return "the answer to PING";
    }
}

bool RedisProbe::hear(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto step = reader_.read(bytes);
        bytes.remove_prefix(step.consumed);
        if (step.status == RespStatus::bad) return no_protocol("RESP2", step.why);
        if (step.status == RespStatus::more) return true;
        if (!take(reader_.take())) return false;
    }
    return true;
}

bool RedisProbe::take(const RespValue& reply) {
    if (reply.is_error()) {
        const std::string_view what = meaning(reply.error_code(), !check().password.empty());
        return mismatch(Reason::body_mismatch, fmt::format("{}{}{}: {}", what, what.empty() ? "" : "; ", awaited(), escaped(reply.text)));
    }
    switch (turn_) {
        case Turn::auth:
            if (reply.kind != Kind::simple || reply.text != "OK") return mismatch(Reason::protocol_error, "AUTH was answered neither with OK nor with an error");
            break;
        case Turn::ping:
            if (reply.kind != Kind::simple || reply.text != "PONG") return mismatch(Reason::protocol_error, "PING was not answered with PONG");
            break;
        case Turn::role:
            if (!take_role(reply)) return false;
            break;
        case Turn::replication:
        case Turn::persistence:
            if (reply.kind != Kind::bulk) return mismatch(Reason::protocol_error, "INFO was not answered with a text");
            info_ += reply.text;
            break;
        case Turn::over: break;
    }
    next_turn();
    if (turn_ != Turn::over) return true;
    judge("answered PONG", info_.empty() ? std::string{} : info_json(info_));
    return false;
}

bool RedisProbe::take_role(const RespValue& reply) {
    if (reply.kind != Kind::array || reply.items.empty() || reply.items[0].kind != Kind::bulk) return mismatch(Reason::protocol_error, "ROLE was not answered with a role");
    const std::string& said = reply.items[0].text;
    const std::string_view is = said == "slave" ? "replica" : std::string_view(said);
    const std::string_view wanted = role_names[std::to_underlying(check().role)];
    if (is == wanted) return true;
    std::string more;
    if (said == "slave" && reply.items.size() >= 4 && reply.items[1].kind == Kind::bulk && reply.items[2].kind == Kind::integer)
        more = fmt::format(" of {}:{} (link: {})", escaped(reply.items[1].text, 80), reply.items[2].integer, escaped(reply.items[3].text, 20));
    return mismatch(Reason::body_mismatch, fmt::format("it is a {}{}, and role: {} is asked for", escaped(is, 40), more, wanted));
}

std::string info_json(std::string_view info) {
    std::string out = "{";
    std::size_t fields = 0;
    for (std::string_view line : split(info, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        const auto colon = line.find(':');
        if (line.starts_with('#') || colon == std::string_view::npos || ++fields > most_info_fields) continue;
        out += out.size() > 1 ? ",\"" : "\"";
        append_json_escaped(out, line.substr(0, colon));
        out += "\":\"";
        append_json_escaped(out, line.substr(colon + 1));
        out += '"';
    }
    return out + "}";
}

}  // namespace hale::probe
