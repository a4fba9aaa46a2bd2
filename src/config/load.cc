// Texts → trees → one tree → one document, or every problem on the way.

#include "config/digest.h"
#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "config/node.h"
#include "config/object_reading.h"
#include "config/reading.h"
#include "verdict/cadence.h"

namespace hale::config {

namespace {

// Puts `later` beside `earlier`: sections are joined, a key in both is refused. One level of names below a
// section is the object itself: two files never describe one service together.
void join(Reading& reading, Node& earlier, Node later, std::size_t level) {
    constexpr std::size_t object_level = 2;
    std::unordered_map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < earlier.entries.size(); ++i) index.emplace(earlier.entries[i].key, i);
    for (Entry& entry : later.entries) {
        const auto found = index.find(entry.key);
        if (found == index.end()) {
            index.emplace(entry.key, earlier.entries.size());
            earlier.entries.push_back(std::move(entry));
            continue;
        }
        Entry& first = earlier.entries[found->second];
        const Reading::Step step(reading, first.key);
        if (level + 1 < object_level && first.value.is_map() && entry.value.is_map()) {
            join(reading, first.value, std::move(entry.value), level + 1);
            continue;
        }
        reading.problem(entry.place, fmt::format("defined twice, first at {}", reading.mark(first.place).text()));
    }
}

Node read_texts(Reading& reading, const LoadRequest& request) {
    Node root;
    root.shape = Node::Shape::map;
    std::size_t bytes = 0;
    for (const SourceText& source : request.texts) bytes += source.text.size();
    if (bytes > max_source_bytes) {
        reading.take({{request.source, 0, 0}, {}, {}, fmt::format("{} of configuration", size_text(bytes)), fmt::format("at most {}", size_text(max_source_bytes))});
        return root;
    }
    for (std::size_t i = 0; i < request.texts.size(); ++i) {
        const auto file = static_cast<std::uint32_t>(i);
        Parsed parsed = parse_yaml(request.texts[i].text, file);
        reading.take(std::move(parsed.problems));
        if (parsed.root.is_null()) continue;  // An empty file says nothing.
        if (!parsed.root.is_map()) {
            reading.problem(parsed.root, "a configuration is a map", "keys such as services:");
            continue;
        }
        if (root.place.line == 0) root.place = parsed.root.place;
        join(reading, root, std::move(parsed.root), 0);
    }
    return root;
}

void read_services(Reading& reading, const Node& node, const Node* defaults, Document& document) {
    const Reading::Step step(reading, "services");
    const Key* outer = std::exchange(reading.key, find_key(Section::root, "services"));
    if (!node.is_null() && reading.map(node)) {
        if (node.entries.size() > max_services) {
            reading.problem(node, fmt::format("more than {} services", max_services));
        } else {
            document.services.reserve(node.entries.size());
            for (const Entry& entry : node.entries) {
                const Reading::Step inner(reading, entry.key);
                ServiceSpec service;
                read_service(reading, entry.key, entry.value, defaults, service, document.routes);
                service.mark = reading.mark(entry.place);
                document.services.push_back(std::move(service));
            }
        }
    }
    reading.key = outer;
}

void warn_about(Reading& reading, const Document& document) {
    std::unordered_map<std::string_view, const ServiceSpec*> by_name;
    for (const ServiceSpec& service : document.services) by_name.emplace(service.name, &service);
    for (const RouteSpec& route : document.routes) {
        const auto found = by_name.find(route.service);
        if (found == by_name.end()) continue;
        const auto& instances = found->second->instances;
        if (instances.size() == 1 && is_implicit(instances.front()))
            reading.warnings.push_back(fmt::format("{}: route {}{} leads to service {}, which has no instance with an address", route.mark.text(),
                                                   route.host, route.path, route.service));
    }
}

// §10: tokens would travel in the clear. Said here with its place, so that what is good can also be served.
void check_admin(Reading& reading, const Node& root, const Settings& settings) {
    if (!settings.admin || settings.admin->is_unix() || settings.admin->ip.is_loopback() || settings.admin_insecure) return;
    const Node* listen = root.find("listen");
    const Node* admin = listen == nullptr ? nullptr : listen->find("admin");
    const Reading::Step outer(reading, "listen");
    const Reading::Step inner(reading, "admin");
    reading.problem(admin != nullptr ? admin->place : root.place,
                    fmt::format("the admin listener {} is not opened off loopback without TLS: tokens would travel in the clear", settings.admin->text()),
                    "127.0.0.1:4253 (and ssh to reach it), or admin: {insecure: true}");
}

// Rules between the objects that are right by themselves; one that is not would only make echoes.
void check_what_loaded(Reading& reading, const Document& document) {
    Gaps gaps;
    constexpr std::string_view below = "/services/";
    for (const Problem& problem : reading.problems()) {
        const std::string_view pointer = problem.pointer;
        if (pointer.empty() || pointer == "/services") return;  // Not all of the text was understood.
        if (pointer.starts_with(below)) gaps.services.emplace(pointer.substr(below.size(), pointer.find('/', below.size()) - below.size()));
        gaps.timing |= pointer.starts_with("/defaults");
    }
    std::vector<const ServiceSpec*> services;
    std::vector<const RouteSpec*> routes;
    for (const ServiceSpec& service : document.services)
        if (!gaps.services.contains(service.name)) services.push_back(&service);
    for (const RouteSpec& route : document.routes)
        if (!gaps.services.contains(route.service)) routes.push_back(&route);
    for (Problem& problem : check_together(services, routes, gaps)) reading.take(std::move(problem));
}

// The lines of one top-level key in a text that is no YAML as a whole.
std::string lines_of(std::string_view text, std::string_view key) {
    std::string out;
    bool within = false;
    for (const std::string_view line : split(text, '\n')) {
        const bool below = line.empty() || line.front() == ' ' || line.front() == '#' || line.front() == '\r';
        if (!below) within = line.starts_with(key) && line.substr(key.size()).starts_with(':');
        out += fmt::format("{}\n", within ? line : std::string_view{});  // Blank ones keep the numbers of the rest.
    }
    return out;
}

std::string fingerprint_of(const LoadRequest& request, std::string_view looked_up) {
    std::string all;
    for (const SourceText& source : request.texts) all += fmt::format("{}:{}{}:{}", source.name.size(), source.name, source.text.size(), source.text);
    return sha256_hex(all.append(looked_up)).substr(0, 32);
}

}  // namespace

