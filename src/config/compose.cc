// A whole compose file: the names between its containers, and who waits for whom.

#include "config/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "config/compose_keys.h"
#include "config/reading.h"

namespace hale::config {

namespace {

constexpr std::string_view project_words = "lower case letters, digits, - _, first a letter or digit, at most 63";

bool is_project(std::string_view text) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= 63 && plain(text.front()) && std::ranges::all_of(text, [&](char c) { return plain(c) || c == '-' || c == '_'; });
}

using Places = std::map<std::string, ComposePlace, std::less<>>;

class Compose {
public:
    Compose(Reading& reading, const ComposeRequest& request) : reading_(reading), request_(request) {}

    void read(const Node& root) {
        ComposeRootDraft draft;
        read_section(reading_, Section::compose, &root, &draft);
        if (!root.is_map()) return;
        settle_project(root, draft.name);
        out_.strategy = std::move(draft.strategy);
        read_places("networks", Section::compose_network, draft.networks, networks_);
        read_places("volumes", Section::compose_volume, draft.volumes, volumes_);
        if (draft.services == nullptr) return reading_.problem(root, "no services", "services: a map from names to containers");
        {
            const Reading::Step step(reading_, "services");
            read_containers(*draft.services);
            for (ComposeServiceDraft& one : containers_) settle_names(one);
            settle_dependencies();
            find_circles();
            check_together();
        }
        refuse_unused("networks", draft.networks, networks_);
        refuse_unused("volumes", draft.volumes, volumes_);
    }

    ComposeApplication take() {
        for (ComposeServiceDraft& one : containers_) out_.containers.push_back(std::move(one.container));
        return std::move(out_);
    }

private:
    void settle_project(const Node& root, const Node* name) {
        out_.project = request_.project;
        const Reading::Step step(reading_, "name");
        if (name != nullptr) {
            const Key* outer = std::exchange(reading_.key, find_key(Section::compose, "name"));
            const bool read = reading_.text(*name, out_.project, 255);
            reading_.key = outer;
            if (!read) return;
        }
        if (!is_project(out_.project))
            reading_.problem(name != nullptr ? *name : root, fmt::format("\"{}\" is no name of a project", escaped(out_.project, 80)), std::string(project_words));
    }

    void read_places(std::string_view key, Section section, const Node* node, Places& into) {
        if (node == nullptr || node->is_null()) return;
        const Reading::Step step(reading_, key);
        const Key* outer = std::exchange(reading_.key, find_key(Section::compose, key));
        if (reading_.map(*node)) {
            for (const Entry& entry : node->entries) {
                const Reading::Step inner(reading_, entry.key);
                if (!is_engine_name(entry.key)) {
                    reading_.problem(entry.place, fmt::format("\"{}\" is no name", escaped(entry.key, 60)), "letters, digits, _ . -, first a letter or digit");
                    continue;
                }
                ComposePlace place;
                read_compose_place(reading_, section, entry.value, place);
                if (place.name.empty()) place.name = place.external ? entry.key : fmt::format("{}_{}", out_.project, entry.key);
                into.emplace(entry.key, std::move(place));
            }
        }
        reading_.key = outer;
    }

    void refuse_unused(std::string_view key, const Node* node, const Places& places) {
        if (node == nullptr || !node->is_map()) return;
        const Reading::Step step(reading_, key);
        for (const Entry& entry : node->entries) {
            const auto found = places.find(entry.key);
            if (found == places.end() || found->second.used) continue;
            const Reading::Step inner(reading_, entry.key);
            reading_.problem(entry.place, "no container names it");
        }
    }

