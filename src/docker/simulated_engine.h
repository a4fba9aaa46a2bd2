// A Docker Engine of the simulated world with images, networks and containers of its own: what it is asked for happens, what
// happens is told as events, and containers do what their image says. It may be slow, in trouble, deaf, or away; containers
// run on without it. For tests only.

#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/random.h"
#include "base/text.h"
#include "docker/samples_test.h"
#include "docker/scripted_engine.h"

namespace hale::docker {

// What an image is, and what its containers do; times count from each of their starts.
struct SimulatedImage {
    bool here = true;  // Else it has to be pulled.
    Duration pulling = 1s;
    std::string pull_error, create_error, start_error;  // In the engine's words.
    std::optional<Duration> ready = 500ms;              // It answers rightly from then on; nothing: never.
    std::optional<Duration> ends;                       // By itself.
    int exit_code = 1;
    bool oom = false;
    bool has_health = false;
    std::optional<Duration> sick, healthy;  // Its own health check says so then; the later word counts.
    int through = 200;                      // What it answers through the proxy.
    Duration stopping = 100ms;
};

struct SimulatedContainer {
    std::string id, name, image, network, ip, state = "created", health;
    std::map<std::string, std::string> labels;
    Utc created{}, started{}, finished{};
    Instant running_since{};
    int exit_code = 0;
    bool oom = false, restarts_itself = false, wanted = false;
    std::uint32_t restarts = 0, lives = 0;

    bool running() const { return state == "running"; }
    Instant ended{};
    std::string deployment() const { return label("hale.deployment"); }
    std::string label(const std::string& key) const {
        const auto found = labels.find(key);
        return found == labels.end() ? "" : found->second;
    }
};

class SimulatedEngine {
public:
    using Seen = ScriptedEngine::Seen;
    using Reply = ScriptedEngine::Reply;
    enum class Trouble : std::uint8_t { none, refused, lost, deaf };  // deaf: it is done, and never answered.

    SimulatedEngine(sim::World& world, sim::Network& network, std::string host, SocketAddress at, Random& random)
        : world_(world), random_(random), engine_(world, network, std::move(host), std::move(at)), loop_(engine_.loop()) {
        engine_.answer = [this](const Seen& seen) { return answer(seen); };
    }

    // Before each request but those for its version.
    std::function<Trouble(const Seen&)> trouble;
    // Before a container is stopped, killed or removed by whoever asks.
    std::function<void(std::string_view verb, const SimulatedContainer&)> touched;
    // Whether a container may end by itself.
    std::function<bool(const SimulatedContainer&)> may_end;
    Duration slowest = 5ms;
    std::map<std::string, SimulatedImage> images;
    std::map<std::string, SimulatedContainer> containers;  // By name.
    std::set<std::string> networks;

