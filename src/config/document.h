// One loaded configuration: settings, services and routes with every value's origin, checked as a whole.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "config/acme_spec.h"
#include "config/deploy_spec.h"
#include "config/service_spec.h"

namespace hale::config {

// A certificate with its key, from files that were read and fit together.
struct CertificateFile {
    std::string chain, key;  // Paths.
    std::string chain_pem, key_pem;
    Mark mark;
};

// "auto" is 0.
struct Settings {
    std::optional<SocketAddress> http;   // Traffic listener; not opened when absent.
    std::optional<SocketAddress> https;  // Traffic listener with TLS; likewise.
    std::vector<CertificateFile> certificates;
    std::shared_ptr<const AcmeSpec> acme;          // Null: no certificate is got from an authority.
    bool tls12 = true;                             // Else clients speak TLS 1.3.
    std::optional<CertificateFile> admin_certificate;  // The admin listener speaks TLS with it.
    std::optional<SocketAddress> admin = SocketAddress{Ip::v4(127, 0, 0, 1), 4253, {}};
    std::optional<SocketAddress> health;  // Dedicated health listener without credentials.
    std::string socket;                   // Admin unix socket; empty: <state>/hale.sock (or /run/hale/hale.sock).
    std::string state = "/var/lib/hale";
    unsigned workers = 0;
    unsigned checkers = 0;
    std::string access_log = "none";  // none, stdout, or a path.
    std::vector<Cidr> trusted_proxies;
    std::vector<Cidr> errors_detail_for;
    std::vector<Cidr> targets_allow;
    std::vector<Cidr> targets_deny;
    std::vector<std::string> probe_endpoint_allow;  // Targets that GET /probe may name besides configured services.
    std::vector<std::string> admin_hosts;           // Further names by which the admin listener may be addressed.
    bool admin_insecure = false;
    std::string exec_user;
    Duration last_known_max_age = 10min;
    std::optional<std::uint64_t> max_body;   // Of a request through the traffic listener, in bytes.
    unsigned probes_in_flight = 4096;        // In all.
    unsigned probes_in_flight_per_host = 8;  // Per address and checker.
    Duration override_max = 24h * 30;
    Duration drain_timeout = 30s;
    bool docker_discover = false;  // Containers with labels of ours become instances.
    std::string docker_host = "unix:///var/run/docker.sock";  // The engine that runs containers.
    std::vector<RegistryLogin> registries;  // No host twice.
};

// The data form of a foreign API answered by ours: method + path → action + response shape.
struct Alias {
    std::string method = "GET";
    std::string path;                 // May hold {name} placeholders, each a whole segment.
    std::string action;               // health, live, ready, service_health, verdict, verify, check, list
    std::string service;              // Fixed, or "{name}" from the path, or "?name" from the query.
    std::string shape = "hale";       // health_json, spring, microprofile, simple, text, hale, or template
    std::string body;                 // template: the text with {{field}} places.
    std::string content_type = "application/json";
    int ok_status = 200;
    int fail_status = 503;
    bool on_public = false;           // Also on the traffic listener; only for health, live and ready.
    Mark mark;
};

// One line of `config show --effective`.
struct EffectiveValue {
    std::string key;     // "services.web.checks.main.interval"
    std::string value;   // Secrets are "***".
    std::string origin;  // "default", "hale.yml:12:5", "api", "env HALE_X (hale.yml:3:9)"
};

// `defaults:` as written, for objects that come through the API later. Private to this folder.
struct Defaults;

struct Document {
    Settings settings;
    std::vector<ServiceSpec> services;  // In file order.
    std::vector<RouteSpec> routes;
    std::vector<Alias> aliases;
    std::vector<EffectiveValue> effective;  // Only when asked for (LoadRequest::effective).
    std::shared_ptr<const Defaults> defaults;  // Null: built-in ones only.
    std::vector<std::string> warnings;
    std::string source;       // Path of the file or directory.
    std::string fingerprint;  // Equal texts, equal fingerprints.
};

}  // namespace hale::config
