// Goal: whatever an engine does, each call ends exactly once and in its time, with what was meant or with a sentence that names the call,
// the engine and what happened; what was ended is never heard of again; nothing stays open.
// Method: a scripted engine in the simulator: answers with a length and chunked, split at every byte, cut after every byte, stalled at
// every stage, refused, too old; each operation of the network failing once; handles and engines destroyed after every event.

#include "docker/engine.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "docker/conversation.h"
#include "docker/exec.h"
#include "docker/samples_test.h"
#include "docker/scripted_engine.h"
#include "sim/resolver.h"
#include "sim/seed.h"

namespace hale::docker {
namespace {

using Reply = ScriptedEngine::Reply;
using Seen = ScriptedEngine::Seen;
std::string with_length(int status, std::string_view body, std::string_view more = {}) { return ScriptedEngine::with_length(status, body, more); }

bool holds(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

std::string frame(int kind, std::string_view bytes) {
    std::string out{static_cast<char>(kind), 0, 0, 0, 0, 0, static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
    return out + std::string(bytes);
}

struct World {
    explicit World(std::uint64_t seed = 5, const char* place = "tcp://engine.example:2375") : world(seed), loop(world.make_loop("asking")), place(*parse_place(place)) {
        network.add_host("hale", {"10.0.0.1"});
        network.add_host("machine", {"10.0.0.2"});
        names.set("engine.example", {"10.0.0.2"});
        const bool here = !this->place.path.empty();
        scripted = std::make_unique<ScriptedEngine>(world, network, here ? "hale" : "machine", here ? SocketAddress{.path = this->place.path} : SocketAddress{.ip = *Ip::parse("10.0.0.2"), .port = 2375});
        scripted->answer = [this](const Seen& seen) { return seen.target == "/version" ? Reply{{with_length(200, version)}} : reply; };
        loop.run([&] { make(); });
    }
    ~World() {
        loop.run([&] {
            call.reset();
            engine.reset();
        });
        scripted.reset();
        world.run_for(5min);
        EXPECT_EQ(network.leaks(), "");
    }
    void make() { engine = std::make_unique<Engine>(Ways{loop, network.net("hale", loop), resolver, scratch, dial, "hale/test"}, place); }

    // One call, and what came of it.
    template <class T, class Begin>
    Result<T> result(Begin begin, Duration within = 40s) {
        int came = 0;
        Result<T> out = fail(Code::internal, "nothing came");
        loop.run([&] {
            call = begin(*engine, [&](Result<T> one) {
                ++came;
                out = std::move(one);
                at = world.now();
            });
            EXPECT_EQ(came, 0) << "within the call";
        });
        EXPECT_TRUE(world.run_until([&] { return came > 0; }, within));
        world.run_for(1s);
        EXPECT_EQ(came, 1);
        loop.run([&] { call.reset(); });
        return out;
    }
    Result<Inspected> inspect(Duration patience = 30s) {
        return result<Inspected>([&](Engine& e, Then<Inspected> then) { return e.inspect("web-1", world.now() + patience, std::move(then)); });
    }
    Result<> start() {
        return result<void>([&](Engine& e, Then<> then) { return e.start("web-1", e.soon(), std::move(then)); });
    }

    sim::World world;
    sim::Network network{world};
    sim::Names names;
    sim::Loop& loop;
    sim::Resolver resolver{names, loop};
    http::Scratch scratch;
    Dial dial;
    Place place;
    std::string version = version_sample;
    Reply reply{{with_length(200, inspect_sample)}};
    std::unique_ptr<ScriptedEngine> scripted;
    std::unique_ptr<Engine> engine;
    Call call;
    Instant at{};
};

TEST(Agreement, IsMadeOnceAndAgainAfterTheEngineWasAway) {
    World w;
    EXPECT_TRUE(w.inspect());
    EXPECT_TRUE(w.inspect());
    ASSERT_EQ(w.scripted->seen.size(), 3u);
    EXPECT_EQ(w.scripted->seen[0].target, "/version");
    EXPECT_EQ(w.scripted->seen[1].target, "/v1.41/containers/web-1/json");
    EXPECT_EQ(w.scripted->seen[2].target, "/v1.41/containers/web-1/json");
    EXPECT_EQ(w.scripted->seen[1].host, "engine.example:2375");
    EXPECT_EQ(w.engine->agreed(), (ApiVersion{1, 41}));

    w.scripted->stop();
    EXPECT_EQ(w.inspect().error().text, "inspect container web-1 at tcp://engine.example:2375: connect to 10.0.0.2:2375: connection refused; is the engine running there?");
    w.version = R"({"ApiVersion":"1.52","MinAPIVersion":"1.44","Version":"29.0"})";
    w.scripted->start();
    EXPECT_TRUE(w.inspect());
    EXPECT_EQ(w.scripted->seen.back().target, "/v1.44/containers/web-1/json");
    // One that was replaced without being missed says so.
    w.reply = {{with_length(400, R"({"message":"client version 1.44 is too new. Maximum supported API version is 1.41"})")}};
    w.version = version_sample;
    EXPECT_EQ(w.inspect().error().code, Code::invalid);
    w.reply = {{with_length(200, inspect_sample)}};
    EXPECT_TRUE(w.inspect());
    EXPECT_EQ(w.scripted->seen.back().target, "/v1.41/containers/web-1/json");
}

TEST(Agreement, IsOneForManyCallsAndRefusedWithASentence) {
    World w;
    int came = 0;
    std::vector<Call> calls;
    w.loop.run([&] {
        for (int i = 0; i < 20; ++i) calls.push_back(w.engine->inspect("web-1", w.engine->soon(), [&](Result<Inspected> it) { came += it.has_value(); }));
    });
    EXPECT_TRUE(w.world.run_until([&] { return came == 20; }, 5s));
    EXPECT_EQ(w.scripted->asked("/version"), 1u);
    w.loop.run([&] {
        calls.clear();
        w.make();
    });
    w.version = R"({"ApiVersion":"1.38","MinAPIVersion":"1.12","Version":"18.06"})";
    EXPECT_EQ(w.inspect().error().text, "inspect container web-1: tcp://engine.example:2375: the engine (18.06) speaks API 1.38 at most, but 1.40 is needed: upgrade it");
    w.version = R"({"ApiVersion":"1.99","MinAPIVersion":"1.60","Version":"40"})";
    EXPECT_TRUE(holds(w.inspect().error().text, "speaks API 1.60 and newer only, but this program 1.44 at most"));
    w.version = R"({"what":"a web server"})";
    EXPECT_TRUE(holds(w.inspect().error().text, "it has no ApiVersion; is that a Docker Engine?"));
    w.version = "x";
    EXPECT_EQ(w.inspect().error().code, Code::corrupt);
}

TEST(Calls, AreAnsweredTheSameHoweverTheAnswerCame) {
    for (const std::string& whole : {with_length(200, inspect_sample, ""), ScriptedEngine::chunked(200, inspect_sample, 333)}) {
        World w;
        EXPECT_TRUE(w.inspect());
        for (std::size_t cut = 1; cut < whole.size(); ++cut) {
            w.reply = {{whole.substr(0, cut), whole.substr(cut)}};
            const auto it = w.inspect();
            ASSERT_TRUE(it) << cut << it.error().text;
            ASSERT_EQ(it->labels.at("app"), "web");
        }
    }
}

TEST(Calls, NeverTakeHalfAnAnswerForAWhole) {
    for (const auto then : {ScriptedEngine::Then::close, ScriptedEngine::Then::reset}) {
        for (const std::string& whole : {with_length(200, inspect_sample, ""), ScriptedEngine::chunked(200, inspect_sample, 333)}) {
            World w;
            for (std::size_t cut = 0; cut < whole.size(); cut += 5) {
                w.reply = {{whole.substr(0, cut)}, then};
                const auto it = w.inspect();
                ASSERT_FALSE(it) << cut;
                EXPECT_EQ(it.error().code, Code::unavailable) << it.error().text;
                EXPECT_NE(it.error().system, 0);
                EXPECT_TRUE(it.error().text.starts_with("inspect container web-1 at tcp://engine.example:2375: ")) << it.error().text;
            }
        }
    }
}

TEST(Calls, KeepTheEnginesSentenceAndMapItsStatus) {
    World w;
    for (const auto& [status, code] : std::map<int, Code>{{400, Code::invalid}, {401, Code::denied}, {403, Code::denied}, {404, Code::not_found}, {409, Code::conflict}, {429, Code::unavailable}, {500, Code::unavailable}, {503, Code::unavailable}, {301, Code::unavailable}}) {
        for (const bool chunked : {false, true}) {
            const std::string body = R"({"message":"No such container: \"web-1\""})";
            w.reply = {{chunked ? ScriptedEngine::chunked(status, body) : with_length(status, body)}};
            const auto it = w.inspect();
            ASSERT_FALSE(it);
            EXPECT_EQ(it.error().code, code) << status;
            EXPECT_EQ(it.error().system, 0);
            EXPECT_EQ(it.error().text, "inspect container web-1 at tcp://engine.example:2375: No such container: \"web-1\"");
        }
    }
    w.reply = {{"HTTP/1.1 304 Not Modified\r\n\r\n"}};
    EXPECT_TRUE(w.start());
    w.reply = {{"HTTP/1.1 204 No Content\r\n\r\n"}};
    EXPECT_TRUE(w.start());
    w.reply = {{"HTTP/1.1 500 X\r\nContent-Length: 900000\r\n\r\n" + std::string(900'000, 'x')}};
    EXPECT_EQ(w.start().error().code, Code::unavailable);
    w.reply = {{"SSH-2.0-OpenSSH_9.2\r\n"}, ScriptedEngine::Then::hold};
    EXPECT_EQ(w.start().error().code, Code::corrupt);
    EXPECT_TRUE(holds(w.start().error().text, "is that a Docker Engine?"));
    w.reply = {{"HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n" + std::string(most_answer_bytes + 1, ' ')}, ScriptedEngine::Then::hold};
    EXPECT_EQ(w.inspect().error().code, Code::exhausted);
}

TEST(Calls, SayWhatToTryWhenThereIsNoEngine) {
    {
        World w(5, "unix:///run/docker.sock");
        EXPECT_TRUE(w.inspect());
        w.scripted->stop();
        const auto it = w.inspect();
        EXPECT_EQ(it.error().code, Code::unavailable);
        EXPECT_TRUE(holds(it.error().text, "at unix:///run/docker.sock: connect to unix:/run/docker.sock: ")) << it.error().text;
        EXPECT_TRUE(holds(it.error().text, "is the engine running there?")) << it.error().text;
        w.network.net("hale", w.loop).fail_next(sim::Operation::connect, EACCES, 1);
        const auto denied = w.inspect();
        EXPECT_EQ(denied.error().code, Code::denied);
        EXPECT_TRUE(holds(denied.error().text, "is it in the group docker")) << denied.error().text;
    }
    World w;
    w.names.remove("engine.example");
    EXPECT_EQ(w.inspect().error().code, Code::unavailable);
    w.names.set("engine.example", {"10.0.0.9", "10.0.0.2"});
    EXPECT_EQ(w.inspect(3s).error().code, Code::timed_out);  // The first address is silent.
    w.names.set("engine.example", {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(w.inspect());  // The first refuses.
    w.network.cut("hale", "machine");
    EXPECT_TRUE(holds(w.inspect(2s).error().text, "within 2.0 s")) << w.inspect(2s).error().text;
}

TEST(Calls, EndByTheirDeadlineWhereverTheEngineStalls) {
    World w;
    const std::string whole = with_length(200, inspect_sample);
    for (std::size_t cut = 0; cut < whole.size(); cut += 9) {
        w.reply = {{whole.substr(0, cut)}, ScriptedEngine::Then::hold};
        const Instant began = w.world.now();
        const auto it = w.inspect(2s);
        ASSERT_FALSE(it);
        EXPECT_EQ(it.error().code, Code::timed_out);
        EXPECT_EQ(w.at - began, 2s);
    }
    EXPECT_TRUE(holds(w.inspect(2s).error().text, "no whole answer within 2.0 s"));
    w.names.at("engine.example").silent = true;
    EXPECT_TRUE(holds(w.inspect(2s).error().text, "within 2.0 s"));
    w.names.at("engine.example").silent = false;
    w.loop.run([&] { w.make(); });
    w.version.clear();
    w.scripted->answer = [](const Seen&) { return Reply{{}, ScriptedEngine::Then::hold}; };
    EXPECT_TRUE(holds(w.inspect(2s).error().text, "the engine did not say its version within 2.0 s"));
}

TEST(Calls, ReachAnEngineThroughACommand) {
    World w(5, "ssh://me@machine");
    EXPECT_TRUE(holds(w.inspect().error().text, "no way to run ssh"));
    std::vector<std::string> ran;
    w.dial = [&](const std::vector<std::string>& command) {
        ran = command;
        return w.network.net("hale", w.loop).connect({.ip = *Ip::parse("10.0.0.2"), .port = 2375});
    };
    w.loop.run([&] { w.make(); });
    EXPECT_TRUE(w.inspect());
    EXPECT_EQ(ran.back(), "dial-stdio");
    EXPECT_EQ(w.scripted->seen.back().host, "docker");
    w.dial = [](const std::vector<std::string>&) -> Result<std::unique_ptr<io::Stream>> { return fail(Code::not_found, "/usr/bin/ssh can't be run: no such file or directory"); };
    w.loop.run([&] { w.make(); });
    EXPECT_TRUE(holds(w.inspect().error().text, "/usr/bin/ssh can't be run"));
}

TEST(Calls, SurviveEachFailureOfTheNetwork) {
    for (std::uint64_t nth = 1; nth < 40; ++nth) {
        World w;
        sim::Net& net = w.network.net("hale", w.loop);
        net.fail_nth(nth, nth % 2 == 0 ? ECONNRESET : EMFILE);
        int failed = 0;
        for (int i = 0; i < 4; ++i) {
            const auto it = w.inspect();
            failed += !it;
            EXPECT_TRUE(it || (it.error().code == Code::unavailable && !it.error().text.empty()));
        }
        EXPECT_LE(failed, 1) << nth;
    }
    sim::for_each_seed(20, [](std::uint64_t seed) {
        World w(seed);
        w.network.set_faults({.one_byte_reads = 0.3, .short_read = 0.4, .short_write = 0.4, .spurious_notice = 0.4});
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(w.inspect());
    });
}

const std::string pull_lines = "{\"status\":\"Pulling from library/web\",\"id\":\"2\"}\r\n{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"a1\"}\r\n"
                               "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"a1\"}\r\n{\"status\":\"Digest: sha256:cccc\"}\r\n"
                               "{\"status\":\"Status: Downloaded newer image for web:2\"}\r\n";

struct PullStory {
    Result<Pulled> pulled;
    std::vector<std::string> progress;
};
PullStory pull(World& w) {
    PullStory story;
    story.pulled = w.result<Pulled>([&](Engine& e, Then<Pulled> then) {
        return e.pull({.image = "web:2", .auth = {.user = "me", .password = "secret"}}, e.soon(),
                      [&](const PullProgress& one) { story.progress.push_back(fmt::format("{} {} {}/{}", one.layer, one.status, one.done, one.total)); }, std::move(then));
    });
    return story;
}

TEST(Pulls, TellTheirLayersAndTheirEndHoweverTheyCome) {
    const std::string whole = ScriptedEngine::chunked(200, pull_lines, 50);
    World w;
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
        w.reply = {{whole.substr(0, cut), whole.substr(cut)}};
        const PullStory story = pull(w);
        ASSERT_TRUE(story.pulled) << story.pulled.error().text;
        EXPECT_EQ(story.pulled->digest, "sha256:cccc");
        EXPECT_EQ(story.pulled->status, "Status: Downloaded newer image for web:2");
        ASSERT_EQ(story.progress.size(), 5u);
        EXPECT_EQ(story.progress[2], "a1 Downloading 5/10");
    }
    EXPECT_EQ(w.scripted->seen.back().target, "/v1.41/images/create?fromImage=web&tag=2");
    EXPECT_FALSE(w.scripted->seen.back().registry.empty());
}

TEST(Pulls, FailByALineInAGoodAnswer) {
    const std::string failing = "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"manifest for web:2 not found\"},\"error\":\"manifest for web:2 not found\"}";
    for (const bool line_end : {true, false}) {
        const std::string whole = ScriptedEngine::chunked(200, failing + (line_end ? "\r\n" : ""), 30);
        World w;
        for (std::size_t cut = 1; cut < whole.size(); cut += 3) {
            w.reply = {{whole.substr(0, cut), whole.substr(cut)}};
            const PullStory story = pull(w);
            ASSERT_FALSE(story.pulled);
            EXPECT_EQ(story.pulled.error().code, Code::not_found);
            EXPECT_EQ(story.pulled.error().text, "pull image web:2 at tcp://engine.example:2375: manifest for web:2 not found");
        }
    }
    World w;
    w.reply = {{ScriptedEngine::chunked(200, std::string(most_line_bytes + 1, ' '), 10'000)}};
    EXPECT_EQ(pull(w).pulled.error().code, Code::exhausted);
    w.reply = {{ScriptedEngine::chunked(200, "no json\n")}};
    EXPECT_EQ(pull(w).pulled.error().code, Code::corrupt);
    const std::string whole = ScriptedEngine::chunked(200, pull_lines, 50);
    for (std::size_t cut = 0; cut < whole.size(); cut += 7) {
        w.reply = {{whole.substr(0, cut)}};
        EXPECT_FALSE(pull(w).pulled) << cut;
    }
}

TEST(Pulls, EndOnceOnEveryBadWay) {
    sim::for_each_seed(150, [](std::uint64_t seed) {
        World w(seed);
        Random random(seed);
        const auto some = [&](double most) { return random.one_in(3) ? random.unit() * most : 0; };
        w.network.set_faults({.latency = Duration(static_cast<std::int64_t>(random.below(200'000'000))), .loss = some(0.2), .stall = some(0.2), .refuse = some(0.5), .reset = some(1), .vanish = some(1),
                              .one_byte_reads = some(1), .short_read = some(1), .short_write = some(1), .spurious_notice = some(1)});
        w.reply = {{ScriptedEngine::stream_head(), ScriptedEngine::one_chunk(pull_lines), "0\r\n\r\n"}};
        for (int i = 0; i < 4; ++i) {
            const PullStory story = pull(w);  // Which holds it to one end, by its deadline.
            if (story.pulled) EXPECT_EQ(story.pulled->digest, "sha256:cccc");
            else EXPECT_TRUE(story.pulled.error().code == Code::unavailable || story.pulled.error().code == Code::timed_out) << story.pulled.error().text;
        }
        w.network.set_faults({});
        EXPECT_TRUE(pull(w).pulled);
    });
}

struct LogStory {
    Result<> end;
    std::string output, errors;
};
LogStory logs(World& w, const LogsPlan& plan = {}) {
    LogStory story;
    story.end = w.result<void>([&](Engine& e, Then<> then) {
        return e.logs("web-1", plan, e.soon(), [&](Source source, std::string_view bytes) { (source == Source::errors ? story.errors : story.output) += bytes; }, std::move(then));
    });
    return story;
}

TEST(Logs, NothingIsReadWhileTheyArePaused) {
    World w;
    std::string all;
    for (int i = 0; i < 2000; ++i) all += frame(1, std::string(500, static_cast<char>('a' + i % 26)));
    w.reply = {{with_length(200, all)}};
    std::size_t heard = 0;
    int ended = 0;
    w.loop.run([&] {
        w.call = w.engine->logs("web-1", {}, w.engine->soon(), [&](Source, std::string_view bytes) {
            if (heard == 0) w.call->pause();
            heard += bytes.size();
        }, [&](Result<> how) { ended += how.has_value(); });
    });
    w.world.run_for(5s);
    EXPECT_GT(heard, 0u);
    EXPECT_LE(heard, http::BodyStream::piece_bytes);
    EXPECT_EQ(ended, 0);
    w.loop.run([&] { w.call->go_on(); });
    w.world.run_for(5s);
    EXPECT_EQ(heard, 2000u * 500);
    EXPECT_EQ(ended, 1);
}

TEST(Logs, AreTakenApartHoweverTheyCome) {
    const std::string framed = frame(1, "one\n") + frame(2, "two\n") + frame(1, "three\n");
    for (const std::string& whole : {ScriptedEngine::chunked(200, framed, 5), "HTTP/1.1 200 OK\r\n\r\n" + framed}) {
        World w;
        for (std::size_t cut = 1; cut < whole.size(); ++cut) {
            w.reply = {{whole.substr(0, cut), whole.substr(cut)}};
            const LogStory story = logs(w);
            ASSERT_TRUE(story.end) << story.end.error().text;
            EXPECT_EQ(story.output, "one\nthree\n");
            EXPECT_EQ(story.errors, "two\n");
        }
    }
    World w;
    w.reply = {{ScriptedEngine::chunked(200, "raw \x01 bytes", 3)}};
    EXPECT_EQ(logs(w, {.tty = true}).output, "raw \x01 bytes");
    EXPECT_EQ(logs(w).end.error().code, Code::corrupt);
    w.reply = {{"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n" + framed}};
    EXPECT_EQ(logs(w, {.tty = true}).errors, "two\n");
    w.reply = {{"HTTP/1.1 200 OK\r\n\r\n" + framed.substr(0, framed.size() - 1)}};
    EXPECT_TRUE(holds(logs(w).end.error().text, "it ended inside a frame"));
    w.reply = {{"HTTP/1.1 200 OK\r\n\r\n" + framed + frame(3, "the log driver is broken")}};
    EXPECT_TRUE(holds(logs(w).end.error().text, "the log driver is broken"));
}

TEST(Logs, MayBeFollowedBeyondTheDeadline) {
    World w;
    w.reply = {{"HTTP/1.1 200 OK\r\n\r\n" + frame(1, "a")}, ScriptedEngine::Then::hold};
    std::string said;
    int ended = 0;
    w.loop.run([&] { w.call = w.engine->logs("web-1", {.follow = true}, w.engine->soon(), [&](Source, std::string_view bytes) { said += bytes; }, [&](Result<>) { ++ended; }); });
    w.world.run_for(1h);
    w.scripted->say("/logs", frame(1, "b"));
    w.world.run_for(1s);
    EXPECT_EQ(said, "ab");
    EXPECT_EQ(ended, 0);
}

TEST(Execs, WaitForTheirExitCode) {
    World w;
    int running = 2;
    std::string output = frame(1, "out") + frame(2, "err");
    w.scripted->answer = [&](const Seen& seen) -> Reply {
        if (seen.target == "/version") return {{with_length(200, version_sample)}};
        if (holds(seen.target, "/containers/")) return {{with_length(201, R"({"Id":"e1"})")}};
        if (holds(seen.target, "/start")) return {{"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n", output}};
        return {{with_length(200, running-- > 0 ? R"({"Running":true,"ExitCode":null})" : R"({"Running":false,"ExitCode":7})")}};
    };
    const auto run = [&] { return w.result<ExecDone>([&](Engine& e, Then<ExecDone> then) { return e.exec("web-1", {.command = {"check"}}, e.soon(), std::move(then)); }); };
    auto done = run();
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done->exit_code, 7);
    EXPECT_EQ(done->output, "out");
    EXPECT_EQ(done->errors, "err");
    EXPECT_FALSE(done->truncated);
    output = frame(1, std::string(60'000, 'x')) + frame(1, std::string(60'000, 'y'));
    done = run();
    EXPECT_EQ(done->output.size(), most_exec_output);
    EXPECT_TRUE(done->truncated);
    running = 1000;
    EXPECT_TRUE(holds(run().error().text, "the engine says that it runs on"));
    running = 0;
    output = "no frames";
    EXPECT_EQ(run().error().code, Code::corrupt);
    output = frame(1, "abc").substr(0, 9);
    EXPECT_EQ(run().error().code, Code::unavailable);
}

struct Heard {
    int begun = 0, ended = 0;
    std::vector<std::string> events;
    Error why;
    Engine::Hearing hearing() {
        return {.begun = [this] { ++begun; },
                .event = [this](const Event& event) { events.push_back(fmt::format("{} {}", text(event.kind), event.id)); },
                .ended = [this](Error error) {
                    ++ended;
                    why = std::move(error);
                }};
    }
};

TEST(Events, AreToldUntilTheStreamEnds) {
    World w;
    w.reply = {{ScriptedEngine::stream_head()}, ScriptedEngine::Then::hold};
    Heard heard;
    w.loop.run([&] { w.call = w.engine->events({.labels = {"a"}}, w.engine->soon(), heard.hearing()); });
    w.world.run_for(1s);
    EXPECT_EQ(heard.begun, 1);
    w.world.run_for(2h);
    const std::string both = ScriptedEngine::one_chunk(die_sample + "\n" + health_sample + "\n{\"Type\":\"image\",\"Action\":\"pull\"}\n");
    w.scripted->say("/events", both.substr(0, 100));
    w.world.run_for(1s);
    EXPECT_TRUE(heard.events.empty());
    w.scripted->say("/events", both.substr(100));
    w.world.run_for(1s);
    EXPECT_EQ(heard.events, (std::vector<std::string>{"die c1", "health_status c1"}));
    EXPECT_EQ(heard.ended, 0);
    w.scripted->stop();
    w.world.run_for(1s);
    EXPECT_EQ(heard.ended, 1);
    EXPECT_EQ(heard.why.code, Code::unavailable);
}

TEST(Events, EndWithASentenceWhenTheyCantBeRead) {
    World w;
    for (const auto& [body, code] : std::map<std::string, Code>{{"{}\nnot json\n", Code::corrupt}, {std::string(most_line_bytes + 1, 'x'), Code::exhausted}, {"", Code::unavailable}}) {
        w.reply = {{ScriptedEngine::chunked(200, body, 9000)}};
        Heard heard;
        w.loop.run([&] { w.call = w.engine->events({}, w.engine->soon(), heard.hearing()); });
        w.world.run_for(5s);
        EXPECT_EQ(heard.ended, 1);
        EXPECT_EQ(heard.why.code, code) << heard.why.text;
    }
    w.reply = {{with_length(500, R"({"message":"no events today"})")}};
    Heard heard;
    w.loop.run([&] { w.call = w.engine->events({}, w.engine->soon(), heard.hearing()); });
    w.world.run_for(5s);
    EXPECT_EQ(heard.begun, 0);
    EXPECT_TRUE(holds(heard.why.text, "no events today"));
}

TEST(Events, MayFloodWithoutStarvingTheLoop) {
    World w;
    std::string flood;
    for (int i = 0; i < 20'000; ++i) flood += die_sample + "\n";
    w.reply = {{ScriptedEngine::stream_head() + ScriptedEngine::one_chunk(flood)}, ScriptedEngine::Then::hold};
    w.network.set_faults({.window = 64u << 20});
    Heard heard;
    w.loop.run([&] { w.call = w.engine->events({}, w.engine->soon(), heard.hearing()); });
    std::size_t most = 0;
    for (std::size_t before = 0; heard.events.size() < 20'000 && w.world.now() < Instant{3h}; before = heard.events.size()) {
        w.world.run_until([&] { return heard.events.size() != before; }, 1s);
        most = std::max(most, heard.events.size() - before);
    }
    EXPECT_EQ(heard.events.size(), 20'000u);
    EXPECT_LE(most, most_pieces_a_turn * http::BodyStream::piece_bytes / die_sample.size() + 1);
}

// After each event of the world in turn: the handle or the engine is destroyed, and nothing is heard afterwards.
TEST(Handles, EndTheirCallsUnheard) {
    for (const bool whole_engine : {false, true}) {
        for (std::uint64_t steps = 0; steps < 60; ++steps) {
            World w;
            w.reply = {{ScriptedEngine::stream_head(), ScriptedEngine::one_chunk(pull_lines), "0\r\n\r\n"}};
            bool destroyed = false;
            int late = 0, came = 0;
            w.loop.run([&] {
                w.call = w.engine->pull({.image = "web:2"}, w.engine->soon(), [&](const PullProgress&) { late += destroyed; }, [&](Result<Pulled>) {
                    ++came;
                    late += destroyed;
                });
            });
            const std::uint64_t from = w.world.events();
            w.world.run_until([&] { return w.world.events() >= from + steps; }, 1s);
            w.loop.run([&] {
                destroyed = true;
                if (whole_engine) w.engine.reset();
                else w.call.reset();
            });
            w.world.run_for(2min);
            EXPECT_EQ(late, 0) << steps;
            EXPECT_LE(came, 1);
        }
    }
}

TEST(Handles, AreDestroyedWithinTheirOwnCallbacks) {
    for (const bool whole_engine : {false, true}) {
        World w;
        const auto destroy = [&] {
            if (whole_engine) w.engine.reset();
            else w.call.reset();
        };
        const auto renewed = [&](Reply reply) {
            w.loop.run([&] {
                w.call.reset();
                w.make();
            });
            w.reply = std::move(reply);
        };
        int calls = 0;
        renewed({{ScriptedEngine::chunked(200, pull_lines, 5000)}});
        w.loop.run([&] { w.call = w.engine->pull({.image = "web:2"}, w.engine->soon(), [&](const PullProgress&) { ++calls; destroy(); }, [&](Result<Pulled>) { ++calls; }); });
        w.world.run_for(1min);
        EXPECT_EQ(calls, 1);
        renewed({{with_length(200, inspect_sample)}});
        w.loop.run([&] { w.call = w.engine->inspect("web-1", w.engine->soon(), [&](Result<Inspected>) { ++calls; destroy(); }); });
        w.world.run_for(1min);
        EXPECT_EQ(calls, 2);
        for (int at = 0; at < 3; ++at) {
            renewed({{ScriptedEngine::chunked(200, die_sample + "\n" + die_sample + "\n", 5000)}});
            int begun = 0, events = 0, ended = 0;
            w.loop.run([&] {
                w.call = w.engine->events({}, w.engine->soon(), {.begun = [&] { ++begun; if (at == 0) destroy(); }, .event = [&](const Event&) { ++events; if (at == 1) destroy(); }, .ended = [&](Error) { ++ended; if (at == 2) destroy(); }});
            });
            w.world.run_for(1min);
            EXPECT_EQ(begun, 1);
            EXPECT_EQ(events, at == 0 ? 0 : at == 1 ? 1 : 2);
            EXPECT_EQ(ended, at == 2 ? 1 : 0);
        }
        renewed({{"HTTP/1.1 200 OK\r\n\r\n" + frame(1, "a") + frame(1, "b")}});
        calls = 0;
        w.loop.run([&] { w.call = w.engine->logs("a", {}, w.engine->soon(), [&](Source, std::string_view) { ++calls; destroy(); }, [&](Result<>) { ++calls; }); });
        w.world.run_for(1min);
        EXPECT_EQ(calls, 1);
    }
}

// What each call asks for, in the engine's own words.
TEST(Calls, AskForWhatTheyMean) {
    World w;
    const auto asked = [&] { return w.scripted->seen.back().method + " " + w.scripted->seen.back().target.substr(6); };
    w.reply = {{with_length(200, "{}")}};
    const auto done = [&](auto begin) { return w.result<void>([&](Engine& e, Then<> then) { return begin(e, std::move(then)); }).has_value(); };
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.stop("a", 10s, e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "POST /containers/a/stop?t=10");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.kill("a", "KILL", e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "POST /containers/a/kill?signal=KILL");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.rename("a", "b", e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "POST /containers/a/rename?name=b");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.remove("a", {true, true}, e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "DELETE /containers/a?force=1&v=1");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.connect("n", "a", {"x"}, e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "POST /networks/n/connect");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.disconnect("n", "a", e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "POST /networks/n/disconnect");
    EXPECT_TRUE(done([](Engine& e, Then<> t) { return e.remove_network("n", e.soon(), std::move(t)); }));
    EXPECT_EQ(asked(), "DELETE /networks/n");
    w.reply = {{with_length(200, R"({"Id":"n1","StatusCode":3})")}};
    EXPECT_EQ(w.result<std::string>([](Engine& e, Then<std::string> t) { return e.create_network({.name = "n"}, e.soon(), std::move(t)); }).value(), "n1");
    EXPECT_EQ(w.result<Created>([](Engine& e, Then<Created> t) { return e.create({.name = "a", .image = "b"}, e.soon(), std::move(t)); })->id, "n1");
    EXPECT_EQ(w.result<Exited>([](Engine& e, Then<Exited> t) { return e.wait("a", e.soon(), std::move(t)); })->exit_code, 3);
    EXPECT_EQ(w.result<NetworkFacts>([](Engine& e, Then<NetworkFacts> t) { return e.inspect_network("n", e.soon(), std::move(t)); })->id, "n1");
    EXPECT_EQ(w.result<ImageFacts>([](Engine& e, Then<ImageFacts> t) { return e.inspect_image("a/b", e.soon(), std::move(t)); })->id, "n1");
    EXPECT_EQ(asked(), "GET /images/a/b/json");
    EXPECT_TRUE(w.result<EngineInfo>([](Engine& e, Then<EngineInfo> t) { return e.info(e.soon(), std::move(t)); }));
    EXPECT_TRUE(w.result<EngineVersion>([](Engine& e, Then<EngineVersion> t) { return e.version(e.soon(), std::move(t)); }));
    w.reply = {{with_length(200, list_sample)}};
    EXPECT_EQ(w.result<std::vector<Listed>>([](Engine& e, Then<std::vector<Listed>> t) { return e.list({"a"}, e.soon(), std::move(t)); })->size(), 2u);
    w.reply = {{with_length(200, "OK", "Date: Sun, 22 Nov 2026 04:05:06 GMT\r\n")}};
    EXPECT_EQ(rfc3339(*w.result<std::optional<Utc>>([](Engine& e, Then<std::optional<Utc>> t) { return e.ping(e.soon(), std::move(t)); }).value()), "2026-11-22T04:05:06.000Z");
    EXPECT_EQ(w.scripted->seen.back().target, "/_ping");
    const std::size_t before = w.scripted->seen.size();
    EXPECT_EQ(w.result<Inspected>([](Engine& e, Then<Inspected> t) { return e.inspect("..", e.soon(), std::move(t)); }).error().code, Code::invalid);
    EXPECT_EQ(w.scripted->seen.size(), before);
}

}  // namespace
}  // namespace hale::docker
