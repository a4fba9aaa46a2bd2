#include "catalog/declarations.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::catalog {

namespace {

// Map and set ranges of everything in one service.
template <class Map>
auto first_of(Map& map, std::string_view service) {
    return map.lower_bound(typename std::remove_const_t<Map>::key_type{service, ""});
}

template <class Map, class Key, class T>
void swap_at(Map& map, const Key& key, std::optional<T>& with) {
    const auto found = map.find(key);
    std::optional<T> was;
    if (found != map.end()) was = std::move(found->second);
    if (with) map.insert_or_assign(key, std::move(*with));
    else if (found != map.end()) map.erase(found);
    with = std::move(was);
}

std::vector<const config::RouteSpec*> pointers(const std::vector<config::RouteSpec>& routes) {
    std::vector<const config::RouteSpec*> out;
    for (const auto& route : routes) out.push_back(&route);
    return out;
}

std::string claim(const config::RouteSpec& route) { return fmt::format("{}{}", route.host, route.path); }

std::vector<std::string> member_services(const config::CheckSpec& check) {
    std::vector<std::string> out;
    if (const auto* composite = std::get_if<config::CompositeCheck>(&check.what))
        for (const auto* list : {&composite->of, &composite->advisory})
            for (const auto& member : *list) out.push_back(member.substr(0, member.find('/')));
    return out;
}

}  // namespace

FileDeclares file_declares(std::shared_ptr<const config::Document> document, std::uint64_t revision) {
    FileDeclares file{std::move(document), revision, {}, {}};
    for (std::size_t i = 0; i < file.document->services.size(); ++i) file.services.emplace(file.document->services[i].name, i);
    for (const auto& route : file.document->routes) file.routes[route.service].push_back(&route);
    return file;
}

void Declarations::index_routes(const std::vector<const config::RouteSpec*>& routes, bool in) {
    for (const auto* route : routes) {
        std::pair<std::string, std::string> entry{claim(*route), route->service};
        if (in) claims_.insert(std::move(entry));
        else claims_.erase(claims_.find(entry));
    }
}

void Declarations::index_members(const std::string& service, const config::CheckSpec& check, bool in) {
    for (auto& member : member_services(check)) {
        std::pair<std::string, std::string> entry{std::move(member), service};
        if (in) members_.insert(std::move(entry));
        else members_.erase(members_.find(entry));
    }
}

void Declarations::index(const FileDeclares& file, bool in) {
    for (const auto& service : file.document->services)
        for (const auto& check : *service.checks) index_members(service.name, *check, in);
    for (const auto& [service, routes] : file.routes) index_routes(routes, in);
}

void Declarations::index(const OwnedService& service, bool in) {
    for (const auto& check : *service.spec->checks) index_members(service.spec->name, *check, in);
    index_routes(pointers(service.routes), in);
}

void Declarations::exchange(Step& step) {
    if (auto* file = std::get_if<FileStep>(&step)) {
        index(file_, false);
        std::swap(file_, file->file);
        index(file_, true);
    } else if (auto* service = std::get_if<ServiceStep>(&step)) {
        if (const auto found = services_.find(service->key); found != services_.end()) index(found->second, false);
        if (service->what) index(*service->what, true);
        swap_at(services_, service->key, service->what);
    } else if (auto* instance = std::get_if<InstanceStep>(&step)) {
        swap_at(instances_, instance->key, instance->what);
    } else if (auto* check = std::get_if<CheckStep>(&step)) {
        if (const auto found = checks_.find(check->key); found != checks_.end())
            index_members(check->key.first, *found->second.spec, false);
        if (check->what) index_members(check->key.first, *check->what->spec, true);
        swap_at(checks_, check->key, check->what);
    } else if (auto* route = std::get_if<RouteStep>(&step)) {
        if (const auto found = routes_.find(route->key); found != routes_.end()) {
            index_routes({found->second.spec.get()}, false);
            auto& ids = routes_to_[found->second.spec->service];
            ids.erase(route->key);
            if (ids.empty()) routes_to_.erase(found->second.spec->service);
        }
        if (route->what) {
            index_routes({route->what->spec.get()}, true);
            routes_to_[route->what->spec->service].insert(route->key);
        }
        swap_at(routes_, route->key, route->what);
    }
}

