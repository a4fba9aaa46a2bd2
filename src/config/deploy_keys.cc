// The keys of `deploy:`, and of the engine and the registries that deployments go to. Read over what stands there
// already: a service's own word, which one deployment may say otherwise.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/target.h"
#include "rollout/waves.h"
#include "wire/url.h"

namespace hale::config {

namespace {

constexpr std::size_t max_command_parts = 256;
constexpr std::size_t max_entries = 64;  // Of volumes, ports, aliases.
constexpr std::size_t max_hook_headers = 64;
constexpr std::size_t max_registries = 64;
constexpr std::size_t longest_deploy_secret = 4096;
constexpr std::uint64_t least_memory = 6ull << 20;  // The engine takes no less.
constexpr std::uint64_t most_memory = 1ull << 50;

struct DeployDraft {
    DeploySpec spec;
    const DeploySpec* base = nullptr;
};

// ---- The environment ----

void read_variables(Reading& reading, const Node& node, bool secrets, const std::vector<EnvValue>* base, std::vector<EnvValue>& into) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_env) return reading.problem(node, fmt::format("more than {} variables", max_env));
    std::vector<EnvValue> out;
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        if (!is_env_name(entry.key)) {
            reading.problem(entry.place, fmt::format("\"{}\" is no name of a variable", escaped(entry.key, 60)), "letters, digits, _ . -, not beginning with a digit");
            continue;
        }
        EnvValue one{.name = entry.key, .value = {}, .secret = secrets || entry.value.secret || looks_secret(entry.key)};
        if (secrets) reading.secret(entry.value, one.value, max_env_bytes);
        else reading.text(entry.value, one.value, max_env_bytes);
        if (one.secret && one.value == hidden_text) {
            const auto known = base == nullptr ? decltype(base->end()){} : std::ranges::find(*base, one.name, &EnvValue::name);
            if (base == nullptr || known == base->end()) {
                reading.problem(entry.value, "*** is how a secret is shown, and none itself", "its value, file:PATH or env:NAME");
                continue;
            }
            one.value = known->value;
        }
        out.push_back(std::move(one));
    }
    into = std::move(out);
}

void read_names(Reading& reading, const Node& node, bool (*fits)(std::string_view), std::string_view what, std::vector<std::string>& into) {
    std::vector<std::string> said;
    reading.texts(node, said, std::max(max_entries, max_env));
    for (std::size_t i = 0; i < said.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        if (!fits(said[i])) reading.refuse(node.items[i], fmt::format("\"{}\" is no {}", escaped(said[i], 60), what));
        else if (std::ranges::find(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(i), said[i]) != said.begin() + static_cast<std::ptrdiff_t>(i))
            reading.refuse(node.items[i], "is named twice");
    }
    into = std::move(said);
}

// Addresses are connected to from this machine, which is not for everybody with a token to ask for.
void read_needs(Reading& reading, const Node& node, DeployDraft& draft) {
    std::vector<std::string> said;
    reading.texts(node, said, DeploySpec::most_needs);
    for (std::size_t i = 0; i < said.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        const bool known = draft.base != nullptr && std::ranges::find(draft.base->needs, said[i]) != draft.base->needs.end();
        if (std::ranges::find(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(i), said[i]) != said.begin() + static_cast<std::ptrdiff_t>(i)) reading.refuse(node.items[i], "is named twice");
        else if (is_service_name(said[i]) && !Ip::parse(said[i])) continue;
        else if (said[i].find("://") != std::string::npos || !Target::parse(said[i])) reading.refuse(node.items[i], fmt::format("\"{}\" is neither a service's name nor an address", escaped(said[i], 80)));
        else if (reading.api && !known) reading.problem(node.items[i], "addresses are for the configuration file alone", "the name of a service");
    }
    draft.spec.needs = std::move(said);
}

