// Goal: the picture becomes the engine's truth whatever happens in between, by asking little: each container once and again only
// after something happened to it.
// Method: an engine of containers in the simulator that tells events as engines do (the last 256 again, when asked since a time), is
// stopped, restarted, stalled and cut off by seeds; in the end the picture is compared with what the engine holds, and requests are counted.

#include "docker/watch.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <map>

#include "docker/scripted_engine.h"
#include "sim/resolver.h"
#include "sim/seed.h"

namespace hale::docker {
namespace {

using Reply = ScriptedEngine::Reply;
using Seen = ScriptedEngine::Seen;

// Tells what was told, in order, and keeps the picture.
struct Picture final : WatchListener {
    std::map<std::string, int> containers;  // Id and exit code.
    std::vector<std::string> told;
    int changes = 0, ups = 0, downs = 0, unreadable = 0;
    bool up = false;
    std::move_only_function<void(std::string_view)> then;

    void on_container(const Inspected& one) override {
        containers[one.id] = static_cast<int>(one.exit_code);
        ++changes;
        say("container " + one.id);
    }
    void on_gone(const std::string& id) override {
        EXPECT_EQ(containers.erase(id), 1u) << id << " was not told before";
        say("gone " + id);
    }
    void on_engine(bool is_up, const std::string& text) override {
        EXPECT_TRUE(ups + downs == 0 || up != is_up) << text;
        EXPECT_FALSE(text.empty());
        up = is_up;
        ++(is_up ? ups : downs);
        say(is_up ? "up" : "down " + text);
    }
    void on_unreadable(const std::string& id, const Error&) override {
        ++unreadable;
        say("unreadable " + id);
    }
    void say(std::string text) {
        if (told.size() < 10'000) told.push_back(text);
        if (then) then(text);
    }
};

struct Fleet {
    explicit Fleet(std::uint64_t seed = 9, std::string_view place = "tcp://10.0.0.2") : world(seed), loop(world.make_loop("watching")) {
        network.add_host("hale", {"10.0.0.1"});
        network.add_host("machine", {"10.0.0.2"});
        const std::string path = parse_place(place)->path;
        scripted = path.empty() ? std::make_unique<ScriptedEngine>(world, network, "machine", SocketAddress{.ip = *Ip::parse("10.0.0.2"), .port = 2375})
                                : std::make_unique<ScriptedEngine>(world, network, "hale", SocketAddress{.path = path});
        scripted->answer = [this](const Seen& seen) { return answer(seen); };
        loop.run([&] {
            engine = std::make_unique<Engine>(Ways{loop, network.net("hale", loop), resolver, scratch, {}, "hale/test"}, *parse_place(place));
            watch = std::make_unique<Watch>(*engine, std::vector<std::string>{"app"}, seed, picture);
        });
    }
    ~Fleet() {
        loop.run([&] {
            watch.reset();
            engine.reset();
        });
        scripted.reset();
        world.run_for(5min);
        EXPECT_EQ(network.leaks(), "");
    }
    void start() {
        loop.run([&] { watch->start(); });
    }
    bool settled(Duration within = 2min) {
        return world.run_until([&] { return picture.up && picture.containers == truth; }, within);
    }

