// Reading a map by its table, and what is said of keys that are not in it.

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

std::span<const KindName> all_kinds() {
    static constexpr KindName kinds[] = {{"http", for_http},   {"tcp", for_tcp},   {"exec", for_exec}, {"tls", for_tls}, {"redis", for_redis}, {"postgres", for_postgres},
                                         {"smtp", for_smtp}, {"dns", for_dns}, {"heartbeat", for_heartbeat}, {"composite", for_composite}, {"none", for_none}};
    return kinds;
}

std::string kind_names(KindMask mask, std::string_view between) {
    std::string out;
    for (const auto& [name, bit] : all_kinds())
        if (mask & bit) out += fmt::format("{}{}", out.empty() ? std::string_view{} : between, name);
    return out;
}

std::span<const Key> keys_of(Section section) {
    if (const auto keys = settings_keys(section); !keys.empty()) return keys;
    if (const auto keys = service_keys(section); !keys.empty()) return keys;
    if (const auto keys = tls_section_keys(section); !keys.empty()) return keys;
    if (const auto keys = acme_section_keys(section); !keys.empty()) return keys;
    if (const auto keys = deploy_keys(section); !keys.empty()) return keys;
    if (const auto keys = compose_keys(section); !keys.empty()) return keys;
    return check_keys(section);
}

std::string_view path_of(Section section) {
    switch (section) {
        case Section::none:
        case Section::root: return "";
        case Section::listen: return "listen";
        case Section::errors: return "errors";
        case Section::limits: return "limits";
        case Section::targets: return "targets";
        case Section::probe_endpoint: return "probe_endpoint";
        case Section::exec: return "exec";
        case Section::admin: return "admin";
        case Section::defaults: return "defaults";
        case Section::service: return "services.*";
        case Section::route: return "services.*.routes[]";
        case Section::timeouts: return "services.*.timeouts";
        case Section::retry: return "services.*.retry";
        case Section::heal: return "services.*.heal";
        case Section::heal_backoff: return "services.*.heal.backoff";
        case Section::panic: return "services.*.panic";
        case Section::instances:
        case Section::instance: return "services.*.instances[]";
        case Section::check: return "services.*.checks.*";
        case Section::heartbeat: return "services.*.checks.*.heartbeat";
        case Section::composite: return "services.*.checks.*.composite";
        case Section::m_of_n: return "services.*.checks.*.m_of_n";
        case Section::alias: return "aliases[]";
        case Section::tls: return "tls";
        case Section::certificate: return "tls.certificates[]";
        case Section::route_tls: return "services.*.tls";
        case Section::upstream_tls: return "services.*.upstream_tls";
        case Section::acme: return "acme";
        case Section::acme_eab: return "acme.eab";
        case Section::acme_dns_hook: return "acme.dns_hook";
        case Section::acme_on_demand: return "acme.on_demand";
        case Section::docker: return "docker";
        case Section::registry: return "registries.*";
        case Section::deploy: return "services.*.deploy";
        case Section::deploy_health: return "services.*.deploy.health";
        case Section::deploy_deadlines: return "services.*.deploy.deadlines";
        case Section::deploy_bake: return "services.*.deploy.bake";
        case Section::deploy_breaker: return "services.*.deploy.breaker";
        case Section::deploy_hook: return "services.*.deploy.before[]";
        case Section::compose: return "";
        case Section::compose_service: return "services.*";
        case Section::compose_healthcheck: return "services.*.healthcheck";
        case Section::compose_dependency: return "services.*.depends_on.*";
        case Section::compose_membership: return "services.*.networks.*";
        case Section::compose_network: return "networks.*";
        case Section::compose_volume: return "volumes.*";
        case Section::compose_deploy: return "services.*.deploy";
        case Section::compose_hale: return "services.*.x-hale";
        case Section::compose_application: return "x-hale";
    }
    return "";
}

const Key* find_key(Section section, std::string_view name) {
    for (const Key& key : keys_of(section))
        if (key.name == name) return &key;
    return nullptr;
}

void refuse_unknown(Reading& reading, Section section, const Entry& entry) {
    std::vector<std::string_view> words;
    for (const Key& key : keys_of(section))
        if (key.read != nullptr) words.push_back(key.name);
    const auto meant = near(entry.key, words);
    const Reading::Step step(reading, entry.key);
    reading.problem(entry.place, meant ? fmt::format("unknown key; did you mean {}?", *meant) : "unknown key",
                    fmt::format("{}", fmt::join(words, ", ")));
}

void refuse_unsupported(Reading& reading, const Entry& entry) {
    const Reading::Step step(reading, entry.key);
    reading.problem(entry.place, "not supported by this version");
}

void read_entry(Reading& reading, const Key& key, const Entry& entry, void* into) {
    const Reading::Step step(reading, entry.key);
    const Key* outer = std::exchange(reading.key, &key);
    key.read(reading, entry.value, into);
    reading.key = outer;
}

void read_section(Reading& reading, Section section, const Node* node, void* into) {
    if (node != nullptr && !reading.map(*node)) return;
    if (node != nullptr) {
        for (const Entry& entry : node->entries) {
            const Key* key = find_key(section, entry.key);
            if (key == nullptr) refuse_unknown(reading, section, entry);
            else if (key->read == nullptr) refuse_unsupported(reading, entry);
            else {
                const bool deeper = reading.effective && key->type == Type::section && !key->shown_apart;
                const std::string kept = reading.shown;
                if (deeper) reading.shown += fmt::format("{}.", key->name);
                read_entry(reading, *key, entry, into);
                if (deeper) reading.shown = kept;
            }
        }
    }
    if (!reading.effective) return;
    for (const Key& key : keys_of(section)) {
        if (key.read == nullptr || key.shown_apart) continue;
        const Node* said = node == nullptr ? nullptr : node->find(key.name);
        if (key.type == Type::section) {
            if (said != nullptr) continue;  // Recorded by its own reading.
            const std::string kept = reading.shown;
            reading.shown += fmt::format("{}.", key.name);
            read_section(reading, key.child, nullptr, nullptr);
            reading.shown = kept;
        } else if (said != nullptr) {
            reading.record(key.name, *said);
        } else if (!key.fallback.empty()) {
            reading.record_default(key.name, key.fallback);
        }
    }
}

}  // namespace hale::config
