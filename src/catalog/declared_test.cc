// Goal: ownership: file and API never say the same thing, both are named when they try; nothing is lost when they
// disagree at start; a change is refused as a whole or planned as a whole.
// Method: plans over small documents; `next` takes the old one's place, as control does.

#include "catalog/testing.h"

namespace hale::catalog {
namespace {

struct Desk {
    explicit Desk(const std::string& yaml) { declared.restore({}, document(yaml)); }
    std::string apply(const Change& change) {
        auto planned = declared.plan(change, ++revision);
        if (!planned) return planned.error().text;
        last = *planned;
        if (last.next) declared = *last.next;
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

TEST(Declared, AnApiServiceGoesWithAllThatHangsOnIt) {
    Desk desk("services: {}\n");
    EXPECT_EQ(desk.apply(desk.service("app", R"({"hosts": ["app.example"], "check": {"http": "/up"}, "instances": ["10.0.0.1:80"]})")), "");
    EXPECT_EQ(desk.last.id, "app");
    EXPECT_EQ(desk.apply(desk.instance("app", R"({"name": "b", "address": "10.0.0.2:80"})")), "");
    EXPECT_EQ(desk.apply(desk.route(R"({"host": "b.example", "service": "app"})")), "");
    EXPECT_EQ(desk.declared.check_host("app"), "app.example");
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

TEST(Declared, WhatIsNoDeclarationCopiesNothing) {
    Desk desk(web);
    EXPECT_EQ(desk.apply(SetOverride{"web", "", verdict::OverrideState::down, 1h, "x"}), "");
    EXPECT_EQ(desk.last.next, nullptr);
    EXPECT_EQ(desk.apply(SetWeight{"i-1", 2}), "");
    EXPECT_EQ(desk.last.next, nullptr);
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

}  // namespace
}  // namespace hale::catalog
