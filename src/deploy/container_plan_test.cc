// Goal: what is declared of containers reaches the engine, each word of it, and where they answer is known or refused.
// Method: specs with one thing said, beside the plan that says nothing; images and containers as engines tell them.

#include "deploy/container_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace hale::deploy {
namespace {

using config::DeploySpec;
using docker::ContainerPlan;

ContainerPlan plan_of(const std::function<void(DeploySpec&)>& say) {
    DeploySpec spec;
    spec.image = "web:1";
    say(spec);
    return container_plan(spec, {.service = "web", .deployment = "d-1", .number = 4, .application = {}, .container = {}}, "web-1-1", 3000);
}

TEST(ContainerPlan, EachDeclaredWordReachesTheEngine) {
    const auto plain = plan_of([](DeploySpec&) {});
    EXPECT_EQ(plain.name, "web-1-1");
    EXPECT_EQ(plain.image, "web:1");
    EXPECT_EQ(plain.network, "web-network");
    EXPECT_EQ(plain.labels, (std::map<std::string, std::string>{{"hale.deployment", "d-1"}, {"hale.number", "4"}, {"hale.port", "3000"}, {"hale.service", "web"}}));
    EXPECT_EQ(plain.restart.kind, docker::RestartPolicy::Kind::unless_stopped);
    EXPECT_EQ(plain.stop_timeout, 30s);
    EXPECT_FALSE(plain.command || plain.entrypoint || plain.health_check);
    EXPECT_EQ(plan_of([](auto& s) { s.command = {"serve"}; }).command, std::vector<std::string>{"serve"});
    EXPECT_EQ(plan_of([](auto& s) { s.entrypoint = {"/init"}; }).entrypoint, std::vector<std::string>{"/init"});
    EXPECT_EQ(plan_of([](auto& s) { s.env = {{"A", "b", false}}, s.secrets = {{"S", "hush", true}}; }).environment, (std::map<std::string, std::string>{{"A", "b"}, {"S", "hush"}}));
    EXPECT_EQ(plan_of([](auto& s) { s.network = "front"; }).network, "front");
    EXPECT_EQ(plan_of([](auto& s) { s.aliases = {"db"}; }).aliases, std::vector<std::string>{"db"});
    EXPECT_EQ(plan_of([](auto& s) { s.memory = 7; }).memory_bytes, 7u);
    EXPECT_EQ(plan_of([](auto& s) { s.cpus = 0.5; }).processors, 0.5);
    EXPECT_EQ(plan_of([](auto& s) { s.restart = config::Restart::on_failure; }).restart.kind, docker::RestartPolicy::Kind::on_failure);
    EXPECT_EQ(plan_of([](auto& s) { s.stop_signal = "SIGINT"; }).stop_signal, "SIGINT");
    EXPECT_EQ(plan_of([](auto& s) { s.stop_timeout = 9s; }).stop_timeout, 9s);
    EXPECT_EQ(plan_of([](auto& s) { s.user = "app"; }).user, "app");
    EXPECT_EQ(plan_of([](auto& s) { s.labels = {{"l", "m"}}; }).labels.at("l"), "m");
    const auto mounts = plan_of([](auto& s) { s.volumes = {{"data", "/data", true}, {"/srv", "/srv", false}}; }).mounts;
    ASSERT_EQ(mounts.size(), 2u);
    EXPECT_TRUE(mounts[0].kind == docker::Mount::Kind::volume && mounts[0].source == "data" && mounts[0].target == "/data" && mounts[0].read_only);
    EXPECT_TRUE(mounts[1].kind == docker::Mount::Kind::bind && !mounts[1].read_only);
    const auto ports = plan_of([](auto& s) { s.ports = {{"127.0.0.1", 8080, 80, true}}; }).ports;
    ASSERT_EQ(ports.size(), 1u);
    EXPECT_TRUE(ports[0].host_ip == "127.0.0.1" && ports[0].host_port == 8080 && ports[0].port == (docker::Port{80, "udp"}));
    using From = config::ContainerHealth::From;
    EXPECT_TRUE(plan_of([](auto& s) { s.health.from = From::none; }).health_check->off());
    const auto own = plan_of([](auto& s) { s.health = {From::command, {"curl -f x"}, true, 9s, 8s, 7s, 6}; }).health_check;
    EXPECT_EQ(*own, (docker::HealthCheck{{"CMD-SHELL", "curl -f x"}, 9s, 8s, 7s, 6}));
}

TEST(ContainerPlan, ThePortIsTheOneThatIsMeant) {
    docker::ImageFacts image;
    DeploySpec spec;
    spec.image = "web:1";
    EXPECT_NE(port_of(spec, image).error().text.find("exposes no port"), std::string::npos);
    image.exposed = {{3000, "tcp"}, {53, "udp"}};
    EXPECT_EQ(port_of(spec, image), 3000);
    image.exposed.push_back({4000, "tcp"});
    EXPECT_NE(port_of(spec, image).error().text.find("the ports 3000, 4000"), std::string::npos);
    spec.port = 80;
    EXPECT_EQ(port_of(spec, image), 80);
}

TEST(ContainerPlan, ItsOwnHealthIsTheDeclaredOneOrTheImages) {
    docker::ImageFacts image;
    DeploySpec spec;
    EXPECT_FALSE(own_health(spec, image));
    image.health_check = docker::HealthCheck{{"CMD", "/ok"}, {}, 5s, 60s, 0};
    const auto of_image = own_health(spec, image);
    ASSERT_TRUE(of_image);
    EXPECT_TRUE(of_image->interval == 30s && of_image->timeout == 5s && of_image->start_period == 60s && of_image->retries == 3) << "the engine's own figures for what is not said";
    image.health_check->test = {"NONE"};
    EXPECT_FALSE(own_health(spec, image));
    spec.health.from = config::ContainerHealth::From::command;
    spec.health.command = {"/mine"};
    EXPECT_TRUE(own_health(spec, image));
    image.health_check->test = {"CMD", "/ok"};
    spec.health.from = config::ContainerHealth::From::none;
    EXPECT_FALSE(own_health(spec, image));
}

TEST(ContainerPlan, WhatTheEnvironmentNeedsIsLookedAt) {
    DeploySpec spec;
    spec.required_env = {"A", "B", "C", "D"};
    spec.env = {{"A", "x", false}, {"B", "", false}};
    spec.secrets = {{"C", "y", true}};
    EXPECT_EQ(missing_env(spec), (std::vector<std::string>{"B", "D"}));
}

TEST(ContainerPlan, WhereItAnswers) {
    docker::Inspected container;
    container.name = "web-1-1";
    const auto here = *docker::parse_place("unix:///x.sock"), there = *docker::parse_place("tcp://10.0.0.9:2375"), far = *docker::parse_place("ssh://a@b");
    EXPECT_EQ(address_of(container, here, "web-network", 80).error().code, Code::not_found);
    container.attachments = {{.network = "other", .network_id = "n1", .ip = *Ip::parse("172.17.0.2"), .ip6 = {}, .gateway = {}, .aliases = {}},
                             {.network = "web-network", .network_id = "n2", .ip = *Ip::parse("172.18.0.3"), .ip6 = {}, .gateway = {}, .aliases = {}}};
    EXPECT_EQ(address_of(container, here, "web-network", 80), "172.18.0.3:80");
    EXPECT_NE(address_of(container, there, "web-network", 80).error().text.find("publishes no port for its 80"), std::string::npos);
    container.published = {{{80, "tcp"}, "0.0.0.0", 8080}};
    EXPECT_EQ(address_of(container, there, "web-network", 80), "10.0.0.9:8080");
    EXPECT_EQ(address_of(container, far, "web-network", 80), "b:8080");
}

TEST(ContainerPlan, WhoComesToARegistry) {
    const std::vector<config::RegistryLogin> known{{"registry.example", "a", "b"}, {"localhost:5000", "c", "d"}, {"docker.io", "e", "f"}};
    EXPECT_EQ(auth_for("registry.example/web:1", known).user, "a");
    EXPECT_EQ(auth_for("localhost:5000/web", known).user, "c");
    EXPECT_EQ(auth_for("team/web", known).user, "e");
    EXPECT_EQ(auth_for("web:1", known).user, "e");
    EXPECT_TRUE(auth_for("other.example/web", known).empty());
}

}  // namespace
}  // namespace hale::deploy
