// The keys of a file's own settings: listeners, limits, who may do what.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

namespace {

constexpr Duration day = 24h;
constexpr std::size_t max_list = 10'000;
constexpr std::size_t max_aliases = 1000;
constexpr unsigned max_threads = 256;

void read_threads(Reading& reading, const Node& node, unsigned& into) {
    if (node.is_scalar() && node.text == "auto") {
        into = 0;
        return;
    }
    reading.number(node, into, 1, max_threads);
}

void read_absolute(Reading& reading, const Node& node, std::string& into) {
    std::string path;
    if (!reading.text(node, path)) return;
    if (!path.starts_with('/')) return reading.refuse(node, fmt::format("\"{}\" is not an absolute path", escaped(path, 60)));
    into = std::move(path);
}

constexpr std::string_view listener_words = "host:port with an IP literal, :port, none";

constexpr std::array root_keys{
    Key{"listen", Type::section, "", "a map", "Where Hale listens; a listener that is not named is not opened.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::listen, &n, &d.document.settings); }),
        Section::listen},
    Key{"state", Type::text, "/var/lib/hale", "an absolute path", "Directory of what must survive a restart; created with mode 0700.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_absolute(r, n, d.document.settings.state); }),
        Section::none, 0, true},
    Key{"workers", Type::integer, "auto", "auto, or 1 to 256", "Threads that carry traffic; auto is one per core.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_threads(r, n, d.document.settings.workers); }),
        Section::none, 0, true},
    Key{"checkers", Type::integer, "auto", "auto, or 1 to 256", "Threads that probe; auto counts the checks by kind.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_threads(r, n, d.document.settings.checkers); }),
        Section::none, 0, true},
    Key{"access_log", Type::text, "none", "none, stdout, or an absolute path", "Where one line per request goes; reopened on SIGUSR1.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) {
            if (n.is_scalar() && (n.text == "none" || n.text == "stdout")) d.document.settings.access_log = n.text;
            else read_absolute(r, n, d.document.settings.access_log);
        }),
        Section::none, 0, true},
    Key{"trusted_proxies", Type::blocks, "[]", "a list of addresses or blocks (10.0.0.0/8)",
        "Peers whose X-Forwarded-* headers are believed.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.blocks(n, d.document.settings.trusted_proxies); })},
    Key{"tls", Type::section, "", "a map", "What clients that come over TLS are shown.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::tls, &n, &d.document.settings); }),
        Section::tls},
    Key{"errors", Type::section, "", "a map", "What Hale's own error answers tell.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::errors, &n, &d.document.settings); }),
        Section::errors},
    Key{"limits", Type::section, "", "a map", "What clients may ask of Hale.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::limits, &n, &d.document.settings); }),
        Section::limits},
    Key{"targets", Type::section, "", "a map", "Addresses that may or may not be targets.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::targets, &n, &d.document.settings); }),
        Section::targets},
    Key{"probe_endpoint", Type::section, "", "a map", "The blackbox-compatible GET /probe.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::probe_endpoint, &n, &d.document.settings); }),
        Section::probe_endpoint},
    Key{"exec", Type::section, "", "a map", "How commands of exec checks run.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::exec, &n, &d.document.settings); }),
        Section::exec},
    Key{"admin", Type::section, "", "a map", "Who may talk to the admin listener, and how.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_section(r, Section::admin, &n, &d.document.settings); }),
        Section::admin},
    Key{"last_known_max_age", Type::duration, "10m", "0 to 30d", "How old evidence from before a restart may be and still count as last known.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.duration(n, d.document.settings.last_known_max_age, 0s, 30 * day); }),
        Section::none, 0, true},
    Key{"probes_in_flight", Type::integer, "4096", "1 to 65536", "Probes that may be under way at once, shared evenly by the checkers.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.number(n, d.document.settings.probes_in_flight, 1, 65536); })},
    Key{"probes_in_flight_per_host", Type::integer, "8", "1 to 1024", "Probes of one checker that may be under way at once to one address.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.number(n, d.document.settings.probes_in_flight_per_host, 1, 1024); })},
    Key{"override_max", Type::duration, "30d", "1m to 366d", "The longest an operator's override may last.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.duration(n, d.document.settings.override_max, 1min, 366 * day); })},
    Key{"drain_timeout", Type::duration, "30s", "0 to 1h", "How long a draining instance may finish its requests.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { r.duration(n, d.document.settings.drain_timeout, 0s, 1h); })},
    Key{"defaults", Type::section, "", "a map", "What every check gets unless it says otherwise.",
        into<RootDraft>([](Reading&, const Node& n, RootDraft& d) { d.defaults = &n; }), Section::defaults, 0, false, false, true},
    Key{"services", Type::map, "{}", "a map from names to services", "What is checked and routed.",
        into<RootDraft>([](Reading&, const Node& n, RootDraft& d) { d.services = &n; }), Section::service, 0, false, false, true},
    Key{"aliases", Type::list, "[]", "a list of maps", "Endpoints of another API answered by Hale's own health.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) {
            if (!r.list(n)) return;
            if (n.items.size() > max_aliases) return r.problem(n, fmt::format("more than {} aliases", max_aliases));
            for (std::size_t i = 0; i < n.items.size(); ++i) {
                const Reading::Step step(r, i);
                const std::string kept = r.shown;
                if (r.effective) r.shown = fmt::format("aliases[{}].", i);
                Alias alias;
                read_alias(r, n.items[i], alias);
                r.shown = kept;
                d.document.aliases.push_back(std::move(alias));
            }
        }),
        Section::alias, 0, false, false, true},
    Key{"acme", Type::section, "", "a map", "Certificates from ACME authorities, for the exact hosts of services with tls that no certificate file covers.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_acme(r, n, d.document.settings.acme); }), Section::acme},
    Key{"docker", Type::section, "", "a map", "The engine that runs the containers of deployments.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_docker(r, n, d.document.settings); }), Section::docker},
    Key{"registries", Type::map, "{}", "a map from hosts of registries to maps", "As whom images are pulled.",
        into<RootDraft>([](Reading& r, const Node& n, RootDraft& d) { read_registries(r, n, d.document.settings.registries); }), Section::registry, 0, false, false, true},
    unsupported("history", "Recording of observations."),
    unsupported("alerts", "Rules that tell people."),
    unsupported("notify", "Where alerts go."),
    unsupported("silences", "Alerts that are held back."),
    unsupported("maintenances", "Planned maintenance."),
    unsupported("status_page", "A page for the public."),
    unsupported("cluster", "Sharing verdicts between machines."),
    unsupported("nats", "Sharing verdicts between machines."),
    unsupported("postgres", "History in PostgreSQL."),
    unsupported("redis", "A cache shared between machines."),
    unsupported("deploy", "Deployments."),
    unsupported("registry", "Leases and discovery."),
    unsupported("types", "Kinds of services."),
    unsupported("semantics", "Profiles of other judges."),
};

constexpr std::array listen_keys{
    Key{"http", Type::address, "none", listener_words, "Traffic listener; :80 is every address of the machine.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.listener(n, s.http); }), Section::none, 0, true},
    Key{"https", Type::address, "none", listener_words, "Traffic listener with TLS; its certificates are those of tls.certificates, or are made up until there is one.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.listener(n, s.https); }), Section::none, 0, true},
    Key{"admin", Type::address, "127.0.0.1:4253", listener_words, "API and metrics; never on a public listener.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.listener(n, s.admin); }), Section::none, 0, true},
    Key{"health", Type::address, "none", listener_words, "Hale's own health without credentials, for orchestrators.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.listener(n, s.health); }), Section::none, 0, true},
    Key{"socket", Type::text, "auto", "auto, or an absolute path of at most 107 bytes",
        "Admin unix socket; auto is <state>/hale.sock, or /run/hale/hale.sock with the default state.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            constexpr std::size_t longest = 107;
            if (n.is_scalar() && n.text == "auto") return s.socket.clear();
            std::string path;
            if (!r.text(n, path)) return;
            if (!path.starts_with('/') || path.size() > longest)
                return r.refuse(n, fmt::format("\"{}\" cannot be a socket", escaped(path, 60)));
            s.socket = std::move(path);
        }),
        Section::none, 0, true},
};

constexpr std::array errors_keys{
    Key{"detail_for", Type::blocks, "[]", "a list of addresses or blocks (10.0.0.0/8)",
        "Clients that are told addresses, paths and evidence in Hale's own error answers.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.blocks(n, s.errors_detail_for); })},
};

constexpr std::array limits_keys{
    Key{"max_body", Type::size, "none", "none, or 1B to 1024GiB", "Requests with a larger body are answered 413; bodies are streamed, so none needs memory.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            if (n.is_scalar() && n.text == "none") return s.max_body.reset();
            std::uint64_t bytes = 0;
            r.size(n, bytes, 1, std::uint64_t{1} << 40);
            if (bytes != 0) s.max_body = bytes;
        })},
};

constexpr std::array targets_keys{
    Key{"allow", Type::blocks, "[]", "a list of addresses or blocks (10.0.0.0/8)", "Targets that role operate may add through the API.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.blocks(n, s.targets_allow); })},
    Key{"deny", Type::blocks, "[]", "a list of addresses or blocks (10.0.0.0/8)", "Addresses that are never connected to, tested after resolution.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.blocks(n, s.targets_deny); })},
};

constexpr std::array probe_endpoint_keys{
    Key{"allow", Type::texts, "[]", "a list of targets", "Targets GET /probe may name besides configured services.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            std::vector<std::string> said;
            r.texts(n, said, max_list);
            for (std::size_t i = 0; i < said.size() && i < n.items.size(); ++i) {
                const Reading::Step step(r, i);
                if (said[i].empty()) r.refuse(n.items[i], "an empty target");
            }
            s.probe_endpoint_allow = std::move(said);
        })},
};

constexpr std::array exec_keys{
    Key{"user", Type::text, "\"\"", "a user name", "Runs exec checks; empty is nobody when Hale is root, else Hale's own.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.text(n, s.exec_user, 64); }), Section::none, 0, true},
};

constexpr std::array admin_keys{
    Key{"insecure", Type::boolean, "false", "true, false", "Opens the admin listener beyond loopback without TLS.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.boolean(n, s.admin_insecure); }), Section::none, 0, true},
    Key{"certificate", Type::section_or_word, "none", "none, or a map with chain and key", "The admin listener speaks TLS with it.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            if (n.is_scalar() && n.text == "none") return s.admin_certificate.reset();
            CertificateFile one;
            if (read_certificate(r, n, one)) s.admin_certificate = std::move(one);
        }),
        Section::certificate, 0, true},
    Key{"hosts", Type::texts, "[]", "a list of host names", "Further names by which the admin listener may be addressed.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            r.texts(n, s.admin_hosts, max_list);
            for (std::string& host : s.admin_hosts) host = lower(host);
        })},
};

constexpr std::array alias_keys{
    Key{"method", Type::word, "GET", "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS", "Method of the foreign endpoint.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) {
            constexpr std::array<std::string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
            std::size_t at = 0;
            if (r.choice(n, methods, at)) a.method = methods[at];
        })},
    Key{"path", Type::text, "", "an absolute path; {name} stands for a whole segment", "Path of the foreign endpoint.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) {
            std::string path;
            if (!r.text(n, path)) return;
            if (!path.starts_with('/')) return r.refuse(n, "does not begin with /");
            for (const std::string_view segment : split(std::string_view(path).substr(1), '/')) {
                const bool holds = segment.contains('{') || segment.contains('}');
                if (holds && !(segment.size() > 2 && segment.starts_with('{') && segment.ends_with('}') &&
                               std::ranges::count(segment, '{') == 1 && std::ranges::count(segment, '}') == 1))
                    return r.refuse(n, fmt::format("\"{}\" is not a whole segment", escaped(segment, 60)));
            }
            if (path.contains('?') || path.contains('#')) return r.refuse(n, "holds a query");
            a.path = std::move(path);
        })},
    Key{"action", Type::word, "", "health, live, ready, service_health, verdict, verify, check, list", "What is asked.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) {
            constexpr std::array<std::string_view, 8> actions{"health", "live", "ready", "service_health", "verdict", "verify", "check", "list"};
            std::size_t at = 0;
            if (r.choice(n, actions, at)) a.action = actions[at];
        })},
    Key{"service", Type::text, "\"\"", "a service name, {name} from the path, ?name from the query", "Of which service, for actions about one.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) { r.text(n, a.service, 256); })},
    Key{"shape", Type::word, "hale", "health_json, spring, microprofile, simple, text, hale, template", "How the answer looks.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) {
            constexpr std::array<std::string_view, 7> shapes{"health_json", "spring", "microprofile", "simple", "text", "hale", "template"};
            std::size_t at = 0;
            if (r.choice(n, shapes, at)) a.shape = shapes[at];
        })},
    Key{"body", Type::text, "\"\"", "a text with {{field}} places", "The answer, for shape template.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) { r.text(n, a.body, 64 * 1024); })},
    Key{"content_type", Type::text, "application/json", "a media type", "Content-Type of the answer, for shape template.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) {
            std::string type;
            if (!r.text(n, type, 256)) return;
            const bool clean = std::ranges::all_of(type, [](char c) { return c >= ' ' && c < 127; });
            if (!clean || !type.contains('/')) return r.refuse(n, "is no media type");
            a.content_type = std::move(type);
        })},
    Key{"ok_status", Type::integer, "200", "200 to 599", "Status when the answer is good.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) { r.number(n, a.ok_status, 200, 599); })},
    Key{"fail_status", Type::integer, "503", "200 to 599", "Status when it is not.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) { r.number(n, a.fail_status, 200, 599); })},
    Key{"on_public", Type::boolean, "false", "true, false", "Also on the traffic listener; only for health, live and ready.",
        into<Alias>([](Reading& r, const Node& n, Alias& a) { r.boolean(n, a.on_public); })},
};

}  // namespace