void read_labels(Reading& reading, const Node& node, DeploySpec& spec) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_labels) return reading.problem(node, fmt::format("more than {} labels", max_labels));
    spec.labels.clear();
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        std::string value;
        if (entry.key.empty() || entry.key.size() > max_label_bytes) reading.problem(entry.place, "a label's name is empty or too long");
        else if (entry.key.starts_with("hale.")) reading.problem(entry.place, "labels that begin with hale. are Hale's own", "another name");
        else if (reading.text(entry.value, value, max_label_bytes)) spec.labels.emplace_back(entry.key, std::move(value));
    }
}

// ---- The host ----

void read_volumes(Reading& reading, const Node& node, DeployDraft& draft) {
    std::vector<std::string> said;
    reading.texts(node, said, max_entries);
    if (!node.is_list()) return;
    std::vector<Mount> out;
    for (std::size_t i = 0; i < said.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        auto mount = parse_mount(said[i]);
        const bool known = mount && draft.base != nullptr && std::ranges::find(draft.base->volumes, *mount) != draft.base->volumes.end();
        if (!mount) reading.refuse(node.items[i], fmt::format("\"{}\" is no volume", escaped(said[i], 80)));
        else if (mount->of_host() && reading.api && !known) reading.problem(node.items[i], "directories of the host are for the configuration file alone", "name:/path");
        else if (std::ranges::find(out, mount->path, &Mount::path) != out.end()) reading.refuse(node.items[i], fmt::format("{} is mounted twice", mount->path));
        else out.push_back(std::move(*mount));
    }
    draft.spec.volumes = std::move(out);
}

void read_ports(Reading& reading, const Node& node, DeploySpec& spec) {
    std::vector<std::string> said;
    reading.texts(node, said, max_entries);
    if (!node.is_list()) return;
    std::vector<PublishedPort> out;
    const auto meets = [](const PublishedPort& a, const PublishedPort& b) { return a.host == b.host && a.udp == b.udp && (a.ip == b.ip || a.ip.empty() || b.ip.empty()); };
    for (std::size_t i = 0; i < said.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        const auto port = parse_published(said[i]);
        if (!port) reading.refuse(node.items[i], fmt::format("\"{}\" publishes no port", escaped(said[i], 80)));
        else if (std::ranges::any_of(out, [&](const PublishedPort& other) { return meets(*port, other); }))
            reading.refuse(node.items[i], fmt::format("port {} of the host is published twice", port->host));
        else out.push_back(*port);
    }
    spec.ports = std::move(out);
}

bool is_alias(std::string_view text) {
    return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
        const char l = lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    });
}

// ---- Health and hooks ----

void read_health_command(Reading& reading, const Node& node, ContainerHealth& health) {
    std::vector<std::string> command;
    health.shell = node.is_scalar();
    if (node.is_scalar()) {
        std::string line;
        if (reading.text(node, line)) command.push_back(std::move(line));
    } else {
        reading.texts(node, command, max_command_parts);
    }
    if (command.empty() || command.front().empty()) return reading.refuse(node, "no command");
    health.command = std::move(command);
}

void read_health(Reading& reading, const Node& node, ContainerHealth& into) {
    if (node.is_scalar()) {
        ContainerHealth health;
        reading.one_of(node, {std::pair{std::string_view("image"), ContainerHealth::From::image}, std::pair{std::string_view("none"), ContainerHealth::From::none}}, health.from);
        into = std::move(health);
        return;
    }
    if (!node.is_map()) return reading.refuse(node, "neither image nor none nor a map");
    ContainerHealth health = into.from == ContainerHealth::From::command ? into : ContainerHealth{};
    health.from = ContainerHealth::From::command;
    const bool effective = std::exchange(reading.effective, false);
    read_section(reading, Section::deploy_health, &node, &health);
    reading.effective = effective;
    if (health.command.empty() && node.find("command") == nullptr) reading.problem(node, "the health check has no command", "command: a list of texts, or one text for the shell");
    into = std::move(health);
}

void read_hook_url(Reading& reading, const Node& node, DeployHook& hook) {
    std::string url;
    if (!reading.text(node, url, 2048)) return;
    const auto parsed = wire::parse_url(url);
    if (!parsed || (parsed->scheme != "https" && parsed->scheme != "http") || !parsed->userinfo.empty())
        return reading.refuse(node, fmt::format("\"{}\" is no such URL", escaped(redacted_url(url), 80)));
    hook.url = std::move(url);
}

