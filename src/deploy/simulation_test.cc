// Goal: whatever an engine, its containers, people and kills of the daemon do, in whatever order: users reach one whole version at each
// moment, the old one until a verified one takes its place, and amid waves never fewer instances nor more containers than was said;
// every deployment ends in its time and says how; what is not Hale's is never touched, and what is over leaves nothing behind.
// Method: 10,000 stories, in shards. In each the deployer works on a real control and talks to a simulated engine over HTTP, while drawn
// things go wrong: images, containers, the engine, aborts, newer deployments, rollbacks, and kill -9 before or after any commit. The
// rules are held on every mutation, on every call that touches a container, and whenever something is over.

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "catalog/testing.h"
#include "config/load.h"
#include "deploy/deployer.h"
#include "docker/simulated_engine.h"
#include "rollout/words.h"
#include "sim/seed.h"

namespace hale::deploy {
namespace {

using catalog::GateEnd;
using docker::SimulatedContainer;
using docker::SimulatedEngine;
using docker::SimulatedImage;
using Json = nlohmann::json;
using Names = std::set<std::string>;

constexpr Duration tick = 200ms;
constexpr Duration told_late = 700ms;      // An engine's events, and what is asked for them, on the slowest way here.
constexpr Duration disturbed_for = 60s;    // After trouble with the engine its events may be missing so long.
constexpr Duration heard_late = 2s;  // Beyond a deadline: for the undoing of what was under way.

const std::string declared = R"(
drain_timeout: 1s
services:
  web: {hosts: [web.example], check: {http: /up}, instances: ["10.0.0.1:80"],
        deploy: {image: "web:0", replicas: 1, stop_timeout: 1s, retain: 1, deadlines: {pulling: 20s, creating: 10s, starting: 10s, verifying: 8s}}}
)";

std::shared_ptr<const config::Document> the_document() {
    static const auto document = catalog::document(declared);
    return document;
}

// What outlives the daemon.
struct Site {
    explicit Site(std::uint64_t seed) : world(seed) {
        network.add_host("hale", {"10.9.0.1"});
        engine = std::make_unique<SimulatedEngine>(world, network, "hale", SocketAddress{.path = "/run/docker.sock"}, world.random());
    }
    sim::World world;
    sim::Network network{world};
    sim::Names names;
    std::unique_ptr<SimulatedEngine> engine;
};

// One life of the daemon.
struct Daemon final : catalog::Deploying {
    Daemon(Site& its_site, config::Restored restored)
        : site(its_site), loop(site.world.make_loop("daemon")), left(restored.deployments), desk(loop, the_document(), std::move(restored)) {
        desk.control.set_front({.http = SocketAddress::parse("127.0.0.1:8080"), .https = {}});
        engine = std::make_unique<docker::Engine>(docker::Ways{loop, site.network.net("hale", loop), resolver, scratch, {}, "hale/test"}, *docker::parse_place("unix:///run/docker.sock"));
        deployer = std::make_unique<Deployer>(Deployer::Parts{.loop = loop, .catalog = *this,
                                                              .secret_bytes =
                                                                  [this](std::size_t count) {
                                                                      std::string out;
                                                                      for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<char>(site.world.random().below(256)));
                                                                      return out;
                                                                  },
                                                              .engine = engine.get()});
    }
    ~Daemon() {
        loop.stall(24h * 3650);
        loop.run([this] {
            deployer.reset();
            engine.reset();
        });
    }
    void go_on() {
        loop.run([this] { deployer->restore(left); });
    }
    void die() {
        dead = true;
        loop.stall(24h * 3650);
    }

    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override {
        if (dead) return;
        if (dies_before && --*dies_before < 0) return die();
        if (before_mutation) before_mutation(mutation.change);
        desk.control.mutate(std::move(mutation), [this, reply = std::move(reply)](catalog::MutationResult result) mutable {
            if (after_mutation) after_mutation();
            if (dies_after && --*dies_after < 0) return die();
            loop.post([reply = std::move(reply), result = std::move(result)]() mutable { reply(std::move(result)); });
        });
    }
    void look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) override {
        loop.post([this, service = std::move(service), reply = std::move(reply)]() mutable { reply(desk.control.look(service)); });
    }
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override { desk.control.verify(std::move(request), std::move(reply)); }
    void when_gone(std::vector<std::string> instances, io::Task gone) override { desk.control.when_gone(std::move(instances), std::move(gone)); }
    void traffic(std::string, std::move_only_function<void(catalog::TrafficNow)> reply) override {
        loop.post([now = users ? users() : catalog::TrafficNow{}, reply = std::move(reply)]() mutable { reply(std::move(now)); });
    }
    void probe(std::string, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) override {
        const auto& asked = std::get<config::HttpCheck>(check->what);
        const auto& key = asked.headers.back().second;
        verdict::Observation seen{.outcome = verdict::Outcome::fail};
        seen.status = 503;
        if (check->name.view() == "hook") seen.status = hook(Json::parse(asked.body)) ? 200 : 503;
        else if (!key.empty() && key == desk.key()) seen.status = static_cast<std::uint16_t>(through ? through() : 200);
        if (seen.status == 200) seen.outcome = verdict::Outcome::pass;
        seen.text = fmt::format("GET /up: status {}", seen.status);
        loop.post_at(site.world.now() + 20ms, [reply = std::move(reply), seen]() mutable { reply(seen); });
    }

    Site& site;
    sim::Loop& loop;
    std::vector<config::StoredDeployment> left;
    catalog::PromptDesk desk;
    sim::Resolver resolver{site.names, loop};
    http::Scratch scratch;
    std::unique_ptr<docker::Engine> engine;
    std::unique_ptr<Deployer> deployer;
    bool dead = false;
    std::optional<std::int64_t> dies_before, dies_after;  // So many mutations more.
    std::function<void(const catalog::Change&)> before_mutation;
    std::function<void()> after_mutation;
    std::function<int()> through;
    std::function<bool(const Json&)> hook;
    std::function<catalog::TrafficNow()> users;
};

