// Goal: what engines say is read as it is meant, and whatever is wrong with it ends in a value with less in it or in a sentence.
// Method: whole documents; each member of each document left out, and replaced by every other type; each document cut at every byte.

#include "docker/answers.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "docker/engine.h"
#include "docker/samples_test.h"

namespace hale::docker {
namespace {

using Json = nlohmann::json;

TEST(Answers, AboutAContainer) {
    const auto it = read_inspected(inspect_sample);
    ASSERT_TRUE(it) << it.error().text;
    EXPECT_TRUE(it->id.starts_with("4f5e6d7c"));
    EXPECT_EQ(it->name, "web-1");
    EXPECT_EQ(it->image, "web:2");
    EXPECT_EQ(it->image_id, "sha256:aaaa");
    EXPECT_EQ(it->state, ContainerState::running);
    EXPECT_EQ(it->pid, 4711u);
    EXPECT_EQ(it->restart_count, 3u);
    EXPECT_EQ(rfc3339(*it->started), "2026-11-21T10:00:01.500Z");
    EXPECT_FALSE(it->finished);
    ASSERT_TRUE(it->health);
    EXPECT_EQ(it->health->status, HealthStatus::unhealthy);
    EXPECT_EQ(it->health->failing_streak, 4u);
    ASSERT_EQ(it->health->log.size(), 1u);
    EXPECT_EQ(it->health->log[0].output, "wget: can't connect\nsecond line");
    EXPECT_EQ(rfc3339(*it->health->log[0].began), "2026-11-21T09:00:31.100Z");
    ASSERT_TRUE(it->health_check);
    EXPECT_EQ(it->health_check->start_period, 10s);
    EXPECT_EQ(it->health_check->test[1], "wget -q localhost");
    ASSERT_EQ(it->attachments.size(), 1u);
    EXPECT_EQ(it->attachments[0].network, "shop");
    EXPECT_EQ(it->attachments[0].ip->text(), "172.18.0.7");
    EXPECT_EQ(it->attachments[0].aliases[0], "web");
    EXPECT_FALSE(it->attachments[0].ip6);
    ASSERT_EQ(it->published.size(), 2u);
    EXPECT_EQ(it->published[0], (Published{{80, "tcp"}, "0.0.0.0", 8080}));
    EXPECT_EQ(it->exposed, (std::vector<Port>{{53, "udp"}, {80, "tcp"}}));
    EXPECT_EQ(it->labels.at("hale.service"), "shop");
    EXPECT_EQ(it->stop_signal, "SIGQUIT");
    EXPECT_EQ(it->stop_timeout, 25s);
    EXPECT_EQ(it->network_mode, "shop");
}

TEST(Answers, AboutEverythingElse) {
    const auto version = read_version(version_sample);
    ASSERT_TRUE(version);
    EXPECT_EQ(version->api, (ApiVersion{1, 41}));
    EXPECT_EQ(version->oldest_api.text(), "1.12");
    EXPECT_EQ(version->engine, "20.10.24+dfsg1");

    const auto info = read_info(info_sample);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->name, "node-1");
    EXPECT_EQ(info->memory_bytes, 8589934592u);
    EXPECT_EQ(info->processors, 2u);
    EXPECT_EQ(info->root, "/var/lib/docker");
    EXPECT_FALSE(info->free_disk_bytes);
    EXPECT_EQ(read_info(R"({"DriverStatus":[["Data Space Available","95.5 GB"]]})")->free_disk_bytes, 95'500'000'000u);
    EXPECT_EQ(read_info(R"({"DriverStatus":[["Data Space Available","1.5GiB"]]})")->free_disk_bytes, 1'610'612'736u);
    for (const char* odd : {"", "GB", "-1 GB", "1e99 GB", "nan GB", "5 parsec"}) EXPECT_FALSE(read_info(fmt::format(R"({{"DriverStatus":[["Data Space Available","{}"]]}})", odd))->free_disk_bytes) << odd;

    const auto image = read_image(image_sample);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->digests, (std::vector<std::string>{"web@sha256:cccc"}));
    EXPECT_EQ(image->health_check->start_period, 30s);
    EXPECT_EQ(image->exposed[0].number, 8080);
    EXPECT_EQ(image->stop_signal, "SIGINT");
    EXPECT_EQ(image->bytes, 4261502u);

    const auto list = read_listed(list_sample);
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2u);
    EXPECT_EQ(list->at(0).names, (std::vector<std::string>{"web-1", "proxy/web"}));
    EXPECT_EQ(list->at(1).state, ContainerState::exited);
    EXPECT_TRUE(list->at(1).created);
    EXPECT_EQ(list->at(0).published, (std::vector<Published>{{.port = {3000, "tcp"}, .host_ip = "0.0.0.0", .host_port = 8080}})) << "the other is exposed alone";

    const auto network = read_network(network_sample);
    ASSERT_TRUE(network);
    EXPECT_TRUE(network->internal);
    EXPECT_EQ(network->members[0].ip->text(), "172.18.0.7");

