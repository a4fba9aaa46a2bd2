#include "acme/shelf.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/text.h"

namespace hale::acme {

using Json = nlohmann::json;

namespace {

constexpr int format = 1;
constexpr std::string_view account_prefix = "account-";
constexpr std::string_view ending = ".json";

Result<Json> document(std::string_view content, std::string_view what) {
    Json parsed = Json::parse(content, nullptr, false);
    if (!parsed.is_object()) return fail(Code::corrupt, fmt::format("{} is no JSON object", what));
    const auto version = parsed.find("format");
    if (version == parsed.end() || !version->is_number_integer() || *version != format)
        return fail(Code::corrupt, fmt::format("{} is not of format {}; a newer Hale wrote it?", what, format));
    return parsed;
}

std::string string_of(const Json& from, const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

unsigned number_of(const Json& from, const char* name) {
    const auto found = from.find(name);
    constexpr std::uint64_t most = 1'000'000;
    return found != from.end() && found->is_number_unsigned() ? static_cast<unsigned>(std::min(found->get<std::uint64_t>(), most)) : 0;
}

std::string written(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

// Hosts are letters, digits, '-', '_' and '.' by now; '*' is none of a file's, and no host begins with "_.".
std::string file_name(std::string_view host) { return fmt::format("{}{}{}", host.starts_with("*.") ? "_" : "", host.substr(host.starts_with("*.") ? 1 : 0), ending); }

std::string write_record(const HostRecord& record) {
    return written({{"format", format},
                    {"host", record.host},
                    {"chain", record.credentials.chain_pem},
                    {"key", record.credentials.key_pem},
                    {"authority", record.authority},
                    {"failures", record.failures},
                    {"failures_here", record.failures_here},
                    {"authority_index", record.authority_index},
                    {"asked", record.asked},
                    {"reason", record.reason},
                    {"next_attempt", rfc3339(record.next_attempt)},
                    {"on_demand", record.on_demand}});
}

Result<HostRecord> read_record(std::string_view content) {
    HALE_ASSIGN(const Json json, document(content, "the record of a certificate"));
    HostRecord record{.host = string_of(json, "host"),
                      .credentials = {.chain_pem = string_of(json, "chain"), .key_pem = string_of(json, "key")},
                      .authority = string_of(json, "authority"),
                      .failures = number_of(json, "failures"),
                      .failures_here = number_of(json, "failures_here"),
                      .authority_index = number_of(json, "authority_index"),
                      .asked = string_of(json, "asked"),
                      .reason = string_of(json, "reason")};
    record.next_attempt = parse_rfc3339(string_of(json, "next_attempt")).value_or(Utc{});
    const auto on_demand = json.find("on_demand");
    record.on_demand = on_demand != json.end() && on_demand->is_boolean() && on_demand->get<bool>();
    if (record.host.empty()) return fail(Code::corrupt, "the record of a certificate names no host");
    if (record.credentials.chain_pem.empty() != record.credentials.key_pem.empty())
        return fail(Code::corrupt, fmt::format("the record of {} has a certificate or a key, and not both", escaped(record.host, 80)));
    return record;
}

std::string account_file_name(std::string_view directory) { return fmt::format("{}{:016x}{}", account_prefix, hash64(directory), ending); }

// No host has "account-" and sixteen digits alone for a name: a host has a dot, or is one label that was declared so.
bool is_account_file(std::string_view name) {
    return name.starts_with(account_prefix) && name.ends_with(ending) && name.size() == account_prefix.size() + 16 + ending.size() &&
           name.find('.') == name.size() - ending.size();
}

std::string write_account(const AccountRecord& record) {
    Json json{{"format", format}, {"directory", record.directory}, {"key", record.key_pem}, {"account", record.account}};
    if (record.contact) json["contact"] = *record.contact;
    return written(json);
}

Result<AccountRecord> read_account(std::string_view content) {
    HALE_ASSIGN(const Json json, document(content, "the record of an account"));
    AccountRecord record{.directory = string_of(json, "directory"), .key_pem = string_of(json, "key"), .account = string_of(json, "account")};
    if (json.contains("contact")) record.contact = string_of(json, "contact");
    if (record.directory.empty() || record.key_pem.empty()) return fail(Code::corrupt, "the record of an account lacks its directory or its key");
    return record;
}

}  // namespace hale::acme
