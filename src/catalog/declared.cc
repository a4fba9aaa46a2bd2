#include "catalog/declared.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

#include "base/reached.h"
#include "config/diff.h"
#include "config/load.h"

namespace hale::catalog {

namespace {

std::string owner_text(const config::Mark& mark, config::Owner owner) {
    switch (owner) {
        case config::Owner::file: return fmt::format("the file ({})", mark.text());
        case config::Owner::api: return "the API";
        case config::Owner::labels: return "the labels of its containers";
    }
    return "nobody";
}

// How an object of this owner is called in state.db.
std::string kind_of(std::string_view kind, config::Owner owner) { return fmt::format("{}{}", owner == config::Owner::labels ? "discovered " : "", kind); }

config::StoredObject stored(std::string kind, std::string key, std::string json, std::uint64_t revision) {
    return {.kind = std::move(kind), .key = std::move(key), .json = std::move(json), .revision = revision};
}

Result<> not_declared(std::string_view what, std::string_view name) {
    return fail(Code::not_found, fmt::format("there is no {} \"{}\" that the API owns", what, name));
}

// It is there, but not for the API to take away.
Result<> declared_elsewhere(std::string_view what, std::string_view name, const config::Mark& mark, config::Owner owner = config::Owner::file) {
    return fail(Code::conflict, fmt::format("{} \"{}\" is owned by {}; change it there", what, name, owner_text(mark, owner)));
}

std::string kept_without_effect(const config::StoredObject& object, std::string_view why) {
    return fmt::format("{} {}: {}; it is kept in state.db and has no effect", object.kind, object.key, why);
}

}  // namespace

// Overrides, drains, weights, tokens and what is only witnessed declare nothing.
static bool declares(const Change& change) {
    return std::visit(
        []<class T>(const T&) {
            return !(std::is_same_v<T, RejectDocument> || std::is_same_v<T, SetOverride> ||
                     std::is_same_v<T, ClearOverride> || std::is_same_v<T, Drain> || std::is_same_v<T, Pause> ||
                     std::is_same_v<T, Resume> || std::is_same_v<T, SetWeight> || std::is_same_v<T, PutApiToken> ||
                     std::is_same_v<T, RemoveApiToken> || std::is_same_v<T, Witness> ||
                     std::is_same_v<T, RecordDeployment>);
        },
        change);
}

// One stored object, understood.
struct Declared::Candidate {
    const config::StoredObject* object;
    Change change;
    std::string refused;  // Why it can't stand.
};

void Declared::make(Step step, Redeclared& out) {
    all_.exchange(step);
    out.steps.push_back(std::move(step));
}

void Declared::undo(std::vector<Step>& steps) {
    for (auto& step : steps | std::views::reverse) all_.exchange(step);
}

// Each by the rules of today and against the file; not yet with each other. All of them are declared while they are
// read, for the later ones refer to the earlier ones.
std::vector<Declared::Candidate> Declared::parse(const std::vector<config::StoredObject>& objects, std::vector<Shadowed>& shadowed) {
    std::vector<Candidate> out;
    Redeclared tried;
    const auto take = [&](const config::StoredObject& object, auto&& loaded, auto&& make_change) {
        const auto shadow = [&](std::string why) { shadowed.push_back({object, std::move(why)}); };
        if (!loaded) return shadow(config::text(loaded.error()));
        Change change = make_change(*loaded);
        if (const auto done = edit(change, object.revision, tried); !done) return shadow(done.error().text);
        out.push_back({&object, std::move(change), {}});
    };
    std::map<std::string, std::shared_ptr<const config::ServiceSpec>> into;  // As it is without the API's instances.
    for (const std::string_view stored_kind : {"service", "discovered service", "check", "instance", "discovered instance", "route"}) {
        const bool discovered = stored_kind.starts_with("discovered ");
        const std::string_view kind = discovered ? stored_kind.substr(stored_kind.find(' ') + 1) : stored_kind;
        const config::Owner owner = discovered ? config::Owner::labels : config::Owner::api;
        for (const auto& object : objects) {
            if (object.kind != stored_kind) continue;
            const auto slash = object.key.find('/');
            const std::string service = object.key.substr(0, slash);
            const std::string name = slash == std::string::npos ? "" : object.key.substr(slash + 1);
            if (kind == "service") {
                take(object, config::load_service(object.key, object.json, *document()), [&](config::LoadedService& loaded) {
                    loaded.service.owner = owner;
                    return PutApiService{std::move(loaded.service), std::move(loaded.routes), object.json};
                });
            } else if (kind == "check") {
                take(object, config::load_check(name, object.json, *document()),
                     [&](auto& spec) { return PutApiCheck{service, spec, object.json}; });
            } else if (kind == "route") {
                take(object, config::load_route(object.json, *document()), [&](auto& spec) { return PutApiRoute{spec, object.json}; });
            } else {
                auto& place = into[service];
                if (!place) place = merged(service);
                if (!place) {
                    shadowed.push_back({object, "its service is not declared"});
                    continue;
                }
                take(object, config::load_instance(*place, object.json, *document()), [&](config::InstanceSpec& spec) {
                    spec.name = name;  // Which it got when it was made, if it was given none.
                    spec.owner = owner;
                    return PutApiInstance{service, std::move(spec), object.json};
                });
            }
        }
    }
    undo(tried.steps);
    return out;
}

// Declares as many as can stand together with what is declared already, the earlier ones first.
void Declared::stand(std::span<Candidate* const> some, Candidates& refused, Redeclared& stands) {
    Redeclared tried;
    std::set<std::string> touched;
    Candidates out;
    for (Candidate* one : some) {
        Result<> done = edit(one->change, one->object->revision, tried);
        if (done) continue;
        one->refused = done.error().text;
        out.push_back(one);
    }
    for (const auto& [name, spec] : tried.services) touched.insert(name);
    const Result<> together = consistent(touched);
    if (together) {
        std::ranges::move(tried.steps, std::back_inserter(stands.steps));
        stands.services.merge(tried.services);
        refused.insert(refused.end(), out.begin(), out.end());
        return;
    }
    undo(tried.steps);
    if (some.size() == 1) {
        some.front()->refused = together.error().text;
        refused.push_back(some.front());
        return;
    }
    stand(some.first(some.size() / 2), refused, stands);
    stand(some.subspan(some.size() / 2), refused, stands);
}

void Declared::stand_as_far_as_they_can(const std::vector<config::StoredObject>& objects, Redeclared& out, std::vector<Shadowed>& shadowed) {
    auto candidates = parse(objects, shadowed);
    Candidates waiting, refused;
    for (auto& one : candidates) waiting.push_back(&one);
    // What was refused for want of a later one is tried again as long as that helps.
    for (; !waiting.empty(); waiting = std::exchange(refused, {})) {
        stand(waiting, refused, out);
        if (refused.size() == waiting.size()) break;
    }
    for (const Candidate* one : refused) shadowed.push_back({*one->object, one->refused});
}

void Declared::tell_shadowed(bool homeless_too) {
    shadowed_.clear();
    for (const auto& [object, why] : kept_) shadowed_.push_back(kept_without_effect(object, why));
    if (!homeless_too) return;
    for (const auto& [key, owned] : all_.instances())
        if (!all_.base(key.first) && owned.spec->owner == config::Owner::api)
            shadowed_.push_back(fmt::format("API instances: {}/{} belongs to no service now and has no effect", key.first, key.second));
}

void Declared::restore(const std::vector<config::StoredObject>& objects,
                       std::shared_ptr<const config::Document> document) {
    Step file = FileStep{file_declares(std::move(document), 0)};
    all_.exchange(file);
    Redeclared stands;
    stand_as_far_as_they_can(objects, stands, kept_);
    tell_shadowed(false);
}

std::shared_ptr<const config::ServiceSpec> Declared::merged(std::string_view name) const {
    ++merges_;
    return all_.merged(name);
}

std::string Declared::declared_json(std::string_view service) const {
    const auto found = all_.services().find(service);
    return found == all_.services().end() ? std::string{} : found->second.json;
}

Entrance Declared::entrance(std::string_view service) const {
    for (const auto* route : all_.routes_of(service)) {
        if (route->host.starts_with('*')) continue;
        const auto whole = all_.base(service);
        return {route->host, route->strip ? route->path : "", whole && route->tls.or_else(whole->tls) != nullptr};
    }
    return {};
}

std::uint64_t Declared::revision_of(const Change& change) const {
    const auto of = [](const auto& map, const auto& key) -> std::uint64_t {
        const auto found = map.find(key);
        return found == map.end() ? 0 : found->second.revision;
    };
    if (const auto* a = std::get_if<PutApiService>(&change)) return of(all_.services(), a->spec.name);
    if (const auto* b = std::get_if<RemoveApiService>(&change)) return of(all_.services(), b->name);
    if (const auto* c = std::get_if<PutApiRoute>(&change)) return of(all_.routes(), c->spec.id);
    if (const auto* d = std::get_if<RemoveApiRoute>(&change)) return of(all_.routes(), d->id);
    if (const auto* e = std::get_if<PutApiInstance>(&change)) return of(all_.instances(), InService{e->service, e->spec.name});
    if (const auto* f = std::get_if<RemoveApiInstance>(&change)) return of(all_.instances(), InService{f->service, f->name});
    // One that was declared with its service is as old as that.
    const auto of_check = [&](const std::string& service, std::string_view name) -> std::uint64_t {
        if (const auto added = of(all_.checks(), InService{service, name})) return added;
        const auto whole = all_.base(service);
        const bool there = whole && std::ranges::any_of(*whole->checks, [&](const auto& check) { return check->name == name; });
        return there ? all_.service_revision(service) : 0;
    };
    if (const auto* g = std::get_if<PutApiCheck>(&change)) return of_check(g->service, g->spec->name);
    if (const auto* h = std::get_if<RemoveApiCheck>(&change)) return of_check(h->service, h->name);
    return 0;
}

CheckRevisions Declared::check_revisions(std::string_view service) const {
    CheckRevisions out;
    for (auto it = all_.checks().lower_bound(InService{service, ""}); it != all_.checks().end() && it->first.first == service; ++it)
        out.emplace_back(it->first.second, it->second.revision);
    return out;
}

Declared::Face Declared::face(const std::string& service) const {
    Face out{merged(service), entrance(service), {}};
    for (const auto* route : all_.routes_of(service)) out.routes.push_back(*route);
    return out;
}

Result<Redeclared> Declared::plan(const Change& change, std::uint64_t revision) {
    Redeclared out;
    if (!declares(change)) return out;
    std::map<std::string, Face> after;
    const auto tried = [&]() -> Result<> {
        HALE_TRY(edit(change, revision, out));
        std::set<std::string> touched;
        for (const auto& [name, spec] : out.services) touched.insert(name);
        HALE_TRY(consistent(touched));
        for (const auto& name : touched) after.emplace(name, face(name));
        return {};
    }();
    undo(out.steps);
    if (!tried) return std::unexpected(tried.error());
    out.services.clear();
    for (auto& [name, now] : after) {
        const Face before = face(name);
        const bool routes = before.routes != now.routes;
        out.routes = out.routes || routes;
        if (!before.spec && !now.spec) continue;
        if (!before.spec || !now.spec || config::diff(*before.spec, *now.spec) || before.entrance != now.entrance ||
            before.routes.empty() != now.routes.empty())
            out.changed.insert(name);
        out.services[name] = std::move(now.spec);
    }
    return out;
}

void Declared::accept(Redeclared& planned) {
    bool file = false;
    for (auto& step : planned.steps) {
        file = file || std::holds_alternative<FileStep>(step);
        all_.exchange(step);
    }
    planned.steps.clear();  // What was before: nobody undoes it now.
    if (planned.shadowed) kept_ = std::move(*planned.shadowed);
    // What was said anew under its key, or taken back, is shadowed no longer.
    const auto before = kept_.size();
    for (const auto& change : planned.journal) {
        const auto* put = std::get_if<config::PutObject>(&change);
        const auto* gone = std::get_if<config::RemoveObject>(&change);
        if (put == nullptr && gone == nullptr) continue;
        std::erase_if(kept_, [&](const Shadowed& one) {
            return one.object.kind == (put != nullptr ? put->object.kind : gone->kind) && one.object.key == (put != nullptr ? put->object.key : gone->key);
        });
    }
    if (file || kept_.size() != before) tell_shadowed(true);
}

Result<> Declared::edit_document(const ApplyDocument& apply, std::uint64_t revision, Redeclared& out) {
    // What containers say gives way to the file: whoever looks at them says it again, as far as it stands beside it.
    for (const auto& service : apply.document->services) {
        const auto said = all_.services().find(service.name);
        if (said != all_.services().end() && said->second.spec->owner == config::Owner::labels) take_back_service(service.name, out);
        for (const auto& name : instances_of(service.name, config::Owner::labels)) {
            const auto spec = all_.instances().at({service.name, name}).spec;
            const bool clashes = service.instances_fixed || std::ranges::any_of(service.instances, [&](const auto& one) {
                return one.name == spec->name || one.target.declared == spec->target.declared;
            });
            if (clashes) remove_instance({service.name, name}, out);
        }
    }
    for (const auto& service : apply.document->services)
        if (all_.services().contains(service.name))
            return fail(Code::conflict, fmt::format("{}: services.{}: this service is owned by the API; remove it there or rename this one",
                                                    service.mark.text(), service.name));
    for (const auto& service : apply.document->services) {
        if (!service.instances_fixed) continue;
        const auto owned = all_.instances().lower_bound(InService{service.name, ""});
        if (owned != all_.instances().end() && owned->first.first == service.name)  // Those of labels are gone already.
            return fail(Code::conflict, fmt::format("{}: services.{}: `instances: fixed`, but instance \"{}\" of it is owned by the API; "
                                                    "remove it there or leave `fixed` out",
                                                    service.mark.text(), service.name, owned->first.second));
    }
    for (const auto& name : service_names()) out.services[name];
    make(FileStep{file_declares(apply.document, revision)}, out);
    HALE_TRY(read_again(out));
    std::vector<config::StoredObject> objects;
    for (const auto& one : kept_) objects.push_back(one.object);
    stand_as_far_as_they_can(objects, out, out.shadowed.emplace());
    for (const auto& name : service_names()) out.services[name];
    return {};
}

Result<> Declared::read_again(Redeclared& out) {
    const auto refused = [](std::string_view what, const std::string& name, const config::Problems& problems) {
        return fail(Code::conflict, fmt::format("{} {} of the API can't stand with this file: {}", what, name, config::text(problems)));
    };
    std::vector<Step> steps;
    std::vector<std::string> unreadable;
    for (const auto& [name, owned] : all_.services()) {
        auto loaded = config::load_service(name, owned.json, *document());
        const bool labelled = owned.spec->owner == config::Owner::labels;
        if (!loaded && labelled) {
            HALE_REACHED("declared: a new file refuses what labels say");
            unreadable.push_back(name);
            continue;
        }
        if (!loaded) return refused("service", name, loaded.error());
        if (labelled) loaded->service.owner = config::Owner::labels;
        if (!config::diff(*owned.spec, loaded->service) && owned.routes == loaded->routes) continue;
        if (!labelled) loaded->service.owner = config::Owner::api;
        steps.push_back(ServiceStep{name, OwnedService{std::make_shared<const config::ServiceSpec>(std::move(loaded->service)),
                                                       std::move(loaded->routes), owned.revision, owned.json}});
    }
    for (const auto& [key, owned] : all_.checks()) {
        auto loaded = config::load_check(key.second, owned.json, *document());
        if (!loaded) return refused("check", fmt::format("{}/{}", key.first, key.second), loaded.error());
        if (!config::same(*owned.spec, **loaded)) steps.push_back(CheckStep{key, Owned<config::CheckSpec>{*loaded, owned.revision, owned.json}});
    }
    for (auto& step : steps) make(std::move(step), out);
    for (const auto& name : unreadable) {
        take_back_service(name, out);
        for (const auto& instance : instances_of(name, config::Owner::labels)) remove_instance({name, instance}, out);
    }
    std::set<std::string> overlaid;
    for (const auto& [key, owned] : all_.instances())
        if (!owned.json.empty()) overlaid.insert(key.first);
    for (const auto& service : overlaid) HALE_TRY(read_instances_again(service, out));
    return {};
}

Result<> Declared::read_instances_again(const std::string& service, Redeclared& out) {
    std::shared_ptr<const config::ServiceSpec> into;
    std::vector<Step> steps;
    for (auto it = all_.instances().lower_bound(InService{service, ""}); it != all_.instances().end() && it->first.first == service; ++it) {
        const auto& [key, owned] = *it;
        if (owned.json.empty()) continue;
        if (!into) into = merged(service);
        if (!into) return {};  // It has no effect now.
        auto loaded = config::load_instance(*into, owned.json, *document());
        if (!loaded)
            return fail(Code::conflict, fmt::format("instance {}/{} of the API can't stand with its service's checks: {}", key.first, key.second,
                                                    config::text(loaded.error())));
        const bool same = owned.spec->checks && loaded->checks && config::same(*owned.spec->checks, *loaded->checks);
        if (same) continue;
        auto spec = std::make_shared<config::InstanceSpec>(*owned.spec);
        spec->checks = loaded->checks;
        steps.push_back(InstanceStep{key, Owned<config::InstanceSpec>{std::move(spec), owned.revision, owned.json}});
    }
    for (auto& step : steps) make(std::move(step), out);
    return {};
}

// What hangs on it goes with it.
Result<> Declared::remove_service(const RemoveApiService& gone, Redeclared& out) {
    if (const auto said = all_.services().find(gone.name); said != all_.services().end() && said->second.spec->owner == config::Owner::labels)
        return declared_elsewhere("service", gone.name, said->second.spec->mark, config::Owner::labels);
    if (!all_.services().contains(gone.name)) {
        if (const auto* other = all_.file_service(gone.name)) return declared_elsewhere("service", gone.name, other->mark);
        return not_declared("service", gone.name);
    }
    out.services[gone.name];
    out.journal.emplace_back(config::RemoveObject{"service", gone.name});
    const auto keys = [&](const auto& map) {
        std::vector<InService> found;
        for (auto it = map.lower_bound(InService{gone.name, ""}); it != map.end() && it->first.first == gone.name; ++it)
            found.push_back(it->first);
        return found;
    };
    for (const auto& key : keys(all_.instances())) {
        out.journal.emplace_back(config::RemoveObject{"instance", fmt::format("{}/{}", key.first, key.second)});
        make(InstanceStep{key, std::nullopt}, out);
    }
    for (const auto& key : keys(all_.checks())) {
        out.journal.emplace_back(config::RemoveObject{"check", fmt::format("{}/{}", key.first, key.second)});
        make(CheckStep{key, std::nullopt}, out);
    }
    for (const auto* route : all_.routes_of(gone.name)) {
        if (!all_.routes().contains(route->id)) continue;  // Declared inside the service.
        out.journal.emplace_back(config::RemoveObject{"route", route->id});
        make(RouteStep{route->id, std::nullopt}, out);
    }
    make(ServiceStep{gone.name, std::nullopt}, out);
    return {};
}

Result<> Declared::not_an_instance(const InService& key) const {
    if (const auto into = all_.base(key.first))
        for (const auto& other : into->instances) {
            if (other.name != key.second) continue;
            if (other.owner == config::Owner::file) return declared_elsewhere("instance", key.second, other.mark);
            return fail(Code::conflict, fmt::format("instance \"{}\" was declared with service \"{}\"; put that without it", key.second, key.first));
        }
    if (const auto* service = all_.file_service(key.first)) return declared_elsewhere("instance", key.second, service->mark);
    return not_declared("instance", key.second);
}

Result<> Declared::not_a_route(const std::string& id) const {
    for (const auto& [service, routes] : all_.file().routes)
        for (const auto* route : routes)
            if (route->id == id)
                return declared_elsewhere("route", fmt::format("{} ({}{})", id, route->host, route->path), route->mark);
    for (const auto& [name, service] : all_.services())
        for (const auto& route : service.routes)
            if (route.id == id)
                return fail(Code::conflict, fmt::format("route \"{}\" ({}{}) was declared with service \"{}\"; put that without it", id,
                                                        route.host, route.path, name));
    return not_declared("route", id);
}

Result<> Declared::edit(const Change& change, std::uint64_t revision, Redeclared& out) {
    if (const auto* document = std::get_if<ApplyDocument>(&change)) {
        HALE_TRY(edit_document(*document, revision, out));
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
        HALE_TRY(remove_service(*gone_service, out));
    } else if (const auto* gone_instance = std::get_if<RemoveApiInstance>(&change)) {
        const InService key{gone_instance->service, gone_instance->name};
        const auto there = all_.instances().find(key);
        if (there == all_.instances().end()) return not_an_instance(key);
        if (there->second.spec->owner == config::Owner::labels)
            return declared_elsewhere("instance", key.second, there->second.spec->mark, config::Owner::labels);
        remove_instance(key, out);
    } else if (const auto* discover = std::get_if<Discover>(&change)) {
        HALE_TRY(edit_discovered(*discover, revision, out));
    } else if (const auto* stage = std::get_if<Stage>(&change)) {
        for (const auto& one : stage->services) HALE_TRY(edit_service(one, revision, out));
        for (const auto& one : stage->candidates) HALE_TRY(edit_instance(one, revision, out));
        if (stage->route) HALE_TRY(edit_route(*stage->route, revision, out));
        out.id = stage->record.id;
    } else if (const auto* to = std::get_if<Switch>(&change)) {
        for (const auto& one : to->declares) HALE_TRY(edit_service(one, revision, out));
    } else if (const auto* unstage = std::get_if<Unstage>(&change)) {
        // Given again after a restart: what is gone is gone, and what the file has stays.
        for (const auto& one : unstage->gone)
            if (const InService key{one.service, one.name}; all_.instances().contains(key)) remove_instance(key, out);
        for (const auto& name : unstage->services)
            if (all_.services().contains(name)) HALE_TRY(remove_service({name}, out));
    } else if (const auto* gone_route = std::get_if<RemoveApiRoute>(&change)) {
        const auto found = all_.routes().find(gone_route->id);
        if (found == all_.routes().end()) return not_a_route(gone_route->id);
        out.services[found->second.spec->service];
        make(RouteStep{gone_route->id, std::nullopt}, out);
        out.journal.emplace_back(config::RemoveObject{"route", gone_route->id});
    } else if (const auto* gone_check = std::get_if<RemoveApiCheck>(&change)) {
        const InService key{gone_check->service, gone_check->name};
        if (!all_.checks().contains(key)) {
            if (const auto* other = all_.file_service(key.first)) return declared_elsewhere("check", gone_check->name, other->mark);
            return not_declared("check", gone_check->name);
        }
        make(CheckStep{key, std::nullopt}, out);
        HALE_TRY(read_instances_again(key.first, out));
        out.journal.emplace_back(config::RemoveObject{"check", fmt::format("{}/{}", key.first, key.second)});
        out.services[key.first];
    }
    return {};
}

void Declared::remove_instance(const InService& key, Redeclared& out) {
    const config::Owner owner = all_.instances().at(key).spec->owner;
    make(InstanceStep{key, std::nullopt}, out);
    out.journal.emplace_back(config::RemoveObject{kind_of("instance", owner), fmt::format("{}/{}", key.first, key.second)});
    out.services[key.first];
}

std::vector<std::string> Declared::instances_of(const std::string& service, config::Owner owner) const {
    std::vector<std::string> out;
    for (auto it = all_.instances().lower_bound(InService{service, ""}); it != all_.instances().end() && it->first.first == service; ++it)
        if (it->second.spec->owner == owner) out.push_back(it->first.second);
    return out;
}

// Its labels' own word alone; what others added to it stays, as with a service that the file takes over.
void Declared::take_back_service(const std::string& name, Redeclared& out) {
    make(ServiceStep{name, std::nullopt}, out);
    out.journal.emplace_back(config::RemoveObject{kind_of("service", config::Owner::labels), name});
    out.services[name];
}

Result<> Declared::edit_discovered(const Discover& said, std::uint64_t revision, Redeclared& out) {
    const auto before = all_.services().find(said.name);
    if (before != all_.services().end() && before->second.spec->owner == config::Owner::labels && !said.service) take_back_service(said.name, out);
    for (const auto& name : instances_of(said.name, config::Owner::labels))
        if (std::ranges::none_of(said.instances, [&](const auto& one) { return one.spec.name == name; })) remove_instance({said.name, name}, out);
    // What stood in nobody's way any more and what did is said anew, or is gone.
    for (const auto& one : kept_)
        if (one.object.kind.starts_with("discovered ") && one.object.key.substr(0, one.object.key.find('/')) == said.name)
            out.journal.emplace_back(config::RemoveObject{one.object.kind, one.object.key});
    if (said.service) HALE_TRY(edit_service(*said.service, revision, out));
    for (const auto& one : said.instances) HALE_TRY(edit_instance(one, revision, out));
    out.services[said.name];
    out.id = said.name;
    return {};
}

std::map<std::string, std::string> Declared::discovered() const {
    std::map<std::string, std::string> out;
    for (const auto& [name, owned] : all_.services())
        if (owned.spec->owner == config::Owner::labels) out[name] = owned.json;
    for (const auto& [key, owned] : all_.instances())
        if (owned.spec->owner == config::Owner::labels) out[key.first] += fmt::format("\n{}", owned.json);
    for (const auto& one : kept_)
        if (one.object.kind.starts_with("discovered ")) out[one.object.key.substr(0, one.object.key.find('/'))] += "\nshadowed";
    return out;
}

Result<> Declared::edit_service(const PutApiService& put, std::uint64_t revision, Redeclared& out) {
    const std::string& name = put.spec.name;
    if (const auto* other = all_.file_service(name))
        return fail(Code::conflict, fmt::format("service \"{}\" is owned by {}; it can't be owned by {} too", name,
                                                owner_text(other->mark, config::Owner::file), owner_text({}, put.spec.owner == config::Owner::labels ? config::Owner::labels : config::Owner::api)));
    const config::Owner owner = put.spec.owner == config::Owner::labels ? config::Owner::labels : config::Owner::api;
    if (const auto there = all_.services().find(name); there != all_.services().end() && there->second.spec->owner != owner)
        return fail(Code::conflict, fmt::format("service \"{}\" is owned by {}; it can't be owned by {} too", name,
                                                owner_text(there->second.spec->mark, there->second.spec->owner), owner_text({}, owner)));
    auto spec = std::make_shared<config::ServiceSpec>(put.spec);
    spec->owner = owner;
    make(ServiceStep{name, OwnedService{std::move(spec), put.routes, revision, put.json}}, out);
    HALE_TRY(read_instances_again(name, out));
    out.journal.emplace_back(config::PutObject{stored(kind_of("service", owner), name, put.json, revision)});
    out.services[name];
    out.id = name;
    return {};
}

Result<> Declared::edit_instance(const PutApiInstance& put, std::uint64_t revision, Redeclared& out) {
    const config::Owner owner = put.spec.owner == config::Owner::labels ? config::Owner::labels : config::Owner::api;
    const auto into = all_.base(put.service);
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
                fmt::format("instance \"{}\" ({}) of service \"{}\" is owned by {}; it can't be owned by {} too",
                            other.name, other.target.declared, put.service, owner_text(other.mark, other.owner), owner_text({}, owner)));
    if (const auto there = all_.instances().find({put.service, put.spec.name.str()}); there != all_.instances().end() && there->second.spec->owner != owner)
        return fail(Code::conflict, fmt::format("instance \"{}\" of service \"{}\" is owned by {}; it can't be owned by {} too", put.spec.name, put.service,
                                                owner_text(there->second.spec->mark, there->second.spec->owner), owner_text({}, owner)));
    auto spec = std::make_shared<config::InstanceSpec>(put.spec);
    spec->owner = owner;
    spec->named = true;  // The API addresses it by this name.
    std::string json = spec->checks || owner == config::Owner::labels ? put.json : std::string{};
    make(InstanceStep{{put.service, put.spec.name.str()}, Owned<config::InstanceSpec>{std::move(spec), revision, std::move(json)}}, out);
    out.journal.emplace_back(
        config::PutObject{stored(kind_of("instance", owner), fmt::format("{}/{}", put.service, put.spec.name), put.json, revision)});
    out.services[put.service];
    out.id = put.spec.name;
    return {};
}

