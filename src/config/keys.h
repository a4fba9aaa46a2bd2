// The table of keys as the loader uses it: per section, each key with how its value is read. Private to this
// folder; schema.h shows the same table to everybody else.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "config/load.h"
#include "config/node.h"
#include "config/reading.h"

namespace hale::config {

enum class Type : std::uint8_t {
    boolean, integer, number, percent, duration, size, text, word, address, addresses, texts, text_or_texts, blocks,
    section, section_or_word, list, map, secret, conditions,
};

enum class Section : std::uint8_t {
    none, root, listen, errors, limits, targets, probe_endpoint, exec, admin, defaults, service, route, timeouts, retry, panic, heal, heal_backoff,
    instances, instance, check, heartbeat, composite, m_of_n, alias,
    tls, certificate, route_tls, upstream_tls,
    acme, acme_eab, acme_dns_hook, acme_on_demand,
    docker, registry, deploy, deploy_health, deploy_deadlines, deploy_bake, deploy_breaker, deploy_hook,
    compose, compose_service, compose_healthcheck, compose_dependency, compose_membership, compose_network, compose_volume, compose_deploy, compose_hale, compose_application,
};

// Kinds of checks, as a mask.
using KindMask = std::uint16_t;
inline constexpr KindMask for_http = 1, for_tcp = 2, for_exec = 4, for_heartbeat = 8, for_composite = 16, for_none = 32;
inline constexpr KindMask for_tls = 64, for_redis = 128, for_postgres = 256, for_smtp = 512, for_dns = 1024;
inline constexpr KindMask for_connecting = for_http | for_tcp | for_tls | for_redis | for_postgres | for_smtp | for_dns;
inline constexpr KindMask for_secured = for_http | for_tls | for_redis | for_postgres | for_smtp;  // They may speak TLS.
inline constexpr KindMask for_probes = for_connecting | for_exec;
inline constexpr KindMask for_judged = for_probes | for_heartbeat | for_composite;

struct KindName {
    std::string_view name;
    KindMask bit;
};
std::span<const KindName> all_kinds();  // In the order in which they are listed for people.
std::string kind_names(KindMask mask, std::string_view between = ", ");  // "http, tcp"

struct Key {
    std::string_view name;
    Type type = Type::text;
    std::string_view fallback;
    std::string_view allowed;
    std::string_view says;
    void (*read)(Reading&, const Node&, void* into) = nullptr;  // Null: not supported by this version.
    Section child = Section::none;
    KindMask kinds = 0;         // 0: not a key of checks.
    bool restart = false;
    bool is_kind = false;       // Names the kind of the check.
    bool shown_apart = false;   // Its effective values are recorded by who reads it.
};

std::span<const Key> keys_of(Section section);
std::span<const Key> settings_keys(Section section);  // By the file that holds them.
std::span<const Key> service_keys(Section section);
std::span<const Key> check_keys(Section section);
std::span<const Key> tls_section_keys(Section section);
std::span<const Key> acme_section_keys(Section section);
std::span<const Key> deploy_keys(Section section);
std::span<const Key> compose_keys(Section section);  // Of another file: docs/guide/compose.md is their reference.
std::string_view path_of(Section section);  // "services.*.timeouts", "" for the root.

const Key* find_key(Section section, std::string_view name);

// Reads a map by its section's table into `into`; unknown keys and those not built yet are refused. Null:
// only records the defaults.
void read_section(Reading& reading, Section section, const Node* node, void* into);
// One entry, for readers that take their maps apart themselves.
void read_entry(Reading& reading, const Key& key, const Entry& entry, void* into);
void refuse_unknown(Reading& reading, Section section, const Entry& entry);
void refuse_unsupported(Reading& reading, const Entry& entry);

// Makes a table's reader of a lambda without captures: into<Timeouts>([](Reading& r, const Node& n, Timeouts& t) { … }).
template <class T, class F>
constexpr auto into(F) {
    return +[](Reading& reading, const Node& node, void* place) { F{}(reading, node, *static_cast<T*>(place)); };
}
// Its value is read by who reads the section.
constexpr auto elsewhere() {
    return +[](Reading&, const Node&, void*) {};
}
constexpr Key unsupported(std::string_view name, std::string_view says) { return {.name = name, .says = says}; }

// ---- What the tables read into ----

struct Defaults {
    Node node;  // The whole `defaults:` map, variables put in.
    std::vector<SharedText> files;  // That its marks name.
};

struct RootDraft {
    Document document;
    const Node* defaults = nullptr;
    const Node* services = nullptr;
};

struct ServiceDraft {
    ServiceSpec spec;
    const Node* hosts = nullptr;
    const Node* routes = nullptr;
    const Node* instances = nullptr;
    const Node* check = nullptr;
    const Node* checks = nullptr;
    const Node* reason = nullptr;
    bool deploy = false;  // Something was said of deployments.
};

struct InstanceDraft {
    InstanceSpec spec;
    const Node* address = nullptr;
    const Node* check = nullptr;
    const Node* checks = nullptr;
};

// How targets are spoken to over TLS, and where that was said.
struct TlsDraft {
    io::TlsSpec tls;
    const Node* certificate = nullptr;
    const Node* key = nullptr;
    std::string certificate_path, key_path;
};

struct CheckDraft {
    CheckSpec spec;
    TlsDraft tls;
    const Node* expect = nullptr;      // The layer's that said it last.
    const Node* port = nullptr;
    const Node* placed = nullptr;  // The kind's own value where that may say a port: tcp, tls, redis …
    const Node* quorum = nullptr;
    const Node* down_interval_max = nullptr;
    const Node* every = nullptr;
    const Node* scope = nullptr;
    const Node* via = nullptr;
    const Node* server = nullptr;
    bool insecure = false;
};

// ---- Checks in layers (checks.cc) ----

// A map of check keys and the path it stands at.
struct CheckPlace {
    const Node* node = nullptr;
    std::string_view name;
};

// Reads `checks`/`check` of a service. `defaults` may be null.
CheckList read_checks(Reading& reading, const ServiceDraft& draft, const Node* defaults);
// `usual`: what the service says of TLS to its instances; may be null.
std::shared_ptr<const CheckSpec> read_check(Reading& reading, const Node& node, std::string_view name, const Node* defaults,
                                            const std::shared_ptr<const io::TlsSpec>& usual = {});
// The service's checks with an instance's overlay; null when there is none.
std::shared_ptr<const CheckList> overlaid(Reading& reading, const InstanceDraft& draft, const CheckList& checks);
// `defaults:` by itself, so that what is wrong in it is said even when nothing uses it.
void read_defaults(Reading& reading, const Node& node);

// ---- TLS (tls_keys.cc) ----

bool read_certificate(Reading& reading, const Node& node, CertificateFile& into);
void read_authorities(Reading& reading, const Node& node, std::string& into);
void read_tls_verify(Reading& reading, const Node& node, io::TlsSpec& into);
void read_tls_name(Reading& reading, const Node& node, std::string& into);
void read_alpn(Reading& reading, const Node& node, std::vector<std::string>& into);
void read_pin(Reading& reading, const Node& node, std::string& into);
void read_own_certificate(Reading& reading, const Node& node, TlsDraft& draft);
void read_own_key(Reading& reading, const Node& node, TlsDraft& draft);
// Null when it says nothing beyond the usual; `usual` itself when it says the same. May be null.
std::shared_ptr<const io::TlsSpec> settled(Reading& reading, TlsDraft& draft, const std::shared_ptr<const io::TlsSpec>& usual);
void read_upstream_tls(Reading& reading, const Node& node, std::shared_ptr<const io::TlsSpec>& into);
void read_acme(Reading& reading, const Node& node, std::shared_ptr<const AcmeSpec>& into);
void read_route_tls(Reading& reading, const Node& node, std::shared_ptr<const RouteTls>& into);

// ---- Deployments (deploy_keys.cc; what stands in one value: deploy_text.cc) ----

// Over what `into` holds: a key that is said replaces what was there, in `health`, `deadlines` and `bake` key by key.
// `base`: what was there, where somebody may say again what they were shown of it; else null.
void read_deploy(Reading& reading, const Node& node, DeploySpec& into, const DeploySpec* base);
void read_deploy_key(Reading& reading, std::string_view key, const Node& node, DeploySpec& into);
// What is right by itself and wrong beside the rest.
void check_deploy(Reading& reading, const Node& node, const DeploySpec& spec);
void read_registries(Reading& reading, const Node& node, std::vector<RegistryLogin>& into);
void read_docker(Reading& reading, const Node& node, Settings& into);

std::optional<Mount> parse_mount(std::string_view text);
std::optional<PublishedPort> parse_published(std::string_view text);
bool is_image(std::string_view text);       // "registry.example:5000/team/web:2@sha256:…"
bool is_engine_name(std::string_view text);  // Of a volume or a network.
bool is_env_name(std::string_view text);
// As a command is shown: what follows `--` is its secret part.
std::vector<std::string> shown_arguments(const std::vector<std::string>& arguments);
inline constexpr std::string_view hidden_text = "***";
inline constexpr std::string_view mount_words = "name:/path, or /of/the/host:/path, each with :ro or not";
inline constexpr std::string_view published_words = "host:container, ip:host:container, each with /tcp, /udp or neither; ports from 1 to 65535";
inline constexpr std::size_t max_env = 1000;
inline constexpr std::size_t max_env_bytes = 32 * 1024;
inline constexpr std::size_t max_labels = 64;
inline constexpr std::size_t max_label_bytes = 256;

// ---- Services (services.cc) ----

void read_service(Reading& reading, std::string_view name, const Node& node, const Node* defaults, ServiceSpec& service,
                  std::vector<RouteSpec>& routes);
bool read_instance(Reading& reading, const Node& node, const CheckList& checks, InstanceSpec& instance);
void read_route(Reading& reading, const Node& node, RouteSpec& route);
void read_alias(Reading& reading, const Node& node, Alias& alias);

}  // namespace hale::config
