// The keys of a compose file's subset, and the reading of one container. Where a key says the same as one of `deploy:`, that
// one's reader is used, so that both refuse the same.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "config/compose_keys.h"

namespace hale::config {

namespace {

constexpr std::size_t max_words = 256;
constexpr std::size_t max_dependencies = 256;
constexpr std::string_view label_prefix = "hale.";
constexpr std::string_view check_prefix = "hale.check.";

// Compose writes numbers with quotes or without.
Node unquoted(const Node& node) {
    Node out = node;
    out.quoted = false;
    return out;
}

void read_by_deploy(Reading& reading, std::string_view key, const Node& node, ComposeServiceDraft& draft) { read_deploy_key(reading, key, node, draft.container.deploy); }

// ---- Values that have several forms ----

// A map of names, from itself or from a list of NAME=VALUE.
Node named_values(Reading& reading, const Node& node) {
    if (!node.is_list()) return node;
    Node out;
    out.shape = Node::Shape::map;
    out.place = node.place;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        const Node& item = node.items[i];
        const auto equals = item.is_scalar() ? item.text.find('=') : std::string::npos;
        if (equals == std::string::npos) {
            reading.refuse(item, "no NAME=VALUE");
            continue;
        }
        Entry entry{item.text.substr(0, equals), item.place, item};
        entry.value.text = item.text.substr(equals + 1);
        entry.value.quoted = true;
        if (out.find(entry.key) != nullptr) reading.refuse(item, fmt::format("{} is named twice", escaped(entry.key, 60)));
        else out.entries.push_back(std::move(entry));
    }
    return out;
}

void read_words(Reading& reading, const Node& node, std::vector<std::string>& into) {
    std::vector<std::string> words;
    if (node.is_scalar()) {
        auto split_up = shell_words(node.text);
        if (!split_up) return reading.refuse(node, "a quote is not closed");
        words = std::move(*split_up);
    } else {
        reading.texts(node, words, max_words);
    }
    if (words.empty()) return reading.refuse(node, "no command");
    into = std::move(words);
}

void read_test(Reading& reading, const Node& node, ContainerHealth& health) {
    health.from = ContainerHealth::From::command;
    if (node.is_scalar()) {
        health.shell = true;
        if (node.text.empty()) return reading.refuse(node, "no command");
        health.command = {node.text};
        return;
    }
    std::vector<std::string> words;
    reading.texts(node, words, max_words);
    if (!node.is_list()) return;
    const std::string_view form = words.empty() ? std::string_view{} : words.front();
    if (form == "NONE" && words.size() == 1) {
        health = {};
        health.from = ContainerHealth::From::none;
    } else if ((form == "CMD" && words.size() > 1) || (form == "CMD-SHELL" && words.size() == 2)) {
        health.shell = form == "CMD-SHELL";
        health.command.assign(words.begin() + 1, words.end());
    } else {
        reading.refuse(node, "not a test");
    }
}

void read_dependency(Reading& reading, const Node& at, const Node* conditions, std::string name, ComposeServiceDraft& draft) {
    ComposeDependency one{.container = std::move(name)};
    if (conditions != nullptr) {
        read_section(reading, Section::compose_dependency, conditions, &one);
        if (conditions->is_map() && conditions->find("condition") == nullptr)
            reading.problem(at, "no condition", "condition: service_started, service_healthy, service_completed_successfully");
    }
    draft.container.depends_on.push_back(std::move(one));
    draft.dependencies.push_back(&at);
}

void read_dependencies(Reading& reading, const Node& node, ComposeServiceDraft& draft) {
    if (node.is_map()) {
        if (node.entries.size() > max_dependencies) return reading.problem(node, fmt::format("more than {} dependencies", max_dependencies));
        for (const Entry& entry : node.entries) {
            const Reading::Step step(reading, entry.key);
            read_dependency(reading, entry.value, &entry.value, entry.key, draft);
        }
        return;
    }
    std::vector<std::string> names;
    reading.texts(node, names, max_dependencies);
    if (!node.is_list()) return;
    for (std::size_t i = 0; i < names.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        if (std::ranges::find(draft.container.depends_on, names[i], &ComposeDependency::container) != draft.container.depends_on.end()) reading.refuse(node.items[i], "is named twice");
        else read_dependency(reading, node.items[i], nullptr, names[i], draft);
    }
}

void read_membership(Reading& reading, const Node& node, ComposeServiceDraft& draft) {
    if (!node.is_list() && !node.is_map()) return reading.refuse(node, "neither a list nor a map of networks");
    const std::size_t count = node.is_list() ? node.items.size() : node.entries.size();
    if (count != 1) return reading.refuse(node, fmt::format("{} networks; a container is in one", count));
    draft.network_node = &node;
    if (node.is_list()) {
        const Reading::Step step(reading, std::size_t{0});
        reading.text(node.items.front(), draft.network, 255);
        return;
    }
    const Entry& entry = node.entries.front();
    draft.network = entry.key;
    const Reading::Step step(reading, entry.key);
    if (!entry.value.is_null()) read_section(reading, Section::compose_membership, &entry.value, &draft);
}

// Labels of the container, and Hale's own among them.
// A label is one text, and a check has labels of its own.
bool of_labels(std::string_view key) { return key != "check" && key != "reason" && key != "needs"; }

void read_compose_labels(Reading& reading, const Node& node, ComposeServiceDraft& draft);

void read_memory(Reading& reading, const Node& node, ComposeServiceDraft& draft) {
    std::string said;
    if (!reading.text(node, said, 40)) return;
    const auto bytes = parse_compose_size(said);
    if (!bytes || *bytes < (6u << 20)) return reading.refuse(node, fmt::format("\"{}\" is no such size", escaped(said, 40)));
    draft.container.deploy.memory = *bytes;
}

constexpr std::string_view words_words = "a list of texts, or one text that is split at blanks as a shell does";

// ---- The tables ----

constexpr std::array keys_of_compose{
    Key{"name", Type::text, "", "lower case letters, digits, - _, first a letter or digit", "The project: what names of networks and volumes begin with.",
        into<ComposeRootDraft>([](Reading&, const Node& n, ComposeRootDraft& d) { d.name = &n; })},
    Key{"services", Type::map, "", "a map from names to containers", "The containers of the application.",
        into<ComposeRootDraft>([](Reading&, const Node& n, ComposeRootDraft& d) { d.services = &n; }), Section::compose_service},
    Key{"networks", Type::map, "{}", "a map from names to maps", "Networks of the containers; default is of those that name none.",
        into<ComposeRootDraft>([](Reading&, const Node& n, ComposeRootDraft& d) { d.networks = &n; }), Section::compose_network},
    Key{"volumes", Type::map, "{}", "a map from names to maps", "Volumes that containers name.",
        into<ComposeRootDraft>([](Reading&, const Node& n, ComposeRootDraft& d) { d.volumes = &n; }), Section::compose_volume},
    Key{"x-hale", Type::section, "", "a map", "How a deployment of all of it goes about it.",
        into<ComposeRootDraft>([](Reading& r, const Node& n, ComposeRootDraft& d) { 
            read_section(r, Section::compose_application, &n, &d.strategy);
            if (n.is_map()) check_deploy(r, n, d.strategy);
        }), Section::compose_application},
};

constexpr std::array service_table{
    Key{"image", Type::text, "", "[registry/]name[:tag][@digest]", "What the container is made from.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "image", n, d); })},
    Key{"command", Type::text_or_texts, "", words_words, "Instead of the image's command.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_words(r, n, d.container.deploy.command); })},
    Key{"entrypoint", Type::text_or_texts, "", words_words, "Instead of the image's entry point.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_words(r, n, d.container.deploy.entrypoint); })},
    Key{"environment", Type::map, "{}", "a map from names to texts, or a list of NAME=VALUE", "Variables of the container's environment.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "env", named_values(r, n), d); })},
    Key{"depends_on", Type::texts, "[]", "a list of names, or a map from names to maps with condition", "Which containers this one waits for before it is started.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_dependencies(r, n, d); }), Section::compose_dependency},
    Key{"volumes", Type::texts, "[]", mount_words, "Volumes and directories of the host inside the container.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "volumes", n, d); })},
    Key{"ports", Type::texts, "[]", published_words, "Ports of the host that lead into the container, past Hale.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "ports", n, d); })},
    Key{"networks", Type::texts, "default", "a list of one name, or a map from one name to a map with aliases", "The network of the container.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_membership(r, n, d); }), Section::compose_membership},
    Key{"healthcheck", Type::section, "", "a map", "The HEALTHCHECK that the container runs inside, instead of its image's.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.healthcheck = &n; }), Section::compose_healthcheck},
    Key{"restart", Type::word, "no", "no, always, unless-stopped, on-failure", "When the engine starts the container again after it ended.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "restart", n, d); })},
    Key{"stop_signal", Type::word, "", "SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGKILL, SIGUSR1, SIGUSR2, SIGWINCH, SIGRTMIN+3", "What asks the container to end, instead of what its image says.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) {
            if (n.is_scalar() && n.text == "image") return r.refuse(n, "\"image\" is none of the words known here");
            read_by_deploy(r, "stop_signal", n, d);
        })},
    Key{"stop_grace_period", Type::duration, "10s", "0 to 1h", "So long the container may take to end before it is killed.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "stop_timeout", n, d); })},
    Key{"mem_limit", Type::size, "", "at least 6m; b, k, m and g are of 1024", "It gets no more memory.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_memory(r, n, d); })},
    Key{"cpus", Type::number, "", "0.01 to 1024", "It gets no more of the cores.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) {
            if (n.is_scalar() && n.text == "none") return r.refuse(n, "\"none\" is not a number");
            read_by_deploy(r, "cpus", unquoted(n), d);
        })},
    Key{"user", Type::text, "", "a name or a number, with :group or not", "As whom the command runs.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "user", n, d); })},
    Key{"labels", Type::map, "{}", "a map from names to texts, or a list of NAME=VALUE", "Labels of the container; those that begin with hale. are as in x-hale.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_compose_labels(r, named_values(r, n), d); })},
    Key{"deploy", Type::section, "", "a map with replicas", "How often the container is made.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_section(r, Section::compose_deploy, &n, &d); }), Section::compose_deploy},
    Key{"x-hale", Type::section, "", "a map", "What compose has no words for.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_section(r, Section::compose_hale, &n, &d); }), Section::compose_hale},
};

struct HealthDraft {
    ContainerHealth health;
    bool disable = false;
};

constexpr std::array healthcheck_table{
    Key{"test", Type::text_or_texts, "", "[CMD, …], [CMD-SHELL, text], [NONE], or one text for the shell", "Run inside the container; exit 0 is healthy.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { read_test(r, n, h.health); })},
    Key{"interval", Type::duration, "30s", "1ms to 24h", "Between two runs.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { r.duration(n, h.health.interval, 1ms, 24h); })},
    Key{"timeout", Type::duration, "30s", "1ms to 24h", "A run that takes longer has failed.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { r.duration(n, h.health.timeout, 1ms, 24h); })},
    Key{"retries", Type::integer, "3", "1 to 1000", "So many failures in a row make it unhealthy.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { r.number(n, h.health.retries, 1, 1000); })},
    Key{"start_period", Type::duration, "0", "0 to 24h", "Failures before the first success prove nothing until it ends.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { r.duration(n, h.health.start_period, 0s, 24h); })},
    Key{"disable", Type::boolean, "false", "true, false", "True: there is none, whatever the image says.",
        into<HealthDraft>([](Reading& r, const Node& n, HealthDraft& h) { r.boolean(n, h.disable); })},
};

constexpr std::array dependency_table{
    Key{"condition", Type::word, "", "service_started, service_healthy, service_completed_successfully", "What is waited for.",
        into<ComposeDependency>([](Reading& r, const Node& n, ComposeDependency& d) {
            r.one_of(n, {std::pair{std::string_view("service_started"), WaitFor::started}, std::pair{std::string_view("service_healthy"), WaitFor::healthy},
                         std::pair{std::string_view("service_completed_successfully"), WaitFor::completed}}, d.until);
        })},
};

constexpr std::array membership_table{
    Key{"aliases", Type::texts, "[]", "a list of names", "Further names of the container on the network, beside its own.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "aliases", n, d); })},
};

constexpr std::array place_table{
    Key{"name", Type::text, "", "letters, digits, _ . -", "How the engine calls it, instead of PROJECT_NAME.",
        into<ComposePlace>([](Reading& r, const Node& n, ComposePlace& p) {
            std::string name;
            if (!r.text(n, name, 255)) return;
            if (!is_engine_name(name)) return r.refuse(n, fmt::format("\"{}\" is no name", escaped(name, 60)));
            p.name = std::move(name);
        })},
    Key{"external", Type::boolean, "false", "true, false", "True: it is not the project's, and has no PROJECT_ before its name.",
        into<ComposePlace>([](Reading& r, const Node& n, ComposePlace& p) { r.boolean(n, p.external); })},
};

constexpr std::array compose_deploy_table{
    Key{"replicas", Type::integer, "1", "1 to 64", "So many containers at once.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "replicas", n, d); })},
};

constexpr std::array hale_table{
    Key{"check", Type::section_or_word, "", "a map with one kind, or none with a reason", "What is asked of the container, as a service's check; as labels hale.check.KEY.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.hale.check = &n; }), Section::none},
    Key{"reason", Type::text, "", "a sentence", "Why there is no check, beside check: none.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.hale.reason = &n; })},
    Key{"host", Type::text, "", "a host name, *.example.org, or *", "Requests to it go to the container.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.hale.host = &n; })},
    Key{"path", Type::text, "/", "an absolute path without query", "Of them, those whose path begins so; with host.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.hale.path = &n; })},
    Key{"strip", Type::boolean, "false", "true, false", "Takes the path off before the request is sent on; with host.",
        into<ComposeServiceDraft>([](Reading&, const Node& n, ComposeServiceDraft& d) { d.hale.strip = &n; })},
    Key{"port", Type::integer, "auto", "auto, or 1 to 65535", "Of the container, for traffic and checks; auto is the only one its image exposes.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "port", n, d); })},
    Key{"needs", Type::texts, "[]", "a list of services", "Which services of Hale's must have an eligible instance before anything is made.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { read_by_deploy(r, "needs", n, d); })},
    Key{"one-shot", Type::boolean, "false", "true, false", "True: it runs to its end, and exit 0 is its pass; so does one that is waited for until it completed.",
        into<ComposeServiceDraft>([](Reading& r, const Node& n, ComposeServiceDraft& d) { r.boolean(n, d.container.one_shot); })},
};

constexpr std::array application_table{
    Key{"before", Type::list, "[]", "a list of maps", "Asked before anything is made, as deploy.before of a service.",
        into<DeploySpec>([](Reading& r, const Node& n, DeploySpec& d) { read_deploy_key(r, "before", n, d); })},
    Key{"after", Type::list, "[]", "a list of maps", "Asked after traffic was switched, as deploy.after of a service.",
        into<DeploySpec>([](Reading& r, const Node& n, DeploySpec& d) { read_deploy_key(r, "after", n, d); })},
    Key{"bake", Type::section, "", "a map", "How the new version is watched with all the traffic, as deploy.bake of a service.",
        into<DeploySpec>([](Reading& r, const Node& n, DeploySpec& d) { read_deploy_key(r, "bake", n, d); }), Section::none},
    Key{"pre_existing", Type::word, "fail", "fail, accept", "What happens when what serves now fails its checks as well.",
        into<DeploySpec>([](Reading& r, const Node& n, DeploySpec& d) { read_deploy_key(r, "pre_existing", n, d); })},
};

// ---- One container ----

void read_compose_labels(Reading& reading, const Node& node, ComposeServiceDraft& draft) {
    if (!reading.map(node)) return;
    Node others = node;
    others.entries.clear();
    draft.label_check.shape = Node::Shape::map;
    draft.label_check.place = node.place;
    for (const Entry& entry : node.entries) {
        if (!entry.key.starts_with(label_prefix)) {
            others.entries.push_back(entry);
            continue;
        }
        const Reading::Step step(reading, entry.key);
        if (!entry.value.is_scalar()) {
            reading.problem(entry.value, "a label is a text", "a text");
            continue;
        }
        if (entry.key.starts_with(check_prefix)) {
            draft.label_check.entries.push_back({entry.key.substr(check_prefix.size()), entry.place, unquoted(entry.value)});
            continue;
        }
        const Key* key = find_key(Section::compose_hale, std::string_view(entry.key).substr(label_prefix.size()));
        if (key == nullptr || !of_labels(key->name)) {
            std::string known{"hale.check.KEY"};
            for (const Key& one : hale_table)
                if (of_labels(one.name)) known += fmt::format(", hale.{}", one.name);
            reading.problem(entry.place, "unknown label of Hale's", known);
            continue;
        }
        draft.label_values.push_back(std::make_unique<Node>(unquoted(entry.value)));
        const Key* outer = std::exchange(reading.key, key);
        key->read(reading, *draft.label_values.back(), &draft);
        reading.key = outer;
    }
    read_by_deploy(reading, "labels", others, draft);
}

void read_healthcheck(Reading& reading, const Node& node, ComposeServiceDraft& draft) {
    const Reading::Step step(reading, "healthcheck");
    HealthDraft read;
    read_section(reading, Section::compose_healthcheck, &node, &read);
    if (!node.is_map()) return;
    const bool tested = node.find("test") != nullptr;
    if (read.disable && node.entries.size() > 1) reading.problem(node, "it is switched off, and says more", "disable: true alone");
    else if (!read.disable && !tested) reading.problem(node, "the health check has no test", "test: [CMD, …], or disable: true");
    else if (read.health.from == ContainerHealth::From::none && node.entries.size() > 1) reading.problem(node, "it is switched off, and says more", "test: [NONE] alone");
    if (read.disable) read.health.from = ContainerHealth::From::none;
    draft.container.deploy.health = std::move(read.health);
}

void read_container_check(Reading& reading, const Node* defaults, ComposeServiceDraft& draft) {
    const bool labelled = !draft.label_check.entries.empty();
    if (labelled && draft.hale.check != nullptr) {
        const Reading::Step step(reading, "x-hale");
        return reading.problem(*draft.hale.check, "the check is said by labels too", "one of the two");
    }
    if (!labelled && draft.hale.check == nullptr && draft.hale.reason == nullptr) return;
    const Reading::Step step(reading, labelled ? "labels" : "x-hale");
    ServiceDraft service;
    service.spec.name = draft.container.name;
    service.spec.mark = draft.container.mark;
    service.check = labelled ? &draft.label_check : draft.hale.check;
    service.reason = draft.hale.reason;
    draft.container.checks = read_checks(reading, service, defaults);
    const bool none = draft.hale.reason != nullptr;
    draft.container.check_json = none ? json_of(Node{.shape = Node::Shape::map, .place = {}, .text = {}, .origin = {}, .items = {}, .entries = {{"none", {}, *draft.hale.reason}}})
                                      : json_of(*service.check);
}

void read_container_route(Reading& reading, ComposeServiceDraft& draft) {
    const auto& hale = draft.hale;
    const Reading::Step step(reading, "x-hale");
    if (hale.host == nullptr) {
        for (const auto& [name, beside] : {std::pair{"path", hale.path}, std::pair{"strip", hale.strip}}) {
            const Reading::Step inner(reading, name);
            if (beside != nullptr) reading.problem(*beside, "has an effect only with host", "host: a host name, *.example.org, or *");
        }
        return;
    }
    Node node;
    node.shape = Node::Shape::map;
    node.place = hale.host->place;
    for (const auto& [name, value] : {std::pair{"host", hale.host}, std::pair{"path", hale.path}, std::pair{"strip", hale.strip}})
        if (value != nullptr) node.entries.push_back({name, value->place, *value});
    RouteSpec route;
    route.service = draft.container.name;
    read_route(reading, node, route);
    draft.container.routes.push_back(std::move(route));
}

}  // namespace

std::span<const Key> compose_keys(Section section) {
    switch (section) {
        case Section::compose: return keys_of_compose;
        case Section::compose_service: return service_table;
        case Section::compose_healthcheck: return healthcheck_table;
        case Section::compose_dependency: return dependency_table;
        case Section::compose_membership: return membership_table;
        case Section::compose_network:
        case Section::compose_volume: return place_table;
        case Section::compose_deploy: return compose_deploy_table;
        case Section::compose_hale: return hale_table;
        case Section::compose_application: return application_table;
        default: return {};
    }
}

void read_compose_place(Reading& reading, Section section, const Node& node, ComposePlace& place) {
    if (!node.is_null()) read_section(reading, section, &node, &place);
}

void read_compose_service(Reading& reading, const Entry& entry, const Node* defaults, ComposeServiceDraft& draft) {
    ComposeContainer& container = draft.container;
    container.name = entry.key;
    container.mark = reading.mark(entry.place);
    container.deploy.restart = Restart::no;  // As compose has it.
    container.deploy.stop_timeout = 10s;
    if (!is_service_name(entry.key))
        reading.problem(entry.place, fmt::format("\"{}\" is no name of a container", escaped(entry.key, 80)), "lower case letters, digits, . _ -, at most 63, first and last a letter or digit");
    const Node& node = entry.value;
    read_section(reading, Section::compose_service, &node, &draft);
    if (!node.is_map()) return;
    if (node.find("image") == nullptr) reading.problem(entry.place, "the container has no image", "image: [registry/]name[:tag][@digest]");
    if (draft.healthcheck != nullptr) read_healthcheck(reading, *draft.healthcheck, draft);
    read_container_check(reading, defaults, draft);
    read_container_route(reading, draft);
    check_deploy(reading, node, container.deploy);
    // It is known by its own name.
    auto& aliases = container.deploy.aliases;
    if (std::ranges::find(aliases, container.name) == aliases.end()) aliases.insert(aliases.begin(), container.name);
}

}  // namespace hale::config