Result<> Declared::edit_route(const PutApiRoute& put, std::uint64_t revision, Redeclared& out) {
    auto spec = std::make_shared<config::RouteSpec>(put.spec);
    spec->owner = config::Owner::api;
    if (const auto old = all_.routes().find(spec->id); old != all_.routes().end()) out.services[old->second.spec->service];
    out.services[spec->service];
    out.journal.emplace_back(config::PutObject{stored("route", spec->id, put.json, revision)});
    out.id = spec->id;
    make(RouteStep{put.spec.id, Owned<config::RouteSpec>{std::move(spec), revision}}, out);
    return {};
}

Result<> Declared::edit_check(const PutApiCheck& put, std::uint64_t revision, Redeclared& out) {
    const auto into = all_.base(put.service);
    if (!into) return fail(Code::not_found, fmt::format("there is no service \"{}\"", put.service));
    if (into->owner != config::Owner::api)
        return fail(Code::conflict, fmt::format("service \"{}\" is owned by {}, and so are its checks", put.service,
                                                owner_text(into->mark, into->owner)));
    make(CheckStep{{put.service, put.spec->name.str()}, Owned<config::CheckSpec>{put.spec, revision, put.json}}, out);
    HALE_TRY(read_instances_again(put.service, out));
    out.journal.emplace_back(
        config::PutObject{stored("check", fmt::format("{}/{}", put.service, put.spec->name), put.json, revision)});
    out.services[put.service];
    out.id = put.spec->name;
    return {};
}

Result<> Declared::consistent(const std::set<std::string>& changed) const {
    std::vector<std::shared_ptr<const config::ServiceSpec>> kept;
    std::vector<const config::ServiceSpec*> services;
    std::vector<const config::RouteSpec*> routes;
    for (const auto& name : all_.neighbourhood(changed)) {
        std::ranges::copy(all_.routes_of(name), std::back_inserter(routes));
        auto spec = merged(name);
        if (!spec) continue;
        services.push_back(spec.get());
        kept.push_back(std::move(spec));
    }
    const auto problems = config::check_together(std::span<const config::ServiceSpec* const>(services),
                                                 std::span<const config::RouteSpec* const>(routes));
    if (problems.empty()) return {};
    return fail(Code::conflict, config::text(problems));
}

}  // namespace hale::catalog
