// Texts in, one checked configuration out; and the same validation for objects that come through the API.
//
// Pure: nothing here touches the world except the four functions under "The world", which belong on the
// blocking pool. Loading is all or nothing: whoever gets problems keeps the configuration in force.

#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/document.h"
#include "config/service_spec.h"

namespace hale::config {

inline constexpr std::size_t max_problems = 50;                 // Reported at once; the rest is counted in the last.
inline constexpr std::size_t max_source_bytes = 16 << 20;       // Of all files together.
inline constexpr std::size_t max_object_bytes = 1 << 20;        // Of one object from the API.
inline constexpr std::size_t max_secret_bytes = 64 << 10;       // Of one secret file.
inline constexpr std::size_t max_sources = 1000;                // Files in a directory.
inline constexpr std::size_t max_nodes = 4'000'000;             // After aliases were followed (billion laughs).
inline constexpr std::size_t max_depth = 32;                    // Of nested maps and lists.
inline constexpr std::size_t max_services = 100'000;
inline constexpr std::size_t max_instances_per_service = 100'000;
inline constexpr std::size_t max_checks_per_service = 64;
inline constexpr std::size_t max_members_per_composite = 1000;

struct Problem {
    Mark mark;            // Line 0 for objects from the API.
    std::string key;      // "services.web.check.interval", as written in the file; empty for the text as a whole.
    std::string pointer;  // The same as a JSON pointer, "/services/web/check/interval"; in an object relative to it.
    std::string what;
    std::string allowed;  // May be empty.

    std::string text() const;  // "hale.yml:12:5: services.web.check.interval: what is wrong; allowed: …"
};
using Problems = std::vector<Problem>;  // Never empty where it stands for a failure.

std::string text(const Problems& problems);  // One per line.

using Variables = std::map<std::string, std::string>;  // Values by name.

struct SourceText {
    std::string name;  // As it appears in marks.
    std::string text;
};

// Whether texts are certificates that work. Handed in, because whoever knows TLS stands above this folder.
struct CertificateSense {
    // `what`: names the source in the error. Not set: nothing is looked at.
    std::function<Result<>(std::string_view chain_pem, std::string_view key_pem, const std::string& what)> pair;
    std::function<Result<>(std::string_view ca_pem, const std::string& what)> authorities;
};

struct LoadRequest {
    std::string source;             // What was asked for: the file or the directory.
    std::vector<SourceText> texts;  // Merged in this order; a key in two of them is refused, naming both places.
    // `${NAME}` and `env:NAME`. Not set: every variable is unset.
    std::function<std::optional<std::string>(const std::string& name)> environment;
    // `file:/path`. Not set: refused.
    std::function<Result<std::string>(const std::string& path)> secret_file;
    // Certificates, and their keys, which nobody but their owner may read. Not set: refused.
    std::function<Result<std::string>(const std::string& path)> file, key_file;
    CertificateSense certificates;
    Settings defaults;       // What keys that are not given are.
    bool effective = false;  // Fill Document::effective. Costs several lines per instance: only for showing.
};

// A service that lists no instance, is not deployed, and whose checks all need no address (heartbeat, composite, exec)
// gets one implicit instance with the service's name and an empty Target (is_implicit).
std::expected<Document, Problems> load_document(const LoadRequest& request);

bool is_implicit(const InstanceSpec& instance);

// Where the daemon of a configuration is: `state` and `listen:` alone, read for a client that looks for it. What
// stands beside them is not looked at, so a file that would be refused still tells, and no secret is opened. A value
// that can't be read keeps its default and is told in `problems`.
struct DaemonPlace {
    Settings settings;
    Problems problems;
};
DaemonPlace read_place(const LoadRequest& request);

// ---- Objects from the API ----
// `document` gives `defaults:`; the objects' owner is the API. `${…}`, `file:`, `env:` and exec
// checks are for the file alone. Rules between objects: check_together.

struct LoadedService {
    ServiceSpec service;
    std::vector<RouteSpec> routes;  // From `hosts:` or `routes:` in it.
};
std::expected<LoadedService, Problems> load_service(std::string_view name, std::string_view json,
                                                    const Document& document);
// {"address": "10.0.0.8:80", "name": "b", "weight": 2, "check": {"port": 8081}}, or the bare address as a string.
// Unnamed: the first free "<service>-<n>".
std::expected<InstanceSpec, Problems> load_instance(const ServiceSpec& service, std::string_view json,
                                                    const Document& document);
// {"host": "a.example", "path": "/", "strip": false, "service": "web", "project": ""}
std::expected<RouteSpec, Problems> load_route(std::string_view json, const Document& document);
std::expected<std::shared_ptr<const CheckSpec>, Problems> load_check(std::string_view name, std::string_view json,
                                                                     const Document& document);

// One deployment's own word over what its service says: {"image": "web:2", "replicas": 3}. A key that is said replaces
// what is there, lists and maps of names as a whole, `health`, `deadlines` and `bake` key by key. "***" for a secret of
// `base` is that secret. Refused when neither says an image.
std::expected<DeploySpec, Problems> load_deploy(std::string_view json, const DeploySpec& base, const Document& document);

// Everything that is wrong between objects that are right by themselves: one host and path twice (both
// owners named), a name or address twice in a service, a route to no service, a routed service without check,
// composites whose members do not exist, form a cycle, or take longer than their caller waits.
Problems check_together(std::span<const ServiceSpec> services, std::span<const RouteSpec> routes);
// The same over pieces that live elsewhere. What `gaps` names was written, but wrong by itself: nothing is said of it,
// and nobody is told that it is missing.
struct Gaps {
    std::set<std::string, std::less<>> services;
    bool timing = false;  // Defaults are wrong: how long something takes can't be told.
};
Problems check_together(std::span<const ServiceSpec* const> services, std::span<const RouteSpec* const> routes, const Gaps& gaps = {});

std::string route_id(std::string_view host, std::string_view path);
bool is_service_name(std::string_view text);

// ---- How soon trouble is noticed ----

struct Detection {
    Duration refused;  // A port that refuses: from the moment it does to `unhealthy`, at most.
    Duration silent;   // One that answers nothing; Duration::max(): never, with this m_of_n.
};
Detection detection(const verdict::JudgePolicy& timing);

// ---- The world ----

// A file, or the *.yml, *.yaml and *.json of a directory in name order.
Result<std::vector<SourceText>> read_sources(const std::string& path);
Result<std::string> read_secret_file(const std::string& path);  // Without a final line break.
Result<std::string> read_certificate_file(const std::string& path);
Result<std::string> read_key_file(const std::string& path);  // Refuses one that everybody may read.
std::optional<std::string> process_environment(const std::string& name);
// Read, then load, with the process's environment. What cannot be read becomes a problem like any other.
std::expected<Document, Problems> load_path(const std::string& path, const Settings& defaults = {}, bool effective = false,
                                            const CertificateSense& certificates = {});
DaemonPlace load_place(const std::string& path);

}  // namespace hale::config