void read_hook_headers(Reading& reading, const Node& node, DeployHook& hook) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_hook_headers) return reading.problem(node, fmt::format("more than {} headers", max_hook_headers));
    hook.headers.clear();
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        HookHeader header{.name = entry.key, .value = {}, .secret = looks_secret(entry.key)};
        if (const auto why = !is_token(entry.key) ? "is no name of a header" : equal_ignoring_case(entry.key, "host") ? "is the URL's own" : reserved_header(entry.key); !why.empty()) {
            reading.problem(entry.place, fmt::format("\"{}\" {}", escaped(entry.key, 60), why));
            continue;
        }
        header.secret |= reading.secret(entry.value, header.value, longest_deploy_secret) || entry.value.secret;
        if (!is_clean(header.value)) reading.problem(entry.value, "a header value holds a line break or NUL");
        else hook.headers.push_back(std::move(header));
    }
}

// Said again as it was shown, a hook's secrets are those that were there.
void recall_headers(Reading& reading, const Node& item, const std::vector<DeployHook>* base, DeployHook& hook) {
    for (HookHeader& header : hook.headers) {
        if (!header.secret || header.value != hidden_text) continue;
        const HookHeader* known = nullptr;
        for (const DeployHook& other : base == nullptr ? std::vector<DeployHook>{} : *base)
            if (hook.url == redacted_url(other.url) || hook.url == other.url)
                for (const HookHeader& its : other.headers)
                    if (its.name == header.name) header.value = its.value, known = &its;
        if (known == nullptr) reading.problem(item, "*** is how a secret is shown, and none itself", "its value, file:PATH or env:NAME");
    }
}

void read_hooks(Reading& reading, const Node& node, const std::vector<DeployHook>* base, std::vector<DeployHook>& into) {
    if (!reading.list(node)) return;
    if (node.items.size() > DeploySpec::most_hooks) return reading.problem(node, fmt::format("more than {} hooks", DeploySpec::most_hooks));
    std::vector<DeployHook> out;
    const bool effective = std::exchange(reading.effective, false);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        const Node& item = node.items[i];
        DeployHook hook;
        read_section(reading, Section::deploy_hook, &item, &hook);
        if (!item.is_map()) continue;
        const bool http = item.find("http") != nullptr, exec = item.find("exec") != nullptr;
        if (http == exec) reading.problem(item, http ? "http and exec at once" : "neither http nor exec", "{http: URL} or {exec: [COMMAND]}, each with timeout or not");
        if (exec && reading.api) {
            // Said again as it was shown, a command is the one that was there.
            const auto known = base == nullptr ? decltype(base->end()){} : std::ranges::find_if(*base, [&](const DeployHook& other) {
                return !other.exec.empty() && (hook.exec == other.exec || hook.exec == shown_arguments(other.exec));
            });
            if (base == nullptr || known == base->end()) reading.problem(item, "commands are for the configuration file alone", "http: URL");
            else hook.exec = known->exec;
        }
        recall_headers(reading, item, base, hook);
        if (exec && (item.find("method") != nullptr || item.find("headers") != nullptr || item.find("status") != nullptr))
            reading.problem(item, "method, headers and status are of http", "timeout beside exec");
        out.push_back(std::move(hook));
    }
    reading.effective = effective;
    into = std::move(out);
}

// ---- The tables ----

constexpr std::string_view phase_range = "1s to 1h";

// 0.05 or 5%.
void read_ratio(Reading& reading, const Node& node, double& into) {
    if (!node.is_scalar() || !node.text.ends_with('%')) return reading.fraction(node, into, 0, 1);
    Node number = node;
    number.text.pop_back();
    double percent = -1;
    reading.fraction(number, percent, 0, 100);
    if (percent >= 0) into = percent / 100;
}

void read_phase(Reading& reading, const Node& node, std::optional<Duration>& into, Duration least) {
    if (node.is_scalar() && node.text == "auto") return into.reset();
    Duration said{};
    if (reading.duration(node, said, least, 1h)) into = said;
}

