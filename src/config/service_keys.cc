// The keys of services, instances and routes.

#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

namespace {

void read_balance(Reading& reading, const Node& node, Balance& balance) {
    if (node.is_scalar()) {
        reading.one_of(node, {std::pair{std::string_view("round_robin"), BalanceKind::round_robin},
                              std::pair{std::string_view("least_requests"), BalanceKind::least_requests}},
                       balance.kind);
        return;
    }
    const Node* hash = node.find("hash");
    if (!node.is_map() || node.entries.size() != 1 || hash == nullptr || !hash->is_scalar())
        return reading.refuse(node, "not a way to balance");
    const Reading::Step step(reading, "hash");
    const std::string_view by = hash->text;
    const auto colon = by.find(':');
    const std::string_view kind = by.substr(0, colon);
    const std::string_view name = colon == std::string_view::npos ? std::string_view{} : by.substr(colon + 1);
    if (by == "address") balance = {BalanceKind::hash_address, {}};
    else if ((kind == "header" || kind == "cookie") && is_token(name))
        balance = {kind == "header" ? BalanceKind::hash_header : BalanceKind::hash_cookie, std::string(name)};
    else reading.refuse(*hash, fmt::format("\"{}\" is nothing to hash by", escaped(by, 60)));
}

void read_labels(Reading& reading, const Node& node, ServiceSpec& service) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_labels) return reading.problem(node, fmt::format("more than {} labels", max_labels));
    service.labels.clear();
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        std::string value;
        if (entry.key.empty() || entry.key.size() > max_label_bytes) reading.problem(entry.place, "a label's name is empty or too long");
        else if (reading.text(entry.value, value, max_label_bytes)) service.labels.emplace_back(entry.key, std::move(value));
    }
}

constexpr std::string_view balance_words = "round_robin, least_requests, {hash: \"header:NAME\"}, {hash: \"cookie:NAME\"}, {hash: address}";

