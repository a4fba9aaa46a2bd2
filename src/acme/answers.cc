#include "acme/answers.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "wire/http1_write.h"
#include "wire/url.h"

namespace hale::acme {

using Json = nlohmann::json;

namespace {

constexpr std::string_view error_prefix = "urn:ietf:params:acme:error:";
constexpr std::size_t most_detail = 1000;
constexpr std::size_t most_subproblems = 8;
constexpr std::size_t most_certificates = 16;
constexpr int most_depth = 16;

// Nothing for what is no object, or nested deeper than any document of the RFC.
std::optional<Json> object(std::string_view body) {
    if (body.size() > most_answer_bytes) return std::nullopt;
    const auto shallow = [](int depth, Json::parse_event_t event, Json&) {
        return depth <= most_depth || (event != Json::parse_event_t::object_start && event != Json::parse_event_t::array_start);
    };
    Json parsed = Json::parse(body, shallow, false);
    if (!parsed.is_object()) return std::nullopt;
    return parsed;
}

std::string string_of(const Json& from, const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

bool is_url(std::string_view text) {
    if (text.empty() || text.size() > most_url_bytes) return false;
    const auto url = wire::parse_url(text);
    return url && (url->scheme == "https" || url->scheme == "http");
}

std::string url_of(const Json& from, const char* name) {
    std::string text = string_of(from, name);
    return is_url(text) ? text : std::string{};
}

std::optional<Problem> problem_of(const Json& from, const char* name) {
    const auto found = from.find(name);
    if (found == from.end() || !found->is_object()) return std::nullopt;
    Problem problem;
    problem.type = string_of(*found, "type");
    if (problem.type.starts_with(error_prefix)) problem.type.erase(0, error_prefix.size());
    problem.type = escaped(problem.type, 80);
    problem.detail = escaped(string_of(*found, "detail"), most_detail);
    const auto several = found->find("subproblems");
    if (several == found->end() || !several->is_array()) return problem;
    std::size_t told = 0;
    for (const Json& one : *several) {
        if (told++ == most_subproblems) break;
        if (!one.is_object()) continue;
        if (const std::string detail = escaped(string_of(one, "detail"), most_detail); !detail.empty())
            problem.detail += (problem.detail.empty() ? "" : "; ") + detail;
    }
    return problem;
}

std::unexpected<Error> unusable(std::string_view what, std::string_view why) {
    return fail(Code::unavailable, fmt::format("{} can't be used: {}", what, why));
}

// A token is 128 bits and more of the alphabet for URLs (RFC 8555 §8.1); it becomes part of a path and of a header.
bool is_token(std::string_view text) {
    if (text.empty() || text.size() > 256) return false;
    for (const char c : text)
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') return false;
    return true;
}

}  // namespace

std::string_view text(ChallengeKind kind) {
    switch (kind) {
        case ChallengeKind::http_01: return "http-01";
        case ChallengeKind::tls_alpn_01: return "tls-alpn-01";
        case ChallengeKind::dns_01: return "dns-01";
    }
    return "";
}

std::string Problem::text() const {
    if (detail.empty()) return type.empty() ? "no reason is given" : type;
    return type.empty() ? detail : fmt::format("{} ({})", detail, type);
}

Result<Directory> read_directory(std::string_view body) {
    const auto document = object(body);
    if (!document) return unusable("the directory", "it is no JSON object; is the URL that of an ACME directory?");
    Directory directory{.new_nonce = url_of(*document, "newNonce"),
                        .new_account = url_of(*document, "newAccount"),
                        .new_order = url_of(*document, "newOrder"),
                        .renewal_info = url_of(*document, "renewalInfo"),
                        .terms = {}};
    if (directory.new_nonce.empty() || directory.new_account.empty() || directory.new_order.empty())
        return unusable("the directory", "it lacks newNonce, newAccount or newOrder; is the URL that of an ACME directory?");
    if (const auto meta = document->find("meta"); meta != document->end() && meta->is_object()) {
        directory.terms = escaped(string_of(*meta, "termsOfService"), most_url_bytes);
        const auto required = meta->find("externalAccountRequired");
        directory.external_account_required = required != meta->end() && required->is_boolean() && required->get<bool>();
    }
    return directory;
}

Result<OrderDocument> read_order(std::string_view body) {
    const auto document = object(body);
    if (!document) return unusable("the order", "it is no JSON object");
    constexpr std::array<std::string_view, 5> words{"pending", "ready", "processing", "valid", "invalid"};
    OrderDocument order;
    const std::string status = string_of(*document, "status");
    std::size_t at = 0;
    while (at < words.size() && words[at] != status) ++at;
    if (at == words.size()) return unusable("the order", fmt::format("its status is \"{}\"", escaped(status, 40)));
    order.status = static_cast<OrderStatus>(at);
    order.finalize = url_of(*document, "finalize");
    order.certificate = url_of(*document, "certificate");
    order.error = problem_of(*document, "error");
    if (const auto list = document->find("authorizations"); list != document->end() && list->is_array()) {
        if (list->size() > most_authorizations) return unusable("the order", fmt::format("it has more than {} authorizations", most_authorizations));
        for (const Json& one : *list) {
            if (!one.is_string() || !is_url(one.get_ref<const std::string&>())) return unusable("the order", "an authorization is no URL");
            order.authorizations.push_back(one.get<std::string>());
        }
    }
    return order;
}

Result<Authorization> read_authorization(std::string_view body) {
    const auto document = object(body);
    if (!document) return unusable("the authorization", "it is no JSON object");
    Authorization authorization;
    const std::string status = string_of(*document, "status");
    if (status == "pending") authorization.status = AuthorizationStatus::pending;
    else if (status == "valid") authorization.status = AuthorizationStatus::valid;
    else if (status == "invalid") authorization.status = AuthorizationStatus::invalid;
    else if (status == "deactivated" || status == "expired" || status == "revoked") authorization.status = AuthorizationStatus::over;
    else return unusable("the authorization", fmt::format("its status is \"{}\"", escaped(status, 40)));
    if (const auto identifier = document->find("identifier"); identifier != document->end() && identifier->is_object())
        authorization.host = lower(string_of(*identifier, "value"));
    const auto wildcard = document->find("wildcard");
    authorization.wildcard = wildcard != document->end() && wildcard->is_boolean() && wildcard->get<bool>();
    const auto list = document->find("challenges");
    if (list == document->end() || !list->is_array()) return authorization;
    for (const Json& one : *list) {
        if (authorization.challenges.size() == most_challenges) break;
        if (!one.is_object()) continue;
        OfferedChallenge challenge{.type = string_of(one, "type"),
                                   .url = url_of(one, "url"),
                                   .token = string_of(one, "token"),
                                   .status = string_of(one, "status"),
                                   .error = problem_of(one, "error")};
        if (!is_token(challenge.token)) challenge.token.clear();
        authorization.challenges.push_back(std::move(challenge));
    }
    return authorization;
}

Problem read_problem(const Answer& answer) {
    if (const auto document = object(answer.body)) {
        Json holder{{"error", *document}};
        if (auto problem = problem_of(holder, "error"); problem && (!problem->type.empty() || !problem->detail.empty())) return *problem;
    }
    const std::string_view phrase = wire::reason_phrase(answer.status);
    return {.type = {}, .detail = fmt::format("status {}{}{}", answer.status, phrase.empty() ? "" : " ", phrase)};
}

Result<RenewalWindow> read_renewal_info(std::string_view body) {
    const auto document = object(body);
    if (!document) return unusable("renewalInfo", "it is no JSON object");
    const auto window = document->find("suggestedWindow");
    if (window == document->end() || !window->is_object()) return unusable("renewalInfo", "it has no suggestedWindow");
    const auto start = parse_rfc3339(string_of(*window, "start")), end = parse_rfc3339(string_of(*window, "end"));
    if (!start || !end || *end < *start) return unusable("renewalInfo", "its window has no start, no end, or ends before it starts");
    return RenewalWindow{.start = *start, .end = *end, .explanation = escaped(string_of(*document, "explanationURL"), most_url_bytes)};
}

std::optional<Duration> read_retry_after(std::string_view said, Utc now) {
    said = trim(said);
    constexpr std::uint64_t most_seconds = 366 * 24 * 3600;
    if (const auto number = parse_unsigned(said)) return std::chrono::seconds(std::min(*number, most_seconds));
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (said.size() != 29 || !said.ends_with(" GMT")) return std::nullopt;
    std::size_t month = 0;
    while (month < months.size() && months[month] != said.substr(8, 3)) ++month;
    if (month == months.size()) return std::nullopt;
    const auto at = parse_rfc3339(fmt::format("{}-{:02}-{}T{}Z", said.substr(12, 4), month + 1, said.substr(5, 2), said.substr(17, 8)));
    if (!at) return std::nullopt;
    return std::clamp<Duration>(*at - now, 0s, std::chrono::seconds(most_seconds));
}

Result<> check_chain(std::string_view pem) {
    constexpr std::string_view begin = "-----BEGIN ", certificate = "-----BEGIN CERTIFICATE-----";
    std::size_t count = 0;
    for (std::size_t at = pem.find(begin); at != std::string_view::npos; at = pem.find(begin, at + begin.size())) {
        // RFC 8555 §11.4: nothing but certificates may come to lie in the file.
        if (!pem.substr(at).starts_with(certificate)) return unusable("the certificate", "there is something else than certificates in it");
        if (++count > most_certificates) return unusable("the certificate", fmt::format("its chain is longer than {}", most_certificates));
    }
    if (count == 0) return unusable("the certificate", "there is none in the answer");
    return {};
}

}  // namespace hale::acme