constexpr std::array keys_of_deploy{
    Key{"image", Type::text, "", "[registry/]name[:tag][@digest]", "What the containers are made from; may be left to each deployment.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            std::string image;
            if (!r.text(n, image, 512)) return;
            if (!is_image(image)) return r.refuse(n, fmt::format("\"{}\" is no image", escaped(image, 100)));
            d.spec.image = std::move(image);
        })},
    Key{"pull", Type::word, "missing", "missing, always, never", "When the image is fetched from its registry.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            r.one_of(n, {std::pair{to_text(Pull::missing), Pull::missing}, std::pair{to_text(Pull::always), Pull::always}, std::pair{to_text(Pull::never), Pull::never}}, d.spec.pull);
        })},
    Key{"replicas", Type::integer, "1", "1 to 64", "So many containers at once.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.number(n, d.spec.replicas, 1, DeploySpec::most_replicas); })},
    Key{"port", Type::integer, "auto", "auto, or 1 to 65535", "Of the container, for traffic and checks; auto is the only one its image exposes.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            if (n.is_scalar() && n.text == "auto") d.spec.port = 0;
            else r.number(n, d.spec.port, 1, 65535);
        })},
    Key{"command", Type::texts, "[]", "a list of texts", "Instead of the image's command; empty: the image's.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.texts(n, d.spec.command, max_command_parts); })},
    Key{"entrypoint", Type::texts, "[]", "a list of texts", "Instead of the image's entry point; empty: the image's.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.texts(n, d.spec.entrypoint, max_command_parts); })},
    Key{"env", Type::map, "{}", "a map from names to texts", "Variables of the containers' environment.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_variables(r, n, false, d.base ? &d.base->env : nullptr, d.spec.env); })},
    Key{"secrets", Type::map, "{}", "a map from names to texts, file:PATH or env:NAME", "Variables too, whose values are never shown.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_variables(r, n, true, d.base ? &d.base->secrets : nullptr, d.spec.secrets); })},
    Key{"required_env", Type::texts, "[]", "a list of names", "Variables that must be set in `env` or `secrets`, and not be empty; looked at before anything is made.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_names(r, n, is_env_name, "name of a variable", d.spec.required_env); })},
    Key{"needs", Type::texts, "[]", "a list of services, and of host:port", "What must be there before anything is made: a service with an eligible instance, an address that takes connections.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_needs(r, n, d); })},
    Key{"volumes", Type::texts, "[]", mount_words, "Volumes and directories of the host inside the containers.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_volumes(r, n, d); })},
    Key{"ports", Type::texts, "[]", published_words, "Ports of the host that lead into the container, past Hale.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_ports(r, n, d.spec); })},
    Key{"network", Type::text, "auto", "auto, or the name of a network", "Which the containers are in; auto is <service>-network.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            if (n.is_scalar() && n.text == "auto") return d.spec.network.clear();
            std::string name;
            if (!r.text(n, name)) return;
            if (!is_engine_name(name)) return r.refuse(n, fmt::format("\"{}\" is no name of a network", escaped(name, 60)));
            d.spec.network = std::move(name);
        })},
    Key{"aliases", Type::texts, "[]", "a list of names", "Further names of the containers on that network.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_names(r, n, is_alias, "name on a network", d.spec.aliases); })},
    Key{"memory", Type::size, "none", "none, or 6MiB to 1048576GiB", "No container gets more.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            if (n.is_scalar() && n.text == "none") d.spec.memory = 0;
            else r.size(n, d.spec.memory, least_memory, most_memory);
        })},
    Key{"cpus", Type::number, "none", "none, or 0.01 to 1024", "No container gets more of the cores.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            if (n.is_scalar() && n.text == "none") d.spec.cpus = 0;
            else r.fraction(n, d.spec.cpus, 0.01, 1024);
        })},
    Key{"restart", Type::word, "unless-stopped", "no, always, unless-stopped, on-failure", "When the engine starts a container again that ended.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            r.one_of(n, {std::pair{to_text(Restart::no), Restart::no}, std::pair{to_text(Restart::always), Restart::always},
                         std::pair{to_text(Restart::unless_stopped), Restart::unless_stopped}, std::pair{to_text(Restart::on_failure), Restart::on_failure}}, d.spec.restart);
        })},
    Key{"stop_signal", Type::word, "image", "image, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGKILL, SIGUSR1, SIGUSR2, SIGWINCH, SIGRTMIN+3", "What asks a container to end; image: as that says.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            constexpr std::array<std::string_view, 10> words{"image", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"};
            std::size_t at = 0;
            if (r.choice(n, words, at)) d.spec.stop_signal = at == 0 ? std::string_view{} : words[at];
        })},
    Key{"stop_timeout", Type::duration, "30s", "0 to 1h", "So long a container may take to end before it is killed.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.duration(n, d.spec.stop_timeout, 0s, 1h); })},
    Key{"user", Type::text, "\"\"", "a name or a number, with :group or not", "As whom the command runs; empty: as the image says.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            std::string user;
            if (!r.text(n, user, 256)) return;
            const bool clean = std::ranges::all_of(user, [](char c) { return c > ' ' && c < 127; }) && std::ranges::count(user, ':') <= 1 && !user.starts_with(':');
            if (!clean) return r.refuse(n, fmt::format("\"{}\" is no user", escaped(user, 60)));
            d.spec.user = std::move(user);
        })},
    Key{"labels", Type::map, "{}", "a map from names, not beginning with hale., to texts", "Labels of the containers.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_labels(r, n, d.spec); })},
    Key{"health", Type::section_or_word, "image", "image, none, or a map", "The HEALTHCHECK that the containers run inside: the image's, none, or another.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_health(r, n, d.spec.health); }), Section::deploy_health},
    Key{"retain", Type::integer, "5", "0 to 20", "Old versions that are kept, stopped, for an instant way back.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.number(n, d.spec.retain, 0, DeploySpec::most_retained); })},
    Key{"deadlines", Type::section, "", "a map", "How long each phase of a deployment may take.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_section(r, Section::deploy_deadlines, &n, &d.spec.deadlines); }), Section::deploy_deadlines},
    Key{"bake", Type::section, "", "a map", "How the new version is watched with all the traffic before the old one is retired.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_section(r, Section::deploy_bake, &n, &d.spec.bake); }), Section::deploy_bake},
    Key{"breaker", Type::section, "", "a map", "How often a container that fails is made anew before the deployment fails.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_section(r, Section::deploy_breaker, &n, &d.spec); }), Section::deploy_breaker},
    Key{"max_healthy_percent", Type::integer, "200", "100 to 200", "Of replicas, so many may run at once, old and new ones together; 200: all new ones beside all old ones, and one switch.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.number(n, d.spec.max_healthy_percent, 100, 200); })},
    Key{"min_healthy_percent", Type::integer, "100", "0 to 100", "Of replicas, so many serve at each moment.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { r.number(n, d.spec.min_healthy_percent, 0, 100); })},
    Key{"pre_existing", Type::word, "fail", "fail, accept", "What a deployment does when its check fails, and fails on the version that serves as well: fails, or goes on.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) {
            r.one_of(n, {std::pair{to_text(PreExisting::fail), PreExisting::fail}, std::pair{to_text(PreExisting::accept), PreExisting::accept}}, d.spec.pre_existing);
        })},
    Key{"before", Type::list, "[]", "a list of maps", "Asked or run before anything is made; a refusal ends the deployment.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_hooks(r, n, d.base ? &d.base->before : nullptr, d.spec.before); }), Section::deploy_hook},
    Key{"after", Type::list, "[]", "a list of maps as in before", "Asked or run after traffic was switched; a refusal rolls back.",
        into<DeployDraft>([](Reading& r, const Node& n, DeployDraft& d) { read_hooks(r, n, d.base ? &d.base->after : nullptr, d.spec.after); }), Section::deploy_hook},
};

constexpr std::array health_keys{
    Key{"command", Type::text_or_texts, "", "a list of texts, or one text for the shell", "Run inside the container; exit 0 is healthy.",
        into<ContainerHealth>([](Reading& r, const Node& n, ContainerHealth& h) { read_health_command(r, n, h); })},
    Key{"interval", Type::duration, "30s", "1ms to 24h", "Between two runs.",
        into<ContainerHealth>([](Reading& r, const Node& n, ContainerHealth& h) { r.duration(n, h.interval, 1ms, 24h); })},
    Key{"timeout", Type::duration, "30s", "1ms to 24h", "A run that takes longer has failed.",
        into<ContainerHealth>([](Reading& r, const Node& n, ContainerHealth& h) { r.duration(n, h.timeout, 1ms, 24h); })},
    Key{"retries", Type::integer, "3", "1 to 1000", "So many failures in a row make it unhealthy.",
        into<ContainerHealth>([](Reading& r, const Node& n, ContainerHealth& h) { r.number(n, h.retries, 1, 1000); })},
    Key{"start_period", Type::duration, "0", "0 to 24h", "Failures before the first success prove nothing until it ends.",
        into<ContainerHealth>([](Reading& r, const Node& n, ContainerHealth& h) { r.duration(n, h.start_period, 0s, 24h); })},
};

constexpr std::array deadlines_keys{
    Key{"pulling", Type::duration, "5m", "1s to 6h", "To fetch the images.",
        into<DeployDeadlines>([](Reading& r, const Node& n, DeployDeadlines& d) { r.duration(n, d.pulling, 1s, 6h); })},
    Key{"creating", Type::duration, "30s", phase_range, "To create the containers.",
        into<DeployDeadlines>([](Reading& r, const Node& n, DeployDeadlines& d) { r.duration(n, d.creating, 1s, 1h); })},
    Key{"starting", Type::duration, "1m", phase_range, "To start them.",
        into<DeployDeadlines>([](Reading& r, const Node& n, DeployDeadlines& d) { r.duration(n, d.starting, 1s, 1h); })},
    Key{"verifying", Type::duration, "auto", "auto, or 1s to 1h", "To prove themselves; auto is computed from what is asked of them.",
        into<DeployDeadlines>([](Reading& r, const Node& n, DeployDeadlines& d) { read_phase(r, n, d.verifying, 1s); })},
    Key{"draining", Type::duration, "auto", "auto, or 0 to 1h", "For the old version's last requests; auto is drain_timeout.",
        into<DeployDeadlines>([](Reading& r, const Node& n, DeployDeadlines& d) { read_phase(r, n, d.draining, 0s); })},
};

constexpr std::array bake_keys{
    Key{"for", Type::duration, "0", "0 to 24h", "So long; 0: it is not watched.",
        into<Bake>([](Reading& r, const Node& n, Bake& b) { r.duration(n, b.duration, 0s, 24h); })},
    Key{"max_error_ratio", Type::number, "0.05", "0 to 1, or 0% to 100%", "A larger share of failed requests rolls back.",
        into<Bake>([](Reading& r, const Node& n, Bake& b) { read_ratio(r, n, b.max_error_ratio); })},
    Key{"max_p95", Type::duration, "none", "none, or 1ms to 10m", "So long the 95th of 100 requests may take; slower rolls back.",
        into<Bake>([](Reading& r, const Node& n, Bake& b) {
            if (n.is_scalar() && n.text == "none") b.max_p95 = Duration{0};
            else r.duration(n, b.max_p95, 1ms, 10min);
        })},
    Key{"min_requests", Type::integer, "20", "1 to 1000000", "Fewer requests than these prove nothing.",
        into<Bake>([](Reading& r, const Node& n, Bake& b) { r.number(n, b.min_requests, 1, 1'000'000); })},
};

constexpr std::array breaker_keys{
    Key{"failures", Type::integer, "none", "none, auto, or 1 to 1000", "A container that fails is made anew until so many did; none: the first failure ends the deployment; auto: half of replicas, from 3 to 200.",
        into<DeploySpec>([](Reading& r, const Node& n, DeploySpec& d) {
            std::uint32_t said = 0;
            if (n.is_scalar() && n.text == "none") d.breaker = 0, d.breaker_auto = false;
            else if (n.is_scalar() && n.text == "auto") d.breaker = 0, d.breaker_auto = true;
            else if (r.number(n, said, 1, 1000); said > 0) d.breaker = said, d.breaker_auto = false;
        })},
};

constexpr std::array hook_keys{
    Key{"http", Type::text, "", "an http or https URL", "Asked with the deployment as JSON.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) { read_hook_url(r, n, h); })},
    Key{"method", Type::word, "POST", "POST, PUT, GET", "How; GET tells nothing of the deployment.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) {
            r.one_of(n, {std::pair{std::string_view("POST"), std::string_view("POST")}, std::pair{std::string_view("PUT"), std::string_view("PUT")},
                         std::pair{std::string_view("GET"), std::string_view("GET")}}, h.method);
        })},
    Key{"headers", Type::map, "{}", "a map from names to texts, file:PATH or env:NAME", "Headers of the request.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) { read_hook_headers(r, n, h); })},
    Key{"status", Type::integer, "2xx", "2xx, or 100 to 599", "The answer that is yes.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) {
            if (n.is_scalar() && n.text == "2xx") h.status = 0;
            else r.number(n, h.status, 100, 599);
        })},
    Key{"exec", Type::texts, "", "a list of texts, the first an absolute path", "Run on this machine; exit 0 is yes.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) {
            r.texts(n, h.exec, max_command_parts);
            if (n.is_list() && (h.exec.empty() || !h.exec.front().starts_with('/'))) r.refuse(n, "begins with no absolute path");
        })},
    Key{"timeout", Type::duration, "30s", "100ms to 10m", "An answer that takes longer is no.",
        into<DeployHook>([](Reading& r, const Node& n, DeployHook& h) { r.duration(n, h.timeout, 100ms, 10min); })},
};

constexpr std::array docker_keys{
    Key{"host", Type::text, "unix:///var/run/docker.sock", "unix:///path, tcp://host[:port], ssh://[user@]host[:port]", "Where the engine is; DOCKER_HOST is not looked at.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            std::string host;
            if (!r.text(n, host, 2048)) return;
            const auto at = host.find("://");
            const std::string_view scheme = std::string_view(host).substr(0, at);
            bool right = at != std::string::npos;
            if (right && scheme == "unix") {
                right = host[at + 3] == '/' && host.size() > at + 4;
            } else if (right) {
                const auto url = wire::parse_url(host);
                right = (scheme == "tcp" || scheme == "ssh") && url && (url->path.empty() || url->path == "/") && !url->query && (scheme == "ssh" || url->userinfo.empty());
            }
            if (!right) return r.refuse(n, fmt::format("\"{}\" is nowhere an engine is", escaped(redacted_url(host), 80)));
            s.docker_host = std::move(host);
        }), Section::none, 0, true},
    Key{"discover", Type::boolean, "false", "true, false", "Whether containers that somebody else made become instances by their labels.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { r.boolean(n, s.docker_discover); }), Section::none, 0, true},
};

constexpr std::array registry_keys{
    Key{"username", Type::text, "", "a text", "As whom one comes to it.",
        into<RegistryLogin>([](Reading& r, const Node& n, RegistryLogin& l) { r.text(n, l.username, 256); })},
    Key{"password", Type::secret, "", "a text, file:PATH or env:NAME", "With which password or token. Never shown.",
        into<RegistryLogin>([](Reading& r, const Node& n, RegistryLogin& l) { r.secret(n, l.password, longest_deploy_secret); })},
};

}  // namespace