    void away() { up_ = false, engine_.stop(); }
    void back() {
        if (!std::exchange(up_, true)) engine_.start();
    }
    bool up() const { return up_; }
    void forget_ended() { engine_.forget_ended(); }
    void add_foreign(std::string name, std::map<std::string, std::string> labels) {
        SimulatedContainer one{.id = new_id(), .name = name, .image = "foreign:1", .network = "bridge", .ip = "172.17.0.9", .state = "running", .health = {}, .labels = std::move(labels)};
        one.created = one.started = world_.utc();
        containers[name] = std::move(one);
    }
    // As if it had never ended.
    void revive(const std::string& name) {
        SimulatedContainer& one = containers.at(name);
        if (!one.running()) ++one.lives, one.wanted = true, one.state = "running";
        one.running_since = world_.now() - 1h;
    }
    // Runs, and answers rightly by now.
    bool well(const std::string& name) const {
        const auto found = containers.find(name);
        if (found == containers.end() || !found->second.running()) return false;
        const auto& image = images.at(found->second.image);
        return image.ready && world_.now() - found->second.running_since >= *image.ready;
    }

private:
    static std::string sentence(std::string_view text) { return nlohmann::json{{"message", text}}.dump(); }
    Reply status(int code, std::string_view text) { return answered(ScriptedEngine::with_length(code, sentence(text))); }
    Reply answered(std::string whole) { return {.pieces = {std::move(whole)}, .after = 1ms + Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(slowest.count()) + 1)))}; }
    Reply document(std::string_view body, int code = 200) { return answered(ScriptedEngine::with_length(code, body)); }
    Reply nothing(int code = 204) { return answered(fmt::format("HTTP/1.1 {} X\r\n\r\n", code)); }
    std::string new_id() { return fmt::format("{:064x}", ++ids_); }
    static std::string time(Utc at) { return at == Utc{} ? "0001-01-01T00:00:00Z" : rfc3339(at); }

    SimulatedContainer* find(std::string_view name_or_id) {
        for (auto& [name, one] : containers)
            if (name == name_or_id || one.id == name_or_id) return &one;
        return nullptr;
    }

    Reply answer(const Seen& seen) {
        if (seen.target.ends_with("/version")) return {.pieces = {ScriptedEngine::with_length(200, version_sample)}};
        if (seen.target.ends_with("/_ping")) return document("OK");
        const Trouble met = trouble ? trouble(seen) : Trouble::none;
        if (met == Trouble::refused) return status(500, "something is wrong with the engine");
        Reply reply = act(seen);
        if (met == Trouble::lost) reply.pieces.clear(), reply.then = ScriptedEngine::Then::reset;
        if (met == Trouble::deaf) reply.pieces.clear(), reply.then = ScriptedEngine::Then::hold;
        return reply;
    }

    Reply act(const Seen& seen) {
        // "/v1.41/containers/web-1/start?t=3"
        std::string_view path = std::string_view(seen.target).substr(seen.target.find('/', 1) + 1);
        const std::size_t mark = path.find('?');
        const std::string_view query = mark == path.npos ? std::string_view{} : path.substr(mark + 1);
        path = path.substr(0, mark);
        const auto parts = split(path, '/');
        const std::string_view kind = parts.front(), verb = parts.back();
        if (kind == "events") return follow(query);
        if (kind == "info") return document(info_sample);
        if (kind == "images" && verb == "create") return pull(query);
        if (kind == "images") return image(std::string(path.substr(7, path.size() - 12)));
        if (kind == "networks" && verb == "create") {
            const auto made = nlohmann::json::parse(seen.body).at("Name").get<std::string>();
            if (!networks.insert(made).second) return status(409, "network with name " + made + " already exists");
            return document(R"({"Id":"net"})", 201);
        }
        if (kind == "networks") return networks.contains(std::string(verb)) ? document(network_sample) : status(404, fmt::format("network {} not found", verb));
        if (kind == "containers" && verb == "create") return create(std::string(query.substr(5)), nlohmann::json::parse(seen.body));
        if (kind == "containers" && parts.size() == 2 && verb == "json") return list(query);
        if (kind != "containers") return status(404, "page not found");
        SimulatedContainer* one = find(parts[1]);
        if (one == nullptr) return status(404, fmt::format("No such container: {}", parts[1]));
        if (seen.method == "DELETE") return remove(*one);
        if (verb == "json") return document(inspected(*one));
        if (verb == "start") return start(*one);
        if (verb == "stop") return stop(*one, query);
        if (verb == "logs") return answered("HTTP/1.1 200 X\r\n\r\n");
        return status(404, "page not found");
    }

    // ── Images ──

    Reply image(const std::string& encoded) {
        std::string name = encoded;
        if (const auto at = name.find("%3A"); at != name.npos) name.replace(at, 3, ":");
        const auto found = images.find(name);
        if (found == images.end() || !found->second.here) return status(404, "No such image: " + name);
        const auto& it = found->second;
        return document(fmt::format(R"({{"Id":"sha256:{0}","RepoTags":["{0}"],"RepoDigests":["{0}@sha256:{1:064x}"],"Os":"linux","Architecture":"amd64","Size":1,"Config":{{"ExposedPorts":{{"80/tcp":{{}}}}{2}}}}})", name,
                                    hash64(name), it.has_health ? R"(,"Healthcheck":{"Test":["CMD","/h"],"Interval":1000000000,"Timeout":1000000000,"Retries":3})" : ""));
    }
    Reply pull(std::string_view query) {
        std::string name;
        for (const auto part : split(query, '&')) {
            if (part.starts_with("fromImage=")) name = std::string(part.substr(10)) + name;
            if (part.starts_with("tag=")) name += ":" + std::string(part.substr(4));
        }
        const auto found = images.find(name);
        if (found == images.end()) return status(404, "manifest for " + name + " not found: manifest unknown");
        const auto& it = found->second;
        Reply out{.pieces = {ScriptedEngine::stream_head() + ScriptedEngine::one_chunk("{\"status\":\"Pulling\",\"id\":\"latest\"}\n")}, .after = 2ms, .between = it.pulling};
        if (!it.pull_error.empty()) {
            out.pieces.push_back(ScriptedEngine::one_chunk(nlohmann::json{{"errorDetail", {{"message", it.pull_error}}}, {"error", it.pull_error}}.dump() + "\n") + "0\r\n\r\n");
            return out;
        }
        loop_.post_at(world_.now() + it.pulling, [this, name] { images[name].here = true; });
        out.pieces.push_back(ScriptedEngine::one_chunk(fmt::format("{{\"status\":\"Digest: sha256:{:064x}\"}}\n", hash64(name))) + "0\r\n\r\n");
        return out;
    }

    // ── Containers ──

    Reply create(const std::string& name, const nlohmann::json& asked) {
        if (containers.contains(name)) return status(409, fmt::format("Conflict. The container name \"/{}\" is already in use", name));
        const std::string image = asked.at("Image");
        const auto found = images.find(image);
        if (found == images.end() || !found->second.here) return status(404, "No such image: " + image);
        if (!found->second.create_error.empty()) return status(400, found->second.create_error);
        SimulatedContainer one{.id = new_id(), .name = name, .image = image, .network = asked.at("HostConfig").at("NetworkMode"), .ip = fmt::format("172.18.{}.{}", ids_ / 200, 2 + ids_ % 200),
                               .health = found->second.has_health ? "starting" : "", .labels = asked.at("Labels").get<std::map<std::string, std::string>>()};
        one.restarts_itself = asked.at("HostConfig").contains("RestartPolicy");
        one.created = world_.utc();
        const std::string id = one.id;
        tell("create", containers[name] = std::move(one));
        return document(fmt::format(R"({{"Id":"{}","Warnings":[]}})", id), 201);
    }
    Reply start(SimulatedContainer& one) {
        if (one.running()) return nothing(304);
        const std::string& error = images[one.image].start_error;
        if (!error.empty()) return status(400, error);
        one.wanted = true;
        begin(one);
        return nothing();
    }
    void begin(SimulatedContainer& one) {
        one.state = "running";
        one.started = world_.utc();
        one.running_since = world_.now();
        ++one.lives;
        tell("start", one);
        const SimulatedImage& image = images[one.image];
        if (image.has_health) {
            one.health = "starting";
            for (const auto& [at, word] : {std::pair{image.sick, "unhealthy"}, std::pair{image.healthy, "healthy"}})
                if (at) in(*at, one, [this, word](SimulatedContainer& it) { tell(fmt::format("health_status: {}", it.health = word), it); });
        }
        if (image.ends)
            in(*image.ends, one, [this](SimulatedContainer& it) {
                if (!may_end || may_end(it)) end(it, images[it.image].exit_code, images[it.image].oom);
            });
    }
    void end(SimulatedContainer& one, int code, bool oom) {
        one.state = "exited";
        one.exit_code = code;
        one.oom = oom;
        one.finished = world_.utc();
        one.ended = world_.now();
        ++one.lives;
        if (oom) tell("oom", one);
        tell("die", one);
        if (!one.wanted || !one.restarts_itself) return;
        one.state = "restarting";
        ++one.restarts;
        in(100ms * one.restarts, one, [this](SimulatedContainer& it) { begin(it); });
    }
    Reply stop(SimulatedContainer& one, std::string_view query) {
        if (touched) touched("stop", one);
        one.wanted = false;
        if (one.state == "restarting") one.state = "exited", ++one.lives;
        if (!one.running()) return nothing(304);
        // Asked to end, it answers on for a while.
        const Duration grace = std::min<Duration>(images[one.image].stopping, std::chrono::seconds(parse_unsigned(query.substr(2)).value_or(0)));
        in(grace, one, [this](SimulatedContainer& it) { end(it, 143, false); });
        Reply out = nothing();
        out.after += grace;
        return out;
    }
    Reply remove(SimulatedContainer& one) {
        if (touched) touched("remove", one);
        one.wanted = false;
        if (one.running()) end(one, 137, false);
        tell("destroy", one);
        containers.erase(std::string(one.name));
        return nothing();
    }
    // What is to happen in this life of the container.
    void in(Duration after, const SimulatedContainer& one, std::function<void(SimulatedContainer&)> what) {
        loop_.post_at(world_.now() + after, [this, id = one.id, lives = one.lives, what = std::move(what)] {
            SimulatedContainer* it = find(id);
            if (it != nullptr && it->lives == lives) what(*it);
        });
    }
    Reply list(std::string_view query) {
        std::string out;
        for (const auto& [name, one] : containers)
            if (asks_for(query, one.labels))
                out += fmt::format(R"({}{{"Id":"{}","Names":["/{}"],"Image":"{}","ImageID":"sha256:{}","Created":{},"State":"{}","Status":"","Labels":{}}})", out.empty() ? "" : ",", one.id, name, one.image,
                                   one.image, one.created.time_since_epoch() / 1s, one.state, nlohmann::json(one.labels).dump());
        return document("[" + out + "]");
    }
    std::string inspected(const SimulatedContainer& one) const {
        const auto& status = one.state;
        return fmt::format(
            R"({{"Id":"{}","Created":"{}","State":{{"Status":"{}","Running":{},"OOMKilled":{},"Pid":7,"ExitCode":{},"Error":"","StartedAt":"{}","FinishedAt":"{}"{}}},"Image":"sha256:{}","Name":"/{}","RestartCount":{},)"
            R"("HostConfig":{{"NetworkMode":"{}"}},"Config":{{"Image":"{}","Labels":{}}},"NetworkSettings":{{"Ports":{{}},"Networks":{{"{}":{{"NetworkID":"net","IPAddress":"{}"}}}}}}}})",
            one.id, time(one.created), status, status == "running", one.oom, one.exit_code, time(one.started), time(one.finished),
            one.health.empty() ? "" : fmt::format(R"(,"Health":{{"Status":"{}","FailingStreak":0,"Log":[]}})", one.health), one.image, one.name, one.restarts, one.network, one.image,
            nlohmann::json(one.labels).dump(), one.network, one.running() ? one.ip : "");
    }

    // ── Events ──

    // The filters' one label, "hale.deployment=d-1", as it stands in a query.
    static bool asks_for(std::string_view query, const std::map<std::string, std::string>& labels) {
        return query.find("label") == query.npos ||
               std::ranges::any_of(labels, [&](const auto& one) { return query.find(fmt::format("%22{}%3D{}%22", one.first, one.second)) != query.npos; });
    }
    Reply follow(std::string_view query) {
        Reply out = answered(ScriptedEngine::stream_head());
        out.then = ScriptedEngine::Then::hold;
        if (const auto at = query.find("since="); at != query.npos) {
            const auto since = parse_unsigned(query.substr(at + 6)).value_or(0);
            for (const auto& old : told_)
                if (old.at >= since && asks_for(query, old.labels)) out.pieces.push_back(ScriptedEngine::one_chunk(old.json));
        }
        out.between = 0ms;
        return out;
    }
    void tell(const std::string& action, const SimulatedContainer& one) {
        const auto at = one.created == Utc{} ? Duration{} : world_.utc().time_since_epoch();
        std::string json = fmt::format(R"({{"Type":"container","Action":"{0}","Actor":{{"ID":"{1}","Attributes":{{"name":"{2}","exitCode":"{3}"}}}},"scope":"local","time":{4},"timeNano":{5}}})", action, one.id, one.name,
                                       one.exit_code, at / 1s, at.count()) + "\n";
        engine_.say_where([&](std::string_view target) { return target.find("/events?") != target.npos && asks_for(target, one.labels); }, ScriptedEngine::one_chunk(json));
        told_.push_back({static_cast<std::uint64_t>(at / 1s), one.labels, std::move(json)});
        if (told_.size() > 256) told_.pop_front();
    }

    struct Told {
        std::uint64_t at;
        std::map<std::string, std::string> labels;
        std::string json;
    };
    sim::World& world_;
    Random& random_;
    ScriptedEngine engine_;
    sim::Loop& loop_;
    std::deque<Told> told_;
    std::uint64_t ids_ = 0;
    bool up_ = true;
};

}  // namespace hale::docker
