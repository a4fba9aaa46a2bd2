#include "acme/scripted_authority.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <nlohmann/json.hpp>

#include "acme/answers.h"
#include "acme/encoding.h"
#include "tls/testing.h"
#include "wire/http1.h"

namespace hale::acme {

using Json = nlohmann::json;

// Signs whatever key is asked for.
struct ScriptedAuthority::Ca {
    tls::KeyPtr key = tls::new_key();
    long serial = 0x8765;

    std::string sign(EVP_PKEY* of, const std::string& host, Utc from, Utc until) {
        const tls::CertificatePtr made(X509_new());
        X509* x = made.get();
        X509_set_version(x, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
        const auto seconds = [](Utc at) { return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count(); };
        ASN1_TIME_set(X509_getm_notBefore(x), seconds(from));
        ASN1_TIME_set(X509_getm_notAfter(x), seconds(until));
        X509_set_pubkey(x, of);
        X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("Scripted"), -1, -1, 0);
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
        X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, ("DNS:" + host).c_str());
        X509_add_ext(x, names, -1);
        X509_EXTENSION_free(names);
        ASN1_OCTET_STRING* identifier = ASN1_OCTET_STRING_new();
        constexpr unsigned char bytes[]{0x30, 0x06, 0x80, 0x04, 'k', 'e', 'y', '1'};
        ASN1_OCTET_STRING_set(identifier, bytes, sizeof bytes);
        X509_EXTENSION* authority = X509_EXTENSION_create_by_NID(nullptr, NID_authority_key_identifier, 0, identifier);
        X509_add_ext(x, authority, -1);
        X509_EXTENSION_free(authority);
        ASN1_OCTET_STRING_free(identifier);
        X509_sign(x, key.get(), EVP_sha256());
        return tls::pem_of(x);
    }
};

struct ScriptedAuthority::Connection final : io::StreamHandler {
    Connection(ScriptedAuthority& authority, std::unique_ptr<io::Stream> made) : owner(authority), stream(std::move(made)) {}

    void on_ready(io::Stream&, io::Readiness) noexcept override {
        char buffer[8192];
        for (;;) {
            const auto result = stream->read(buffer);
            if (result.status == io::IoStatus::end || result.status == io::IoStatus::failed) return drop();
            if (result.status != io::IoStatus::ok) break;
            got.append(buffer, result.bytes);
            if (result.bytes < sizeof buffer) break;
        }
        wire::RequestHead head;
        wire::HeadScan scan;
        const auto parsed = wire::parse_request_head(got, {}, scan, head);
        if (parsed.status == wire::ParseStatus::done && out.empty() && got.size() >= parsed.consumed + head.framing.length)
            out = owner.answer(std::string(head.method_name), std::string(head.path_and_query), got.substr(parsed.consumed));
        while (!out.empty()) {
            const auto wrote = stream->write(out);
            if (wrote.status != io::IoStatus::ok) return;
            out.erase(0, wrote.bytes);
            if (out.empty()) stream->shutdown_write();
        }
    }
    void drop() {
        const auto self = std::move(owner.connections_.extract(stream.get()).mapped());
        stream->set_handler(nullptr);
    }

    ScriptedAuthority& owner;
    std::unique_ptr<io::Stream> stream;
    std::string got, out;
};

ScriptedAuthority::ScriptedAuthority(sim::World& world, sim::Network& network, std::string host)
    : world_(world), host_(std::move(host)), random_(world.seed()), ca_(std::make_unique<Ca>()) {
    auto& loop = world.make_loop(host_);
    loop.run([&] { listener_ = *network.net(host_, loop).listen({.address = {.port = 80}}, *this); });
}

ScriptedAuthority::~ScriptedAuthority() = default;

void ScriptedAuthority::on_accept(std::unique_ptr<io::Stream> stream) noexcept {
    io::Stream* raw = stream.get();
    auto& made = connections_[raw] = std::make_unique<Connection>(*this, std::move(stream));
    raw->set_handler(made.get());
}

void ScriptedAuthority::close_accounts() {
    for (auto& [at, account] : accounts_) account.closed = true;
}
void ScriptedAuthority::lose_accounts() { accounts_.clear(); }

std::string ScriptedAuthority::make_nonce() {
    std::string nonce = fmt::format("nonce-{}-{:x}", ++last_, random_.next());
    nonces_.insert(nonce);
    return nonce;
}

ScriptedAuthority::Reply ScriptedAuthority::problem(int status, const std::string& type, const std::string& detail) const {
    return {.status = status, .body = Json{{"type", "urn:ietf:params:acme:error:" + type}, {"detail", detail}}.dump()};
}