void check_deploy(Reading& reading, const Node& node, const DeploySpec& spec) {
    const auto place = [&](std::string_view key) -> const Node& {
        const Node* found = node.find(key);
        return found != nullptr ? *found : node;
    };
    for (const EnvValue& secret : spec.secrets)
        if (std::ranges::find(spec.env, secret.name, &EnvValue::name) != spec.env.end())
            reading.problem(place("secrets"), fmt::format("{} is in env and in secrets", secret.name), "one of the two");
    const Node* bake = node.find("bake");
    if (bake != nullptr && bake->is_map() && spec.bake.duration == 0s && bake->entries.size() > (bake->find("for") != nullptr ? 1u : 0u))
        reading.problem(*bake, "has an effect only with for", "for: a duration above 0");
    const auto waves = rollout::wave_limits(spec.replicas, spec.max_healthy_percent, spec.min_healthy_percent);
    if (spec.max_healthy_percent < 200 && !waves.progress())
        reading.problem(place("max_healthy_percent"),
                        fmt::format("nothing could ever be replaced: {} % of {} is {}, so none may be added, and {} % of them is {}, so none may be taken away", spec.max_healthy_percent, spec.replicas,
                                    waves.most_running, spec.min_healthy_percent, waves.least_serving),
                        "a higher max_healthy_percent, or a lower min_healthy_percent");
    if (spec.replicas > 1 && !spec.ports.empty())
        reading.problem(place(node.find("ports") != nullptr ? "ports" : "replicas"), fmt::format("{} containers at once can't publish one port of the host", spec.replicas), "replicas: 1, or no ports");
    const bool own_network = spec.network != "host" && spec.network != "none";
    if (!own_network && !spec.aliases.empty()) reading.problem(place("aliases"), fmt::format("network {} has no names", spec.network), "another network, or no aliases");
    if (!own_network && !spec.ports.empty()) reading.problem(place("ports"), fmt::format("network {} publishes no ports", spec.network), "another network, or no ports");
}