constexpr std::array keys_of_service{
    Key{"hosts", Type::texts, "[]", "a list of host names, *.example.org, or *", "Hosts whose every path goes here; short for routes with path /.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.hosts = &n; }), Section::none, 0, false, false, true},
    Key{"routes", Type::list, "[]", "a list of maps", "Hosts and paths that go here.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.routes = &n; }), Section::route, 0, false, false, true},
    Key{"instances", Type::list, "[]", "a list of addresses or maps, fixed, or {fixed: [list]}",
        "The running copies; fixed means that the API may not add any.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.instances = &n; }), Section::instance, 0, false, false, true},
    Key{"check", Type::section_or_word, "", "a map with one kind, or none with a reason", "Short for checks with the one check main.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.check = &n; }), Section::check, 0, false, false, true},
    Key{"checks", Type::map, "{}", "a map from names to checks", "What is asked of every instance.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.checks = &n; }), Section::check, 0, false, false, true},
    Key{"reason", Type::text, "", "a sentence", "Why there is no check, beside check: none.",
        into<ServiceDraft>([](Reading&, const Node& n, ServiceDraft& d) { d.reason = &n; }), Section::none, 0, false, false, true},
    Key{"resolve", Type::word, "first", "first, each", "Of several addresses of a name: keep one, or make each an instance.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) {
            r.one_of(n, {std::pair{std::string_view("first"), Resolve::first}, std::pair{std::string_view("each"), Resolve::each}}, d.spec.resolve);
        })},
    Key{"balance", Type::section_or_word, "round_robin", balance_words, "Which eligible instance gets the next request.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_balance(r, n, d.spec.balance); })},
    Key{"timeouts", Type::section, "", "a map", "How long requests to an instance may wait.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_section(r, Section::timeouts, &n, &d.spec.timeouts); }), Section::timeouts},
    Key{"retry", Type::section, "", "a map", "Repeating a request at another instance.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_section(r, Section::retry, &n, &d.spec.retry); }), Section::retry},
    Key{"heal", Type::section, "", "a map", "What is done about a container whose instance stays unhealthy.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_section(r, Section::heal, &n, &d.spec.heal); }), Section::heal},
    Key{"panic", Type::section_or_word, "none", "none, or a map", "Declared fail-open: when too few are eligible, use more than those.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) {
            if (n.is_scalar() && n.text == "none") return d.spec.panic.reset();
            if (!n.is_map()) return r.refuse(n, "neither none nor a map");
            d.spec.panic = Panic{};
            const bool kept = std::exchange(r.effective, false);
            read_section(r, Section::panic, &n, &*d.spec.panic);
            r.effective = kept;
        }),
        Section::panic},
    Key{"tls", Type::section_or_word, "false", "true, false, or a map", "Whether clients reach its hosts over TLS, and how.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_route_tls(r, n, d.spec.tls); }), Section::route_tls},
    Key{"upstream_tls", Type::section_or_word, "none", "none, or a map", "How its https:// instances are spoken to, by traffic and by checks that say nothing else.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) {
            if (n.is_scalar() && n.text == "none") return d.spec.upstream_tls.reset();
            read_upstream_tls(r, n, d.spec.upstream_tls);
        }),
        Section::upstream_tls},
    Key{"degraded_weight", Type::number, "1", "0.01 to 1", "A degraded instance's share against a healthy one's.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { r.fraction(n, d.spec.degraded_weight, 0.01, 1); })},
    Key{"replace_timeout", Type::duration, "30s", "0 to 1h", "How long an instance's old address serves beside a new one that is not eligible yet.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { r.duration(n, d.spec.replace_timeout, 0s, 1h); })},
    Key{"labels", Type::map, "{}", "a map from names to texts", "For selecting services in lists.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) { read_labels(r, n, d.spec); })},
    Key{"deploy", Type::section_or_word, "none", "none, or a map", "How its containers are made by deployments; it may have no instances then.",
        into<ServiceDraft>([](Reading& r, const Node& n, ServiceDraft& d) {
            d.deploy = true;
            if (n.is_scalar() && n.text == "none") {
                r.record("deploy", n);
                return d.spec.deploy.reset();
            }
            if (!n.is_map()) return r.refuse(n, "neither none nor a map");
            DeploySpec deploy;
            const std::string kept = r.shown;
            if (r.effective) r.shown += "deploy.";
            read_deploy(r, n, deploy, nullptr);
            r.shown = kept;
            d.spec.deploy = std::make_shared<const DeploySpec>(std::move(deploy));
        }),
        Section::deploy, 0, false, false, true},
    unsupported("image", "The image that is deployed."),
    unsupported("docker", "Containers that are its instances."),
    unsupported("history", "What is recorded."),
    unsupported("sla", "What was promised."),
    unsupported("alerts", "Who is told."),
    unsupported("semantics", "Which system's rules judge it."),
    unsupported("type", "Of which kind it is."),
    unsupported("slow_start", "A slow beginning for new instances."),
    unsupported("outlier", "Ejection by live traffic."),
    unsupported("rate_limit", "A limit of requests."),
    unsupported("cache", "Keeping answers."),
};

constexpr std::string_view timeout_range = "1ms to 1h";

constexpr std::array timeouts_keys{
    Key{"connect", Type::duration, "1s", timeout_range, "To connect to an instance.",
        into<Timeouts>([](Reading& r, const Node& n, Timeouts& t) { r.duration(n, t.connect, 1ms, 1h); })},
    Key{"first_byte", Type::duration, "30s", timeout_range, "From the request's end to the answer's first byte.",
        into<Timeouts>([](Reading& r, const Node& n, Timeouts& t) { r.duration(n, t.first_byte, 1ms, 1h); })},
    Key{"idle", Type::duration, "60s", timeout_range, "Without a byte in either direction.",
        into<Timeouts>([](Reading& r, const Node& n, Timeouts& t) { r.duration(n, t.idle, 1ms, 1h); })},
};

constexpr std::array retry_keys{
    Key{"max", Type::integer, "1", "0 to 10", "Further instances a request may be tried at.",
        into<Retry>([](Reading& r, const Node& n, Retry& t) { r.number(n, t.max, 0, 10); })},
    Key{"budget", Type::percent, "10%", "0% to 100%", "Retries against the requests of the last 10 s, beyond 10 a second.",
        into<Retry>([](Reading& r, const Node& n, Retry& t) { r.percent(n, t.budget_percent, 0, 100); })},
};

constexpr std::array heal_keys{
    Key{"policy", Type::word, "none", "none, restart, replace", "Restart: it is stopped and started. Replace: another is made in its place, the same in everything.",
        into<Heal>([](Reading& r, const Node& n, Heal& h) {
            r.one_of(n, {std::pair{std::string_view("none"), HealPolicy::none}, std::pair{std::string_view("restart"), HealPolicy::restart},
                         std::pair{std::string_view("replace"), HealPolicy::replace}}, h.policy);
        })},
    Key{"after", Type::duration, "30s", "1s to 1h", "How long it is unhealthy before anything is done.",
        into<Heal>([](Reading& r, const Node& n, Heal& h) { r.duration(n, h.after, 1s, 1h); })},
    Key{"backoff", Type::section, "", "a map", "How long is waited after each try before the next.",
        into<Heal>([](Reading& r, const Node& n, Heal& h) { read_section(r, Section::heal_backoff, &n, &h); }), Section::heal_backoff},
};

constexpr std::array heal_backoff_keys{
    Key{"first", Type::duration, "10s", "1s to 24h", "After the first try; it doubles with each.",
        into<Heal>([](Reading& r, const Node& n, Heal& h) { r.duration(n, h.backoff_first, 1s, 24h); })},
    Key{"max", Type::duration, "5m", "1s to 24h", "Up to this.",
        into<Heal>([](Reading& r, const Node& n, Heal& h) { r.duration(n, h.backoff_max, 1s, 24h); })},
};

constexpr std::array panic_keys{
    Key{"below", Type::percent, "50%", "1% to 100%", "Entered when fewer than this are eligible; left 10 points above.",
        into<Panic>([](Reading& r, const Node& n, Panic& p) { r.percent(n, p.below_percent, 1, 100); })},
    Key{"min_instances", Type::integer, "3", "1 to 100000", "Never with fewer judged instances than this.",
        into<Panic>([](Reading& r, const Node& n, Panic& p) { r.number(n, p.min_instances, 1, 100'000); })},
    Key{"to", Type::word, "all", "all, last_good", "Where requests go then.",
        into<Panic>([](Reading& r, const Node& n, Panic& p) {
            r.one_of(n, {std::pair{std::string_view("all"), PanicTarget::all}, std::pair{std::string_view("last_good"), PanicTarget::last_good}}, p.to);
        })},
};

constexpr std::array instance_keys{
    Key{"name", Type::text, "", "lower case letters, digits, . _ -, at most 63", "Keeps the instance's identity when its address changes.",
        into<InstanceDraft>([](Reading& r, const Node& n, InstanceDraft& d) {
            std::string name;
            if (!r.text(n, name)) return;
            if (!is_service_name(name)) return r.refuse(n, fmt::format("\"{}\" is no name", escaped(name, 80)));
            d.spec.name = std::move(name);
            d.spec.named = true;
        })},
    Key{"address", Type::text, "", "ip:port, [v6]:port, name:port, http(s)://name[:port], unix:/path", "Where it is.",
        into<InstanceDraft>([](Reading&, const Node& n, InstanceDraft& d) { d.address = &n; })},
    Key{"weight", Type::integer, "1", "1 to 1000", "Its share of the traffic against the others'.",
        into<InstanceDraft>([](Reading& r, const Node& n, InstanceDraft& d) { r.number(n, d.spec.weight, 1, 1000); })},
    Key{"check", Type::section, "", "a map of check keys", "What differs for this instance from the service's only check, or from main.",
        into<InstanceDraft>([](Reading&, const Node& n, InstanceDraft& d) { d.check = &n; }), Section::check},
    Key{"checks", Type::map, "", "a map from names of the service's checks to maps", "What differs for this instance, by check.",
        into<InstanceDraft>([](Reading&, const Node& n, InstanceDraft& d) { d.checks = &n; }), Section::check},
};

constexpr std::array route_keys{
    Key{"host", Type::text, "", "a host name, *.example.org, or *", "Which host; * is every one.",
        into<RouteSpec>([](Reading& r, const Node& n, RouteSpec& route) { r.text(n, route.host, 255); })},
    Key{"path", Type::text, "/", "an absolute path without query", "Path prefix, matched at segment borders.",
        into<RouteSpec>([](Reading& r, const Node& n, RouteSpec& route) { r.text(n, route.path); })},
    Key{"strip", Type::boolean, "false", "true, false", "Takes the prefix off before the request is sent on.",
        into<RouteSpec>([](Reading& r, const Node& n, RouteSpec& route) { r.boolean(n, route.strip); })},
    Key{"project", Type::text, "\"\"", "a text", "A label for people who keep several projects on one host.",
        into<RouteSpec>([](Reading& r, const Node& n, RouteSpec& route) { r.text(n, route.project, 256); })},
    Key{"tls", Type::section_or_word, "service", "service, true, false, or a map", "As the service's tls, for this route alone; service: what that says.",
        into<RouteSpec>([](Reading& r, const Node& n, RouteSpec& route) {
            route.tls.said = !(n.is_scalar() && n.text == "service");
            if (route.tls.said) read_route_tls(r, n, route.tls.tls);
        }),
        Section::route_tls},
};

}  // namespace

std::span<const Key> service_keys(Section section) {
    switch (section) {
        case Section::service: return keys_of_service;
        case Section::timeouts: return timeouts_keys;
        case Section::retry: return retry_keys;
        case Section::panic: return panic_keys;
        case Section::heal: return heal_keys;
        case Section::heal_backoff: return heal_backoff_keys;
        case Section::instance: return instance_keys;
        case Section::route: return route_keys;
        default: return {};
    }
}

}  // namespace hale::config