    void read_containers(const Node& node) {
        const Key* outer = std::exchange(reading_.key, find_key(Section::compose, "services"));
        if (reading_.map(node)) {
            if (node.entries.empty()) reading_.problem(node, "no services", "a map from names to containers");
            if (node.entries.size() > max_compose_containers) {
                reading_.problem(node, fmt::format("more than {} containers", max_compose_containers));
            } else {
                const Node* defaults = request_.document != nullptr && request_.document->defaults ? &request_.document->defaults->node : nullptr;
                containers_.reserve(node.entries.size());
                for (const Entry& entry : node.entries) {
                    const Reading::Step step(reading_, entry.key);
                    ComposeServiceDraft& draft = containers_.emplace_back();
                    nodes_.push_back(&entry);
                    read_compose_service(reading_, entry, defaults, draft);
                    index_.emplace(entry.key, containers_.size() - 1);
                }
            }
        }
        reading_.key = outer;
    }

    // What the file calls networks and volumes becomes what the engine calls them.
    void settle_names(ComposeServiceDraft& draft) {
        DeploySpec& deploy = draft.container.deploy;
        const Reading::Step step(reading_, draft.container.name);
        const std::string name = draft.network.empty() ? "default" : draft.network;
        if (const auto found = networks_.find(name); found != networks_.end()) {
            found->second.used = true;
            deploy.network = found->second.name;
        } else if (name == "default") {
            deploy.network = fmt::format("{}_default", out_.project);
        } else {
            const Reading::Step inner(reading_, "networks");
            reading_.problem(*draft.network_node, fmt::format("there is no network {}", escaped(name, 60)), "default, or one of networks: at the top of the file");
        }
        for (Mount& mount : deploy.volumes) {
            if (mount.of_host()) continue;
            const auto found = volumes_.find(mount.source);
            if (found != volumes_.end()) {
                found->second.used = true;
                mount.source = found->second.name;
                continue;
            }
            const Reading::Step inner(reading_, "volumes");
            const Node* at = nodes_[index_.at(draft.container.name)]->value.find("volumes");
            reading_.problem(*at, fmt::format("there is no volume {}", escaped(mount.source, 60)), "one of volumes: at the top of the file");
        }
    }

    void settle_dependencies() {
        for (ComposeServiceDraft& draft : containers_) {
            const Reading::Step step(reading_, draft.container.name);
            const Reading::Step inner(reading_, "depends_on");
            for (std::size_t i = 0; i < draft.container.depends_on.size(); ++i) {
                const ComposeDependency& one = draft.container.depends_on[i];
                const auto found = index_.find(one.container);
                if (found == index_.end()) reading_.problem(*draft.dependencies[i], fmt::format("there is no container {}", escaped(one.container, 60)), names());
                else if (one.until == WaitFor::completed) containers_[found->second].container.one_shot = true;
            }
        }
        for (ComposeServiceDraft& draft : containers_) {
            const Reading::Step step(reading_, draft.container.name);
            const Reading::Step inner(reading_, "depends_on");
            for (std::size_t i = 0; i < draft.container.depends_on.size(); ++i) {
                const ComposeDependency& one = draft.container.depends_on[i];
                const auto found = index_.find(one.container);
                if (found == index_.end() || one.until != WaitFor::healthy) continue;
                const ComposeContainer& other = containers_[found->second].container;
                if (other.one_shot) reading_.problem(*draft.dependencies[i], fmt::format("{} runs to its end and is never healthy", other.name), "service_started, service_completed_successfully");
                else if (other.deploy.health.from == ContainerHealth::From::none && !asked(other))
                    reading_.problem(*draft.dependencies[i], fmt::format("nothing tells whether {} is healthy: its health check is switched off, and it has no check", other.name), "service_started, or a check");
            }
        }
    }

    static bool asked(const ComposeContainer& container) {
        return std::ranges::any_of(container.checks, [](const auto& check) { return !std::holds_alternative<Unchecked>(check->what); });
    }

    std::string names() const {
        std::string out;
        for (const ComposeServiceDraft& draft : containers_) out += fmt::format("{}{}", out.empty() ? "" : ", ", draft.container.name);
        return out;
    }

