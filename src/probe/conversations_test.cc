// Goal: probes that speak Redis', PostgreSQL's, a mail server's and DNS' own words: what passes, and of what does not,
// the reason, the phase and the sentence; whatever the cut of the answers, and whoever answers instead.
// Method: a checker in the simulator and servers that follow a script. Each good conversation is cut at every byte and
// ended at every byte; each wrong word is one row of a table.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/text.h"
#include "probe/test_world.h"
#include "tls/doors.h"
#include "tls/server_context.h"
#include "tls/testing.h"
#include "wire/scram.h"

namespace hale::probe::test {
namespace {

using namespace std::string_literals;
using verdict::Observation;

struct Say {
    std::string bytes;
    bool then_tls = false;
    bool then_close = false;
};

// What a server says: at once, and to what came (which it takes from the front of `got`).
struct Script {
    std::string greeting;
    std::function<Say(std::string& got)> answer = [](std::string& got) { return got.clear(), Say{}; };
    std::size_t cut = std::string::npos;  // Behind so many bytes of all it says, the rest comes 5 ms later;
    std::size_t end = std::string::npos;  // or nothing does, and it closes.
};

class Talker final : public io::AcceptHandler {
public:
    Talker(sim::Network& network, sim::Loop& loop, std::string_view address) : loop_(loop) {
        listener_ = std::move(*network.net("web", loop).listen({.address = *SocketAddress::parse(address)}, *this));
    }
    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        said = 0;
        heard.clear();
        if (tls_at_once) stream = tls->accept(loop_, std::move(stream));
        talk_ = std::make_unique<Talk>(*this, std::move(stream));
    }

    Script script;
    io::ServerTls* tls = nullptr;
    bool tls_at_once = false;
    std::size_t said = 0;  // In the latest conversation.
    std::string heard;     // Likewise.

private:
    struct Talk final : io::StreamHandler {
        Talk(Talker& owner, std::unique_ptr<io::Stream> to)
            : talker(owner), stream(std::move(to)), later(owner.loop_, io::member_fire<&Talk::go_on>, this) {
            stream->set_handler(this);
            say({talker.script.greeting});
        }
        void on_ready(io::Stream&, io::Readiness) noexcept override { receive(); }
        void receive() {
            std::array<char, 4096> bytes;
            while (stream) {
                const io::IoResult result = stream->read(bytes);
                if (result.status == io::IoStatus::would_block) return pour();
                if (result.status != io::IoStatus::ok) return stream.reset();
                got.append(bytes.data(), result.bytes);
                talker.heard.append(bytes.data(), result.bytes);
                for (std::size_t before = got.size() + 1; stream && !got.empty() && got.size() < before;) {
                    before = got.size();
                    say(talker.script.answer(got));
                }
            }
        }
        void say(const Say& what) {
            if (!stream) return;
            waiting += what.bytes;
            close = close || what.then_close;
            pour();
            if (what.then_tls && stream) {
                stream->set_handler(nullptr);
                stream = talker.tls->accept(talker.loop_, std::move(stream));
                stream->set_handler(this);
            }
        }
        void pour() {
            while (stream && !waiting.empty()) {
                if (talker.said >= talker.script.end) return stream.reset();
                if (talker.said == talker.script.cut && !paused) {
                    paused = true;
                    return later.arm(talker.loop_.now() + 5ms);
                }
                if (later.armed()) return;
                const std::size_t most = std::min({waiting.size(), talker.script.end - talker.said,
                                                   talker.said < talker.script.cut ? talker.script.cut - talker.said : std::string::npos});
                const io::IoResult result = stream->write(std::string_view(waiting).substr(0, most));
                if (result.status != io::IoStatus::ok) return;
                waiting.erase(0, result.bytes);
                talker.said += result.bytes;
            }
            if (stream && waiting.empty() && (close || talker.said >= talker.script.end)) stream.reset();
        }
        void go_on() noexcept { pour(); }

        Talker& talker;
        std::unique_ptr<io::Stream> stream;
        io::Timer later;
        std::string got, waiting;
        bool close = false;
        bool paused = false;
    };
    sim::Loop& loop_;
    std::unique_ptr<io::Listener> listener_;
    std::unique_ptr<Talk> talk_;
};

struct World {
    World() {
        doors.made = std::make_unique<tls::Doors>(bench.loop);
        bench.names.set("web.example", {"10.0.0.5"});
        show({.names = {"DNS:web.example", "IP:10.0.0.5"}});
        talker.tls = context.get();
    }
    void show(const tls::Authority::Wanted& wanted) {
        const auto issued = authority.issue(wanted);
        context->set_credentials({*tls::Credentials::parse(issued.chain, issued.key, "test", bench.world.utc())});
    }
    Observation ask(config::CheckKind what, std::vector<std::string> conditions = {}, std::string_view target = "10.0.0.5:7") {
        auto spec = std::make_shared<config::CheckSpec>();
        spec->what = std::move(what);
        spec->timing.timeout = 1s;
        io::TlsSpec tls;
        tls.ca_pem = authority.pem();
        spec->tls = std::make_shared<const io::TlsSpec>(std::move(tls));
        auto compiled = std::make_shared<expect::Conditions>();
        for (const std::string& text : conditions) EXPECT_TRUE(compiled->add(*expect::compile(text)));
        if (!conditions.empty()) spec->expect = std::move(compiled);
        bench.assign(bench.assignment(0, target, {spec}, ++generation));
        auto answers = bench.probe_now(0, generation);
        bench.send(catalog::Unassign{0, generation});
        EXPECT_EQ(answers.size(), 1u);
        return answers.empty() ? Observation{} : answers[0].observation;
    }