struct Totals {
    std::uint64_t stories = 0, kills = 0, mutations = 0, touched = 0, in_waves = 0, broken = 0;
    std::map<std::string, std::uint64_t> ends;
};

class Story {
public:
    Story(std::uint64_t seed, Totals& totals) : site_(seed), random_(site_.world.random()), totals_(totals) {
        ++totals_.stories;
        site_.engine->touched = [this](std::string_view verb, const SimulatedContainer& one) { touched(verb, one); };
        site_.engine->trouble = [this](const SimulatedEngine::Seen& seen) { return trouble(seen); };
        // What goes wrong with those that serve is no deployment's doing.
        site_.engine->may_end = [this](const SimulatedContainer& one) { return !daemon_ || !(serving_.contains(one.name) || served_.contains(one.name)); };
        site_.engine->slowest = one_in(4) ? 300ms : 5ms;
        site_.engine->images["foreign:1"] = {};
        troubles_ = one_in(2) ? below(30) : 0;
        live();
    }

    void tell() {
        const auto wanted = 1 + below(3);
        for (std::uint64_t i = 0; i < wanted && !testing::Test::HasFailure(); ++i) {
            ask();
            // Something may be asked for while it is under way.
            const Instant until = site_.world.now() + some(2s, 50s);
            while (site_.world.now() < until && !testing::Test::HasFailure()) {
                if (one_in(60)) meddle();
                step();
                if (idle() && one_in(4)) break;
            }
        }
        quiet();
    }

private:
    std::uint64_t below(std::uint64_t n) { return random_.below(n); }
    bool one_in(std::uint64_t n) { return random_.one_in(n); }
    Duration some(Duration least, Duration most) { return least + Duration(static_cast<std::int64_t>(below(static_cast<std::uint64_t>((most - least).count())))); }
    bool idle() const { return daemon_ && !daemon_->dead && daemon_->deployer->under_way() == 0; }