    // Depth first; what is on the trail when it is met again waits for itself.
    void find_circles() {
        enum class Visit : std::uint8_t { none, under_way, done };
        std::vector<Visit> visits(containers_.size(), Visit::none);
        struct Frame {
            std::size_t container;
            std::size_t next = 0;
        };
        for (std::size_t start = 0; start < containers_.size(); ++start) {
            if (visits[start] != Visit::none) continue;
            std::vector<Frame> trail{{start}};
            visits[start] = Visit::under_way;
            while (!trail.empty()) {
                const std::size_t at = trail.back().container;
                const auto& needs = containers_[at].container.depends_on;
                if (trail.back().next == needs.size()) {
                    visits[at] = Visit::done;
                    trail.pop_back();
                    continue;
                }
                const std::size_t i = trail.back().next++;
                const auto found = index_.find(needs[i].container);
                if (found == index_.end() || visits[found->second] == Visit::done) continue;
                if (visits[found->second] == Visit::none) {
                    visits[found->second] = Visit::under_way;
                    trail.push_back({found->second});
                    continue;
                }
                std::string circle;
                for (auto frame = std::ranges::find(trail, found->second, &Frame::container); frame != trail.end(); ++frame)
                    circle += containers_[frame->container].container.name + " → ";
                const Reading::Step step(reading_, containers_[at].container.name);
                const Reading::Step inner(reading_, "depends_on");
                reading_.problem(*containers_[at].dependencies[i], fmt::format("containers wait for each other in a circle: {}{}", circle, needs[i].container));
            }
        }
    }

    void check_together() {
        std::unordered_map<std::string, std::string_view> routes;
        std::vector<std::pair<PublishedPort, std::string_view>> ports;
        for (std::size_t i = 0; i < containers_.size(); ++i) {
            const ComposeContainer& container = containers_[i].container;
            const Node& node = nodes_[i]->value;
            const Reading::Step step(reading_, container.name);
            if (container.one_shot && !container.routes.empty()) reading_.problem(node, "runs to its end, and requests can't be routed to it", "no host");
            if (container.one_shot && !container.checks.empty()) reading_.problem(node, "runs to its end: exit 0 is its pass, and it has a check", "no check");
            if (container.one_shot && (container.deploy.restart == Restart::always || container.deploy.restart == Restart::unless_stopped))
                reading_.problem(node, fmt::format("runs to its end, and restart: {} starts it again", to_text(container.deploy.restart)), "no, on-failure");
            for (const RouteSpec& route : container.routes) {
                const auto [known, fresh] = routes.emplace(route.id, container.name);
                if (!fresh) reading_.problem(node, fmt::format("{}{} leads to {} already", route.host, route.path, known->second), "another host or path");
            }
            for (const PublishedPort& port : container.deploy.ports) {
                const auto meets = std::ranges::find_if(ports, [&](const auto& other) {
                    return other.first.host == port.host && other.first.udp == port.udp && (other.first.ip == port.ip || other.first.ip.empty() || port.ip.empty());
                });
                if (meets != ports.end()) reading_.problem(*node.find("ports"), fmt::format("port {} of the host is published by {} already", port.host, meets->second));
                ports.emplace_back(port, container.name);
            }
        }
    }

    Reading& reading_;
    const ComposeRequest& request_;
    ComposeApplication out_;
    Places networks_, volumes_;
    std::vector<ComposeServiceDraft> containers_;
    std::vector<const Entry*> nodes_;
    std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

void settle_dollars(Reading& reading, Node& node) {
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        settle_dollars(reading, node.items[i]);
    }
    for (Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        settle_dollars(reading, entry.value);
    }
    if (!node.is_scalar() || !node.text.contains('$')) return;
    std::string out;
    const std::string_view text = node.text;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        const char letter = lower(next);
        if (text[i] != '$') {
            out += text[i];
        } else if (next == '$') {
            ++i;
            // "$${" is how the loader itself writes "${".
            out += i + 1 < text.size() && text[i + 1] == '{' ? "$$" : "$";
        } else if (next == '{') {
            // Of a default too: what stands inside is for the loader.
            const auto end = std::min(text.find('}', i), text.size() - 1);
            out += text.substr(i, end - i + 1);
            i = end;
        } else if (next == '_' || (letter >= 'a' && letter <= 'z')) {
            return reading.problem(node, "a variable without braces", "${NAME}, ${NAME:-default}, $$ for the text $");
        } else {
            out += '$';
        }
    }
    node.text = std::move(out);
}