std::string Problem::text() const {
    std::string out = mark.text();
    if (!key.empty()) out += fmt::format("{}{}", out.empty() ? "" : ": ", key);
    out += fmt::format("{}{}", out.empty() ? "" : ": ", what);
    if (!allowed.empty()) out += fmt::format("; allowed: {}", allowed);
    return out;
}

std::string text(const Problems& problems) {
    std::string out;
    for (const Problem& problem : problems) out += problem.text() + '\n';
    return out;
}

std::expected<Document, Problems> load_document(const LoadRequest& request) {
    Reading reading;
    reading.request = &request;
    reading.effective = request.effective;
    for (const SourceText& source : request.texts) reading.files.push_back(source.name);

    Node root = read_texts(reading, request);
    reading.substitute(root);
    RootDraft draft;
    draft.document.settings = request.defaults;
    read_section(reading, Section::root, &root, &draft);
    Document& document = draft.document;
    check_admin(reading, root, document.settings);
    auto defaults = std::make_shared<Defaults>();
    if (draft.defaults != nullptr) {
        read_defaults(reading, *draft.defaults);
        defaults->node = *draft.defaults;
        defaults->files = reading.files;
    }
    if (draft.services != nullptr) read_services(reading, *draft.services, draft.defaults, document);
    check_what_loaded(reading, document);
    if (!reading.ok()) return std::unexpected(std::move(reading).finish());
    warn_about(reading, document);
    document.effective = std::move(reading.values);
    document.warnings = std::move(reading.warnings);
    document.defaults = std::move(defaults);
    document.source = request.source;
    document.fingerprint = fingerprint_of(request, reading.looked_up);
    return std::move(document);
}

DaemonPlace read_place(const LoadRequest& request) {
    Reading reading;
    reading.request = &request;
    for (const SourceText& source : request.texts) reading.files.push_back(source.name);
    RootDraft draft;
    draft.document.settings = request.defaults;
    for (std::size_t i = 0; i < request.texts.size(); ++i) {
        const auto file = static_cast<std::uint32_t>(i);
        Node whole = parse_yaml(request.texts[i].text, file).root;
        for (const std::string_view name : {"state", "listen"}) {
            Node part;
            if (!whole.is_map()) part = parse_yaml(lines_of(request.texts[i].text, name), file).root;
            Node& root = whole.is_map() ? whole : part;
            const auto entry = std::ranges::find(root.entries, name, &Entry::key);
            if (entry == root.entries.end()) continue;
            {
                const Reading::Step step(reading, name);
                reading.substitute(entry->value);
            }
            read_entry(reading, *find_key(Section::root, name), *entry, &draft);
        }
    }
    return {std::move(draft.document.settings), std::move(reading).finish()};
}