    // HALE_TELL=1: the story, to whoever looks into one that failed.
    template <class Line>
    void say(Line line) const {
        static const bool wanted = std::getenv("HALE_TELL") != nullptr;
        if (wanted) fmt::print("{} {}\n", rfc3339(site_.world.utc()), line());
    }

    // ── The daemon ──

    void live() {
        config::Restored left;
        if (daemon_) left = daemon_->desk.left();
        daemon_.reset();
        daemon_ = std::make_unique<Daemon>(site_, std::move(left));
        daemon_->before_mutation = [this](const catalog::Change& change) { about_to(change); };
        daemon_->after_mutation = [this] { whole(); };
        daemon_->through = [this] { return through(); };
        daemon_->hook = [this](const Json& told) { return hook(told); };
        daemon_->users = [this] { return users(); };
        met_.clear();
        if (!calm_ && one_in(5)) (one_in(2) ? daemon_->dies_before : daemon_->dies_after) = static_cast<std::int64_t>(below(40));
        said_.clear();
        judge();
        whole();
        daemon_->go_on();
    }
    void kill() { daemon_->die(); }
    void step() {
        site_.world.run_for(tick);
        site_.engine->forget_ended();
        if (daemon_->dead) {
            ++totals_.kills;
            say([] { return "the daemon is dead"; });
            site_.world.run_for(one_in(8) ? some(20s, 90s) : some(10ms, 3s));
            down_until_ = site_.world.now();
            say([] { return "it starts again"; });
            live();
        }
        if (!site_.engine->up() && site_.world.now() >= away_until_) site_.engine->back();
        judge();
        answer();
        whole();
        for (const auto& name : serving_) {
            auto& [requests, failed] = met_[name];
            requests += 10;
            if (bad(name)) failed += 8;
        }
        if (++steps_ % 10 == 0) in_time();
    }

    // ── Checks and gates ──

    bool well(const std::string& name, bool of_file) const { return of_file || site_.engine->well(name); }
    // The same container as an instance again is another one to whoever checks.
    std::string life(const catalog::InstanceNow& one) const {
        std::string out = one.id;
        for (const auto& [row, given] : daemon_->desk.assigned)
            if (given.id == one.id) out += fmt::format(" {}", daemon_->desk.times_assigned.at(row));
        return out;
    }
    void judge() {
        for (const auto& one : daemon_->desk.control.look("web").instances) {
            const auto state = well(one.name, one.of_file) ? verdict::State::healthy : verdict::State::unhealthy;
            if (const auto [at, fresh] = said_.try_emplace(life(one), state); fresh || std::exchange(at->second, state) != state) {
                daemon_->desk.judge(one.name, state);
                say([&] { return fmt::format("{} is {}", one.name, verdict::to_text(state)); });
            }
            if (state == verdict::State::healthy) verified_.insert(one.name);
        }
    }
    void answer() {
        if (daemon_->desk.gates.empty()) return;
        for (const auto& one : daemon_->desk.control.look("web").instances) {
            const bool good = well(one.name, one.of_file);
            if (!good && below(3) != 0) continue;  // A refusal takes its time.
            verdict::Observation seen{.outcome = good ? verdict::Outcome::pass : verdict::Outcome::fail};
            seen.at = site_.world.utc();
            seen.status = good ? 200 : 500;
            if (!good) seen.text = "GET http://172.18.0.2:80/up: status 500";
            daemon_->desk.answer_gate(one.name, good ? GateEnd::passed : GateEnd::failed, seen);
        }
    }
    int through() const {
        for (const auto& [name, one] : site_.engine->containers)
            if (!serving_.contains(name) && one.running() && !one.deployment().empty() && daemon_->desk.lifecycle(name) == "starting") return site_.engine->images.at(one.image).through;
        return 200;
    }

    // ── Hooks and users ──