std::optional<std::vector<std::string>> shell_words(std::string_view line) {
    std::vector<std::string> out;
    std::string word;
    bool within = false;
    char quote = '\0';
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        const bool escapes = c == '\\' && quote != '\'' && i + 1 < line.size() && (quote == '\0' || line[i + 1] == '"' || line[i + 1] == '\\' || line[i + 1] == '$');
        if (escapes) {
            word += line[++i];
            within = true;
        } else if (quote != '\0') {
            if (c == quote) quote = '\0';
            else word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            within = true;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (within) out.push_back(std::exchange(word, {}));
            within = false;
        } else {
            word += c;
            within = true;
        }
    }
    if (quote != '\0') return std::nullopt;
    if (within) out.push_back(std::move(word));
    return out;
}

std::optional<std::uint64_t> parse_compose_size(std::string_view text) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto value = parse_unsigned(text.substr(0, digits));
    const std::string unit = lower(text.substr(digits));
    constexpr std::pair<std::string_view, unsigned> units[] = {{"", 0}, {"b", 0}, {"k", 10}, {"kb", 10}, {"m", 20}, {"mb", 20}, {"g", 30}, {"gb", 30}};
    const auto known = std::ranges::find(units, std::string_view(unit), &std::pair<std::string_view, unsigned>::first);
    constexpr std::uint64_t most = std::uint64_t{1} << 50;
    if (!value || known == std::end(units) || *value > (most >> known->second)) return std::nullopt;
    return *value << known->second;
}

std::vector<std::string> compose_variables(std::string_view text) {
    std::vector<std::string> out;
    for (auto at = text.find("${"); at != text.npos; at = text.find("${", at + 2)) {
        const auto rest = text.substr(at + 2);
        const std::string name(rest.substr(0, rest.find_first_of("}:")));
        if (is_variable_name(name) && std::ranges::find(out, name) == out.end()) out.push_back(name);
    }
    return out;
}

std::expected<ComposeApplication, Problems> load_compose(const ComposeRequest& request) {
    Reading reading;
    reading.request = request.world;
    reading.api = request.world == nullptr;
    reading.variables = request.variables;
    if (request.document != nullptr && request.document->defaults) reading.files = request.document->defaults->files;
    const auto file = static_cast<std::uint32_t>(reading.files.size());
    reading.files.emplace_back(request.file.name);
    if (request.file.text.size() > max_compose_bytes) {
        reading.take({{request.file.name, 0, 0}, {}, {}, fmt::format("a file of {}", size_text(request.file.text.size())), fmt::format("at most {}", size_text(max_compose_bytes))});
        return std::unexpected(std::move(reading).finish());
    }
    Parsed parsed = parse_yaml(request.file.text, file);
    reading.take(std::move(parsed.problems));
    if (!reading.ok()) return std::unexpected(std::move(reading).finish());
    if (!parsed.root.is_map()) {
        reading.take({{request.file.name, 1, 1}, {}, {}, "a compose file is a map", "name, services, networks, volumes"});
        return std::unexpected(std::move(reading).finish());
    }
    settle_dollars(reading, parsed.root);
    reading.substitute(parsed.root);
    Compose compose(reading, request);
    compose.read(parsed.root);
    if (!reading.ok()) return std::unexpected(std::move(reading).finish());
    return compose.take();
}

}  // namespace hale::config
