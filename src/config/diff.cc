#include "config/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "config/load.h"

namespace hale::config {

namespace {

// ---- Settings ----

std::string listener_text(const std::optional<SocketAddress>& address) { return address ? address->text() : "none"; }

std::string blocks_text(const std::vector<Cidr>& blocks) {
    std::string out;
    for (const Cidr& block : blocks) out += fmt::format("{}{}", out.empty() ? "" : ", ", block.text());
    return "[" + out + "]";
}

// With a fingerprint: a renewed file is a change.
std::string certificates_text(const std::vector<CertificateFile>& files) {
    std::string out;
    for (const CertificateFile& one : files) {
        const std::uint64_t print = hash64(one.chain_pem + one.key_pem);
        out += fmt::format("{}{} ({:08x})", out.empty() ? "" : ", ", one.chain, static_cast<std::uint32_t>(print >> 32));
    }
    return "[" + out + "]";
}

std::string texts(const std::vector<std::string>& list) { return fmt::format("[{}]", fmt::join(list, ", ")); }

// As whom one comes to each registry: by name, or by a fingerprint of what is never shown.
std::string logins_text(const std::vector<RegistryLogin>& registries, bool passwords) {
    std::string out;
    for (const RegistryLogin& one : registries)
        out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", one.host,
                           passwords ? fmt::format("*** ({:08x})", static_cast<std::uint32_t>(hash64(one.password))) : one.username);
    return "{" + out + "}";
}

std::string threads_text(unsigned count) { return count == 0 ? "auto" : fmt::format("{}", count); }

struct Setting {
    std::string_view key;
    bool restart;
    std::string (*text)(const Settings&);
};

// The order and the restarts are those of the table of keys; a test compares them.
constexpr Setting all_settings[] = {
    {"listen.http", true, [](const Settings& s) { return listener_text(s.http); }},
    {"listen.https", true, [](const Settings& s) { return listener_text(s.https); }},
    {"listen.admin", true, [](const Settings& s) { return listener_text(s.admin); }},
    {"listen.health", true, [](const Settings& s) { return listener_text(s.health); }},
    {"listen.socket", true, [](const Settings& s) { return s.socket.empty() ? std::string("auto") : s.socket; }},
    {"state", true, [](const Settings& s) { return s.state; }},
    {"workers", true, [](const Settings& s) { return threads_text(s.workers); }},
    {"checkers", true, [](const Settings& s) { return threads_text(s.checkers); }},
    {"access_log", true, [](const Settings& s) { return s.access_log; }},
    {"trusted_proxies", false, [](const Settings& s) { return blocks_text(s.trusted_proxies); }},
    {"tls.certificates", false, [](const Settings& s) { return certificates_text(s.certificates); }},
    {"tls.min_version", true, [](const Settings& s) { return std::string(s.tls12 ? "1.2" : "1.3"); }},
    {"acme.agree_tos", false, [](const Settings& s) { return std::string(s.acme ? "true" : "false"); }},
    {"acme.email", false, [](const Settings& s) { return s.acme ? s.acme->email : std::string(); }},
    {"acme.directory", false, [](const Settings& s) { return s.acme ? texts(s.acme->directories) : std::string("none"); }},
    {"acme.staging", false, [](const Settings& s) { return std::string(s.acme && s.acme->staging ? "true" : "false"); }},
    {"acme.ca", false, [](const Settings& s) { return !s.acme || s.acme->ca_pem.empty() ? std::string("this machine's") : fmt::format("({:08x})", static_cast<std::uint32_t>(hash64(s.acme->ca_pem))); }},
    {"acme.eab.key_id", false, [](const Settings& s) { return s.acme ? s.acme->eab_key_id : std::string(); }},
    {"acme.eab.hmac", false, [](const Settings& s) { return !s.acme || s.acme->eab_hmac.empty() ? std::string("none") : fmt::format("*** ({:08x})", static_cast<std::uint32_t>(hash64(s.acme->eab_hmac))); }},
    {"acme.challenge", false, [](const Settings& s) {
         constexpr std::string_view words[] = {"http-01", "tls-alpn-01", "dns-01"};
         return std::string(s.acme ? words[std::to_underlying(s.acme->challenge)] : "http-01");
     }},
    {"acme.dns_hook.exec", false, [](const Settings& s) { return s.acme ? texts(s.acme->dns_exec) : std::string("[]"); }},
    {"acme.dns_hook.url", false, [](const Settings& s) { return s.acme ? s.acme->dns_url : std::string(); }},
    {"acme.on_demand.ask", false, [](const Settings& s) { return s.acme ? s.acme->ask_url : std::string(); }},
    {"acme.on_demand.per_hour", false, [](const Settings& s) { return fmt::format("{}", s.acme ? s.acme->ask_per_hour : AcmeSpec{}.ask_per_hour); }},
    {"acme.renew_before", false, [](const Settings& s) { return s.acme && s.acme->renew_before ? duration_text(*s.acme->renew_before) : std::string("auto"); }},
    {"docker.discover", true, [](const Settings& s) { return std::string(s.docker_discover ? "true" : "false"); }},
    {"docker.host", true, [](const Settings& s) { return s.docker_host; }},
    {"registries.*.username", false, [](const Settings& s) { return logins_text(s.registries, false); }},
    {"registries.*.password", false, [](const Settings& s) { return logins_text(s.registries, true); }},
    {"errors.detail_for", false, [](const Settings& s) { return blocks_text(s.errors_detail_for); }},
    {"limits.max_body", false, [](const Settings& s) { return s.max_body ? size_text(*s.max_body) : std::string("none"); }},
    {"targets.allow", false, [](const Settings& s) { return blocks_text(s.targets_allow); }},
    {"targets.deny", false, [](const Settings& s) { return blocks_text(s.targets_deny); }},
    {"probe_endpoint.allow", false, [](const Settings& s) { return texts(s.probe_endpoint_allow); }},
    {"exec.user", true, [](const Settings& s) { return s.exec_user; }},
    {"admin.insecure", true, [](const Settings& s) { return std::string(s.admin_insecure ? "true" : "false"); }},
    {"admin.certificate", true, [](const Settings& s) { return s.admin_certificate ? certificates_text({*s.admin_certificate}) : std::string("none"); }},
    {"admin.hosts", false, [](const Settings& s) { return texts(s.admin_hosts); }},
    {"last_known_max_age", true, [](const Settings& s) { return duration_text(s.last_known_max_age); }},
    {"probes_in_flight", false, [](const Settings& s) { return fmt::format("{}", s.probes_in_flight); }},
    {"probes_in_flight_per_host", false, [](const Settings& s) { return fmt::format("{}", s.probes_in_flight_per_host); }},
    {"override_max", false, [](const Settings& s) { return duration_text(s.override_max); }},
    {"drain_timeout", false, [](const Settings& s) { return duration_text(s.drain_timeout); }},
};

bool same_alias(const Alias& a, const Alias& b) {
    return a.method == b.method && a.path == b.path && a.action == b.action && a.service == b.service && a.shape == b.shape &&
           a.body == b.body && a.content_type == b.content_type && a.ok_status == b.ok_status && a.fail_status == b.fail_status &&
           a.on_public == b.on_public;
}

// ---- Services ----

std::vector<CheckChange> diff_checks(const CheckList& before, const CheckList& after) {
    std::vector<CheckChange> out;
    const auto named = [](const CheckList& list, std::string_view name) -> const CheckSpec* {
        const auto found = std::ranges::find(list, name, [](const auto& check) { return check->name.view(); });
        return found == list.end() ? nullptr : found->get();
    };
    for (const auto& check : before)
        if (named(after, check->name) == nullptr) out.push_back({Turn::removed, check->name.str(), true});
    for (const auto& check : after) {
        const CheckSpec* old = named(before, check->name);
        if (old == nullptr) out.push_back({Turn::added, check->name.str(), true});
        else if (!same(*old, *check)) out.push_back({Turn::changed, check->name.str(), old->question() != check->question()});
    }
    return out;
}

// Names and addresses must not meet: a name may look like an address.
std::string identity(const InstanceSpec& instance) {
    return instance.named ? "n" + instance.name.str() : "a" + instance.target.declared.str();
}

bool same_overlay(const InstanceSpec& a, const InstanceSpec& b) {
    if (!a.checks || !b.checks) return !a.checks && !b.checks;
    return a.checks == b.checks || same(*a.checks, *b.checks);
}

std::optional<InstanceChange> diff_instance(const InstanceSpec& a, const InstanceSpec& b, std::size_t i, std::size_t j) {
    InstanceChange change{.turn = Turn::changed, .name = b.name.str(), .before = i, .after = j};
    change.address = !(a.target == b.target);
    change.weight = a.weight != b.weight;
    change.checks = !same_overlay(a, b);
    if (!change.address && !change.weight && !change.checks && a.owner == b.owner) return std::nullopt;
    return change;
}

std::vector<InstanceChange> diff_instances(const ServiceSpec& before, const ServiceSpec& after) {
    std::vector<InstanceChange> out;
    const auto& a = before.instances;
    const auto& b = after.instances;
    // The usual case, nothing moved, costs no table.
    std::size_t start = 0;
    const auto alike = [](const InstanceSpec& x, const InstanceSpec& y) {
        return x.named == y.named && (x.named ? x.name == y.name : x.target.declared == y.target.declared);
    };
    for (; start < a.size() && start < b.size() && alike(a[start], b[start]); ++start)
        if (auto change = diff_instance(a[start], b[start], start, start)) out.push_back(std::move(*change));
    std::unordered_map<std::string, std::size_t> left;
    for (std::size_t i = start; i < a.size(); ++i) left.emplace(identity(a[i]), i);
    std::vector<InstanceChange> added;
    for (std::size_t j = start; j < b.size(); ++j) {
        const auto found = left.find(identity(b[j]));
        if (found == left.end()) {
            added.push_back({.turn = Turn::added, .name = b[j].name.str(), .after = j});
            continue;
        }
        if (auto change = diff_instance(a[found->second], b[j], found->second, j)) out.push_back(std::move(*change));
        left.erase(found);
    }
    for (std::size_t i = start; i < a.size(); ++i)
        if (const auto found = left.find(identity(a[i])); found != left.end() && found->second == i)
            out.push_back({.turn = Turn::removed, .name = a[i].name.str(), .before = i});
    out.insert(out.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
    return out;
}

// ---- Words ----

std::string_view sign(Turn turn) { return turn == Turn::added ? "+" : turn == Turn::removed ? "-" : "~"; }

void tell_service(const ServiceChange& change, const Document& before, const Document& after, std::vector<std::string>& out) {
    const ServiceSpec* old = change.before ? &before.services[*change.before] : nullptr;
    const ServiceSpec* now = change.after ? &after.services[*change.after] : nullptr;
    const std::string head = fmt::format("{} service {}", sign(change.turn), change.name);
    if (change.turn == Turn::added) return out.push_back(fmt::format("{}: {} instances, {} checks", head, now->instances.size(), now->checks->size()));
    if (change.turn == Turn::removed) return out.push_back(fmt::format("{}: {} instances", head, old->instances.size()));
    for (const CheckChange& check : change.checks) {
        const std::string_view effect = check.turn == Turn::added     ? "added"
                                        : check.turn == Turn::removed ? "removed"
                                        : check.question              ? "asks another question: judged anew, the verdict is kept meanwhile"
                                                                      : "timing or thresholds: verdict and counters are kept";
        out.push_back(fmt::format("{}: {} check {}: {}", head, sign(check.turn), check.check, effect));
    }
    for (const InstanceChange& instance : change.instances) {
        const std::string where = fmt::format("{}: {} instance {}", head, sign(instance.turn), instance.name);
        if (instance.turn == Turn::added) out.push_back(fmt::format("{} at {}", where, now->instances[*instance.after].target.declared));
        else if (instance.turn == Turn::removed) out.push_back(fmt::format("{} at {}", where, old->instances[*instance.before].target.declared));
        else {
            const InstanceSpec& a = old->instances[*instance.before];
            const InstanceSpec& b = now->instances[*instance.after];
            if (instance.address) out.push_back(fmt::format("{}: address {} → {}: a new generation beside the old one", where, a.target.declared, b.target.declared));
            if (instance.weight) out.push_back(fmt::format("{}: weight {} → {}", where, a.weight, b.weight));
            if (instance.checks) out.push_back(fmt::format("{}: its own check keys", where));
        }
    }
    if (!change.parts.empty()) out.push_back(fmt::format("{}: {}", head, fmt::join(change.parts, ", ")));
}

void tell(Plan& plan, const Document& before, const Document& after) {
    for (const SettingChange& setting : plan.settings)
        plan.text.push_back(fmt::format("~ {}: {} → {}{}", setting.key, setting.before, setting.after, setting.restart ? " (takes effect at the next start)" : ""));
    for (const ServiceChange& change : plan.services) tell_service(change, before, after, plan.text);
    for (const RouteChange& change : plan.routes) {
        const RouteSpec& route = change.after ? after.routes[*change.after] : before.routes[*change.before];
        plan.text.push_back(fmt::format("{} route {}{} → {}", sign(change.turn), route.host, route.path, route.service));
    }
    if (plan.aliases) plan.text.emplace_back("~ aliases");
}

bool same_route(const RouteSpec& a, const RouteSpec& b) {
    return a.host == b.host && a.path == b.path && a.strip == b.strip && a.service == b.service && a.project == b.project && a.owner == b.owner && a.tls == b.tls;
}

void diff_routes(const Document& before, const Document& after, Plan& plan) {
    std::unordered_map<std::string_view, std::size_t> left;
    for (std::size_t i = 0; i < before.routes.size(); ++i) left.emplace(before.routes[i].id, i);
    std::vector<RouteChange> later;
    for (std::size_t j = 0; j < after.routes.size(); ++j) {
        const auto found = left.find(after.routes[j].id);
        if (found == left.end()) {
            later.push_back({Turn::added, after.routes[j].id, std::nullopt, j});
            continue;
        }
        if (!same_route(before.routes[found->second], after.routes[j])) later.push_back({Turn::changed, after.routes[j].id, found->second, j});
        left.erase(found);
    }
    for (std::size_t i = 0; i < before.routes.size(); ++i)
        if (left.contains(before.routes[i].id)) plan.routes.push_back({Turn::removed, before.routes[i].id, i, std::nullopt});
    plan.routes.insert(plan.routes.end(), later.begin(), later.end());
}

}  // namespace

bool ServiceChange::question_changed() const {
    return std::ranges::any_of(checks, &CheckChange::question) || std::ranges::any_of(instances, &InstanceChange::checks);
}

bool ServiceChange::timing_only() const {
    return turn == Turn::changed && parts.empty() && !question_changed() && std::ranges::all_of(instances, [](const InstanceChange& change) {
               return change.turn == Turn::changed && !change.address;
           });
}

std::optional<ServiceChange> diff(const ServiceSpec& before, const ServiceSpec& after) {
    ServiceChange change;
    change.name = after.name;
    if (before.checks != after.checks) change.checks = diff_checks(*before.checks, *after.checks);
    change.instances = diff_instances(before, after);
    const auto part = [&](bool same, std::string_view name) {
        if (!same) change.parts.emplace_back(name);
    };
    part(before.balance == after.balance, "balance");
    part(before.timeouts == after.timeouts, "timeouts");
    part(before.retry == after.retry, "retry");
    part(before.heal == after.heal, "heal");
    part(before.panic == after.panic, "panic");
    part(same_behind(before.tls, after.tls), "tls");
    part(same_behind(before.upstream_tls, after.upstream_tls), "upstream_tls");
    part(before.resolve == after.resolve, "resolve");
    part(before.degraded_weight == after.degraded_weight, "degraded_weight");
    part(before.replace_timeout == after.replace_timeout, "replace_timeout");
    part(before.labels == after.labels, "labels");
    part(same_behind(before.deploy, after.deploy), "deploy");
    part(before.instances_fixed == after.instances_fixed, "instances: fixed");
    part(before.owner == after.owner, "owner");
    if (change.checks.empty() && change.instances.empty() && change.parts.empty()) return std::nullopt;
    return change;
}

Plan diff(const Document& before, const Document& after) {
    Plan plan;
    for (const Setting& setting : all_settings) {
        std::string a = setting.text(before.settings);
        std::string b = setting.text(after.settings);
        if (a != b) plan.settings.push_back({std::string(setting.key), std::move(a), std::move(b), setting.restart});
    }
    std::unordered_map<std::string_view, std::size_t> left;
    left.reserve(before.services.size());
    for (std::size_t i = 0; i < before.services.size(); ++i) left.emplace(before.services[i].name, i);
    std::vector<ServiceChange> later;
    for (std::size_t j = 0; j < after.services.size(); ++j) {
        const ServiceSpec& service = after.services[j];
        const auto found = left.find(service.name);
        if (found == left.end()) {
            later.push_back({.turn = Turn::added, .name = service.name, .after = j});
            continue;
        }
        auto change = diff(before.services[found->second], service);
        const std::size_t touched = change ? static_cast<std::size_t>(std::ranges::count_if(change->instances, [](const InstanceChange& one) { return one.after.has_value(); })) : 0;
        plan.unchanged_instances += service.instances.size() - touched;
        if (change) {
            change->before = found->second;
            change->after = j;
            later.push_back(std::move(*change));
        } else {
            ++plan.unchanged_services;
        }
        left.erase(found);
    }
    for (std::size_t i = 0; i < before.services.size(); ++i)
        if (left.contains(before.services[i].name)) plan.services.push_back({.turn = Turn::removed, .name = before.services[i].name, .before = i});
    plan.services.insert(plan.services.end(), std::make_move_iterator(later.begin()), std::make_move_iterator(later.end()));
    diff_routes(before, after, plan);
    plan.aliases = !std::ranges::equal(before.aliases, after.aliases, same_alias);
    tell(plan, before, after);
    return plan;
}

}  // namespace hale::config