std::string ScriptedAuthority::answer(const std::string& method, const std::string& path, const std::string& body) {
    ++requests;
    Reply made;
    if (broken > 0) {
        --broken;
        made = {.status = 500, .body = "<html>Sorry</html>"};
    } else {
        made = reply(method, path, body);
    }
    std::string head = fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\nReplay-Nonce: {}\r\n", made.status, made.body.size(), make_nonce());
    if (!made.location.empty()) head += fmt::format("Location: {}\r\n", made.location);
    if (made.retry_after != 0) head += fmt::format("Retry-After: {}\r\n", made.retry_after);
    return head + "\r\n" + (method == "HEAD" ? "" : made.body);
}

ScriptedAuthority::Reply ScriptedAuthority::reply(const std::string& method, const std::string& path, const std::string& body) {
    if (path == "/dir") {
        Json directory{{"newNonce", url("/nonce")}, {"newAccount", url("/account")}, {"newOrder", url("/order")}, {"meta", {{"externalAccountRequired", external_required}}}};
        if (renewal_info) directory["renewalInfo"] = url("/renewal");
        return {.body = directory.dump()};
    }
    if (path == "/nonce") return {};
    if (path.starts_with("/may?")) return {.status = path.ends_with("domain=one.example") ? 200 : 404};
    if (path.starts_with("/renewal/")) {
        Utc at{};
        for (const auto& [id, order] : orders_) at = std::max(at, order.issued);
        return {.body = Json{{"suggestedWindow", {{"start", rfc3339(at + window_from)}, {"end", rfc3339(at + window_until)}}}}.dump()};
    }
    if (method != "POST") return problem(405, "malformed", "POST, please");
    const auto letter = Json::parse(body, nullptr, false);
    if (!letter.is_object()) return problem(400, "malformed", "no JWS");
    const auto header = from_base64url(letter.value("protected", "!")), payload = from_base64url(letter.value("payload", "!"));
    if (!header || !payload) return problem(400, "malformed", "no base 64");
    return signed_reply(path, *header, *payload);
}

ScriptedAuthority::Reply ScriptedAuthority::signed_reply(const std::string& path, const std::string& header_text, const std::string& payload) {
    const auto header = Json::parse(header_text);
    const std::string nonce = header.value("nonce", "");
    if (nonces_.erase(nonce) == 0) {
        complaints.push_back("a nonce was not ours, or used twice");
        return problem(400, "badNonce", "never seen");
    }
    if (header.value("url", "") != url(path)) complaints.push_back("another URL was signed than asked for");
    if (random_.unit() < bad_nonces) {
        ++refused_nonces;
        return problem(400, "badNonce", "not this one");
    }
    if (path == "/account") return new_account(header.at("jwk").dump(), payload);
    const auto account = accounts_.find(header.value("kid", ""));
    if (account == accounts_.end()) return problem(400, "accountDoesNotExist", "we never met");
    if (account->second.closed) return problem(401, "unauthorized", "this account is deactivated");
    if (url(path) == account->first) return update_account(account->second, payload);
    if (path == "/order") return new_order(account->first, payload);
    return of_order(path, payload);
}

ScriptedAuthority::Reply ScriptedAuthority::new_account(const std::string& jwk, const std::string& payload) {
    const auto said = Json::parse(payload);
    if (!said.value("termsOfServiceAgreed", false)) complaints.push_back("the terms were not agreed to");
    if (external_required && !said.contains("externalAccountBinding")) return problem(403, "externalAccountRequired", "who are you elsewhere?");
    for (const auto& [at, account] : accounts_)
        if (account.jwk == jwk) return account.closed ? problem(401, "unauthorized", "this account is deactivated") : Reply{.status = 200, .body = "{}", .location = at};
    const std::string at = url(fmt::format("/account/{}", ++last_));
    const std::string contact = said.contains("contact") ? said["contact"][0].get<std::string>() : "-";
    accounts_.emplace(at, Account{.jwk = jwk, .contact = contact});
    return {.status = 201, .body = R"({"status":"valid"})", .location = at};
}

std::vector<std::string> ScriptedAuthority::contacts() const {
    std::vector<std::string> all;
    for (const auto& [at, account] : accounts_) all.push_back(account.contact);
    return all;
}

ScriptedAuthority::Reply ScriptedAuthority::update_account(Account& account, const std::string& payload) {
    ++account_updates;
    if (refuses_contacts) return problem(400, "invalidContact", "nobody reads mail there");
    const auto said = Json::parse(payload);
    if (said.size() != 1 || !said.contains("contact") || !said["contact"].is_array()) complaints.push_back("an account update without contacts");
    else account.contact = said["contact"].empty() ? "-" : said["contact"][0].get<std::string>();
    return {.body = R"({"status":"valid"})"};
}

