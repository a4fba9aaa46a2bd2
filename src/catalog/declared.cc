#include "catalog/declared.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "config/diff.h"
#include "config/load.h"

namespace hale::catalog {

namespace {

std::string owner_text(const config::Mark& mark, config::Owner owner) {
    return owner == config::Owner::file ? fmt::format("the file ({})", mark.text()) : "the API";
}

config::StoredObject stored(std::string kind, std::string key, std::string json, std::uint64_t revision) {
    return {.kind = std::move(kind), .key = std::move(key), .json = std::move(json), .revision = revision};
}

Result<> not_declared(std::string_view what, std::string_view name) {
    return fail(Code::not_found, fmt::format("there is no {} \"{}\" that the API owns", what, name));
}

}  // namespace

// Overrides, drains, weights and tokens declare nothing.
static bool declares(const Change& change) {
    return std::visit(
        []<class T>(const T&) {
            return !(std::is_same_v<T, RejectDocument> || std::is_same_v<T, SetOverride> ||
                     std::is_same_v<T, ClearOverride> || std::is_same_v<T, Drain> || std::is_same_v<T, Pause> ||
                     std::is_same_v<T, Resume> || std::is_same_v<T, SetWeight> || std::is_same_v<T, PutApiToken> ||
                     std::is_same_v<T, RemoveApiToken>);
        },
        change);
}

const config::ServiceSpec* Declared::file_service(std::string_view name) const {
    const auto found = file_services_.find(name);
    return found == file_services_.end() ? nullptr : &document_->services[found->second];
}

void Declared::take(std::shared_ptr<const config::Document> document, std::uint64_t revision) {
    document_ = std::move(document);
    document_revision_ = revision;
    file_services_.clear();
    for (std::size_t i = 0; i < document_->services.size(); ++i) file_services_.emplace(document_->services[i].name, i);
}

void Declared::restore(const std::vector<config::StoredObject>& objects,
                       std::shared_ptr<const config::Document> document) {
    take(std::move(document), 0);
    const auto shadow = [this](const config::StoredObject& object, std::string_view why) {
        shadowed_.push_back(
            fmt::format("{} {}: {}; it is kept in state.db and has no effect", object.kind, object.key, why));
    };
    // Services first: the rest refers to them.
    for (const std::string_view kind : {"service", "check", "instance", "route"}) {
        for (const auto& object : objects) {
            if (object.kind != kind) continue;
            const auto slash = object.key.find('/');
            const std::string service = object.key.substr(0, slash);
            const std::string name = slash == std::string::npos ? "" : object.key.substr(slash + 1);
            const auto try_put = [&](auto&& loaded, auto&& make) {
                if (!loaded) return shadow(object, config::text(loaded.error()));
                Declared next = *this;
                Redeclared ignored;
                Result<> done = next.edit(make(*loaded), object.revision, ignored);
                if (done) next.index_routes(), done = next.consistent();
                if (!done) return shadow(object, done.error().text);
                next.shadowed_ = std::move(shadowed_);
                *this = std::move(next);
            };
            if (kind == "service")
                try_put(config::load_service(object.key, object.json, *document_), [&](config::LoadedService& loaded) {
                    return PutApiService{std::move(loaded.service), std::move(loaded.routes), object.json};
                });
            else if (kind == "check")
                try_put(config::load_check(name, object.json, *document_),
                        [&](auto& spec) { return PutApiCheck{service, spec, object.json}; });
            else if (kind == "route")
                try_put(config::load_route(object.json, *document_),
                        [&](auto& spec) { return PutApiRoute{spec, object.json}; });
            else if (const auto into = merged(service); !into)
                shadow(object, "its service is not declared");
            else
                try_put(config::load_instance(*into, object.json, *document_),
                        [&](auto& spec) { return PutApiInstance{service, spec, object.json}; });
        }
    }
    index_routes();
}

std::shared_ptr<const config::ServiceSpec> Declared::merged(std::string_view name) const {
    std::shared_ptr<const config::ServiceSpec> base;
    if (const auto* from_file = file_service(name))
        base = {document_, from_file};
    else if (const auto found = services_.find(name); found != services_.end())
        base = found->second.spec;
    if (!base) return nullptr;
    const Key first{std::string{name}, ""};
    const auto here = [&](const auto& entry) { return entry.first.first == name; };
    const auto instances = instances_.lower_bound(first);
    const auto checks = checks_.lower_bound(first);
    const bool more_instances = instances != instances_.end() && here(*instances);
    const bool more_checks = checks != checks_.end() && here(*checks);
    if (!more_instances && !more_checks) return base;
    auto whole = std::make_shared<config::ServiceSpec>(*base);
    for (auto it = instances; it != instances_.end() && here(*it); ++it) whole->instances.push_back(*it->second.spec);
    if (more_checks) {
        auto list = std::make_shared<config::CheckList>(*whole->checks);
        // A check of one's own replaces the explicit `none`.
        std::erase_if(*list, [](const auto& check) { return std::holds_alternative<config::Unchecked>(check->what); });
        for (auto it = checks; it != checks_.end() && here(*it); ++it) list->push_back(it->second.spec);
        whole->checks = std::move(list);
    }
    return whole;
}

std::set<std::string> Declared::service_names() const {
    std::set<std::string> names;
    for (const auto& [name, index] : file_services_) names.insert(name);
    for (const auto& [name, owned] : services_) names.insert(name);
    return names;
}

std::vector<RouteFacts> Declared::routes() const {
    std::vector<RouteFacts> all;
    for (const auto& route : document_->routes) all.push_back({route, document_revision_});
    for (const auto& [name, list] : services_routes_)
        for (const auto& route : list) all.push_back({route, service_revision(name)});
    for (const auto& [id, owned] : routes_) all.push_back({*owned.spec, owned.revision});
    return all;
}

void Declared::index_routes() {
    host_of_service_.clear();
    for (const auto& route : routes()) {
        std::string& host = host_of_service_[route.spec.service];
        if (host.empty() && !route.spec.host.starts_with('*')) host = route.spec.host;
    }
}

std::string Declared::check_host(std::string_view service) const {
    const auto found = host_of_service_.find(service);
    return found == host_of_service_.end() ? "" : found->second;
}

bool Declared::routed(std::string_view service) const { return host_of_service_.contains(service); }

std::uint64_t Declared::service_revision(std::string_view service) const {
    const auto found = services_.find(service);
    return found == services_.end() ? document_revision_ : found->second.revision;
}

std::uint64_t Declared::revision_of(const Change& change) const {
    const auto of = [](const auto& map, const auto& key) -> std::uint64_t {
        const auto found = map.find(key);
        return found == map.end() ? 0 : found->second.revision;
    };
    if (const auto* a = std::get_if<PutApiService>(&change)) return of(services_, a->spec.name);
    if (const auto* b = std::get_if<RemoveApiService>(&change)) return of(services_, b->name);
    if (const auto* c = std::get_if<PutApiRoute>(&change)) return of(routes_, c->spec.id);
    if (const auto* d = std::get_if<RemoveApiRoute>(&change)) return of(routes_, d->id);
    if (const auto* e = std::get_if<PutApiInstance>(&change)) return of(instances_, Key{e->service, e->spec.name});
    if (const auto* f = std::get_if<RemoveApiInstance>(&change)) return of(instances_, Key{f->service, f->name});
    if (const auto* g = std::get_if<PutApiCheck>(&change)) return of(checks_, Key{g->service, g->spec->name});
    if (const auto* h = std::get_if<RemoveApiCheck>(&change)) return of(checks_, Key{h->service, h->name});
    return 0;
}

Result<Redeclared> Declared::plan(const Change& change, std::uint64_t revision) const {
    Redeclared out;
    if (!declares(change)) return out;
    auto next = std::make_shared<Declared>(*this);
    HALE_TRY(next->edit(change, revision, out));
    next->index_routes();
    HALE_TRY(next->consistent());

    // Which services may differ: all, for a document; else those that edit() named.
    std::set<std::string> names;
    if (std::holds_alternative<ApplyDocument>(change)) {
        names = service_names();
        names.merge(next->service_names());
    } else {
        for (const auto& [name, spec] : out.services) names.insert(name);
    }
    for (const auto& name : names) {
        const auto before = merged(name), after = next->merged(name);
        if (!before && !after) continue;
        out.services[name] = after;
        if (!before || !after || config::diff(*before, *after) || check_host(name) != next->check_host(name) ||
            routed(name) != next->routed(name))
            out.changed.insert(name);
    }
    const auto before = routes(), after = next->routes();
    out.routes = !std::ranges::equal(before, after, {}, &RouteFacts::spec, &RouteFacts::spec);
    out.next = std::move(next);
    return out;
}

Result<> Declared::edit(const Change& change, std::uint64_t revision, Redeclared& out) {
    if (const auto* document = std::get_if<ApplyDocument>(&change)) {
        for (const auto& service : document->document->services)
            if (services_.contains(service.name))
                return fail(Code::conflict,
                            fmt::format("{}: services.{}: this service is owned by the API; remove it there or rename "
                                        "this one",
                                        service.mark.text(), service.name));
        for (const auto& service : document->document->services) {
            if (!service.instances_fixed) continue;
            if (const auto owned = instances_.lower_bound(Key{service.name, ""});
                owned != instances_.end() && owned->first.first == service.name)
                return fail(
                    Code::conflict,
                    fmt::format("{}: services.{}: `instances: fixed`, but instance \"{}\" of it is owned by the API; "
                                "remove it there or leave `fixed` out",
                                service.mark.text(), service.name, owned->first.second));
        }
        take(document->document, revision);
        std::erase_if(shadowed_, [](const std::string& line) { return line.contains("API instances"); });
        for (const auto& [key, owned] : instances_)
            if (!file_service(key.first) && !services_.contains(key.first))
                shadowed_.push_back(fmt::format("API instances: {}/{} belongs to no service now and has no effect",
                                                key.first, key.second));
    } else if (const auto* service = std::get_if<PutApiService>(&change)) {
        HALE_TRY(edit_service(*service, revision, out));
    } else if (const auto* instance = std::get_if<PutApiInstance>(&change)) {
        HALE_TRY(edit_instance(*instance, revision, out));
    } else if (const auto* route = std::get_if<PutApiRoute>(&change)) {
        HALE_TRY(edit_route(*route, revision, out));
    } else if (const auto* check = std::get_if<PutApiCheck>(&change)) {
        HALE_TRY(edit_check(*check, revision, out));
    } else if (const auto* add = std::get_if<AddRoute>(&change)) {
        if (add->service) HALE_TRY(edit_service(*add->service, revision, out));
        for (const auto& one : add->instances) HALE_TRY(edit_instance(one, revision, out));
        HALE_TRY(edit_route(add->route, revision, out));
    } else if (const auto* gone_service = std::get_if<RemoveApiService>(&change)) {
        if (services_.erase(gone_service->name) == 0) return not_declared("service", gone_service->name);
        services_routes_.erase(gone_service->name);
        out.journal.emplace_back(config::RemoveObject{"service", gone_service->name});
        // What hangs on it goes with it.
        const auto drop = [&](auto& map, std::string_view kind) {
            for (auto it = map.lower_bound(Key{gone_service->name, ""});
                 it != map.end() && it->first.first == gone_service->name;) {
                out.journal.emplace_back(
                    config::RemoveObject{std::string{kind}, fmt::format("{}/{}", it->first.first, it->first.second)});
                it = map.erase(it);
            }
        };
        drop(instances_, "instance");
        drop(checks_, "check");
        for (auto it = routes_.begin(); it != routes_.end();) {
            if (it->second.spec->service != gone_service->name) {
                ++it;
                continue;
            }
            out.journal.emplace_back(config::RemoveObject{"route", it->first});
            it = routes_.erase(it);
        }
        out.services[gone_service->name];
    } else if (const auto* gone_instance = std::get_if<RemoveApiInstance>(&change)) {
        if (instances_.erase(Key{gone_instance->service, gone_instance->name}) == 0)
            return not_declared("instance", gone_instance->name);
        out.journal.emplace_back(
            config::RemoveObject{"instance", fmt::format("{}/{}", gone_instance->service, gone_instance->name)});
        out.services[gone_instance->service];
    } else if (const auto* gone_route = std::get_if<RemoveApiRoute>(&change)) {
        const auto found = routes_.find(gone_route->id);
        if (found == routes_.end()) return not_declared("route", gone_route->id);
        out.services[found->second.spec->service];
        routes_.erase(found);
        out.journal.emplace_back(config::RemoveObject{"route", gone_route->id});
    } else if (const auto* gone_check = std::get_if<RemoveApiCheck>(&change)) {
        if (checks_.erase(Key{gone_check->service, gone_check->name}) == 0)
            return not_declared("check", gone_check->name);
        out.journal.emplace_back(
            config::RemoveObject{"check", fmt::format("{}/{}", gone_check->service, gone_check->name)});
        out.services[gone_check->service];
    }
    return {};
}

Result<> Declared::edit_service(const PutApiService& put, std::uint64_t revision, Redeclared& out) {
    const std::string& name = put.spec.name;
    if (const auto* other = file_service(name))
        return fail(Code::conflict, fmt::format("service \"{}\" is owned by {}; it can't be owned by the API too", name,
                                                owner_text(other->mark, config::Owner::file)));
    auto spec = std::make_shared<config::ServiceSpec>(put.spec);
    spec->owner = config::Owner::api;
    services_[name] = {std::move(spec), revision};
    services_routes_[name] = put.routes;
    out.journal.emplace_back(config::PutObject{stored("service", name, put.json, revision)});
    out.services[name];
    out.id = name;
    return {};
}

Result<> Declared::edit_instance(const PutApiInstance& put, std::uint64_t revision, Redeclared& out) {
    const auto into = merged(put.service);
    if (!into) return fail(Code::not_found, fmt::format("there is no service \"{}\"", put.service));
    if (into->instances_fixed)
        return fail(Code::conflict,
                    fmt::format("service \"{}\" says `instances: fixed` at {}; its instances are the file's alone",
                                put.service, into->mark.text()));
    for (const auto& other : into->instances)
        if (other.owner == config::Owner::file &&
            (other.name == put.spec.name || other.target.declared == put.spec.target.declared))
            return fail(
                Code::conflict,
                fmt::format("instance \"{}\" ({}) of service \"{}\" is owned by {}; it can't be owned by the API too",
                            other.name, other.target.declared, put.service, owner_text(other.mark, other.owner)));
    auto spec = std::make_shared<config::InstanceSpec>(put.spec);
    spec->owner = config::Owner::api;
    spec->named = true;  // The API addresses it by this name.
    instances_[Key{put.service, put.spec.name}] = {std::move(spec), revision};
    out.journal.emplace_back(
        config::PutObject{stored("instance", fmt::format("{}/{}", put.service, put.spec.name), put.json, revision)});
    out.services[put.service];
    out.id = put.spec.name;
    return {};
}

Result<> Declared::edit_route(const PutApiRoute& put, std::uint64_t revision, Redeclared& out) {
    auto spec = std::make_shared<config::RouteSpec>(put.spec);
    spec->owner = config::Owner::api;
    if (const auto old = routes_.find(spec->id); old != routes_.end()) out.services[old->second.spec->service];
    out.services[spec->service];
    out.journal.emplace_back(config::PutObject{stored("route", spec->id, put.json, revision)});
    out.id = spec->id;
    auto& place = routes_[spec->id];
    place = {std::move(spec), revision};
    return {};
}

Result<> Declared::edit_check(const PutApiCheck& put, std::uint64_t revision, Redeclared& out) {
    const auto into = merged(put.service);
    if (!into) return fail(Code::not_found, fmt::format("there is no service \"{}\"", put.service));
    if (into->owner == config::Owner::file)
        return fail(Code::conflict, fmt::format("service \"{}\" is owned by {}, and so are its checks", put.service,
                                                owner_text(into->mark, config::Owner::file)));
    checks_[Key{put.service, put.spec->name}] = {put.spec, revision};
    out.journal.emplace_back(
        config::PutObject{stored("check", fmt::format("{}/{}", put.service, put.spec->name), put.json, revision)});
    out.services[put.service];
    out.id = put.spec->name;
    return {};
}

Result<> Declared::consistent() const {
    std::vector<std::shared_ptr<const config::ServiceSpec>> kept;
    std::vector<const config::ServiceSpec*> services;
    for (const auto& name : service_names()) {
        kept.push_back(merged(name));
        services.push_back(kept.back().get());
    }
    const auto all = routes();
    std::vector<const config::RouteSpec*> routes;
    for (const auto& route : all) routes.push_back(&route.spec);
    const auto problems = config::check_together(std::span<const config::ServiceSpec* const>(services),
                                                 std::span<const config::RouteSpec* const>(routes));
    if (problems.empty()) return {};
    return fail(Code::conflict, config::text(problems));
}

}  // namespace hale::catalog