    // What happens at the engine.
    void set(const std::string& id, int code, std::string_view action = "die") {
        const bool made = !truth.contains(id);
        truth[id] = code;
        happened(made ? "create" : action, id);
    }
    void remove(const std::string& id) {
        truth.erase(id);
        happened("destroy", id);
    }
    void happened(std::string_view action, std::string_view id, std::string_view label = "app") {
        const auto at = world.utc().time_since_epoch();
        std::string line = fmt::format(R"({{"Type":"container","Action":"{}","Actor":{{"ID":"{}","Attributes":{{"{}":"web"}}}},"timeNano":{}}})", action, id, label, at.count()) + "\n";
        if (!deaf) scripted->say("/events", ScriptedEngine::one_chunk(line));
        remembered.emplace_back(at, std::move(line));
    }
    Reply answer(const Seen& seen) {
        const auto has = [&](std::string_view part) { return seen.target.find(part) != std::string::npos; };
        const std::string date = fmt::format("Date: {}\r\n", http_date(world.utc()));
        if (silent) return {{}, ScriptedEngine::Then::hold};
        if (has("/_ping")) return {{ScriptedEngine::with_length(200, "OK", date)}};
        if (has("/version")) return {{ScriptedEngine::with_length(200, R"({"ApiVersion":"1.41","MinAPIVersion":"1.12"})")}};
        if (has("/events")) {
            Reply reply{{ScriptedEngine::stream_head()}, ScriptedEngine::Then::hold};
            const std::size_t at = seen.target.find("since=");
            EXPECT_NE(at, std::string::npos);
            const auto since = std::chrono::seconds(std::stoll(seen.target.substr(at + 6)));
            for (const auto& [when, line] : remembered)
                if (when >= since) reply.pieces.push_back(ScriptedEngine::one_chunk(line));
            return reply;
        }
        if (has("/containers/json")) {
            std::string list = "[";
            for (const auto& [id, code] : truth) list += fmt::format(R"({}{{"Id":"{}","State":"running"}})", list.size() > 1 ? "," : "", id);
            return {{ScriptedEngine::with_length(200, list + "]")}, ScriptedEngine::Then::close, Duration(static_cast<std::int64_t>(world.random().below(20'000'000)))};
        }
        const std::size_t from = seen.target.find("/containers/") + 12;
        const std::string id = seen.target.substr(from, seen.target.find('/', from) - from);
        if (id == spoiled) return {{ScriptedEngine::with_length(200, "nonsense")}};
        const auto found = truth.find(id);
        if (found == truth.end()) return {{ScriptedEngine::with_length(404, R"({"message":"No such container"})")}};
        return {{ScriptedEngine::with_length(200, fmt::format(R"({{"Id":"{}","State":{{"Status":"exited","ExitCode":{}}}}})", id, found->second))},
                ScriptedEngine::Then::close, Duration(static_cast<std::int64_t>(world.random().below(20'000'000)))};
    }