ScriptedAuthority::Reply ScriptedAuthority::new_order(const std::string& account, const std::string& payload) {
    if (limited_orders > 0) {
        --limited_orders;
        ++limited;
        Reply made = problem(429, "rateLimited", "too many certificates already");
        made.retry_after = limited_for_s;
        return made;
    }
    ++orders;
    const auto said = Json::parse(payload);
    if (said.contains("replaces")) replaced.push_back(said["replaces"]);
    const std::string id = fmt::format("{}", ++last_);
    orders_[id] = {.account = account, .host = said["identifiers"][0]["value"], .token = fmt::format("tok{}", id)};
    int open = 0;
    for (const auto& [other, order] : orders_) open += order.status == "pending" || order.status == "ready" || order.status == "processing" ? 1 : 0;
    most_orders_open = std::max(most_orders_open, open);
    return order_document(id, 201);
}

static std::string digest_of(const std::string& text) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(digest.data()));
    return base64url(digest);
}

// Token and the thumbprint of the account's key (RFC 8555 §8.1, RFC 7638), or the digest of that, reckoned without Hale's own code.
std::string ScriptedAuthority::proof_of(const OrderState& order) const {
    const auto account = accounts_.find(order.account);
    if (account == accounts_.end()) return "nobody's";
    const std::string proof = order.token + "." + digest_of(account->second.jwk);
    return offers == "http-01" ? proof : digest_of(proof);
}

ScriptedAuthority::Reply ScriptedAuthority::order_document(const std::string& id, int status) {
    const OrderState& order = orders_.at(id);
    Json document{{"status", order.status}, {"authorizations", {url("/authorization/" + id)}}, {"finalize", url("/finalize/" + id)}};
    if (order.status == "valid") document["certificate"] = url("/certificate/" + id);
    if (!order.error.empty()) document["error"] = {{"type", "urn:ietf:params:acme:error:unauthorized"}, {"detail", order.error}};
    return {.status = status, .body = document.dump(), .location = url("/order/" + id), .retry_after = order.status == "processing" ? retry_after_s : 0};
}

ScriptedAuthority::Reply ScriptedAuthority::of_order(const std::string& path, const std::string& payload) {
    const auto slash = path.rfind('/');
    const std::string what = path.substr(1, slash - 1), id = path.substr(slash + 1);
    const auto found = orders_.find(id);
    if (found == orders_.end()) return problem(404, "malformed", "no such order");
    OrderState& order = found->second;
    if (what == "authorization" || what == "challenge") {
        if (what == "challenge") order.answered = true, order.looks = slow_polls;
        if (order.authorization == "pending" && order.answered && what == "authorization" && order.looks-- <= 0) {
            const bool good = validates && look && look(order.host, order.token) == proof_of(order);
            order.authorization = good ? "valid" : "invalid";
            order.status = good ? "ready" : "invalid";
            order.error = good ? "" : "Connection refused by the host";
        }
        Json challenge{{"type", offers}, {"url", url("/challenge/" + id)}, {"token", order.token}, {"status", order.authorization}};
        if (!order.error.empty()) challenge["error"] = {{"type", "urn:ietf:params:acme:error:connection"}, {"detail", order.error}};
        if (what == "challenge") return {.body = challenge.dump()};
        return {.body = Json{{"status", order.authorization}, {"identifier", {{"type", "dns"}, {"value", order.host}}}, {"challenges", {challenge}}}.dump(),
                .retry_after = order.authorization == "pending" ? retry_after_s : 0};
    }
    if (what == "finalize") {
        if (order.status != "ready") return problem(403, "orderNotReady", "not yet");
        finalize(order, Json::parse(payload).value("csr", ""));
        order.looks = slow_polls;
        order.status = slow_polls > 0 ? "processing" : "valid";
        return order_document(id);
    }
    if (what == "order") {
        if (order.status == "processing" && order.looks-- <= 0) order.status = "valid";
        return order_document(id);
    }
    if (what == "certificate" && order.status == "valid") return {.body = order.certificate};
    return problem(404, "malformed", "nothing here");
}

void ScriptedAuthority::finalize(OrderState& order, const std::string& csr) {
    const auto der = from_base64url(csr);
    const auto* at = reinterpret_cast<const unsigned char*>(der->data());
    X509_REQ* request = d2i_X509_REQ(nullptr, &at, static_cast<long>(der->size()));
    if (request == nullptr || X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1) complaints.push_back("a certificate request does not verify");
    const Utc now = world_.utc() + clock;
    const tls::KeyPtr another = tls::new_key();
    order.certificate = ca_->sign(signs_another_key ? another.get() : X509_REQ_get0_pubkey(request), signs_another_name ? "another.example" : order.host, now - 1h, now + lifetime);
    order.issued = now;
    ++issued;
    X509_REQ_free(request);
}

}  // namespace hale::acme
