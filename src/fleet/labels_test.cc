// Goal: labels declare what a file would declare in the same words, and what they say wrongly is named with its label; of several
// containers the same one stands whatever order they are told in.
// Method: tables of labels; every order of containers that contradict each other, against the word of the oldest.

#include "fleet/labels.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "config/load.h"
#include "fleet/discovery.h"

namespace hale::fleet {
namespace {

const docker::Place here{.shown = "unix:///run/docker.sock", .path = "/run/docker.sock", .host = {}, .port = 0, .command = {}};
const docker::Place there{.shown = "tcp://10.0.0.9", .path = {}, .host = "10.0.0.9", .port = 2375, .command = {}};

docker::Inspected container(std::map<std::string, std::string> labels, std::string name = "web-1", std::uint8_t last = 2) {
    docker::Inspected out;
    out.id = "id-" + name;
    out.name = std::move(name);
    out.state = docker::ContainerState::running;
    out.labels = std::move(labels);
    out.exposed = {{3000, "tcp"}};
    docker::Attachment at;
    at.network = "shop";
    at.ip = Ip::v4(172, 18, 0, last);
    out.attachments = {at};
    out.network_mode = "shop";
    out.created = Utc{std::chrono::seconds(1'000 + last)};
    return out;
}

std::shared_ptr<const config::Document> document(const std::string& yaml = "services: {}\n") {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", yaml}}});
    EXPECT_TRUE(loaded) << config::text(loaded.error());
    return std::make_shared<const config::Document>(std::move(*loaded));
}

Claim claim(const docker::Inspected& of) {
    auto made = claim_of(of, here);
    EXPECT_TRUE(made) << made.error().text;
    return made ? *made : Claim{};
}

TEST(Labels, WhoseLabelsMakeAnInstance) {
    EXPECT_TRUE(claims(container({{"hale.service", "web"}})));
    EXPECT_FALSE(claims(container({{"hale.service", "web"}, {"hale.deployment", "d-1"}}))) << "the deployer's own";
    EXPECT_FALSE(claims(container({{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}}))) << "nobody asked for it";
    const auto composed = container({{"com.docker.compose.project", "Shop"}, {"com.docker.compose.service", "web"}, {"hale.port", "80"}});
    EXPECT_TRUE(claims(composed));
    EXPECT_EQ(service_of(composed), "shop-web");
    EXPECT_EQ(service_of(container({{"hale.service", "web"}, {"hale.deployment", "d-1"}})), "web");
    EXPECT_EQ(instance_name("_Shop.Web-1_"), "shop.web-1");
    EXPECT_EQ(instance_name(std::string(80, 'a')).size(), 63u);
}

TEST(Labels, SayWhatAFileWouldSay) {
    const auto doc = document();
    std::vector<Refusal> refused;
    const auto made = wanted("web",
                             {claim(container({{"hale.service", "web"}, {"hale.host", "a.example, b.example"}, {"hale.path", "/shop"}, {"hale.strip", "true"}, {"hale.weight", "3"},
                                               {"hale.check.http", "/up"}, {"hale.check.interval", "7s"}, {"hale.check.rise", "4"}, {"hale.check.m_of_n.m", "2"},
                                               {"hale.check.expect", R"(["[STATUS] == 204"])"}, {"hale.heal.policy", "restart"}, {"hale.heal.backoff.first", "9s"}, {"other", "x"}}))},
                             nullptr, *doc, refused);
    EXPECT_TRUE(refused.empty()) << text(refused.front());
    ASSERT_TRUE(made.change.service);
    const auto& spec = made.change.service->spec;
    EXPECT_EQ(spec.owner, config::Owner::labels);
    ASSERT_EQ(spec.checks->size(), 1u);
    const auto& check = *spec.checks->front();
    EXPECT_EQ(std::get<config::HttpCheck>(check.what).path, "/up");
    EXPECT_EQ(check.timing.interval, 7s);
    EXPECT_EQ(check.timing.rise, 4);
    EXPECT_EQ(check.timing.m_of_n->m, 2);
    EXPECT_EQ(check.expect_text, std::vector<std::string>{"[STATUS] == 204"});
    EXPECT_EQ(spec.heal.policy, config::HealPolicy::restart);
    EXPECT_EQ(spec.heal.backoff_first, 9s);
    ASSERT_EQ(made.change.service->routes.size(), 2u);
    EXPECT_EQ(made.change.service->routes[1].host, "b.example");
    EXPECT_EQ(made.change.service->routes[1].path, "/shop");
    EXPECT_TRUE(made.change.service->routes[1].strip);
    ASSERT_EQ(made.change.instances.size(), 1u);
    EXPECT_EQ(made.change.instances[0].spec.target.declared, "172.18.0.2:3000");
    EXPECT_EQ(made.change.instances[0].spec.name, "web-1");
    EXPECT_EQ(made.change.instances[0].spec.weight, 3u);
    EXPECT_EQ(made.change.instances[0].spec.owner, config::Owner::labels);
}

TEST(Labels, DoWithoutACheckOnlyWithAReason) {
    const auto doc = document();
    std::vector<Refusal> refused;
    const auto made = wanted("web", {claim(container({{"hale.service", "web"}, {"hale.host", "a.example"}, {"hale.check.none", "it has nothing to ask"}}))}, nullptr, *doc, refused);
    ASSERT_TRUE(made.change.service && refused.empty());
    EXPECT_EQ(std::get<config::Unchecked>(made.change.service->spec.checks->front()->what).reason, "it has nothing to ask");
}

TEST(Labels, WhatIsWrongIsNamedByItsLabel) {
    struct Case {
        std::map<std::string, std::string> labels;
        std::string_view why;
    };
    for (const auto& [labels, why] : std::vector<Case>{
             {{{"hale.service", "Web!"}}, "label hale.service: \"Web!\" is no service name"},
             {{{"hale.colour", "red"}}, "label hale.colour: is not known; allowed: hale.service"},
             {{{"hale.port", "0"}}, "label hale.port: \"0\" is no port"},
             {{{"hale.port", "many"}}, "label hale.port: \"many\" is no port"},
             {{{"hale.path", "/x"}}, "label hale.path: there is no hale.host"},
             {{{"hale.check", "none"}, {"hale.check.http", "/up"}}, "label hale.check.http: another label says a value for the whole"},
             {{{"hale.check..http", "/up"}}, "is no key"},
             {{{"hale.check.http", std::string(5'000, '/')}}, "longer than 4096 bytes"},
             {{{"hale.check.interval", "7s"}}, "label hale.check: "},
             {{{"hale.check.http", "/up"}, {"hale.check.interval", "soon"}}, "label hale.check.interval: \"soon\" is not a duration"},
             {{{"hale.check.exec", "[\"/bin/true\"]"}}, "label hale.check.exec: "},
             {{{"hale.check.http", "/up"}, {"hale.check.body", "${SECRET}"}}, "label hale.check.body: variables are for the configuration file alone"},
             {{{"hale.check.http", "/up"}, {"hale.host", "not a host"}}, "label hale.host: "},
             {{{"hale.weight", "heavy"}, {"hale.check.http", "/up"}}, "label hale.weight: "},
             {{{"hale.heal.policy", "pray"}}, "label hale.heal.policy: "},
         }) {
        auto all = labels;
        all.emplace("hale.service", "web");
        const auto one = container(all);
        const auto made = claim_of(one, here);
        if (!made) {
            EXPECT_TRUE(made.error().text.find(why) != std::string::npos) << made.error().text;
            continue;
        }
        std::vector<Refusal> refused;
        const auto none = wanted("web", {*made}, nullptr, *document(), refused);
        EXPECT_TRUE(none.claims.empty() && none.in_force.empty()) << why;
        ASSERT_EQ(refused.size(), 1u) << why;
        EXPECT_TRUE(refused[0].why.find(why) != std::string::npos) << refused[0].why;
        EXPECT_EQ(refused[0].container, "web-1");
    }
}

TEST(Labels, ThePortIsSaidOrTheOnlyOne) {
    auto one = container({{"hale.service", "web"}});
    one.exposed = {{53, "udp"}, {3000, "tcp"}};
    EXPECT_NE(claim(one).instance_json.find(":3000"), std::string::npos);
    one.exposed.push_back({4000, "tcp"});
    EXPECT_NE(claim_of(one, here).error().text.find("exposes the ports 3000, 4000"), std::string::npos);
    one.labels["hale.port"] = "4000";
    EXPECT_NE(claim(one).instance_json.find(":4000"), std::string::npos);
    one.exposed.clear();
    EXPECT_NE(claim(one).instance_json.find(":4000"), std::string::npos);
    one.labels.erase("hale.port");
    EXPECT_NE(claim_of(one, here).error().text.find("exposes no port"), std::string::npos);
}

TEST(Labels, OfAnEngineElsewhereOnlyPublishedPortsAreReached) {
    auto one = container({{"hale.service", "web"}});
    EXPECT_NE(claim_of(one, there).error().text.find("publishes no port for its 3000"), std::string::npos);
    one.published = {{{3000, "tcp"}, "0.0.0.0", 32768}};
    EXPECT_NE(claim_of(one, there)->instance_json.find("10.0.0.9:32768"), std::string::npos);
}

TEST(Labels, InSeveralNetworksOneIsSaid) {
    auto one = container({{"hale.service", "web"}});
    docker::Attachment more;
    more.network = "back";
    more.ip = Ip::v4(10, 5, 0, 7);
    one.attachments.push_back(more);
    one.network_mode = "bridge";
    EXPECT_NE(claim_of(one, here).error().text.find("label hale.network has to say"), std::string::npos);
    one.labels["hale.network"] = "back";
    EXPECT_NE(claim(one).instance_json.find("10.5.0.7:3000"), std::string::npos);
}

TEST(Labels, AServiceOfSomebodyElseIsJoinedButNotDeclaredAnew) {
    const auto doc = document("services:\n  web: {hosts: [a.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n");
    const std::shared_ptr<const config::ServiceSpec> other{doc, &doc->services[0]};
    std::vector<Refusal> refused;
    const auto made = wanted("web", {claim(container({{"hale.service", "web"}})), claim(container({{"hale.service", "web"}, {"hale.host", "b.example"}}, "web-2", 3))}, other, *doc, refused);
    EXPECT_FALSE(made.change.service);
    ASSERT_EQ(made.change.instances.size(), 1u);
    EXPECT_EQ(made.change.instances[0].spec.name, "web-1");
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].container, "web-2");
    EXPECT_NE(refused[0].why.find("the file (hale.yml:2:3)"), std::string::npos) << refused[0].why;
}

TEST(Labels, OfThoseThatContradictEachOtherTheOldestStandsInWhateverOrder) {
    std::vector<Claim> three{claim(container({{"hale.service", "web"}, {"hale.check.http", "/a"}}, "old", 2)),
                             claim(container({{"hale.service", "web"}, {"hale.check.http", "/b"}}, "other", 3)),
                             claim(container({{"hale.service", "web"}, {"hale.check.http", "/a"}}, "same", 4))};
    std::ranges::sort(three, {}, &Claim::container);
    std::optional<std::string> first;
    do {
        std::vector<Refusal> refused;
        const auto made = wanted("web", three, nullptr, *document(), refused);
        ASSERT_EQ(made.claims.size(), 2u);
        EXPECT_EQ(made.claims[0].container, "old");
        EXPECT_EQ(made.claims[1].container, "same");
        ASSERT_EQ(refused.size(), 1u);
        EXPECT_NE(refused[0].why.find("those of container old say"), std::string::npos) << refused[0].why;
        EXPECT_EQ(first.value_or(made.in_force), made.in_force);
        first = made.in_force;
    } while (std::ranges::next_permutation(three, {}, &Claim::container).found);
}

TEST(Labels, WhoSaysNothingOfTheServiceJoinsThoseThatDo) {
    std::vector<Refusal> refused;
    const auto made = wanted("web", {claim(container({{"hale.service", "web"}}, "bare", 1)), claim(container({{"hale.service", "web"}, {"hale.check.http", "/b"}}, "saying", 3))}, nullptr, *document(), refused);
    EXPECT_TRUE(refused.empty());
    ASSERT_EQ(made.claims.size(), 2u);
    EXPECT_EQ(made.claims[0].container, "saying");
    EXPECT_EQ(made.change.service->spec.checks->size(), 1u);
}

TEST(Labels, WithoutClaimsNothingIsInForce) {
    std::vector<Refusal> refused;
    const auto none = wanted("web", {}, nullptr, *document(), refused);
    EXPECT_EQ(none.in_force, "");
    EXPECT_FALSE(none.change.service);
    EXPECT_TRUE(none.change.instances.empty());
}

}  // namespace
}  // namespace hale::fleet
