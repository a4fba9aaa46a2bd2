#include "probe/postgres_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "probe/engine.h"

namespace hale::probe {

using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;
using wire::PostgresMessage;
using wire::PostgresStatus;
using Authentication = wire::PostgresAuthentication;

namespace {

constexpr std::string_view mechanism = "SCRAM-SHA-256";
constexpr std::string_view role_query = "SELECT pg_is_in_recovery()";
constexpr std::size_t nonce_bytes = 18;

}  // namespace

Result<wire::ScramKeys> SaltedPasswords::keys(std::string_view password, const wire::Scram::Challenge& challenge) {
    std::string key = fmt::format("{}:{}:{}", challenge.iterations, challenge.salt.size(), challenge.salt);
    key += password;
    if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
    HALE_ASSIGN(const wire::ScramKeys made, wire::scram_keys(password, challenge.salt, challenge.iterations));
    if (kept_.size() >= most_kept) kept_.clear();
    kept_.emplace(std::move(key), made);
    return made;
}

void PostgresProbe::opened() {
    if (turn_ != Turn::asking_tls || check().tls == config::PostgresTls::off || connection_->secured() != nullptr) return start();
    std::string out;
    wire::append_postgres_ssl_request(out);
    say(out);
}

void PostgresProbe::start() {
    turn_ = Turn::login;
    set_farewell("");  // A client that just leaves is no word in the server's log; one that resets is.
    std::string out;
    wire::append_postgres_startup(out, user(), check().database, "hale");
    say(out);
}

std::string PostgresProbe::awaited() const {
    switch (turn_) {
        case Turn::asking_tls: return "the answer to the request for TLS";
        case Turn::login: return fmt::format("the login of {}", user());
        case Turn::asking_role: return "the answer about its role";
        case Turn::query: return "the answer to the query";
    }
    return {};
}

bool PostgresProbe::hear(std::string_view bytes) {
    if (turn_ == Turn::asking_tls) return take_tls_answer(bytes);
    while (!bytes.empty()) {
        const auto step = reader_.read(bytes);
        bytes.remove_prefix(step.consumed);
        if (step.status == PostgresStatus::bad) return no_protocol("PostgreSQL", step.why);
        if (step.status == PostgresStatus::more) return true;
        if (!take(reader_.take())) return false;
    }
    return true;
}

bool PostgresProbe::take_tls_answer(std::string_view bytes) {
    // More than the one byte must not be taken for something that came over TLS.
    if (bytes.size() != 1 || (bytes[0] != 'S' && bytes[0] != 'N')) return no_protocol("PostgreSQL", "neither yes nor no");
    if (bytes[0] == 'S') {
        secure();
        return false;
    }
    if (check().tls == config::PostgresTls::require) return mismatch(Reason::tls_failure, "the server has no TLS, and tls_mode: require asks for it");
    start();
    return true;
}

bool PostgresProbe::take(const PostgresMessage& message) {
    switch (message.type) {
        case 'E': return take_error(message);
        case 'R': {
            const auto asked = wire::postgres_authentication(message.body);
            if (!asked || turn_ != Turn::login || logged_in_) return no_protocol("PostgreSQL", "an authentication message that can't be");
            return authenticate(*asked);
        }
        case 'Z': return ready();
        case 'T':
        case 'D': return take_rows(message);
        default: return true;  // Parameters, notices, keys for cancelling, the ends of statements.
    }
}

bool PostgresProbe::authenticate(const Authentication& asked) {
    using Kind = Authentication::Kind;
    const bool wants_password = asked.kind == Kind::cleartext || asked.kind == Kind::md5 || asked.kind == Kind::sasl;
    if (wants_password && check().password.empty())
        return mismatch(Reason::body_mismatch, fmt::format("the server asks for the password of {}, and the check has none", user()));
    std::string out;
    switch (asked.kind) {
        case Kind::ok:
            if (!server_proved_) return no_protocol("PostgreSQL", "the server did not prove that it knows the password");
            logged_in_ = true;
            say_goodbye_later();
            return true;
        case Kind::cleartext: wire::append_postgres_password(out, check().password); break;
        case Kind::md5: {
            const auto hashed = wire::postgres_md5(user(), check().password, asked.data);
            if (!hashed) return end_error(Phase::total, hashed.error().text), false;
            wire::append_postgres_password(out, *hashed);
            break;
        }
        case Kind::sasl: {
            if (std::ranges::find(asked.mechanisms, mechanism) == asked.mechanisms.end())
                return mismatch(Reason::protocol_error, fmt::format("the server offers none of the ways to log in that Hale knows: {}",
                                                                    escaped(fmt::format("{}", fmt::join(asked.mechanisms, ", ")))));
            if (!engine_.options_.secret_bytes) return end_error(Phase::total, "there is no source of nonces here"), false;
            scram_.emplace("", wire::base64(engine_.options_.secret_bytes(nonce_bytes)));
            server_proved_ = false;
            wire::append_postgres_sasl_first(out, mechanism, scram_->first());
            break;
        }
        case Kind::sasl_continue:
        case Kind::sasl_final: return take_sasl(asked);
        case Kind::other: return mismatch(Reason::protocol_error, fmt::format("the server asks to log in by method {}, which Hale does not know", asked.code));
    }
    say(out);
    return true;
}

void PostgresProbe::say_goodbye_later() {
    std::string out;
    wire::append_postgres_terminate(out);
    set_farewell(out);
}

bool PostgresProbe::take_sasl(const Authentication& asked) {
    if (!scram_ || server_proved_) return no_protocol("PostgreSQL", "an authentication message that can't be");
    if (asked.kind == Authentication::Kind::sasl_final) {
        if (const auto confirmed = scram_->confirm(asked.data); !confirmed) return mismatch(Reason::protocol_error, confirmed.error().text);
        server_proved_ = true;
        return true;
    }
    const auto challenge = scram_->challenge(asked.data);
    if (!challenge) return mismatch(Reason::protocol_error, challenge.error().text);
    const auto keys = engine_.salted_passwords_.keys(check().password, *challenge);
    if (!keys) return end_error(Phase::total, keys.error().text), false;
    const auto final = scram_->final(*keys);
    if (!final) return end_error(Phase::total, final.error().text), false;
    std::string out;
    wire::append_postgres_sasl_next(out, *final);
    say(out);
    return true;
}

bool PostgresProbe::take_error(const PostgresMessage& message) {
    const auto error = wire::postgres_error(message.body);
    if (!error) return no_protocol("PostgreSQL", "an error that can't be read");
    std::string what = fmt::format("{} failed: {}", turn_ == Turn::login ? fmt::format("the login of {}", user()) : turn_ == Turn::query ? "the query" : "asking its role",
                                   escaped(error->text()));
    return mismatch(Reason::body_mismatch, what);
}

bool PostgresProbe::take_rows(const PostgresMessage& message) {
    if (turn_ == Turn::login) return no_protocol("PostgreSQL", "rows before anybody asked");
    if (message.type == 'T') {
        auto columns = wire::postgres_columns(message.body);
        if (!columns) return no_protocol("PostgreSQL", "a description of rows that can't be read");
        if (!row_) columns_ = std::move(*columns);
        return true;
    }
    auto row = wire::postgres_row(message.body);
    if (!row || row->size() != columns_.size()) return no_protocol("PostgreSQL", "a row that can't be read");
    if (!row_) row_ = std::move(*row);
    return true;
}

void PostgresProbe::ask(Turn turn, std::string_view sql) {
    turn_ = turn;
    columns_.clear();
    row_.reset();
    std::string out;
    wire::append_postgres_query(out, sql);
    say(out);
}

// The server waits for us: what comes next.
bool PostgresProbe::ready() {
    if (!logged_in_) return no_protocol("PostgreSQL", "ready without a login");
    if (turn_ == Turn::asking_role && !take_role()) return false;
    if (turn_ == Turn::login && check().role != config::PostgresRole::any) return ask(Turn::asking_role, role_query), true;
    if (turn_ != Turn::query) return ask(Turn::query, check().query), true;
    const std::string row = first_row();
    judge("the query was answered", row);
    return false;
}

bool PostgresProbe::take_role() {
    if (!row_ || row_->size() != 1 || !row_->front()) return no_protocol("PostgreSQL", "no role");
    const bool standby = *row_->front() == "t";
    if (standby == (check().role == config::PostgresRole::standby)) return true;
    return mismatch(Reason::body_mismatch, standby ? "it is a standby, and role: primary is asked for" : "it is a primary, and role: standby is asked for");
}

// One column as it is, several as a JSON object.
std::string PostgresProbe::first_row() const {
    if (!row_) return {};
    if (row_->size() == 1) return row_->front().value_or("null");
    std::string out = "{";
    for (std::size_t i = 0; i < row_->size(); ++i) {
        out += i == 0 ? "\"" : ",\"";
        append_json_escaped(out, columns_[i]);
        out += "\":";
        if (const auto& value = (*row_)[i]) {
            out += '"';
            append_json_escaped(out, *value);
            out += '"';
        } else {
            out += "null";
        }
    }
    return out + "}";
}

}  // namespace hale::probe