    EXPECT_EQ(read_exited(R"({"StatusCode":137,"Error":{"Message":"gone"}})")->exit_code, 137);
    EXPECT_EQ(read_exited(R"({"StatusCode":1,"Error":null})")->error, "");
    EXPECT_FALSE(read_exited("{}"));
    EXPECT_EQ(read_created(R"({"Id":"n","Warnings":["slow"]})")->warnings[0], "slow");
    EXPECT_EQ(*read_id(R"({"Id":"x"})"), "x");
    EXPECT_EQ(read_exec(R"({"Running":false,"ExitCode":3})")->exit_code, 3);
    EXPECT_FALSE(read_exec(R"({"Running":true,"ExitCode":null})")->exit_code);
    EXPECT_EQ(rfc3339(*read_date("Sun, 22 Nov 2026 04:05:06 GMT")), "2026-11-22T04:05:06.000Z");
    EXPECT_FALSE(read_date("Sun, 22 Foo 2026 04:05:06 GMT"));
    EXPECT_FALSE(read_date(""));
}

TEST(Answers, AreEvents) {
    const auto die = read_event(die_sample);
    ASSERT_TRUE(die && *die);
    EXPECT_EQ((*die)->kind, EventKind::die);
    EXPECT_EQ((*die)->id, "c1");
    EXPECT_EQ((*die)->name, "web-1");
    EXPECT_EQ((*die)->exit_code, 137);
    EXPECT_EQ((*die)->labels, (std::map<std::string, std::string>{{"app", "web"}}));
    EXPECT_EQ((*die)->at->time_since_epoch(), 1795255201123456789ns);
    const auto health = read_event(health_sample);
    ASSERT_TRUE(health && *health);
    EXPECT_EQ((*health)->kind, EventKind::health_status);
    EXPECT_EQ((*health)->health, HealthStatus::unhealthy);
    EXPECT_FALSE(*read_event(R"({"Type":"network","Action":"connect","Actor":{"ID":"n"}})"));
    EXPECT_FALSE(read_event(R"({"Type":"container","Action":"start","Actor":{}})"));
    for (const auto& [action, kind] : std::map<std::string, EventKind>{{"create", EventKind::create}, {"start", EventKind::start}, {"oom", EventKind::oom}, {"stop", EventKind::stop},
                                                                        {"kill", EventKind::kill}, {"destroy", EventKind::destroy}, {"remove", EventKind::destroy}, {"died", EventKind::die}, {"rename", EventKind::rename},
                                                                        {"exec_create: sh -c x", EventKind::other}, {"", EventKind::other}, {"other", EventKind::other}})
        EXPECT_EQ((*read_event(fmt::format(R"({{"Type":"container","Action":"{}","Actor":{{"ID":"x"}}}})", action)))->kind, kind) << action;
    EXPECT_EQ((*read_event(R"({"Type":"container","Action":"died","Actor":{"ID":"x","Attributes":{"containerExitCode":"3"}}})"))->exit_code, 3);
    EXPECT_EQ((*read_event(R"({"Type":"container","Action":"rename","Actor":{"ID":"x","Attributes":{"oldName":"/a","name":"b"}}})"))->old_name, "a");
}

TEST(Answers, AreLinesOfAPull) {
    EXPECT_EQ(read_pull_line(R"({"status":"Digest: sha256:abc"})")->digest, "sha256:abc");
    const auto progress = read_pull_line(R"({"status":"Downloading","progressDetail":{"current":5,"total":10},"progress":"[=>]","id":"a1"})");
    EXPECT_EQ(progress->progress.layer, "a1");
    EXPECT_EQ(progress->progress.done, 5u);
    EXPECT_EQ(progress->progress.total, 10u);
    const auto failure = [](std::string_view why) { return *read_pull_line(fmt::format(R"({{"errorDetail":{{"message":"{0}"}},"error":"{0}"}})", why))->error; };
    EXPECT_EQ(failure("manifest for web:9 not found: manifest unknown").code, Code::not_found);
    EXPECT_EQ(failure("pull access denied for web, repository does not exist or may require 'docker login'").code, Code::denied);
    EXPECT_EQ(failure("toomanyrequests: You have reached your pull rate limit").code, Code::unavailable);
    EXPECT_EQ(failure("toomanyrequests: You have reached your pull rate limit").text, "toomanyrequests: You have reached your pull rate limit");
    EXPECT_TRUE(read_pull_line(R"({"errorDetail":{}})")->error);
}

TEST(Answers, KeepTheEnginesOwnSentence) {
    EXPECT_EQ(read_message(409, R"({"message":"Conflict. The container name \"/web\" is already in use"})"), "Conflict. The container name \"/web\" is already in use");
    EXPECT_EQ(read_message(500, "{\"message\":\"a\\u001b[31mb\\nc\"}"), "a [31mb c");
    EXPECT_EQ(read_message(404, "page not found\n"), "status 404 Not Found: page not found");
    EXPECT_EQ(read_message(502, "<html>"), "status 502 Bad Gateway");
    EXPECT_EQ(read_message(500, ""), "status 500 Internal Server Error");
    EXPECT_EQ(read_message(404, R"({"cause":"no such container"})"), "no such container");
    EXPECT_EQ(read_message(500, fmt::format(R"({{"message":"{}"}})", std::string(10'000, 'x'))).size(), most_message_bytes);
    // Cut between characters, not inside one.
    std::string umlauts;
    for (int i = 0; i < 5000; ++i) umlauts += "ä";
    EXPECT_EQ(read_message(500, fmt::format(R"({{"message":"x{}"}})", umlauts)).size(), most_message_bytes - 1);
}

struct Reader {
    const char* name;
    std::string sample;
    std::function<Result<>(std::string_view)> read;
};
template <class Read>
std::function<Result<>(std::string_view)> dropping(Read read) {
    return [read](std::string_view text) -> Result<> {
        auto value = read(text);
        if (!value) return std::unexpected(value.error());
        return {};
    };
}
std::vector<Reader> readers() {
    return {{"version", version_sample, dropping(read_version)}, {"info", info_sample, dropping(read_info)},          {"image", image_sample, dropping(read_image)},
            {"inspected", inspect_sample, dropping(read_inspected)}, {"list", list_sample, dropping(read_listed)},    {"network", network_sample, dropping(read_network)},
            {"event", die_sample, dropping(read_event)},        {"health", health_sample, dropping(read_event)},       {"exited", R"({"StatusCode":1,"Error":{"Message":"x"}})", dropping(read_exited)},
            {"exec", R"({"Running":false,"ExitCode":1})", dropping(read_exec)}, {"created", R"({"Id":"a","Warnings":["w"]})", dropping(read_created)},
            {"pull", R"({"status":"a","id":"b","progressDetail":{"current":1,"total":2}})", dropping(read_pull_line)}};
}

// Every place in the document, replaced by every kind of value.
void for_each_spoiled(const Json& document, const std::function<void(const std::string&)>& body) {
    const std::vector<Json> others{nullptr, true, -1, 18446744073709551615ull, 1e300, "", "\u0001 text/tcp", Json::array(), Json::array({1, nullptr, "x"}), Json::object(), {{"a", {{"b", 1}}}}};
    const Json flat = document.flatten();
    std::set<std::string> places;
    for (const auto& [path, value] : flat.items()) {
        std::string at = path;
        while (!at.empty() && places.insert(at).second) at.resize(at.rfind('/'));
    }
    for (const std::string& at : places) {
        for (const Json& other : others) {
            Json copy = document;
            copy[Json::json_pointer(at)] = other;
            body(copy.dump());
        }
        Json copy = document;
        Json& parent = copy[Json::json_pointer(at).parent_pointer()];
        if (!parent.is_object()) continue;
        parent.erase(Json::json_pointer(at).back());
        body(copy.dump());
    }
}

TEST(Answers, AreNeverBelieved) {
    int fine = 0, refused = 0;
    for (const Reader& reader : readers()) {
        ASSERT_TRUE(reader.read(reader.sample)) << reader.name;
        for (std::size_t at = 0; at < reader.sample.size(); at += 3) {
            const auto cut = reader.read(reader.sample.substr(0, at));
            ASSERT_FALSE(cut) << reader.name << " cut at " << at;
            EXPECT_EQ(cut.error().code, Code::corrupt);
        }
        for_each_spoiled(Json::parse(reader.sample), [&](const std::string& text) {
            const auto read = reader.read(text);
            ++(read ? fine : refused);
            if (!read) EXPECT_TRUE(read.error().code == Code::corrupt && !read.error().text.empty()) << text;
        });
        const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
        EXPECT_FALSE(reader.read(deep));
        EXPECT_FALSE(reader.read(R"({"Id":"x","State":{},"a":)" + deep + "}"));
        EXPECT_EQ(reader.read(std::string(most_answer_bytes + 1, ' ')).error().code, Code::exhausted);
        for (const char* odd : {"", "null", "1", "\"x\"", "{", "\xff", "{\"Id\":\"\xff\"}"}) EXPECT_FALSE(reader.read(odd)) << reader.name << odd;
    }
    EXPECT_GT(fine, 500);
    EXPECT_GT(refused, 10);
}

TEST(Answers, AreBounded) {
    std::string many = "[";
    for (std::size_t i = 0; i <= most_containers; ++i) many += R"({"Id":"x"},)";
    many.back() = ']';
    EXPECT_EQ(read_listed(many).error().code, Code::exhausted);
    Json labels = Json::object();
    for (std::size_t i = 0; i < 2 * most_labels; ++i) labels[std::to_string(i)] = "x";
    EXPECT_EQ(read_inspected(Json{{"Id", "x"}, {"State", Json::object()}, {"Config", {{"Labels", labels}}}}.dump())->labels.size(), most_labels);
    EXPECT_EQ(read_inspected(Json{{"Id", std::string(5000, 'x')}, {"State", Json::object()}}.dump())->id.size(), most_name_bytes);
}

}  // namespace
}  // namespace hale::docker