    sim::World world;
    sim::Network network{world};
    sim::Names names;
    sim::Loop& loop;
    sim::Resolver resolver{names, loop};
    http::Scratch scratch;
    std::map<std::string, int> truth;
    std::vector<std::pair<Duration, std::string>> remembered;
    std::string spoiled;
    bool silent = false, deaf = false;
    Picture picture;
    std::unique_ptr<ScriptedEngine> scripted;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Watch> watch;
};

TEST(Watch, TellsAllThereIsBeforeItSaysThatItIsUp) {
    Fleet f;
    for (const char* id : {"a", "b", "c"}) f.truth[id] = 1;
    f.start();
    ASSERT_TRUE(f.settled());
    ASSERT_EQ(f.picture.told.size(), 4u);
    EXPECT_EQ(f.picture.told.back(), "up");
    EXPECT_EQ(f.watch->known(), 3u);
    f.set("a", 2);
    f.set("d", 5);
    f.remove("b");
    ASSERT_TRUE(f.settled());
    EXPECT_EQ(f.scripted->asked("/containers/json"), 1u);

    Fleet empty;
    empty.start();
    ASSERT_TRUE(empty.settled());
    EXPECT_EQ(empty.picture.told, std::vector<std::string>{"up"});
}

TEST(Watch, OfTwoHundredContainersCostsAlmostNothing) {
    Fleet f(9, "unix:///run/docker.sock");
    for (int i = 0; i < 200; ++i) f.truth[fmt::format("c{}", i)] = 0;
    f.start();
    ASSERT_TRUE(f.settled());
    EXPECT_EQ(f.scripted->seen.size(), 200u + 4);  // Ping, version, events, list.
    f.world.run_for(1h);
    EXPECT_LE(f.scripted->seen.size(), 204u + 120);
    EXPECT_EQ(f.scripted->asked("/_ping"), f.scripted->seen.size() - 203);
    // A burst about one container is few looks at it.
    const std::size_t before = f.scripted->asked("/c7/json");
    for (int i = 0; i < 50; ++i) f.set("c7", i);
    ASSERT_TRUE(f.settled());
    EXPECT_LE(f.scripted->asked("/c7/json") - before, 3u);
    EXPECT_EQ(f.picture.downs, 0);
}

// An engine that can't sort by a label without its value tells of everybody's.
TEST(Watch, LeavesAloneWhatHasAnotherLabel) {
    Fleet f;
    f.truth["c1"] = 0;
    f.start();
    ASSERT_TRUE(f.settled());
    const std::size_t before = f.scripted->seen.size();
    for (const std::string_view action : {"create", "start", "die", "destroy"}) {
        f.happened(action, "somebody", "other");
        f.world.run_for(2s);
    }
    EXPECT_EQ(f.scripted->seen.size(), before);
    // Of what is known all is heard, whatever it says of itself.
    f.truth["c1"] = 3;
    f.happened("die", "c1", "other");
    ASSERT_TRUE(f.settled());
    EXPECT_EQ(f.picture.containers.at("c1"), 3);
}

TEST(Watch, LooksAgainAtWhatChangedWhileItLooked) {
    for (Duration pause = 0ms; pause < 25ms; pause += 100us) {
        Fleet f(9, "unix:///run/docker.sock");
        f.truth["a"] = 1;
        f.start();
        ASSERT_TRUE(f.settled());
        f.set("a", 2);
        f.world.run_for(pause);
        f.set("a", 3);
        EXPECT_TRUE(f.settled(5s)) << human(pause);
        f.set("a", 4);
        f.world.run_for(pause);
        f.remove("a");
        f.world.run_for(5s);
        EXPECT_TRUE(f.picture.containers.empty()) << human(pause);
    }
}

TEST(Watch, SurvivesARestartAndMissesNothing) {
    Fleet f;
    for (const char* id : {"a", "b", "c"}) f.truth[id] = 1;
    f.start();
    ASSERT_TRUE(f.settled());
    f.scripted->stop();
    f.truth = {{"b", 7}, {"c", 1}, {"new", 3}};
    f.world.run_for(10min);
    EXPECT_EQ(f.picture.downs, 1);
    EXPECT_FALSE(f.picture.up);
    // Later and later, and never at the same pace as others.
    f.scripted->start();
    ASSERT_TRUE(f.settled(longest_pause + 5s));
    EXPECT_EQ(f.picture.ups, 2);
}

// A real engine stops its containers, and tells so, for some time after it stopped listening.
TEST(Watch, TakesAnEngineThatAnswersNobodyForGone) {
    Fleet f;
    f.truth = {{"a", 1}, {"b", 2}};
    f.start();
    ASSERT_TRUE(f.settled());
    f.scripted->stop_listening();
    f.set("a", 137);
    f.world.run_for(1s);
    EXPECT_EQ(f.picture.downs, 1);
    EXPECT_EQ(f.picture.unreadable, 0);
    f.scripted->start();
    EXPECT_TRUE(f.settled());
}

TEST(Watch, ConnectsAgainLaterEachTime) {
    Fleet f;
    f.silent = true;
    f.start();
    f.world.run_for(1h);
    // Each try takes ping_patience and at most longest_pause.
    EXPECT_GT(f.scripted->seen.size(), 60u);
    EXPECT_LT(f.scripted->seen.size(), 130u);
    EXPECT_EQ(f.picture.downs, 1);
    f.silent = false;
    EXPECT_TRUE(f.settled());
}

TEST(Watch, NoticesAWayThatWasCutInSilence) {
    Fleet f;
    f.truth["a"] = 1;
    f.start();
    ASSERT_TRUE(f.settled());
    f.network.cut("hale", "machine");
    EXPECT_TRUE(f.world.run_until([&] { return f.picture.downs == 1; }, ping_every + ping_patience + 1s));
    f.truth["a"] = 2;
    f.network.heal();
    EXPECT_TRUE(f.settled());
}

// The other machine lost its power and came back while the way was cut: its end of the connection is gone without a word.
TEST(Watch, ComparesEverythingOnceInALongWhileWithAnotherMachine) {
    Fleet f;
    f.truth = {{"a", 1}, {"b", 2}};
    f.start();
    ASSERT_TRUE(f.settled());
    f.network.cut("hale", "machine");
    f.scripted->stop();
    f.scripted->start();
    f.world.run_for(20s);
    f.network.heal();
    f.truth = {{"b", 3}, {"c", 4}};
    EXPECT_TRUE(f.settled(renew_every + ping_every + 1s));
    EXPECT_EQ(f.picture.downs, 0);
    const std::size_t before = f.scripted->seen.size();
    f.world.run_for(1h);
    EXPECT_LE(f.scripted->seen.size() - before, 120u + 6 * (2 + 2));
}

TEST(Watch, GoesOnBesideAContainerThatCantBeRead) {
    Fleet f;
    f.truth = {{"a", 1}, {"b", 2}};
    f.spoiled = "a";
    f.start();
    EXPECT_TRUE(f.world.run_until([&] { return f.picture.up; }, 1min));
    EXPECT_EQ(f.picture.containers.size(), 1u);
    EXPECT_EQ(f.picture.unreadable, 1);
    f.world.run_for(5 * ping_every);
    EXPECT_LE(f.picture.unreadable, 7);
    f.spoiled.clear();
    EXPECT_TRUE(f.settled(ping_every + 5s));
    EXPECT_EQ(f.picture.downs, 0);
}

TEST(Watch, ComesToTheTruthWhateverHappens) {
    sim::for_each_seed(60, [](std::uint64_t seed) {
        // Over a unix socket nothing is ever asked for anew: each event counts.
        const bool socket = seed % 2 == 0;
        Fleet f(seed, socket ? "unix:///run/docker.sock" : "tcp://10.0.0.2");
        Random random(seed);
        for (std::uint64_t i = 0; i < random.below(20); ++i) f.truth[fmt::format("c{}", i)] = 0;
        f.start();
        bool running = true;
        for (int step = 0; step < 150; ++step) {
            const std::string id = fmt::format("c{}", random.below(25));
            switch (random.below(14)) {
                case 0: case 1: case 2: case 3: case 4: f.set(id, static_cast<int>(random.below(100))); break;
                case 5: case 6: if (f.truth.contains(id)) f.remove(id); break;
                case 7: f.scripted->stop(), running = false; break;
                case 8: if (!running) f.scripted->start(), running = true; break;
                case 9: f.network.cut_for("hale", "machine", Duration(static_cast<std::int64_t>(random.below(20'000'000'000)))); break;
                case 10: f.silent = !f.silent; break;
                case 11: f.spoiled = random.one_in(2) ? id : ""; break;
                default: break;
            }
            f.world.run_for(Duration(static_cast<std::int64_t>(random.below(random.one_in(10) ? 40'000'000'000 : 30'000'000))));
        }
        f.silent = false;
        f.spoiled.clear();
        if (!running) f.scripted->start();
        f.network.heal();
        // The most that it takes is a connection that died unseen.
        f.world.run_for(socket ? 2min : renew_every + 3min);
        EXPECT_TRUE(f.picture.up);
        EXPECT_EQ(f.picture.containers, f.truth);
        EXPECT_EQ(f.watch->known(), f.truth.size());
    });
}

TEST(Watch, IsDestroyedByItsListenerWheneverItLikes) {
    for (std::size_t at = 0; at < 12; ++at) {
        for (const bool engine_too : {false, true}) {
            Fleet f;
            f.truth = {{"a", 1}, {"b", 2}, {"c", 3}};
            f.spoiled = "c";
            std::size_t told = 0;
            f.picture.then = [&](std::string_view) {
                if (told++ != at) return;
                f.watch.reset();
                if (engine_too) f.engine.reset();
            };
            f.start();
            f.world.run_for(1min);
            f.set("a", 5);
            f.remove("b");
            f.world.run_for(1min);
            f.scripted->stop();
            f.world.run_for(1min);
            f.scripted->start();
            f.world.run_for(1min);
            EXPECT_EQ(told, std::min<std::size_t>(told, at + 1));
            EXPECT_GE(told, std::min<std::size_t>(at + 1, 8));
        }
    }
}

}  // namespace
}  // namespace hale::docker