std::span<const Key> settings_keys(Section section) {
    switch (section) {
        case Section::root: return root_keys;
        case Section::listen: return listen_keys;
        case Section::errors: return errors_keys;
        case Section::limits: return limits_keys;
        case Section::targets: return targets_keys;
        case Section::probe_endpoint: return probe_endpoint_keys;
        case Section::exec: return exec_keys;
        case Section::admin: return admin_keys;
        case Section::alias: return alias_keys;
        default: return {};
    }
}

void read_alias(Reading& reading, const Node& node, Alias& alias) {
    alias.mark = reading.mark(node.place);
    read_section(reading, Section::alias, &node, &alias);
    if (!node.is_map()) return;
    const auto place = [&](std::string_view key) -> const Node& {
        const Node* found = node.find(key);
        return found != nullptr ? *found : node;
    };
    if (node.find("path") == nullptr) reading.problem(node, "the alias has no path", "path: /…");
    if (node.find("action") == nullptr) reading.problem(node, "the alias has no action", std::string(find_key(Section::alias, "action")->allowed));
    const bool own = alias.action == "health" || alias.action == "live" || alias.action == "ready" || alias.action == "list";
    if (!own && !alias.action.empty() && alias.service.empty())
        reading.problem(place("action"), fmt::format("action {} asks of a service, and none is named", alias.action), "service: NAME, {name} or ?name");
    if (own && !alias.service.empty())
        reading.problem(place("service"), fmt::format("action {} is not about one service", alias.action), "service_health, verdict, verify, check");
    if (alias.service.starts_with('{') && !alias.path.contains(alias.service))
        reading.problem(place("service"), fmt::format("the path has no {}", escaped(alias.service, 60)), "a {name} that stands in the path");
    if (alias.on_public && alias.action != "health" && alias.action != "live" && alias.action != "ready")
        reading.problem(place("on_public"), fmt::format("action {} is never public", alias.action), "health, live, ready");
    if ((alias.shape == "template") != !alias.body.empty())
        reading.problem(place(alias.body.empty() ? "shape" : "body"),
                        alias.body.empty() ? "shape template without a body" : "a body has an effect only with shape: template");
    else if (alias.shape != "template" && alias.content_type != "application/json")
        reading.problem(place("content_type"), "content_type has an effect only with shape: template");
}

}  // namespace hale::config
