// Goal: ownership: file and API never say the same thing, both are named when they try; nothing is lost when they
// disagree at start; a change is refused as a whole or planned as a whole; its cost is that of what it touches.
// Method: plans over small documents, accepted as control does; random changes beside an oracle that judges everything
// declared after each; counts of services laid out, for cost.

#include "base/random.h"
#include "catalog/testing.h"

namespace hale::catalog {
namespace {

struct Desk {
    explicit Desk(const std::string& yaml) { declared.restore({}, document(yaml)); }
    std::string apply(const Change& change) {
        auto planned = declared.plan(change, ++revision);
        if (!planned) return planned.error().text;
        last = *planned;
        declared.accept(*planned);
        return "";
    }
    Change instance(const std::string& service, const std::string& json) {
        const auto into = declared.merged(service);
        auto spec = config::load_instance(into ? *into : config::ServiceSpec{.name = service}, json, *declared.document());
        EXPECT_TRUE(spec.has_value());
        return PutApiInstance{service, *spec, json};
    }
    Change service(const std::string& name, const std::string& json) {
        auto loaded = config::load_service(name, json, *declared.document());
        EXPECT_TRUE(loaded.has_value());
        return PutApiService{loaded->service, loaded->routes, json};
    }
    Change route(const std::string& json) {
        auto spec = config::load_route(json, *declared.document());
        EXPECT_TRUE(spec.has_value());
        return PutApiRoute{*spec, json};
    }
    Declared declared;
    Redeclared last;
    std::uint64_t revision = 0;
};

const std::string nothing = "services: {}\n";
const std::string web = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [{name: a, address: \"10.0.0.1:80\"}]}\n";

TEST(Declared, V19TheSameKeyInBothIsRefusedAndBothOwnersAreNamed) {
    Desk desk(web);
    for (const auto& why : {desk.apply(desk.service("web", R"({"check": {"http": "/up"}, "instances": ["10.0.0.9:80"]})")),
                            desk.apply(desk.instance("web", R"({"name": "a", "address": "10.0.0.9:80"})")),
                            desk.apply(desk.instance("web", R"({"name": "z", "address": "10.0.0.1:80"})"))}) {
        EXPECT_NE(why.find("hale.yml:2"), std::string::npos) << why;
        EXPECT_NE(why.find("API"), std::string::npos) << why;
    }
    const auto route = desk.apply(desk.route(R"({"host": "web.example", "service": "web"})"));
    EXPECT_NE(route.find("hale.yml:2"), std::string::npos) << route;
    EXPECT_EQ(desk.declared.merged("web")->instances.size(), 1u);
}

TEST(Declared, WhatTheFileOwnsIsNotRemovedAndItsPlaceIsNamed) {
    Desk desk(web);
    const std::string id = config::route_id("web.example", "/");
    for (const Change& change : {Change{RemoveApiService{"web"}}, Change{RemoveApiInstance{"web", "a"}}, Change{RemoveApiRoute{id}}, Change{RemoveApiCheck{"web", "main"}}}) {
        const auto planned = desk.declared.plan(change, 9);
        ASSERT_FALSE(planned.has_value());
        EXPECT_EQ(planned.error().code, Code::conflict);
        EXPECT_NE(planned.error().text.find("owned by the file (hale.yml:2"), std::string::npos) << planned.error().text;
    }
    EXPECT_EQ(desk.declared.plan(RemoveApiRoute{"r-none"}, 9).error().code, Code::not_found);
    // Nor what came with a whole service of the API.
    EXPECT_EQ(desk.apply(desk.service("own", R"({"hosts": ["own.example"], "check": {"http": "/up"}, "instances": [{"name": "b", "address": "10.0.0.9:80"}]})")), "");
    EXPECT_EQ(desk.declared.plan(RemoveApiRoute{config::route_id("own.example", "/")}, 9).error().code, Code::conflict);
    EXPECT_EQ(desk.declared.plan(RemoveApiInstance{"own", "b"}, 9).error().code, Code::conflict);
    EXPECT_NE(desk.declared.revision_of(RemoveApiCheck{"own", "main"}), 0u);
    EXPECT_EQ(desk.declared.revision_of(RemoveApiCheck{"own", "other"}), 0u);
}

TEST(Declared, TheApiAddsInstancesAndRoutesToAFilesServiceAndTheyOutliveAReload) {
    Desk desk(web);
    EXPECT_EQ(desk.apply(desk.instance("web", R"({"name": "b", "address": "10.0.0.2:80"})")), "");
    EXPECT_EQ(desk.last.changed, std::set<std::string>{"web"});
    EXPECT_FALSE(desk.last.routes);
    ASSERT_EQ(desk.last.journal.size(), 1u);
    EXPECT_EQ(std::get<config::PutObject>(desk.last.journal[0]).object.key, "web/b");
    EXPECT_EQ(desk.apply(desk.route(R"({"host": "other.example", "service": "web"})")), "");
    EXPECT_TRUE(desk.last.routes);
    EXPECT_EQ(desk.apply(ApplyDocument{document(web)}), "");
    EXPECT_EQ(desk.declared.merged("web")->instances.size(), 2u);
    EXPECT_EQ(desk.declared.routes().size(), 2u);
    EXPECT_TRUE(desk.last.changed.empty()) << "the same text changes nothing";
    EXPECT_TRUE(desk.last.journal.empty());
    // The file may not take what the API has.
    const auto why = desk.apply(ApplyDocument{document("services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.2:80\"]}\n")});
    EXPECT_NE(why, "");
    EXPECT_EQ(desk.declared.merged("web")->instances.size(), 2u);
    EXPECT_EQ(desk.apply(RemoveApiInstance{"web", "b"}), "");
    EXPECT_NE(desk.apply(RemoveApiInstance{"web", "b"}), "");
    EXPECT_NE(desk.apply(RemoveApiInstance{"web", "a"}), "") << "the file's";
}

TEST(Declared, AServiceChangesWithTheWayUsersComeToIt) {
    const auto routed = [](std::string_view more) {
        return fmt::format("services:\n  web: {{routes: [{{host: web.example, path: /api{}}}], check: {{http: /up}}, instances: [\"10.0.0.1:80\"]}}\n", more);
    };
    Desk desk(routed(""));
    for (const auto& [more, entrance] : std::vector<std::pair<std::string, Entrance>>{{", strip: true", {"web.example", "/api", false}},
                                                                                     {", strip: true, tls: true", {"web.example", "/api", true}},
                                                                                     {", tls: {redirect: none}", {"web.example", "", true}}}) {
        EXPECT_EQ(desk.apply(ApplyDocument{document(routed(more))}), "");
        EXPECT_EQ(desk.last.changed, std::set<std::string>{"web"}) << more;
        EXPECT_EQ(desk.declared.entrance("web"), entrance) << more;
    }
    EXPECT_EQ(desk.apply(ApplyDocument{document(routed(", tls: {redirect: 301}"))}), "");
    EXPECT_TRUE(desk.last.changed.empty()) << "users come as before";
}

TEST(Declared, AnApiServiceGoesWithAllThatHangsOnIt) {
    Desk desk(nothing);
    EXPECT_EQ(desk.apply(desk.service("app", R"({"hosts": ["app.example"], "check": {"http": "/up"}, "instances": ["10.0.0.1:80"]})")), "");
    EXPECT_EQ(desk.last.id, "app");
    EXPECT_EQ(desk.apply(desk.instance("app", R"({"name": "b", "address": "10.0.0.2:80"})")), "");
    EXPECT_EQ(desk.apply(desk.route(R"({"host": "b.example", "service": "app"})")), "");
    EXPECT_EQ(desk.declared.entrance("app").host, "app.example");
    const auto why = desk.apply(ApplyDocument{document("services:\n  app: {check: {http: /up}, instances: [\"10.0.0.7:80\"]}\n")});
    EXPECT_NE(why.find("owned by the API"), std::string::npos) << why;
    EXPECT_EQ(desk.apply(RemoveApiService{"app"}), "");
    EXPECT_EQ(desk.last.journal.size(), 3u);
    EXPECT_TRUE(desk.declared.service_names().empty());
    EXPECT_TRUE(desk.declared.routes().empty());
    EXPECT_EQ(desk.last.services.at("app"), nullptr);
}

TEST(Declared, AtStartTheFileWinsAndTheOtherIsKeptAndNamed) {
    Declared declared;
    declared.restore({{"service", "web", R"({"check": {"http": "/x"}, "instances": ["10.0.0.9:80"]})", 5},
                      {"instance", "web/b", R"({"name": "b", "address": "10.0.0.2:80"})", 6},
                      {"instance", "web/c", R"({"name": "c", "address": "10.0.0.1:80"})", 7},
                      {"instance", "gone/d", R"({"name": "d", "address": "10.0.0.4:80"})", 8},
                      {"route", "r-x", R"({"host": "x.example", "service": "nobody"})", 9},
                      {"service", "bad", R"({"check": {"smtp": 1}})", 10}},
                     document(web));
    EXPECT_EQ(declared.merged("web")->instances.size(), 2u) << "b is taken, c says what the file says";
    EXPECT_EQ(declared.shadowed().size(), 5u);
    for (const auto& line : declared.shadowed()) EXPECT_NE(line.find("kept in state.db"), std::string::npos) << line;
    EXPECT_EQ(declared.revision_of(RemoveApiInstance{"web", "b"}), 6u);
    EXPECT_EQ(declared.revision_of(RemoveApiInstance{"web", "c"}), 0u);
}

const config::HttpCheck& http_of(const config::CheckList& checks) { return std::get<config::HttpCheck>(checks.at(0)->what); }

TEST(Declared, WhatTheApiSaidIsReadAgainWhereItRestsOnTheFile) {
    const auto file = [](std::string_view path, std::string_view interval) {
        return fmt::format("defaults: {{check: {{interval: {}}}}}\nservices:\n  web: {{check: {{http: {}}}, instances: [\"10.0.0.1:80\"]}}\n", interval, path);
    };
    Desk desk(file("/up", "2s"));
    ASSERT_EQ(desk.apply(desk.instance("web", R"({"name": "b", "address": "10.0.0.2:80", "check": {"port": 81}})")), "");
    ASSERT_EQ(desk.apply(desk.service("app", R"({"check": {"http": "/app"}, "instances": ["10.0.0.3:80"]})")), "");
    ASSERT_EQ(desk.apply(desk.instance("app", R"({"name": "c", "address": "10.0.0.4:80", "check": {"port": 82}})")), "");
    ASSERT_EQ(desk.apply(ApplyDocument{document(file("/health", "7s"))}), "");
    EXPECT_TRUE(desk.last.journal.empty()) << "what is kept is what was posted";
    const auto files = desk.declared.merged("web"), app = desk.declared.merged("app");
    EXPECT_EQ(http_of(files->checks_of(files->instances.at(1))).path, "/health") << "the overlay lies over what the file says now";
    EXPECT_EQ(files->checks_of(files->instances.at(1)).at(0)->port, 81);
    EXPECT_EQ(files->checks_of(files->instances.at(1)).at(0)->timing.interval, 7s);
    EXPECT_EQ(app->checks->at(0)->timing.interval, 7s);
    EXPECT_EQ(app->checks_of(app->instances.at(1)).at(0)->timing.interval, 7s);
    EXPECT_EQ(app->checks_of(app->instances.at(1)).at(0)->port, 82);
    EXPECT_EQ(app->owner, config::Owner::api);
    // The same again changes nothing.
    ASSERT_EQ(desk.apply(ApplyDocument{document(file("/health", "7s"))}), "");
    EXPECT_TRUE(desk.last.changed.empty());
    EXPECT_EQ(desk.declared.merged("app")->checks, app->checks) << "checkers know a list by its address";
    // The service's own check is put anew: the overlay is over that.
    ASSERT_EQ(desk.apply(desk.service("app", R"({"check": {"http": "/new"}, "instances": ["10.0.0.3:80"]})")), "");
    const auto again = desk.declared.merged("app");
    EXPECT_EQ(http_of(again->checks_of(again->instances.at(1))).path, "/new");
    // A file that leaves the overlay nothing to lie over is refused, and by name.
    const auto why = desk.apply(ApplyDocument{document("services:\n  web: {check: {exec: [/bin/true]}, instances: [\"10.0.0.1:80\"]}\n")});
    EXPECT_NE(why.find("web/b"), std::string::npos) << why;
    const auto kept = desk.declared.merged("web");
    EXPECT_EQ(http_of(*kept->checks).path, "/health");
    EXPECT_EQ(http_of(kept->checks_of(kept->instances.at(1))).path, "/health");
}

TEST(Declared, WhatAFileShadowedStandsAgainWhenItNoLongerDoes) {
    Declared declared;
    declared.restore({{"service", "web", R"({"check": {"http": "/x"}, "instances": ["10.0.0.9:80"]})", 5},
                      {"instance", "gone/d", R"({"name": "d", "address": "10.0.0.4:80"})", 8}},
                     document(web));
    ASSERT_EQ(declared.shadowed().size(), 2u);
    const auto apply = [&](const Change& change) {
        auto planned = declared.plan(change, 20);
        ASSERT_TRUE(planned.has_value()) << planned.error().text;
        declared.accept(*planned);
    };
    apply(ApplyDocument{document(web)});
    EXPECT_EQ(declared.shadowed().size(), 2u);
    apply(ApplyDocument{document("services:\n  gone: {check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n")});
    EXPECT_TRUE(declared.shadowed().empty());
    ASSERT_NE(declared.merged("web"), nullptr);
    EXPECT_EQ(declared.merged("web")->owner, config::Owner::api);
    EXPECT_EQ(declared.service_revision("web"), 5u);
    EXPECT_EQ(declared.merged("gone")->instances.size(), 2u);
}

TEST(Declared, WhatIsNoDeclarationCopiesNothing) {
    Desk desk(web);
    EXPECT_EQ(desk.apply(SetOverride{"web", "", verdict::OverrideState::down, 1h, "x"}), "");
    EXPECT_TRUE(desk.last.steps.empty());
    EXPECT_EQ(desk.apply(SetWeight{"i-1", 2}), "");
    EXPECT_TRUE(desk.last.steps.empty());
}

TEST(Declared, FixedInstancesAreTheFilesAlone) {
    const std::string yaml = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [{name: a, address: \"10.0.0.1:80\"}]}\n";
    const auto make = [&](bool only) {
        auto made = std::make_shared<config::Document>(*document(yaml));
        made->services[0].instances_fixed = only;
        return std::shared_ptr<const config::Document>(made);
    };
    Desk desk(yaml);
    EXPECT_EQ(desk.apply(desk.instance("web", R"({"name": "b", "address": "10.0.0.2:80"})")), "");
    EXPECT_NE(desk.apply(ApplyDocument{make(true)}), "");
    EXPECT_EQ(desk.apply(RemoveApiInstance{"web", "b"}), "");
    EXPECT_EQ(desk.apply(ApplyDocument{make(true)}), "");
    EXPECT_NE(desk.apply(desk.instance("web", R"({"name": "b", "address": "10.0.0.2:80"})")), "");
}

// A composite may be older than what it looks at: what is stored stands together or not, whatever its order.
TEST(Declared, AtStartEverythingThatCanStandTogetherDoes) {
    std::vector<config::StoredObject> objects{
        {"service", "a", R"({"checks": {"all": {"composite": {"of": ["b/own", "c"]}}}})", 1},
        {"service", "b", R"({"hosts": ["b.example"], "check": {"tcp": ":1"}, "instances": ["10.0.0.1:80"]})", 2},
        {"service", "c", R"({"checks": {"all": {"composite": {"of": ["d"]}}}})", 3},
        {"service", "d", R"({"hosts": ["d.example"], "check": {"http": "/up"}, "instances": ["10.0.0.2:80"]})", 4},
        {"service", "thief", R"({"hosts": ["d.example"], "check": {"http": "/up"}, "instances": ["10.0.0.3:80"]})", 5},
        {"check", "b/own", R"({"http": "/own"})", 6},
        {"instance", "b/b-7", R"("10.0.0.9:80")", 7},
        {"route", "r", R"({"host": "d.example", "service": "b"})", 8}};
    Declared declared;
    declared.restore(objects, document(nothing));
    EXPECT_EQ(declared.service_names(), (std::set<std::string>{"a", "b", "c", "d"}));
    ASSERT_EQ(declared.merged("b")->instances.size(), 2u);
    EXPECT_EQ(declared.merged("b")->instances[1].name, "b-7") << "as it was called before, not the first free name";
    ASSERT_EQ(declared.shadowed().size(), 2u);
    EXPECT_TRUE(declared.shadowed()[0].starts_with("service thief: ")) << declared.shadowed()[0];
    EXPECT_TRUE(declared.shadowed()[1].starts_with("route r: ")) << declared.shadowed()[1];
}

TEST(Declared, WhatAChangeCostsIsWhatItTouchesNotAllThereIs) {
    const auto cost = [](std::size_t n, bool contradicting) {
        std::vector<config::StoredObject> objects;
        for (std::size_t i = 0; i < n; ++i) {
            objects.push_back({"service", fmt::format("s{}", i), fmt::format(R"({{"hosts": ["s{}.example"], "check": {{"http": "/up"}}, "instances": ["10.0.0.1:80"]}})", i), 1});
            objects.push_back({"instance", fmt::format("s{}/x", i), R"({"name": "x", "address": "10.0.0.2:80"})", 2});
            objects.push_back({"instance", fmt::format("s0/x{}", i), fmt::format(R"({{"name": "x{0}", "address": "10.1.0.1:{1}"}})", i, i + 1), 2});
        }
        if (contradicting) objects.push_back({"service", "last", R"({"hosts": ["s1.example"], "check": {"http": "/up"}})", 3});
        Desk desk(nothing);
        desk.declared.restore(objects, document(nothing));
        EXPECT_EQ(desk.declared.shadowed().size(), contradicting ? 1u : 0u);
        const std::uint64_t start = desk.declared.merges();
        const auto change = desk.instance("s1", R"({"name": "y", "address": "10.0.0.3:80"})");
        const std::uint64_t before = desk.declared.merges();
        EXPECT_EQ(desk.apply(change), "");
        EXPECT_EQ(desk.apply(desk.route(R"({"host": "other.example", "service": "s1"})")), "");
        EXPECT_EQ(desk.apply(RemoveApiService{"s2"}), "");
        return std::pair{start, desk.declared.merges() - before};
    };
    for (const std::size_t n : {50u, 400u}) {
        EXPECT_LE(cost(n, false).first, 2 * n) << "each service once to read its instances, once to be judged";
        // By halves around the one that can't stand: each level judges everything once.
        EXPECT_LE(cost(n, true).first, 14 * n);
        EXPECT_LE(cost(n, false).second, 9u) << "three changes, each judged, seen after and seen before";
    }
}

// Random declarations in a small world, where hosts, members and names often collide.
TEST(Declared, WhatIsJudgedNearbyIsWhatIsJudgedAsAWhole) {
    const std::uint64_t seed = 20261121;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const auto pick = [&](std::uint64_t n) { return random.below(n); };
    Desk desk("services:\n  f: {hosts: [h0.example], checks: {own: {http: /up}}, instances: [\"10.0.0.1:80\"]}\n");
    Declarations mirror;
    Step file = FileStep{file_declares(desk.declared.document(), 0)};
    mirror.exchange(file);
    const auto consistent = [&] {
        std::vector<std::shared_ptr<const config::ServiceSpec>> kept;
        std::vector<const config::ServiceSpec*> services;
        for (const auto& name : mirror.service_names()) kept.push_back(mirror.merged(name)), services.push_back(kept.back().get());
        const auto facts = mirror.all_routes();
        std::vector<const config::RouteSpec*> routes;
        for (const auto& route : facts) routes.push_back(&route.spec);
        return config::check_together(std::span<const config::ServiceSpec* const>(services), std::span<const config::RouteSpec* const>(routes)).empty();
    };
    const auto name = [&] { return fmt::format("s{}", pick(5)); };
    const auto member = [&] { return pick(6) == 0 ? std::string{"f/own"} : name() + (pick(2) == 0 ? "/own" : ""); };
    std::size_t taken = 0, refused = 0;
    for (int round = 0; round < 1'500; ++round) {
        std::vector<Step> steps;
        std::optional<Change> change;
        const std::string service = name();
        switch (pick(6)) {
            case 0:
            case 1: {
                const std::string hosts = pick(2) == 0 ? fmt::format(R"("hosts": ["h{}.example"],)", pick(6)) : "";
                const std::string checks = pick(2) == 0 ? fmt::format(R"("own": {{"http": "/up", "timeout": "{}s"}})", 1 + pick(4))
                                                        : fmt::format(R"("own": {{"composite": {{"of": ["{}"], "advisory": ["{}"], "caller_timeout": "3s"}}}})", member(), member());
                const auto put = desk.service(service, fmt::format(R"({{{} "instances": ["10.0.0.1:80"], "checks": {{{}}}}})", hosts, checks));
                const auto& loaded = std::get<PutApiService>(put);
                steps.push_back(ServiceStep{service, OwnedService{std::make_shared<const config::ServiceSpec>(loaded.spec), loaded.routes, 0}});
                change = put;
                break;
            }
            case 2: {
                auto spec = config::load_check("more", fmt::format(R"({{"composite": {{"of": ["{}"]}}}})", member()), *desk.declared.document());
                if (!mirror.services().contains(service)) continue;  // Refused by edit: not the oracle's question.
                steps.push_back(CheckStep{{service, "more"}, Owned<config::CheckSpec>{*spec, 0}});
                change = PutApiCheck{service, *spec, ""};
                break;
            }
            case 3: {
                const auto put = desk.route(fmt::format(R"({{"host": "h{}.example", "service": "{}"}})", pick(6), service));
                const auto& spec = std::get<PutApiRoute>(put).spec;
                steps.push_back(RouteStep{spec.id, Owned<config::RouteSpec>{std::make_shared<const config::RouteSpec>(spec), 0}});
                change = put;
                break;
            }
            case 4: {
                if (!mirror.base(service)) continue;
                const auto put = desk.instance(service, fmt::format(R"({{"name": "x{}", "address": "10.0.0.{}:80"}})", pick(2), 1 + pick(3)));
                const auto& spec = std::get<PutApiInstance>(put).spec;
                auto named = std::make_shared<config::InstanceSpec>(spec);
                named->named = true;
                steps.push_back(InstanceStep{{service, spec.name.str()}, Owned<config::InstanceSpec>{named, 0}});
                change = put;
                break;
            }
            default: {
                if (!mirror.services().contains(service)) continue;
                for (const auto& [key, owned] : mirror.instances())
                    if (key.first == service) steps.push_back(InstanceStep{key, std::nullopt});
                for (const auto& [key, owned] : mirror.checks())
                    if (key.first == service) steps.push_back(CheckStep{key, std::nullopt});
                for (const auto& [id, owned] : mirror.routes())
                    if (owned.spec->service == service) steps.push_back(RouteStep{id, std::nullopt});
                steps.push_back(ServiceStep{service, std::nullopt});
                change = RemoveApiService{service};
            }
        }
        for (auto& step : steps) mirror.exchange(step);
        const bool stands = consistent();
        if (!stands)
            for (auto it = steps.rbegin(); it != steps.rend(); ++it) mirror.exchange(*it);
        (stands ? taken : refused) += 1;
        const std::string why = desk.apply(*change);
        ASSERT_EQ(why.empty(), stands) << "round " << round << ": " << why;
        ASSERT_EQ(desk.declared.service_names(), mirror.service_names()) << round;
        for (const auto& one : mirror.service_names()) {
            ASSERT_EQ(desk.declared.merged(one)->instances.size(), mirror.merged(one)->instances.size()) << round;
            ASSERT_EQ(desk.declared.routed(one), !mirror.routes_of(one).empty()) << round;
        }
        ASSERT_EQ(desk.declared.routes().size(), mirror.all_routes().size()) << round;
    }
    EXPECT_GT(taken, 200u);
    EXPECT_GT(refused, 200u);
}

}  // namespace
}  // namespace hale::catalog