    bool hook(const Json& told) {
        const auto found = habits_.find(told.at("image").get<std::string>());
        return found == habits_.end() || (told.at("when") == "before" ? found->second.before : found->second.after);
    }
    bool bad(const std::string& name) const {
        const auto there = site_.engine->containers.find(name);
        const auto found = there == site_.engine->containers.end() ? habits_.end() : habits_.find(there->second.image);
        return found != habits_.end() && found->second.bad;
    }
    catalog::TrafficNow users() const {
        catalog::TrafficNow out(1);
        for (const auto& [name, met] : met_) out[0].push_back({.name = name, .requests = met.first, .failed = met.second, .took = {}});
        return out;
    }

    // ── What is asked for ──

    SimulatedImage drawn() {
        SimulatedImage out;
        out.here = one_in(3);
        out.pulling = one_in(10) ? some(15s, 25s) : some(10ms, 4s);
        out.ready = one_in(8) ? some(5s, 11s) : some(0ms, 2s);
        out.stopping = some(0ms, 3s);
        if (one_in(4)) out.has_health = true, out.healthy = one_in(6) ? some(5s, 12s) : some(100ms, 3s);
        if (out.has_health && one_in(4)) out.sick = some(100ms, 6s);
        if (out.has_health && one_in(8)) out.healthy.reset();
        switch (below(24)) {
            case 0: out.pull_error = "unauthorized: authentication required", out.here = false; break;
            case 1: out.create_error = "invalid mount config"; break;
            case 2: out.start_error = "exec: \"/bin/nothing\": no such file"; break;
            case 3: out.ready.reset(); break;
            case 4:
            case 5: out.ends = some(0ms, 6s), out.exit_code = static_cast<int>(below(3)), out.oom = one_in(3); break;
            case 6: out.through = 404; break;
            case 7: out.through = 500; break;
            default: break;
        }
        return out;
    }
    void ask() {
        if (!daemon_ || daemon_->dead) return;
        const std::string image = fmt::format("web:{}", ++images_);
        if (!one_in(20)) site_.engine->images[image] = drawn();  // Else nobody has it.
        if (one_in(8)) foreign();
        Json overrides{{"image", image}};
        if (one_in(3)) overrides["replicas"] = 1 + below(3);
        if (one_in(6)) overrides["pull"] = "always";
        if (one_in(3)) overrides["restart"] = "no";
        if (one_in(2)) strategy(overrides, habits_[image]);
        daemon_->loop.run([&] {
            daemon_->deployer->deploy({.service = "web", .targets = {}, .overrides = overrides.dump(), .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"}, false, [](Result<Accepted>) {});
        });
    }
    // What a new version does beside what its image says.
    struct Habits {
        bool before = true, after = true, bad = false;
    };
    void strategy(Json& overrides, Habits& habits) {
        const auto asks = [](std::string_view when) { return Json::array({{{"http", fmt::format("http://10.7.0.1/{}", when)}, {"timeout", "2s"}}}); };
        if (one_in(3)) overrides["before"] = asks("before"), habits.before = !one_in(5);
        if (one_in(3)) overrides["after"] = asks("after"), habits.after = !one_in(3);
        if (one_in(3)) overrides["bake"] = {{"for", "3s"}, {"min_requests", 20}, {"max_error_ratio", 0.1}}, habits.bad = one_in(3);
        if (one_in(3)) overrides["breaker"] = {{"failures", 1 + below(3)}};
        // Waves replace what a deployment made; the first one has nothing of that kind before it.
        if (!serving_.contains("web-1") && !one_in(3)) {
            constexpr std::array<std::pair<int, int>, 4> limits{{{150, 50}, {150, 100}, {100, 50}, {199, 100}}};
            const auto [most, least] = limits[below(limits.size())];
            overrides["replicas"] = 2 + below(2);
            overrides["max_healthy_percent"] = most;
            overrides["min_healthy_percent"] = least;
        }
    }
    // Somebody else's container of the name that comes next.
    void foreign() {
        std::uint64_t last = 0;
        for (const auto& [id, one] : daemon_->desk.view.deployments()) last = std::max(last, one->number);
        const std::string name = fmt::format("web-{}-{}", last + 1, 1 + below(2));
        if (site_.engine->containers.contains(name)) return;
        std::map<std::string, std::string> labels;
        const bool kin = one_in(3);  // Made by an earlier installation: its time comes when a deployment retires old versions.
        if (kin || one_in(2)) labels = {{"hale.service", kin ? "web" : "other"}, {"hale.deployment", "d-of-another-hale"}};
        site_.engine->add_foreign(name, std::move(labels));
        (kin ? kin_ : foreign_).insert(name);
    }
    void meddle() {
        if (daemon_->dead) return;
        switch (below(6)) {
            case 0: return kill();
            case 1: return ask();
            case 2:
                daemon_->loop.run([&] {
                    for (const auto& [id, one] : daemon_->desk.view.deployments())
                        if (!one->over) (void)daemon_->deployer->abort(id, "somebody");
                });
                return;
            case 3:
                daemon_->loop.run([&] { daemon_->deployer->rollback("web", "", "somebody", [](Result<Accepted>) {}); });
                return;
            default:
                if (!site_.engine->up()) return;
                site_.engine->away();
                disturbed_ = site_.world.now();
                away_until_ = site_.world.now() + (one_in(5) ? some(20s, 90s) : some(100ms, 8s));
        }
    }
    SimulatedEngine::Trouble trouble(const SimulatedEngine::Seen& seen) {
        using Trouble = SimulatedEngine::Trouble;
        say([&] { return fmt::format("{} {}", seen.method, seen.target); });
        if (calm_ || troubles_ == 0 || !one_in(300 / troubles_ + 1)) return Trouble::none;
        disturbed_ = site_.world.now();
        return std::array{Trouble::refused, Trouble::lost, Trouble::deaf}[below(3)];
    }

    // ── The rules ──

    static std::string phase_of(const std::string& record) {
        constexpr std::string_view before = R"("phase":")";
        const auto at = record.find(before) + before.size();
        return record.substr(at, record.find('"', at) - at);
    }
    static std::string seen(const Names& names) { return fmt::format("{{{}}}", fmt::join(names, ", ")); }

    // Users are led to what is verified alone.
    void about_to(const catalog::Change& change) {
        ++totals_.mutations;
        say([&] { return fmt::format("mutation {}", change.index()); });
        const auto* to = std::get_if<catalog::Switch>(&change);
        if (const auto* said = std::get_if<catalog::RecordDeployment>(&change)) {
            phase_ = phase_of(said->record.json);
            say([&] { return fmt::format("{} is {}", said->record.id, phase_); });
        }
        if (to == nullptr) return;
        const bool undone = to->back || to->undo;
        EXPECT_EQ(phase_of(to->record.json), undone ? "rolling_back" : "switching") << to->record.json;
        if (undone) return;
        for (const auto& name : to->turns.at(0).to) {
            EXPECT_TRUE(verified_.contains(name)) << name << " was never well";
            if (site_.engine->well(name) || !site_.engine->containers.contains(name)) continue;
            // It ended a moment ago, or nobody could be told: that is the lot of whoever serves. It gets well by itself here.
            const auto& one = site_.engine->containers.at(name);
            const Instant could_tell = std::max(one.ended, down_until_);
            EXPECT_TRUE(site_.world.now() - could_tell < told_late || site_.world.now() - disturbed_ < disturbed_for) << name << " ended at " << rfc3339(one.finished) << ", before users are led to it";
            site_.engine->revive(name);
        }
    }

    // One whole version is before users, the old one or the new one.
    void whole() {
        const auto* route = daemon_->desk.published ? daemon_->desk.published->table.find("web.example", "/") : nullptr;
        ASSERT_NE(route, nullptr);
        serving_ = daemon_->desk.eligible();
        ASSERT_FALSE(serving_.empty()) << "nobody serves";
        served_.insert(serving_.begin(), serving_.end());
        std::set<std::string> versions;
        Names all;
        for (const auto& one : daemon_->desk.control.look("web").instances) {
            if (!one.serving) {
                EXPECT_FALSE(serving_.contains(one.name)) << one.name;
                continue;
            }
            all.insert(one.name);
            versions.insert(std::string(catalog::deployment_of(one.deployment)));
        }
        if (amid_waves(all, versions)) return;
        EXPECT_EQ(versions.size(), 1u) << seen(all);
        EXPECT_EQ(serving_, all) << "a part of a version serves";
    }

    // Between two waves both versions serve: as many as was said, and no more run.
    bool amid_waves(const Names& all, const std::set<std::string>& versions) {
        for (const auto& [id, one] : daemon_->desk.view.deployments()) {
            if (one->json.find(R"("waves":{)") == one->json.npos) continue;
            // It could not be undone in time, and says so.
            if (one->over && phase_of(one->json) == "failed" && versions.size() > 1) return true;
            if (one->over) continue;
            const Json record = Json::parse(one->json);
            const auto& waves = record.at("waves");
            const std::size_t old = waves.at("old").size();
            EXPECT_LE(versions.size(), 2u) << seen(all);
            EXPECT_TRUE(std::ranges::includes(all, serving_)) << seen(serving_);
            EXPECT_GE(serving_.size(), std::min(waves.at("least_serving").get<std::size_t>(), old)) << seen(serving_) << record.dump(1);
            const auto running = static_cast<std::size_t>(std::ranges::count_if(site_.engine->containers, [&](const auto& it) { return it.second.running() && it.first.starts_with("web-") && !kin_.contains(it.first) && !foreign_.contains(it.first); }));
            if (disturbed_ == Instant{}) EXPECT_LE(running, std::max(waves.at("most_running").get<std::size_t>(), old)) << record.dump(1);
            return true;
        }
        return false;
    }

    // Nothing is touched that is somebody else's, or that users' requests reach.
    void touched(std::string_view verb, const SimulatedContainer& one) {
        ++totals_.touched;
        EXPECT_FALSE(foreign_.contains(one.name)) << verb << " of " << one.name << ", which is somebody else's";
        EXPECT_FALSE(kin_.contains(one.name) && phase_ != "retiring") << verb << " of " << one.name << " in " << phase_;
        EXPECT_FALSE(serving_.contains(one.name)) << verb << " of " << one.name << ", which serves";
    }

    // Nothing outlives its deadline (V14), and what is over said how, and left nothing.
    void in_time() {
        if (daemon_->dead) return;
        for (const auto& [id, one] : daemon_->desk.view.deployments()) {
            if (told_.contains(id)) continue;
            const Json record = Json::parse(one->json);
            if (!one->over) {
                const auto deadline = parse_rfc3339(record.at("deadline").get<std::string>());
                ASSERT_TRUE(deadline) << one->json;
                EXPECT_LE(site_.world.utc(), std::max(*deadline, site_.world.utc() - (site_.world.now() - down_until_)) + heard_late) << "it goes on after its deadline: " << one->json;
                continue;
            }
            told_.insert(id);
            over(id, record);
        }
    }
    void over(const std::string& id, const Json& record) {
        const std::string phase = record.at("phase");
        ++totals_.ends[record.at("fault").is_null() ? phase : fmt::format("{} {}", phase, record.at("fault").at("code").get<std::string>())];
        Names left, running, mine;
        for (const auto& one : record.at("instances")) mine.insert(one.at("instance").get<std::string>());
        // What it started again was made by another.
        for (const auto& [name, one] : site_.engine->containers) {
            if (one.deployment() == id) left.insert(name);
            if (mine.contains(name) && one.running()) running.insert(name);
        }
        if (!record.at("fault").is_null()) {
            // It answered: what it said is another fault.
            const auto& fault = record.at("fault");
            const bool said = fault.at("text").get<std::string>().find("something is wrong with the engine") != std::string::npos;
            EXPECT_FALSE(said && fault.at("code") == "engine_unavailable") << record.dump(1);
        }
        if (phase == "done" && !record.at("waves").is_null()) ++totals_.in_waves;
        if (!record.at("fault").is_null() && record.at("fault").at("text").get<std::string>().find("circuit breaker") != std::string::npos) ++totals_.broken;
        if (phase == "done") {
            EXPECT_TRUE(record.at("fault").is_null()) << record.dump(1);
            EXPECT_TRUE(record.at("users_switched")) << record.dump(1);
            if (serving_ == mine) EXPECT_EQ(running, mine) << record.dump(1);
            return;
        }
        EXPECT_FALSE(record.at("fault").is_null()) << phase << " without a fault: " << record.dump(1);
        EXPECT_FALSE(record.at("users_switched") && phase != "failed") << record.dump(1);
        if (!record.at("fault").is_null()) EXPECT_NE(record.at("fault").at("text"), "") << record.dump(1);
        for (const auto& name : mine) EXPECT_FALSE(serving_.contains(name)) << record.dump(1);
        if (phase == "failed") return;
        EXPECT_EQ(left, Names{}) << record.dump(1);
        for (const auto& one : daemon_->desk.control.look("web").instances) EXPECT_NE(catalog::deployment_of(one.deployment), id) << one.name << " is known still: " << record.dump(1);
    }

    // Nothing goes wrong any more: everything ends.
    void quiet() {
        if (testing::Test::HasFailure()) return;
        calm_ = true;
        daemon_->dies_before.reset();
        daemon_->dies_after.reset();
        site_.engine->back();
        for (int i = 0; i < 3'000 && !testing::Test::HasFailure(); ++i) {
            step();
            if (idle()) break;
        }
        EXPECT_TRUE(idle()) << "a deployment without an end";
        for (int i = 0; i < 15; ++i) step();
        in_time();
        EXPECT_EQ(told_.size(), daemon_->desk.view.deployments().size());
        for (const auto& name : foreign_) EXPECT_TRUE(site_.engine->containers.contains(name) && site_.engine->containers.at(name).running()) << name;
        for (const auto& name : serving_)
            if (name != "web-1") EXPECT_TRUE(site_.engine->well(name)) << name;
    }

    Site site_;
    Random& random_;
    Totals& totals_;
    std::unique_ptr<Daemon> daemon_;
    std::map<std::string, verdict::State> said_;  // Of each life of an instance.
    Names serving_, served_, foreign_, kin_, verified_, told_;
    std::map<std::string, Habits> habits_;                                   // Of each image.
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> met_;  // Users' requests to each instance, and how many failed.
    std::string phase_;
    std::uint64_t images_ = 0, troubles_ = 0, steps_ = 0;
    Instant down_until_{}, away_until_{}, disturbed_{};
    bool calm_ = false;
};

constexpr std::uint64_t stories = 10'000, shards = 8;

class Simulated : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulated, V14AndV20HoldInEveryStory) {
    Totals totals;
    sim::for_each_seed(stories / shards, [&](std::uint64_t seed) { Story(seed, totals).tell(); }, 1 + GetParam() * (stories / shards));
    std::string ends;
    for (const auto& [how, count] : totals.ends) ends += fmt::format("; {} {}", count, how);
    fmt::print("{} stories, {} kills, {} mutations, {} containers touched, {} done in waves, {} circuits broken{}\n", totals.stories, totals.kills, totals.mutations, totals.touched, totals.in_waves, totals.broken, ends);
    if (totals.stories < 1'000) return;
    // They prove little unless most of what can happen did.
    EXPECT_GE(totals.kills, totals.stories / 5);
    for (const auto* how : {"done", "rolled_back image_pull_failed", "rolled_back create_failed", "rolled_back start_failed", "rolled_back container_exited", "rolled_back crash_loop", "rolled_back container_oom",
                            "rolled_back container_unhealthy", "rolled_back not_ready", "rolled_back route_missing", "rolled_back proxy_failed", "rolled_back aborted", "superseded superseded", "rolled_back hook_failed", "rolled_back bake_failed", "rolled_back engine_unavailable"})
        EXPECT_GE(totals.ends[how], 1u) << how;
    EXPECT_GE(totals.in_waves, 1u);
    EXPECT_GE(totals.broken, 1u);
}

INSTANTIATE_TEST_SUITE_P(Shards, Simulated, testing::Range<std::uint64_t>(0, shards));

}  // namespace
}  // namespace hale::deploy