    LateDoors doors;
    Bench bench{5, [&] {
                    CheckerOptions options;
                    options.engine.tls = &doors;
                    options.engine.secret_bytes = [](std::size_t count) { return std::string(count, '*'); };
                    return options;
                }()};
    std::uint16_t generation = 0;
    tls::Authority authority{bench.world.utc()};
    std::shared_ptr<tls::ServerContext> context = *tls::ServerContext::create({});
    Talker talker{bench.network, bench.loop, "10.0.0.5:7"};
};

void expect_pass(const Observation& seen, std::string_view words) {
    EXPECT_EQ(seen.outcome, Outcome::pass) << seen.text;
    EXPECT_NE(seen.text.find(words), std::string::npos) << seen.text;
    EXPECT_GE(seen.timings.total, Duration{0});
}

void expect_fail(const Observation& seen, Reason reason, Phase phase, std::string_view words) {
    EXPECT_EQ(seen.outcome, Outcome::fail) << seen.text;
    EXPECT_EQ(verdict::code(seen.reason), verdict::code(reason)) << seen.text;
    EXPECT_EQ(verdict::to_text(seen.phase), verdict::to_text(phase)) << seen.text;
    EXPECT_NE(seen.text.find(words), std::string::npos) << seen.text;
    EXPECT_EQ(seen.text.find("hunter2"), std::string::npos) << seen.text;
    EXPECT_EQ(seen.evidence.find("hunter2"), std::string::npos) << seen.evidence;
}

// A conversation that passes: does so wherever it is cut, and nowhere when it ends before its last byte.
void every_cut_and_every_end(World& w, const config::CheckKind& what, const std::vector<std::string>& conditions = {}) {
    const Observation whole = w.ask(what, conditions);
    ASSERT_EQ(whole.outcome, Outcome::pass) << whole.text;
    const std::size_t size = w.talker.said;
    ASSERT_GT(size, 0u);
    for (std::size_t cut = 1; cut < size; ++cut) {
        w.talker.script.cut = cut;
        const Observation seen = w.ask(what, conditions);
        ASSERT_EQ(seen.outcome, Outcome::pass) << cut << " of " << size << ": " << seen.text;
    }
    w.talker.script.cut = std::string::npos;
    for (std::size_t end = 0; end < size; ++end) {
        w.talker.script.end = end;
        const Observation seen = w.ask(what, conditions);
        ASSERT_EQ(seen.outcome, Outcome::fail) << end << " of " << size << ": " << seen.text;
        ASSERT_TRUE(seen.reason == Reason::connection_closed || seen.reason == Reason::connect_reset) << end << ": " << seen.text;
        ASSERT_EQ(seen.phase, end == 0 ? Phase::first_byte : Phase::total) << end << ": " << seen.text;
    }
    w.talker.script.end = std::string::npos;
    EXPECT_EQ(w.ask(what, conditions).outcome, Outcome::pass);
}

// Silence, babble without end, and words of somebody else, at whatever a kind is told first.
void strangers(World& w, const config::CheckKind& what, std::string_view awaited) {
    w.talker.script = {};
    expect_fail(w.ask(what), Reason::first_byte_timeout, Phase::first_byte, fmt::format("connected, but {} did not begin within 1.0 s", awaited));
    w.talker.script.greeting = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    expect_fail(w.ask(what), Reason::protocol_error, Phase::total, awaited);
    w.talker.script = {};
    expect_fail(w.ask(what, {}, "10.0.0.5:8"), Reason::connect_refused, Phase::connect, "connect refused");
}

// ---- Redis ----

// Answers one command by its first word.
Script redis(std::map<std::string, std::string> answers) {
    return {.answer = [answers](std::string& got) {
        // The commands are ours: *N\r\n$n\r\nWORD\r\n…
        const auto end = got.find("\r\n*", 1);
        const std::string command = got.substr(0, end == std::string::npos ? got.size() : end + 2);
        got.erase(0, command.size());
        for (const auto& [word, answer] : answers)
            if (command.find("\r\n" + word + "\r\n") != std::string::npos) return Say{answer};
        return Say{"-ERR unknown command\r\n"};
    }};
}

const std::string master = "*3\r\n$6\r\nmaster\r\n:312\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$3\r\n312\r\n";
const std::string replica = "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.4\r\n:6379\r\n$7\r\nconnect\r\n:-1\r\n";

TEST(RedisProbe, PassesWhereverItsAnswersAreCut) {
    World w;
    w.talker.script = redis({{"PING", "+PONG\r\n"}, {"AUTH", "+OK\r\n"}, {"ROLE", master}});
    expect_pass(w.ask(config::RedisCheck{}), "redis 10.0.0.5:7: PONG in ");
    EXPECT_EQ(w.talker.heard, "*1\r\n$4\r\nPING\r\n");
    expect_pass(w.ask(config::RedisCheck{.role = config::RedisRole::master}), "PONG of a master");
    w.ask(config::RedisCheck{.username = "app", .password = "hunter2"});
    EXPECT_EQ(w.talker.heard, "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$7\r\nhunter2\r\n*1\r\n$4\r\nPING\r\n");
    every_cut_and_every_end(w, config::RedisCheck{.role = config::RedisRole::master, .password = "hunter2"});
    strangers(w, config::RedisCheck{}, "the answer to PING");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(RedisProbe, WhatItSaysOtherwise) {
    World w;
    const std::string pong = "+PONG\r\n";
    const struct {
        std::map<std::string, std::string> answers;
        config::RedisCheck check;
        Reason reason;
        std::string_view words;
    } cases[] = {
        {{{"PING", "-NOAUTH Authentication required.\r\n"}}, {}, Reason::body_mismatch, "it asks for a password, and the check has none; the answer to PING: NOAUTH Authentication required."},
        {{{"PING", pong}, {"AUTH", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"}}, {.password = "hunter2"}, Reason::body_mismatch,
         "user or password are wrong; the answer to AUTH: WRONGPASS invalid username-password pair"},
        {{{"PING", "-LOADING Redis is loading the dataset in memory\r\n"}}, {}, Reason::body_mismatch, "it is still loading its data"},
        {{{"PING", "-ODD one\r\n"}}, {}, Reason::body_mismatch, "10.0.0.5:7: the answer to PING: ODD one"},
        {{{"PING", pong}, {"ROLE", replica}}, {.role = config::RedisRole::master}, Reason::body_mismatch,
         "it is a replica of 10.0.0.4:6379 (link: connect), and role: master is asked for"},
        {{{"PING", pong}, {"ROLE", master}}, {.role = config::RedisRole::replica}, Reason::body_mismatch, "it is a master, and role: replica is asked for"},
        {{{"PING", pong}, {"ROLE", "*0\r\n"}}, {.role = config::RedisRole::replica}, Reason::protocol_error, "ROLE was not answered with a role"},
        {{{"PING", "+PANG\r\n"}}, {}, Reason::protocol_error, "not answered with PONG"},
        {{{"PING", ":1\r\n"}}, {}, Reason::protocol_error, "not answered with PONG"},
        {{{"PING", "$99999999\r\n"}}, {}, Reason::protocol_error, "a text is too long"},
    };
    for (const auto& one : cases) {
        w.talker.script = redis(one.answers);
        expect_fail(w.ask(one.check), one.reason, Phase::total, one.words);
    }
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(RedisProbe, AnAnswerThatLiesThereIsOneHoweverLateWeAre) {
    World w;
    const auto after = [&](Duration stall, std::string bytes) {
        w.talker.script.answer = [&w, stall, bytes](std::string& got) {
            got.clear();
            w.bench.loop.stall(stall);
            return Say{bytes};
        };
        return w.ask(config::RedisCheck{});
    };
    for (const Duration stall : {Duration(1100ms), Duration(3s)}) expect_pass(after(stall, "+PONG\r\n"), "PONG");
    EXPECT_EQ(after(3s, "").outcome, Outcome::error);  // The silence was ours as well.
    EXPECT_EQ(after(3s, "+PO").outcome, Outcome::error);
    expect_fail(after(1100ms, "+PO"), Reason::total_timeout, Phase::total, "the answer to PING was not complete within 1.0 s");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(RedisProbe, ConditionsSeeInfo) {
    World w;
    const std::string info = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n";
    const std::string more = "rdb_last_bgsave_status:err\r\n";
    w.talker.script = redis({{"PING", "+PONG\r\n"}, {"replication", fmt::format("${}\r\n{}\r\n", info.size(), info)}, {"persistence", fmt::format("${}\r\n{}\r\n", more.size(), more)}});
    every_cut_and_every_end(w, config::RedisCheck{}, {"[BODY].connected_slaves >= 1"});
    expect_fail(w.ask(config::RedisCheck{}, {"[BODY].rdb_last_bgsave_status == ok"}), Reason::body_mismatch, Phase::total,
                "[BODY].rdb_last_bgsave_status (err) == ok");
}

TEST(RedisProbe, OverTls) {
    World w;
    w.talker.tls_at_once = true;
    w.talker.script = redis({{"PING", "+PONG\r\n"}});
    const auto seen = w.ask(config::RedisCheck{.over_tls = true}, {"[CERTIFICATE_EXPIRATION] > 48h"}, "web.example:7");
    expect_pass(seen, "PONG");
    EXPECT_GE(seen.timings.tls, Duration{0});
    expect_fail(w.ask(config::RedisCheck{}), Reason::connection_closed, Phase::first_byte, "before the answer to PING");
    w.show({.names = {"DNS:other.example"}});
    expect_fail(w.ask(config::RedisCheck{.over_tls = true}), Reason::tls_failure, Phase::tls, "mismatch");
    EXPECT_EQ(w.bench.leaks(), "");
}

// ---- Mail ----

Script smtp(std::string greeting, std::map<std::string, Say> answers) {
    return {.greeting = std::move(greeting), .answer = [answers](std::string& got) {
                const auto end = got.find("\r\n");
                if (end == std::string::npos) return Say{};
                const std::string line = got.substr(0, end);
                got.erase(0, end + 2);
                const auto found = answers.find(line.substr(0, line.find(' ')));
                return found == answers.end() ? Say{} : found->second;
            }};
}

const std::string hello = "220 mail.example ESMTP\r\n";
const std::string offers = "250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";

TEST(SmtpProbe, GreetsAndLeavesPolitely) {
    World w;
    w.talker.script = smtp(hello, {{"EHLO", {offers}}});
    expect_pass(w.ask(config::SmtpCheck{}), "smtp 10.0.0.5:7: EHLO answered in ");
    w.bench.run_for(1s);
    EXPECT_EQ(w.talker.heard, "EHLO [10.0.0.1]\r\nQUIT\r\n");
    every_cut_and_every_end(w, config::SmtpCheck{}, {"[BODY] == pat(*SIZE*)"});
    strangers(w, config::SmtpCheck{}, "the greeting");
    w.talker.script = smtp("554 no service for you\r\n", {});
    expect_fail(w.ask(config::SmtpCheck{}), Reason::status_mismatch, Phase::total, "the greeting is 554 no service for you, not 220");
    w.talker.script = smtp(hello, {{"EHLO", {"502 what?\r\n"}}});
    expect_fail(w.ask(config::SmtpCheck{}), Reason::status_mismatch, Phase::total, "the answer to EHLO is 502 what?, not 250");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(SmtpProbe, StartTls) {
    World w;
    const config::SmtpCheck check{.starttls = config::StartTls::required};
    w.talker.script = smtp(hello, {{"EHLO", {offers}}, {"STARTTLS", {.bytes = "220 go on\r\n", .then_tls = true}}});
    const auto seen = w.ask(check, {"[CERTIFICATE_EXPIRATION] > 48h"});
    expect_pass(seen, "EHLO answered over TLS");
    EXPECT_GE(seen.timings.tls, Duration{0});
    EXPECT_EQ(w.talker.heard.find("EHLO [10.0.0.1]\r\nSTARTTLS\r\nEHLO [10.0.0.1]\r\n"), 0u) << w.talker.heard;

    w.talker.script = smtp(hello, {{"EHLO", {"250 mail.example\r\n"}}});
    expect_fail(w.ask(check), Reason::tls_failure, Phase::tls, "STARTTLS is required, and the server does not offer it");
    w.talker.script = smtp(hello, {{"EHLO", {offers}}, {"STARTTLS", {"454 not now\r\n"}}});
    expect_fail(w.ask(check), Reason::status_mismatch, Phase::total, "the answer to STARTTLS is 454 not now, not 220");
    w.talker.script = smtp(hello, {{"EHLO", {offers}}, {"STARTTLS", {"220 go on\r\n250 injected\r\n"}}});
    expect_fail(w.ask(check), Reason::protocol_error, Phase::total, "bytes came behind");
    w.talker.script = smtp(hello, {{"EHLO", {offers}}, {"STARTTLS", {"220 go on\r\n"}}});
    expect_fail(w.ask(check), Reason::tls_timeout, Phase::tls, "handshake");
    w.show({.names = {"DNS:mail.example", "IP:10.0.0.5"}, .until = 1min});
    w.bench.run_for(2min);
    w.talker.script = smtp(hello, {{"EHLO", {offers}}, {"STARTTLS", {.bytes = "220 go on\r\n", .then_tls = true}}});
    expect_fail(w.ask(check), Reason::tls_failure, Phase::tls, "expired");
    EXPECT_EQ(w.bench.leaks(), "");
}

// ---- PostgreSQL ----

std::string message(char type, std::string_view body) {
    std::string out(1, type);
    const auto length = body.size() + 4;
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(length >> shift);
    return out + std::string(body);
}
std::string asks(unsigned code, std::string_view data = {}) { return message('R', std::string(3, '\0') + static_cast<char>(code) + std::string(data)); }
std::string error(std::string_view state, std::string_view text) { return message('E', fmt::format("SFATAL{0}VFATAL{0}C{1}{0}M{2}{0}{0}", '\0', state, text)); }
std::string rows(std::vector<std::string> values) {
    std::string columns = "\0"s + static_cast<char>(values.size());
    std::string row = columns;
    for (std::size_t i = 0; i < values.size(); ++i) {
        columns += fmt::format("c{}", i) + "\0"s + std::string(18, '\1');
        row += "\0\0\0"s + static_cast<char>(values[i].size()) + values[i];
    }
    return message('T', columns) + message('D', row) + message('C', "SELECT 1\0"s) + message('Z', "I");
}
const std::string ready = asks(0) + message('S', "server_version\00015.4\0"s) + message('K', "12345678") + message('Z', "I");

struct Postgres {
    std::string login = ready;                           // To the startup,
    std::function<std::string(std::string_view)> password;  // to each 'p',
    std::map<std::string, std::string> queries;          // to each query.
    std::string ssl = "N";
};

Script postgres(Postgres server) {
    return {.answer = [server](std::string& got) {
        const bool typed = got[0] != '\0';
        const std::size_t head = typed ? 5 : 4;
        if (got.size() < head) return Say{};
        std::size_t length = 0;
        for (std::size_t i = head - 4; i < head; ++i) length = length << 8 | static_cast<unsigned char>(got[i]);
        length += typed ? 1u : 0u;
        if (got.size() < length) return Say{};
        const std::string whole = got.substr(0, length);
        got.erase(0, length);
        if (!typed && whole.size() == 8) return Say{.bytes = server.ssl, .then_tls = server.ssl == "S"};
        if (!typed) return Say{server.login};
        const std::string body = whole.substr(head);
        if (whole[0] == 'p') return Say{server.password ? server.password(body) : ""};
        if (whole[0] == 'X') return Say{.then_close = true};
        const auto found = server.queries.find(body.substr(0, body.size() - 1));
        return Say{found == server.queries.end() ? error("42601", "syntax error") : found->second};
    }};
}

const std::map<std::string, std::string> usual{{"SELECT 1", rows({"1"})}, {"SELECT pg_is_in_recovery()", rows({"f"})}, {"SELECT 7, 8", rows({"7", "x\"y"})}};

std::string hmac(std::string_view key, std::string_view text) {
    unsigned char out[32];
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &length);
    return {reinterpret_cast<const char*>(out), length};
}

// The server's side of SCRAM, which believes only who knows `password` and proves with `proves_by` that it does too.
Postgres scram(std::string password, std::string proves_by = {}) {
    struct Half {
        std::string first_bare, server_first;
    };
    auto half = std::make_shared<Half>();
    if (proves_by.empty()) proves_by = password;
    const auto believed = *wire::scram_keys(password, "salt", 4096), proved = *wire::scram_keys(proves_by, "salt", 4096);
    return {.login = asks(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s), .password = [=](std::string_view body) -> std::string {
                constexpr std::string_view name = "SCRAM-SHA-256";
                if (body.starts_with(name)) {
                    half->first_bare = body.substr(name.size() + 1 + 4 + 3);
                    half->server_first = fmt::format("r={}0123456789,s={},i=4096", half->first_bare.substr(half->first_bare.find("r=") + 2), wire::base64("salt"));
                    return asks(11, half->server_first);
                }
                wire::Scram again("", half->first_bare.substr(half->first_bare.find("r=") + 2));
                if (!again.challenge(half->server_first) || body != *again.final(believed))
                    return error("28P01", "password authentication failed for user \"app\"");
                const std::string text = fmt::format("{},{},{}", half->first_bare, half->server_first, body.substr(0, body.find(",p=")));
                return asks(12, "v=" + wire::base64(hmac({reinterpret_cast<const char*>(proved.server.data()), proved.server.size()}, text))) + ready;
            }, .queries = usual};
}

TEST(PostgresProbe, PassesWhereverItsAnswersAreCut) {
    World w;
    w.talker.script = postgres({.queries = usual});
    expect_pass(w.ask(config::PostgresCheck{.user = "app", .database = "shop"}), "postgres 10.0.0.5:7: SELECT 1 answered in ");
    w.bench.run_for(1s);
    EXPECT_NE(w.talker.heard.find("user\0app\0database\0shop\0"s), std::string::npos);
    EXPECT_TRUE(w.talker.heard.ends_with("X\0\0\0\4"s));
    expect_pass(w.ask(config::PostgresCheck{.role = config::PostgresRole::primary}), "SELECT 1 answered by a primary");
    expect_pass(w.ask(config::PostgresCheck{}, {"[BODY] == 1"}), "SELECT 1");
    expect_pass(w.ask(config::PostgresCheck{.query = "SELECT 7, 8"}, {"[BODY].c0 == 7", "[BODY].c1 == x\"y"}), "SELECT 7, 8");
    every_cut_and_every_end(w, config::PostgresCheck{.role = config::PostgresRole::primary});
    w.talker.script = postgres(scram("hunter2"));
    every_cut_and_every_end(w, config::PostgresCheck{.user = "app", .password = "hunter2"});
    strangers(w, config::PostgresCheck{.user = "app"}, "the login of app");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(PostgresProbe, EveryWayToLogIn) {
    World w;
    const config::PostgresCheck app{.user = "app", .password = "hunter2"};
    const auto believes = [](std::string what) {
        return [what](std::string_view body) { return body == what + "\0"s ? ready : error("28P01", "password authentication failed for user \"app\""); };
    };
    w.talker.script = postgres({.login = asks(3), .password = believes("hunter2"), .queries = usual});
    expect_pass(w.ask(app), "SELECT 1");
    w.talker.script = postgres({.login = asks(5, "salt"), .password = believes(*wire::postgres_md5("app", "hunter2", "salt")), .queries = usual});
    expect_pass(w.ask(app), "SELECT 1");
    w.talker.script = postgres(scram("hunter2"));
    expect_pass(w.ask(app), "SELECT 1");
    w.talker.script = postgres(scram("another"));
    expect_fail(w.ask(app), Reason::body_mismatch, Phase::total, "the login of app failed: FATAL 28P01: password authentication failed for user \\\"app\\\"");
    w.talker.script = postgres(scram("hunter2", "does not know it"));
    expect_fail(w.ask(app), Reason::protocol_error, Phase::total, "the server does not know the password itself");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(PostgresProbe, WhatItSaysOtherwise) {
    World w;
    const config::PostgresCheck app{.user = "app", .password = "hunter2"};
    const struct {
        Postgres server;
        config::PostgresCheck check;
        Reason reason;
        std::string_view words;
    } cases[] = {
        {{.login = asks(3)}, {.user = "app"}, Reason::body_mismatch, "the server asks for the password of app, and the check has none"},
        {{.login = error("57P03", "the database system is starting up")}, app, Reason::body_mismatch, "the login of app failed: FATAL 57P03: the database system is starting up"},
        {{.login = error("3D000", "database \"nope\" does not exist")}, app, Reason::body_mismatch, "3D000"},
        {{.login = asks(7)}, app, Reason::protocol_error, "method 7"},
        {{.login = asks(10, "OTHER\0\0"s)}, app, Reason::protocol_error, "none of the ways to log in that Hale knows: OTHER"},
        {{.login = asks(10, "SCRAM-SHA-256\0\0"s), .password = [](std::string_view) { return ready; }}, app, Reason::protocol_error, "did not prove"},
        {{.login = asks(10, "SCRAM-SHA-256\0\0"s), .password = [](std::string_view) { return asks(11, "r=other,s=c2FsdA==,i=1"); }}, app, Reason::protocol_error, "our nonce"},
        {{.login = asks(11, "r=x")}, app, Reason::protocol_error, "can't be"},
        {{.login = message('Z', "I")}, app, Reason::protocol_error, "ready without a login"},
        {{.login = message('D', "\0\0"s)}, app, Reason::protocol_error, "rows before anybody asked"},
        {{.login = message('E', "no fields")}, app, Reason::protocol_error, "an error that can't be read"},
        {{.queries = {}}, app, Reason::body_mismatch, "the query failed: FATAL 42601: syntax error"},
        {{.queries = usual}, {.role = config::PostgresRole::standby}, Reason::body_mismatch, "it is a primary, and role: standby is asked for"},
        {{.queries = {{"SELECT pg_is_in_recovery()", rows({"t"})}}}, {.role = config::PostgresRole::primary}, Reason::body_mismatch,
         "it is a standby, and role: primary is asked for"},
    };
    for (const auto& one : cases) {
        w.talker.script = postgres(one.server);
        expect_fail(w.ask(one.check), one.reason, Phase::total, one.words);
    }
    w.talker.script = postgres({.queries = usual});
    expect_fail(w.ask(app, {"[BODY] > 1"}), Reason::body_mismatch, Phase::total, "[BODY] (1) > 1");
    // A table without end is not read to its end.
    std::string table = message('T', "\0\1c\0"s + std::string(18, '\1'));
    for (std::size_t i = 0; i < 1200; ++i) table += message('D', "\0\1\0\0\3\xe8"s + std::string(1000, 'x'));
    w.talker.script = postgres({.queries = {{"SELECT 1", table}}});
    expect_fail(w.ask(app), Reason::protocol_error, Phase::total, "more than 1MiB came");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(PostgresProbe, OverTls) {
    World w;
    const auto check = [](config::PostgresTls mode) { return config::PostgresCheck{.user = "app", .tls = mode}; };
    w.talker.script = postgres({.queries = usual, .ssl = "S"});
    for (const auto mode : {config::PostgresTls::require, config::PostgresTls::prefer}) {
        const auto seen = w.ask(check(mode), {"[CERTIFICATE_EXPIRATION] > 1h"});
        expect_pass(seen, "SELECT 1");
        EXPECT_GE(seen.timings.tls, Duration{0});
    }
    w.talker.script = postgres({.queries = usual, .ssl = "N"});
    expect_pass(w.ask(check(config::PostgresTls::prefer)), "SELECT 1");
    expect_fail(w.ask(check(config::PostgresTls::require)), Reason::tls_failure, Phase::tls, "the server has no TLS, and tls_mode: require asks for it");
    w.talker.script = postgres({.queries = usual, .ssl = "Sinjected"});
    expect_fail(w.ask(check(config::PostgresTls::require)), Reason::protocol_error, Phase::total, "the answer to the request for TLS");
    w.talker.script = postgres({.queries = usual, .ssl = "S"});
    w.show({.names = {"DNS:other.example"}});
    expect_fail(w.ask(check(config::PostgresTls::require)), Reason::tls_failure, Phase::tls, "mismatch");
    EXPECT_EQ(w.bench.leaks(), "");
}

// ---- TLS alone ----

TEST(TlsProbe, TellsHowLongTheCertificateHolds) {
    World w;
    w.talker.tls_at_once = true;
    expect_pass(w.ask(config::TlsCheck{}), "tls 10.0.0.5:7: TLSv1.3, certificate of web.example, 89 days left (until ");
    expect_fail(w.ask(config::TlsCheck{}, {"[CERTIFICATE_EXPIRATION] > 2400h"}), Reason::condition_failed, Phase::total, "> 2400h");
    w.show({.names = {"IP:10.0.0.5"}, .until = 24h * 9});
    const auto soon = w.ask(config::TlsCheck{});
    EXPECT_EQ(soon.outcome, Outcome::warn);
    EXPECT_EQ(soon.reason, Reason::certificate_expiring) << soon.text;
    EXPECT_NE(soon.certificate_until, 0u);
    w.show({.names = {"IP:10.0.0.5"}, .until = 1h});
    w.bench.run_for(2h);
    expect_fail(w.ask(config::TlsCheck{}), Reason::tls_failure, Phase::tls, "expired");
    w.talker.tls_at_once = false;
    expect_fail(w.ask(config::TlsCheck{}), Reason::tls_timeout, Phase::tls, "handshake");
    EXPECT_EQ(w.bench.leaks(), "");
}

// ---- DNS ----

std::string n16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

// An answer with these addresses to the query at hand.
std::string dns_answer(std::string_view query, unsigned flags, const std::vector<std::string>& addresses) {
    std::string out = std::string(query.substr(0, 2)) + n16(flags) + n16(1) + n16(static_cast<unsigned>(addresses.size())) + n16(0) + n16(0) + std::string(query.substr(12));
    for (const std::string& one : addresses) {
        const auto ip = *Ip::parse(one);
        out += "\xc0\x0c"s + n16(1) + n16(1) + n16(0) + n16(60) + n16(4) + std::string(reinterpret_cast<const char*>(ip.bytes.data()) + 12, 4);
    }
    return out;
}

struct DnsWorld : World {
    DnsWorld() {
        udp = bench.network.net("web", bench.loop).serve_datagrams(*SocketAddress::parse("10.0.0.5:7"), [this](const SocketAddress&, std::string_view query) {
            ++asked;
            return answers(query);
        });
    }
    std::unique_ptr<sim::Net::DatagramServer> udp;
    std::function<std::vector<std::string>(std::string_view)> answers = [](std::string_view query) { return std::vector{dns_answer(query, 0x8180, {"10.0.0.7", "10.0.0.8"})}; };
    int asked = 0;
};

Script dns_over_tcp(unsigned flags, std::vector<std::string> addresses) {
    return {.answer = [=](std::string& got) {
        const std::string query = got.substr(2);
        got.clear();
        const std::string answer = dns_answer(query, flags, addresses);
        return Say{n16(static_cast<unsigned>(answer.size())) + answer};
    }};
}

TEST(DnsProbe, OverUdp) {
    DnsWorld w;
    const config::DnsCheck check{.name = "Example.org."};
    const auto seen = w.ask(check, {"[DNS_RCODE] == NOERROR", "[BODY] == pat(*10.0.0.8*)"});
    expect_pass(seen, "dns Example.org. A at 10.0.0.5:7: NOERROR, 10.0.0.7,10.0.0.8 in ");
    EXPECT_GE(seen.timings.first_byte, Duration{0});
    expect_pass(w.ask(config::DnsCheck{.name = "example.org", .answer = {"10.0.0.1", "10.0.0.8"}}), "NOERROR");
    expect_fail(w.ask(config::DnsCheck{.name = "example.org", .answer = {"10.0.0.9"}}), Reason::body_mismatch, Phase::total, "answered 10.0.0.7,10.0.0.8, and 10.0.0.9 is asked for");
    expect_fail(w.ask(config::DnsCheck{.name = "example.org", .record = wire::DnsType::mx}), Reason::body_mismatch, Phase::total, "NOERROR without a record of type MX");
    w.answers = [](std::string_view query) { return std::vector{dns_answer(query, 0x8183, {})}; };
    expect_fail(w.ask(check), Reason::status_mismatch, Phase::total, "answered NXDOMAIN, and NOERROR is asked for");
    expect_pass(w.ask(config::DnsCheck{.name = "example.org", .rcode = 3}), "NXDOMAIN");
    expect_pass(w.ask(check, {"[DNS_RCODE] == any(NXDOMAIN, REFUSED)"}), "NXDOMAIN");
    expect_fail(w.ask(check, {"[DNS_RCODE] == REFUSED"}), Reason::status_mismatch, Phase::total, "[DNS_RCODE] (NXDOMAIN) == REFUSED");
    EXPECT_EQ(w.bench.leaks(), "");
}

// Wherever the instance is, and where there is none.
TEST(DnsProbe, AsksTheServerThatIsNamed) {
    DnsWorld w;
    w.bench.names.set("ns.example", {"10.0.0.5"});
    verdict::RowId row = 0;
    for (const std::string_view server : {"10.0.0.5:7", "ns.example:7"})
        for (const bool placed : {true, false}) {
            auto spec = Bench::http();
            spec->what = config::DnsCheck{.name = "example.org", .server = *config::dns_server(server)};
            spec->expect.reset();
            auto assignment = w.bench.assignment(row, "10.0.0.99:1", {spec});
            if (!placed) assignment.target = {};
            w.bench.assign(std::move(assignment));
            const auto answers = w.bench.probe_now(row++);
            ASSERT_EQ(answers.size(), 1u);
            expect_pass(answers[0].observation, fmt::format("dns example.org A at {}", server));
        }
    EXPECT_GE(w.asked, 4);
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(DnsProbe, OtherThanAnAnswer) {
    DnsWorld w;
    const config::DnsCheck check{.name = "example.org"};
    w.answers = [](std::string_view) { return std::vector<std::string>{}; };
    expect_fail(w.ask(check), Reason::first_byte_timeout, Phase::first_byte, "no answer came within 1.0 s");
    w.answers = [](std::string_view) { return std::vector{"no answer"s}; };
    expect_fail(w.ask(check), Reason::protocol_error, Phase::total, "no DNS answer: shorter than a head");
    // What is to another question is not listened to, and the one behind it is.
    w.answers = [](std::string_view query) {
        std::string forged = dns_answer(query, 0x8180, {"6.6.6.6"});
        forged[0] = static_cast<char>(forged[0] ^ 1);
        std::string other = dns_answer(query, 0x8180, {"6.6.6.6"});
        other[13] = 'f';
        return std::vector{forged, other};
    };
    expect_fail(w.ask(check), Reason::first_byte_timeout, Phase::first_byte, "no answer came within 1.0 s, but 2 to other questions");
    w.udp.reset();
    expect_fail(w.ask(check), Reason::connect_refused, Phase::connect, "nobody listens there");
    expect_fail(w.ask(check, {}, "10.9.9.9:7"), Reason::first_byte_timeout, Phase::first_byte, "no answer came");
    w.bench.network.net("hale", w.bench.loop).fail_next(sim::Operation::connect, EMFILE);
    const auto ours = w.ask(check);
    EXPECT_EQ(ours.outcome, Outcome::error) << ours.text;
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(DnsProbe, OverTcpAndWhatDoesNotFitUdp) {
    DnsWorld w;
    w.talker.script = dns_over_tcp(0x8180, {"10.0.0.7"});
    every_cut_and_every_end(w, config::DnsCheck{.name = "example.org", .transport = config::DnsTransport::tcp});
    EXPECT_EQ(w.asked, 0);
    w.answers = [](std::string_view query) { return std::vector{dns_answer(query, 0x8380, {})}; };
    const auto seen = w.ask(config::DnsCheck{.name = "example.org", .answer = {"10.0.0.7"}});
    expect_pass(seen, "NOERROR, 10.0.0.7");
    EXPECT_GE(seen.timings.connect, Duration{0});
    EXPECT_EQ(w.asked, 1);
    w.talker.script = dns_over_tcp(0x0100, {});
    expect_fail(w.ask(config::DnsCheck{.name = "example.org", .transport = config::DnsTransport::tcp}), Reason::protocol_error, Phase::total, "a question, not an answer");
    EXPECT_EQ(w.bench.leaks(), "");
}

TEST(Conversations, WithoutASourceOfSecretsTheyAreErrors) {
    Bench bench(5);
    auto spec = std::make_shared<config::CheckSpec>();
    spec->what = config::DnsCheck{.name = "example.org"};
    bench.assign(bench.assignment(0, "10.0.0.5:7", {spec}));
    EXPECT_EQ(bench.probe_now(0).at(0).observation.outcome, Outcome::error);
}

}  // namespace
}  // namespace hale::probe::test
