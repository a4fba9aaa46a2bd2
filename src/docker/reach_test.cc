// Goal: a container is reached where it answers, and what makes it once more says everything but what is its alone. Method: each
// kind of place by itself; an answer as the engine writes it, with one thing changed at a time.

#include "docker/reach.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "docker/recreation.h"

namespace hale::docker {
namespace {

Inspected container_in(std::vector<std::string> networks, std::string mode) {
    Inspected out;
    out.name = "web";
    out.state = ContainerState::running;
    out.network_mode = std::move(mode);
    for (std::size_t i = 0; i < networks.size(); ++i) {
        Attachment at;
        at.network = networks[i];
        at.ip = Ip::v4(172, 18, 0, static_cast<std::uint8_t>(i + 2));
        out.attachments.push_back(std::move(at));
    }
    return out;
}

TEST(Reach, TheNetworkIsTheOnlyOneOrTheOneItWasMadeIn) {
    EXPECT_EQ(network_of(container_in({"a"}, "default")), "a");
    EXPECT_EQ(network_of(container_in({"a", "b"}, "b")), "b");
    EXPECT_NE(network_of(container_in({"a", "b"}, "c")).error().text.find("networks a, b: label hale.network"), std::string::npos);
    EXPECT_EQ(network_of(container_in({}, "host")), "host");
}

TEST(Reach, InTheHostsNetworkItIsThisMachine) {
    const Place here{.shown = "here", .path = "/run/docker.sock", .host = {}, .port = 0, .command = {}};
    auto one = container_in({"host"}, "host");
    one.attachments.front().ip.reset();
    EXPECT_EQ(address_of(one, here, "host", 80), "127.0.0.1:80");
    one.state = ContainerState::exited;
    EXPECT_EQ(address_of(one, here, "host", 80).error().code, Code::not_found);
    EXPECT_EQ(address_of(container_in({"a", "b"}, "a"), here, "b", 80), "172.18.0.3:80");
}

nlohmann::json answer() {
    return nlohmann::json::parse(R"({"Id":"0123456789abcdef0123","Image":"sha256:11","Name":"/web","State":{"Status":"running"},
        "Config":{"Hostname":"0123456789ab","Image":"web:2","Env":["A=secret"],"Labels":{"x":"y"},"MacAddress":"02:42"},
        "HostConfig":{"Binds":["/a:/b"],"NetworkMode":"shop","RestartPolicy":{"Name":"always"}},
        "NetworkSettings":{"Networks":{"shop":{"Aliases":["web","0123456789ab"],"IPAMConfig":null,"IPAddress":"10.0.0.2"}}}})");
}

nlohmann::json made_again(const nlohmann::json& from) {
    const auto made = read_recreation(from.dump());
    EXPECT_TRUE(made) << made.error().text;
    return made ? nlohmann::json::parse(made->body) : nlohmann::json();
}

TEST(Reach, WhatIsMadeAgainIsTheSameInEverythingThatWasSaid) {
    const auto again = made_again(answer());
    EXPECT_EQ(again["Image"], "sha256:11") << "its name may mean another image by now";
    EXPECT_EQ(again["Env"], nlohmann::json::array({"A=secret"}));
    EXPECT_EQ(again["Labels"]["x"], "y");
    EXPECT_EQ(again["HostConfig"], answer()["HostConfig"]);
    EXPECT_EQ(again["NetworkingConfig"]["EndpointsConfig"]["shop"]["Aliases"], nlohmann::json::array({"web"}));
    EXPECT_FALSE(again.contains("Hostname")) << "that was its id";
    EXPECT_FALSE(again.contains("MacAddress"));
    auto named = answer();
    named["Config"]["Hostname"] = "shop-1";
    EXPECT_EQ(made_again(named)["Hostname"], "shop-1");
    auto fixed = answer();
    fixed["NetworkSettings"]["Networks"]["shop"]["IPAMConfig"] = {{"IPv4Address", "10.0.0.2"}};
    EXPECT_EQ(made_again(fixed)["NetworkingConfig"]["EndpointsConfig"]["shop"]["IPAMConfig"]["IPv4Address"], "10.0.0.2");
    auto of_the_host = answer();
    of_the_host["HostConfig"]["NetworkMode"] = "host";
    EXPECT_FALSE(made_again(of_the_host).contains("NetworkingConfig"));
}

TEST(Reach, WhatCanNotBeMadeAgainIsSaid) {
    auto two = answer();
    two["NetworkSettings"]["Networks"]["more"] = {{"Aliases", nullptr}};
    EXPECT_EQ(read_recreation(two.dump()).error().code, Code::invalid);
    for (const char* part : {"Config", "HostConfig", "Image", "Id"}) {
        auto less = answer();
        less.erase(part);
        EXPECT_EQ(read_recreation(less.dump()).error().code, Code::corrupt) << part;
    }
    EXPECT_FALSE(read_recreation("{"));
}

}  // namespace
}  // namespace hale::docker
