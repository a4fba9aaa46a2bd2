// Goal: what is asked says all of the plan, in the engine's words, and nothing that a name holds becomes another request.
// Method: plans and what they become; hostile names; lines and frames in every two pieces against what they were made of.

#include "docker/requests.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "docker/frames.h"
#include "docker/lines.h"
#include "wire/scram.h"

namespace hale::docker {
namespace {

using Json = nlohmann::json;

TEST(Requests, CreateSaysAllOfThePlan) {
    ContainerPlan plan{.name = "web 1", .image = "web:2"};
    plan.environment = {{"A", "1"}, {"B", "x=y"}};
    plan.labels = {{"app", "web"}};
    plan.command = {{"serve", "-v"}};
    plan.entrypoint = {{"/bin/web"}};
    plan.user = "www";
    plan.mounts = {{Mount::Kind::volume, "store", "/data"}, {Mount::Kind::bind, "/etc/web", "/etc/web", true}, {Mount::Kind::tmpfs, "", "/tmp"}};
    plan.ports = {{{80, "tcp"}, "127.0.0.1", 8080}, {{80, "tcp"}, "", 0}, {{53, "udp"}, "", 53}};
    plan.network = "shop";
    plan.aliases = {"web"};
    plan.memory_bytes = 64 << 20;
    plan.processors = 1.5;
    plan.restart = {RestartPolicy::Kind::on_failure, 3};
    plan.stop_signal = "SIGQUIT";
    plan.stop_timeout = 1500ms;
    plan.health_check = HealthCheck{{"CMD", "/check"}, 5s, 2s, 10s, 4};
    plan.init = true;
    const Request request = create_request(plan);
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/containers/create?name=web%201");
    EXPECT_EQ(request.fault, "");
    EXPECT_EQ(Json::parse(request.body), Json::parse(R"({"Image":"web:2","Env":["A=1","B=x=y"],"Labels":{"app":"web"},"Cmd":["serve","-v"],"Entrypoint":["/bin/web"],"User":"www",
        "ExposedPorts":{"80/tcp":{},"53/udp":{}},"StopSignal":"SIGQUIT","StopTimeout":2,
        "Healthcheck":{"Test":["CMD","/check"],"Interval":5000000000,"Timeout":2000000000,"StartPeriod":10000000000,"Retries":4},
        "NetworkingConfig":{"EndpointsConfig":{"shop":{"Aliases":["web"]}}},
        "HostConfig":{"Mounts":[{"Type":"volume","Source":"store","Target":"/data"},{"Type":"bind","Source":"/etc/web","Target":"/etc/web","ReadOnly":true},{"Type":"tmpfs","Target":"/tmp"}],
            "PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"","HostPort":""}],"53/udp":[{"HostIp":"","HostPort":"53"}]},
            "NetworkMode":"shop","Memory":67108864,"NanoCpus":1500000000,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"Init":true}})"));
    EXPECT_EQ(Json::parse(create_request({.image = "a"}).body), Json::parse(R"({"Image":"a","HostConfig":{}})"));
    EXPECT_NE(create_request({}).fault, "");
    ContainerPlan odd{.image = "\xff\xfe"};
    EXPECT_TRUE(Json::accept(create_request(odd).body));
}

TEST(Requests, ArePathsAndQueries) {
    EXPECT_EQ(container_request("start", "a").path, "/containers/a/start");
    EXPECT_EQ(stop_request("a", 2500ms).path, "/containers/a/stop?t=3");
    EXPECT_EQ(kill_request("a", "SIGHUP").path, "/containers/a/kill?signal=SIGHUP");
    EXPECT_EQ(remove_request("a", {.force = true}).path, "/containers/a?force=1&v=0");
    EXPECT_EQ(wait_request("a").path, "/containers/a/wait?condition=not-running");
    EXPECT_EQ(list_request({}).path, "/containers/json?all=1");
    EXPECT_EQ(list_request({"a=b", "c"}).path, "/containers/json?all=1&filters=" + percent_encoded(R"({"label":["a=b","c"]})"));
    EXPECT_EQ(list_request({"a=b"}).path, "/containers/json?all=1&filters=" + percent_encoded(R"({"label":["a=b"]})"));
    EXPECT_EQ(logs_request("a", {.tail = 5, .since = Utc{1500ms}}).path, "/containers/a/logs?stdout=1&stderr=1&tail=5&follow=0&timestamps=0&since=1.500000000");
    EXPECT_EQ(image_request("reg:5000/team/web:2").path, "/images/reg%3A5000/team/web%3A2/json");
    EXPECT_EQ(Json::parse(connect_request("n", "c", {"x"}).body), Json::parse(R"({"Container":"c","EndpointConfig":{"Aliases":["x"]}})"));
    EXPECT_EQ(Json::parse(connect_request("n", "c", {}).body), Json::parse(R"({"Container":"c"})"));
    EXPECT_EQ(Json::parse(disconnect_request("n", "c").body), Json::parse(R"({"Container":"c","Force":false})"));
    EXPECT_EQ(Json::parse(create_network_request({.name = "n"}).body), Json::parse(R"({"Name":"n","Driver":"bridge","CheckDuplicate":true,"Internal":false})"));
    EXPECT_EQ(Json::parse(exec_create_request("c", {.command = {"a", "b"}}).body), Json::parse(R"({"AttachStdout":true,"AttachStderr":true,"Cmd":["a","b"]})"));
    EXPECT_EQ(events_request({.labels = {"a", "b"}, .since = {}}).path, events_request({.labels = {}, .since = {}}).path) << "Podman knows no label without its value";
    const std::string events = events_request({.labels = {"a=1", "b"}, .since = Utc{5s}}).path;
    EXPECT_TRUE(events.starts_with("/events?filters=%7B%22event%22%3A%5B%22create%22%2C")) << events;
    EXPECT_TRUE(events.ends_with("%22label%22%3A%5B%22a%3D1%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D&since=5")) << events;
    EXPECT_EQ(events.find("exec"), events.npos);
}

TEST(Requests, AreNotMadeByNames) {
    for (const char* name : {"", ".", ".."}) {
        EXPECT_NE(container_request("start", name).fault, "") << name;
        EXPECT_NE(inspect_request(name).fault, "") << name;
        EXPECT_NE(network_request(name).fault, "") << name;
        EXPECT_NE(image_request(name).fault, "") << name;
    }
    EXPECT_NE(image_request("a/../b").fault, "");
    EXPECT_EQ(container_request("start", "a/../../images/x?y#z\r\nHost: b").path, "/containers/a%2F..%2F..%2Fimages%2Fx%3Fy%23z%0D%0AHost%3A%20b/start");
    EXPECT_EQ(image_request("a?force=1").path, "/images/a%3Fforce%3D1/json");
}

TEST(Requests, PullOneImageAndNeverAllOfThem) {
    const auto parts = [](std::string_view image) {
        const Reference one = split_reference(image);
        return one.repository + "|" + one.version;
    };
    EXPECT_EQ(parts("web"), "web|latest");
    EXPECT_EQ(parts("web:2"), "web|2");
    EXPECT_EQ(parts("reg:5000/web"), "reg:5000/web|latest");
    EXPECT_EQ(parts("reg:5000/web:2"), "reg:5000/web|2");
    EXPECT_EQ(parts("web@sha256:ab"), "web|sha256:ab");
    EXPECT_EQ(parts("reg:5000/web:2@sha256:ab"), "reg:5000/web|sha256:ab");
    EXPECT_EQ(pull_request({.image = "reg:5000/web:2"}).path, "/images/create?fromImage=reg%3A5000%2Fweb&tag=2");
    for (const char* bad : {"", ":2", "web:", "@sha256:a", "web@"}) EXPECT_NE(pull_request({.image = bad}).fault, "") << bad;
    RegistryAuth auth{.user = "me", .password = "secret~~~???", .server = "reg:5000"};
    const Request request = pull_request({.image = "reg:5000/web", .auth = auth});
    std::string header = request.registry;
    EXPECT_EQ(header.find_first_of("+/"), header.npos);
    std::ranges::replace(header, '-', '+');
    std::ranges::replace(header, '_', '/');
    EXPECT_EQ(Json::parse(*wire::from_base64(header)), Json::parse(R"({"username":"me","password":"secret~~~???","serveraddress":"reg:5000"})"));
    EXPECT_EQ((request.what + request.path).find("secret"), std::string::npos);
    EXPECT_EQ(registry_header({}), "");
}

TEST(Lines, AreTheSameHoweverTheyCome) {
    const std::string text = "{\"a\":1}\r\n\n{}\n  \r\n{\"long\":\"xxxxxxxxxx\"}\nlast";
    const auto story = [](const std::vector<std::string>& pieces, std::size_t most) {
        Lines lines(most);
        std::string out;
        for (std::string_view bytes : pieces) {
            for (;;) {
                std::string_view line;
                const auto step = lines.next(bytes, line);
                if (step == Lines::Step::more) break;
                if (step == Lines::Step::too_long) return out + "!";
                out += std::string(line) + "|";
            }
        }
        return out + std::string(lines.rest());
    };
    for (std::size_t a = 0; a <= text.size(); ++a)
        for (std::size_t b = a; b <= text.size(); ++b)
            EXPECT_EQ(story({text.substr(0, a), text.substr(a, b - a), text.substr(b)}, 100), "{\"a\":1}|{}|{\"long\":\"xxxxxxxxxx\"}|last") << a << " " << b;
    for (std::size_t a = 0; a <= text.size(); ++a) EXPECT_EQ(story({text.substr(0, a), text.substr(a)}, 10), "{\"a\":1}|{}|!") << a;
}

std::string frame(int kind, std::string_view bytes) {
    std::string out{static_cast<char>(kind), 0, 0, 0, 0, 0, static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
    return out + std::string(bytes);
}

TEST(Frames, AreTheSameHoweverTheyCome) {
    const std::string text = frame(1, "out") + frame(2, "") + frame(2, "err!") + frame(0, "in") + frame(3, "why") + frame(1, "end");
    for (std::size_t a = 0; a <= text.size(); ++a) {
        for (std::size_t b = a; b <= text.size(); ++b) {
            Frames frames;
            std::string output, errors, engine;
            const std::string all[] = {text.substr(0, a), text.substr(a, b - a), text.substr(b)};
            for (std::string_view bytes : all) {
                for (;;) {
                    const auto one = frames.next(bytes);
                    if (one.step == Frames::Step::more) break;
                    ASSERT_NE(one.step, Frames::Step::bad);
                    (one.step == Frames::Step::engine ? engine : one.source == Source::errors ? errors : output) += one.bytes;
                }
            }
            EXPECT_EQ(output, "outinend");
            EXPECT_EQ(errors, "err!");
            EXPECT_EQ(engine, "why");
            EXPECT_TRUE(frames.whole());
        }
    }
    for (std::size_t at = 1; at < 11; ++at) {
        Frames frames;
        const std::string cut = text.substr(0, at);
        std::string_view bytes = cut;
        while (frames.next(bytes).step != Frames::Step::more) {}
        EXPECT_FALSE(frames.whole()) << at;
    }
    for (const std::string& bad : {std::string("plain text of a tty"), std::string("\x01\x00\x01\x00", 4), std::string("\x04", 1)}) {
        Frames frames;
        std::string_view bytes = bad;
        EXPECT_EQ(frames.next(bytes).step, Frames::Step::bad);
    }
}

}  // namespace
}  // namespace hale::docker