void read_deploy_key(Reading& reading, std::string_view key, const Node& node, DeploySpec& into) {
    const Key* known = find_key(Section::deploy, key);
    DeployDraft draft{std::move(into)};
    const Key* outer = std::exchange(reading.key, known);
    known->read(reading, node, &draft);
    reading.key = outer;
    into = std::move(draft.spec);
}

void read_deploy(Reading& reading, const Node& node, DeploySpec& into, const DeploySpec* base) {
    DeployDraft draft{into, base};
    const Key* outer = std::exchange(reading.key, find_key(Section::service, "deploy"));
    read_section(reading, Section::deploy, &node, &draft);
    if (node.is_map()) check_deploy(reading, node, draft.spec);
    reading.key = outer;
    into = std::move(draft.spec);
}

void read_docker(Reading& reading, const Node& node, Settings& into) { read_section(reading, Section::docker, &node, &into); }

void read_registries(Reading& reading, const Node& node, std::vector<RegistryLogin>& into) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_registries) return reading.problem(node, fmt::format("more than {} registries", max_registries));
    into.clear();
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        RegistryLogin login{.host = lower(entry.key), .username = {}, .password = {}};
        const auto url = wire::parse_url(fmt::format("https://{}", login.host));
        if (!url || !url->userinfo.empty() || !url->path.empty() || url->query) {
            reading.problem(entry.place, fmt::format("\"{}\" is no host of a registry", escaped(entry.key, 80)), "host, host:port");
            continue;
        }
        const std::string kept = reading.shown;
        if (reading.effective) reading.shown = fmt::format("registries.{}.", login.host);
        read_section(reading, Section::registry, &entry.value, &login);
        reading.shown = kept;
        if (!entry.value.is_map()) continue;
        for (const std::string_view key : {"username", "password"})
            if (entry.value.find(key) == nullptr) reading.problem(entry.value, fmt::format("no {}", key), "username and password");
        if (std::ranges::find(into, login.host, &RegistryLogin::host) != into.end()) reading.problem(entry.place, "is named twice");
        else into.push_back(std::move(login));
    }
}

std::span<const Key> deploy_keys(Section section) {
    switch (section) {
        case Section::deploy: return keys_of_deploy;
        case Section::deploy_health: return health_keys;
        case Section::deploy_deadlines: return deadlines_keys;
        case Section::deploy_bake: return bake_keys;
        case Section::deploy_breaker: return breaker_keys;
        case Section::deploy_hook: return hook_keys;
        case Section::docker: return docker_keys;
        case Section::registry: return registry_keys;
        default: return {};
    }
}

}  // namespace hale::config