const config::ServiceSpec* Declarations::file_service(std::string_view name) const {
    const auto found = file_.services.find(name);
    return found == file_.services.end() ? nullptr : &file_.document->services[found->second];
}

std::shared_ptr<const config::ServiceSpec> Declarations::base(std::string_view name) const {
    if (const auto* from_file = file_service(name)) return {file_.document, from_file};
    const auto found = services_.find(name);
    return found == services_.end() ? nullptr : found->second.spec;
}

std::shared_ptr<const config::ServiceSpec> Declarations::merged(std::string_view name) const {
    auto whole = base(name);
    if (!whole) return nullptr;
    const auto here = [&](const auto& map, const auto& it) { return it != map.end() && it->first.first == name; };
    const auto instances = first_of(instances_, name);
    const auto checks = first_of(checks_, name);
    if (!here(instances_, instances) && !here(checks_, checks)) return whole;
    auto more = std::make_shared<config::ServiceSpec>(*whole);
    for (auto it = instances; here(instances_, it); ++it) more->instances.push_back(*it->second.spec);
    if (here(checks_, checks)) {
        auto list = std::make_shared<config::CheckList>(*more->checks);
        // A check of one's own replaces the explicit `none`.
        std::erase_if(*list, [](const auto& check) { return std::holds_alternative<config::Unchecked>(check->what); });
        for (auto it = checks; here(checks_, it); ++it) list->push_back(it->second.spec);
        more->checks = std::move(list);
    }
    return more;
}

std::set<std::string> Declarations::service_names() const {
    std::set<std::string> names;
    for (const auto& [name, index] : file_.services) names.insert(name);
    for (const auto& [name, owned] : services_) names.insert(name);
    return names;
}

std::uint64_t Declarations::service_revision(std::string_view service) const {
    const auto found = services_.find(service);
    return found == services_.end() ? file_.revision : found->second.revision;
}

std::vector<RouteFacts> Declarations::all_routes() const {
    std::vector<RouteFacts> all;
    for (const auto& route : file_.document->routes) all.push_back({route, file_.revision});
    for (const auto& [name, owned] : services_)
        for (const auto& route : owned.routes) all.push_back({route, owned.revision});
    for (const auto& [id, owned] : routes_) all.push_back({*owned.spec, owned.revision});
    return all;
}

std::vector<const config::RouteSpec*> Declarations::routes_of(std::string_view service) const {
    std::vector<const config::RouteSpec*> out;
    if (const auto found = file_.routes.find(service); found != file_.routes.end()) out = found->second;
    if (const auto found = services_.find(service); found != services_.end())
        std::ranges::copy(pointers(found->second.routes), std::back_inserter(out));
    if (const auto found = routes_to_.find(service); found != routes_to_.end())
        for (const auto& id : found->second) out.push_back(routes_.find(id)->second.spec.get());
    return out;
}

std::set<std::string> Declarations::neighbourhood(const std::set<std::string>& services) const {
    std::set<std::string> all = services;
    std::vector<std::string> fresh;
    const auto add = [&](const std::string& name) {
        if (all.insert(name).second) fresh.push_back(name);
    };
    fresh.assign(services.begin(), services.end());
    while (!fresh.empty()) {
        const std::string name = std::exchange(fresh.back(), {});
        fresh.pop_back();
        for (auto it = first_of(members_, name); it != members_.end() && it->first == name; ++it) add(it->second);
    }
    for (const auto& name : services)
        for (const auto* route : routes_of(name)) {
            const std::string at = claim(*route);
            for (auto it = first_of(claims_, at); it != claims_.end() && it->first == at; ++it) all.insert(it->second);
        }
    fresh.assign(all.begin(), all.end());
    while (!fresh.empty()) {
        const std::string name = std::exchange(fresh.back(), {});
        fresh.pop_back();
        const auto look = [&](const config::CheckSpec& check) {
            for (const auto& member : member_services(check)) add(member);
        };
        if (const auto spec = base(name))
            for (const auto& check : *spec->checks) look(*check);
        for (auto it = first_of(checks_, name); it != checks_.end() && it->first.first == name; ++it) look(*it->second.spec);
    }
    return all;
}

}  // namespace hale::catalog