std::expected<LoadedService, Problems> load_service(std::string_view name, std::string_view json, const Document& document) {
    ObjectReading object(json, document);
    LoadedService out;
    out.service.owner = Owner::api;
    if (object.reading.ok()) {
        object.drop("name", name);
        object.drop("owner", "api");
        read_service(object.reading, name, object.root, object.defaults, out.service, out.routes);
    }
    if (!object.reading.ok()) return std::unexpected(std::move(object.reading).finish());
    return out;
}

std::expected<InstanceSpec, Problems> load_instance(const ServiceSpec& service, std::string_view json, const Document& document) {
    ObjectReading object(json, document);
    InstanceSpec out;
    out.owner = Owner::api;
    if (object.reading.ok()) {
        object.drop("owner", "api");
        const auto made_by = std::ranges::find(object.root.entries, std::string_view("deployment"), &Entry::key);
        if (made_by != object.root.entries.end()) {
            const Reading::Step step(object.reading, "deployment");
            std::string id;
            if (object.reading.text(made_by->value, id, 63)) out.deployment = id;
            object.root.entries.erase(made_by);
        }
        object.reading.key = find_key(Section::service, "instances");
        read_instance(object.reading, object.root, *service.checks, out);
    }
    if (!object.reading.ok()) return std::unexpected(std::move(object.reading).finish());
    for (std::size_t n = 1; out.name.empty(); ++n) {
        std::string name = fmt::format("{}-{}", service.name, n);
        if (std::ranges::find(service.instances, name, &InstanceSpec::name) == service.instances.end()) out.name = std::move(name);
    }
    return out;
}

std::expected<RouteSpec, Problems> load_route(std::string_view json, const Document& document) {
    ObjectReading object(json, document);
    RouteSpec out;
    if (object.reading.ok()) {
        object.drop("owner", "api");
        const auto service = std::ranges::find(object.root.entries, std::string_view("service"), &Entry::key);
        if (service == object.root.entries.end()) {
            object.reading.problem(object.root, "the route names no service", "service: a name");
        } else {
            const Reading::Step step(object.reading, "service");
            if (object.reading.text(service->value, out.service, 63) && !is_service_name(out.service))
                object.reading.problem(service->value, fmt::format("\"{}\" is no service name", escaped(out.service, 80)));
        }
        if (service != object.root.entries.end()) object.root.entries.erase(service);
        std::string id;
        if (const Node* said = object.root.find("id"); said != nullptr && said->is_scalar()) id = said->text;
        std::erase_if(object.root.entries, [](const Entry& entry) { return entry.key == "id"; });
        read_route(object.reading, object.root, out);
        if (!id.empty() && id != out.id) object.reading.problem(object.root, fmt::format("id {} belongs to another host or path", escaped(id, 40)), out.id);
    }
    if (!object.reading.ok()) return std::unexpected(std::move(object.reading).finish());
    out.owner = Owner::api;
    return out;
}

std::expected<std::shared_ptr<const CheckSpec>, Problems> load_check(std::string_view name, std::string_view json, const Document& document) {
    ObjectReading object(json, document);
    std::shared_ptr<const CheckSpec> out;
    if (object.reading.ok()) {
        object.drop("name", name);
        out = read_check(object.reading, object.root, name, object.defaults);
    }
    if (!object.reading.ok()) return std::unexpected(std::move(object.reading).finish());
    return out;
}

std::expected<DeploySpec, Problems> load_deploy(std::string_view json, const DeploySpec& base, const Document& document) {
    ObjectReading object(json, document);
    DeploySpec out = base;
    if (object.reading.ok()) {
        read_deploy(object.reading, object.root, out, &base);
        if (out.image.empty() && object.reading.ok()) object.reading.problem(object.root, "there is no image to deploy", "image: [registry/]name[:tag][@digest]");
    }
    if (!object.reading.ok()) return std::unexpected(std::move(object.reading).finish());
    return out;
}

Detection detection(const verdict::JudgePolicy& timing) {
    const verdict::Detection worst = verdict::worst_case_detection(timing);
    return {worst.refused, worst.silent};
}

}  // namespace hale::config
