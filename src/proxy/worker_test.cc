// Goal: a request comes out where it should, as it should; and every answer Hale makes itself says so.
// Method: one worker, clients and scripted instances in a simulated world; what each side received is compared
// as text. The bed checks after every test that nothing is left: no connection, no exchange, no byte, no count.

#include <gtest/gtest.h>

#include "proxy/bed_test.h"

namespace hale::proxy {
namespace {


bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Worker, ForwardsAndTellsTheInstanceWhoAsked) {
    Bed bed;
    bed.serve("web", 1);
    bed.open();
    const auto got = bed.ask("GET /a%41b?x=1 HTTP/1.1\r\nHost: A.example:80\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n"
                             "TE: trailers\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
                             "X-Request-ID: evil\r\nX-Kept: yes\r\nAccept: */*\r\n\r\n");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
    EXPECT_TRUE(got.ends_with("\r\n\r\nok")) << got;
    EXPECT_TRUE(has(got, "\r\nDate: ")) << got;
    EXPECT_FALSE(has(got, "Hale-Reason"));
    ASSERT_EQ(bed.instances[0]->requests.size(), 1u);
    auto& r = bed.instances[0]->requests[0];
    EXPECT_EQ(r.target, "/a%41b?x=1");
    EXPECT_EQ(r.fields["host"], "A.example:80");
    EXPECT_EQ(r.fields["x-forwarded-for"], "10.0.0.1");
    EXPECT_EQ(r.fields["x-forwarded-proto"], "http");
    EXPECT_EQ(r.fields["x-forwarded-host"], "A.example:80");
    EXPECT_EQ(r.fields["forwarded"], "for=10.0.0.1;host=\"A.example:80\";proto=http");
    EXPECT_EQ(r.fields["x-request-id"].size(), 16u);
    EXPECT_EQ(r.fields["x-kept"], "yes");
    for (const char* gone : {"connection", "keep-alive", "te", "x-gone", "x-real-ip"}) EXPECT_FALSE(r.fields.contains(gone)) << gone;
    EXPECT_EQ(bed.stats_of("web").requests[1][0], 1u);
}

TEST(Worker, BelievesTrustedProxiesAndAppendsToThem) {
    Bed bed;
    bed.serve("web", 1);
    bed.table.trusted = {*Cidr::parse("10.0.0.0/24")};
    bed.open();
    bed.ask(get("/", "a.example", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nForwarded: for=1.2.3.4\r\n"
                                  "X-Request-ID: abc-1\r\n"));
    auto& r = bed.instances[0]->requests.at(0);
    EXPECT_EQ(r.fields["x-forwarded-for"], "1.2.3.4, 10.0.0.1");
    EXPECT_EQ(r.fields["x-forwarded-proto"], "https");
    EXPECT_EQ(r.fields["x-forwarded-host"], "shop.example");
    EXPECT_EQ(r.fields["forwarded"], "for=1.2.3.4, for=10.0.0.1;host=\"shop.example\";proto=https");
    EXPECT_EQ(r.fields["x-request-id"], "abc-1");
    bed.worker->stop();
    EXPECT_TRUE(has(bed.lines.text, "\"client\":\"1.2.3.4\"")) << bed.lines.text;
    EXPECT_TRUE(has(bed.lines.text, "\"request_id\":\"abc-1\"")) << bed.lines.text;
}

TEST(Worker, RoutesByHostAndPathAndStrips) {
    Bed bed;
    bed.serve("one", 1, "one.example");
    auto& two = bed.table.service("two");
    two.endpoints.push_back(bed.table.endpoint(bed.instance(1).at()));
    bed.table.route("*.two.example", "two", "/api", true);
    bed.open();
    bed.ask(get("/x", "ONE.example.:8080"));
    bed.ask(get("/%61pi/%7Ex%2f?q=%61", "w.two.example"));
    bed.ask(get("/api?q", "w.two.example"));
    bed.ask(get("/api/", "w.two.example"));
    bed.ask("GET http://one.example/abs HTTP/1.1\r\nHost: one.example\r\n\r\n");
    EXPECT_EQ(bed.instances[0]->requests.at(0).target, "/x");
    EXPECT_EQ(bed.instances[0]->requests.at(1).target, "/abs");
    EXPECT_EQ(bed.instances[0]->requests.at(1).fields["host"], "one.example");
    ASSERT_EQ(bed.instances[1]->requests.size(), 3u);
    EXPECT_EQ(bed.instances[1]->requests[0].target, "/%7Ex%2f?q=%61");
    EXPECT_EQ(bed.instances[1]->requests[1].target, "/?q");
    EXPECT_EQ(bed.instances[1]->requests[2].target, "/");
    for (const char* path : {"/apix", "/"}) EXPECT_TRUE(bed.ask(get(path, "w.two.example")).starts_with("HTTP/1.1 404 ")) << path;
    EXPECT_TRUE(bed.ask(get("/api", "a.b.two.example")).starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(bed.ask(get("/", "x.example")).starts_with("HTTP/1.1 404 "));
}

struct Refused {
    const char* name;
    std::string request;
    std::string status;
    std::string code;
};

TEST(Worker, V21SaysWhyItRefuses) {
    Bed bed(1, {.max_request_line = 1024, .max_head_bytes = 4096});
    bed.table.max_body = 100;
    bed.serve("web", 1);
    bed.table.service("down").endpoints = {bed.table.endpoint(bed.instances[0]->at(), verdict::State::unhealthy)};
    bed.table.route("down.example", "down");
    bed.table.service("empty");
    bed.table.route("empty.example", "empty");
    bed.table.service("works").override = verdict::OverrideState::maintenance;
    bed.table.route("works.example", "works");
    bed.table.routes.erase(bed.table.routes.begin());
    bed.table.route("a.example", "web");
    bed.open();
    const std::vector<Refused> all{
        {"two lengths", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400", "bad_request"},
        {"length and coding", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "bad_request"},
        {"odd coding", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "", "bad_request"},
        {"bare LF", "GET / HTTP/1.1\nHost: a.example\n\n", "400", "bad_request"},
        {"folded line", "GET / HTTP/1.1\r\nHost: a.example\r\nX: 1\r\n 2\r\n\r\n", "400", "bad_request"},
        {"blank before colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", "400", "bad_request"},
        {"no host", "GET / HTTP/1.1\r\n\r\n", "400", "bad_request"},
        {"two hosts", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b\r\n\r\n", "400", "bad_request"},
        {"bad chunk", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", "400", "bad_request"},
        {"connect", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", "400", "bad_request"},
        {"dot segment", get("/a/../b"), "400", "bad_request"},
        {"encoded dots", get("/a/%2e%2e/b"), "400", "bad_request"},
        {"nul", get("/a%00"), "400", "bad_request"},
        {"backslash", get("/a\\b"), "400", "bad_request"},
        {"a TLS handshake", std::string("\x16\x03\x01\x02\x00\x01", 6), "400", "unexpected_tls"},
        {"no route", get("/", "nobody.example"), "404", "no_route"},
        {"length over limit", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 101\r\n\r\n", "413", "body_too_large"},
        {"chunks over limit", "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(0x65, 'x') + "\r\n0\r\n\r\n", "413", "body_too_large"},
        {"long line", get("/" + std::string(2000, 'x')), "414", "uri_too_long"},
        {"long head", get("/", "a.example", "X: " + std::string(5000, 'x') + "\r\n"), "431", "headers_too_large"},
        {"unhealthy", get("/", "down.example"), "503", "no_eligible_instance"},
        {"no instance", get("/", "empty.example"), "503", "no_eligible_instance"},
        {"maintenance", get("/", "works.example"), "503", "maintenance"},
    };
    for (const auto& one : all) {
        const auto got = bed.ask(one.request);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 " + one.status)) << one.name << "\n" << got;
        EXPECT_TRUE(has(got, "\r\nHale-Reason: " + one.code + "\r\n")) << one.name << "\n" << got;
        EXPECT_TRUE(has(got, "\r\nX-Request-ID: ")) << one.name;
        EXPECT_TRUE(has(got, "\r\nContent-Type: application/problem+json\r\n")) << one.name;
        EXPECT_TRUE(has(got, "\"code\":\"" + one.code + "\"")) << one.name << got;
        EXPECT_EQ(has(got, "\r\nRetry-After: "), one.status == "503") << one.name;
        EXPECT_FALSE(has(got, "10.0.1.")) << one.name;
    }
    EXPECT_TRUE(bed.instances[0]->requests.empty());
    const auto page = bed.ask(get("/", "down.example", "Accept: text/html,*/*\r\n"));
    EXPECT_TRUE(has(page, "\r\nContent-Type: text/html")) << page;
    EXPECT_TRUE(has(page, "no_eligible_instance")) << page;
    const auto head = bed.ask("HEAD / HTTP/1.1\r\nHost: down.example\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 503 ") && head.ends_with("\r\n\r\n")) << head;
    EXPECT_TRUE(has(bed.lines.text, "\"reason\":\"maintenance\"")) << bed.lines.text;

    bed.table.detail_for = {*Cidr::parse("10.0.0.1")};
    bed.adopt();
    const auto told = bed.ask(get("/", "down.example"));
    EXPECT_TRUE(has(told, "\"address\":\"10.0.1.0:80\"")) << told;
    EXPECT_TRUE(has(told, "\"state\":\"unhealthy\"")) << told;
}

TEST(Worker, RefusalsKeepTheConnectionWhereTheRequestWasWhole) {
    Bed bed;
    bed.serve("web", 1, "a.example");
    bed.open();
    auto& c = bed.client();
    c.send(get("/", "x.example") + get("/", "a.example") + get("/", "x.example"));
    bed.world.run_for(1s);
    EXPECT_FALSE(c.over());
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 404 ")) << c.got;
    EXPECT_TRUE(has(c.got, "HTTP/1.1 200 OK")) << c.got;
}

TEST(Worker, TimesOutWhoeverIsLate) {
    Bed bed;
    auto& web = bed.serve("web", 1);
    web.timeouts = {.connect = 1s, .first_byte = 2s, .idle = 3s};
    bed.instances[0]->script = [](Talker&, const Request&) {};
    web.retry.max = 3;
    bed.open();
    const auto late = bed.ask(get(), 5s);
    EXPECT_TRUE(late.starts_with("HTTP/1.1 504 ")) << late;
    EXPECT_TRUE(has(late, "Hale-Reason: upstream_timeout"));
    EXPECT_EQ(bed.instances[0]->requests.size(), 1u);  // Not asked again.
    ASSERT_FALSE(bed.passive.empty());
    EXPECT_EQ(bed.passive.back().reason, verdict::Reason::first_byte_timeout);

    const auto half = bed.ask("GET / HTT", 20s);
    EXPECT_TRUE(half.starts_with("HTTP/1.1 408 ")) << half;
    const auto body = bed.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", 40s);
    EXPECT_TRUE(body.starts_with("HTTP/1.1 408 ")) << body;

    auto& silent = bed.client();  // Never asks: closed without a word.
    bed.world.run_for(100s);
    EXPECT_TRUE(silent.ended && silent.got.empty());

    bed.instances[0]->script = [](Talker& t, const Request&) { t.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"); };
    auto& cut = bed.client();
    cut.send(get());
    bed.world.run_for(10s);
    EXPECT_TRUE(cut.over());
    EXPECT_TRUE(cut.got.ends_with("abc"));
    EXPECT_EQ(bed.stats_of("web").upstream_resets, 1u);

    bed.network.set_power("web0", false);
    bed.worker->adopt(bed.table.snapshot()).reset();
    bed.world.run_for(40s);  // Idle connections expire.
    const auto unreachable = bed.ask(get(), 5s);
    EXPECT_TRUE(unreachable.starts_with("HTTP/1.1 502 ")) << unreachable;
    EXPECT_EQ(bed.passive.back().reason, verdict::Reason::connect_timeout);
}

TEST(Worker, AnswersPipelinedRequestsInOrder) {
    Bed bed;
    bed.serve("web", 2);
    for (auto& instance : bed.instances)
        instance->script = [](Talker& t, const Request& r) {
            const std::string body = r.target + r.body;
            t.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        };
    bed.open();
    auto& c = bed.client();
    std::string all;
    for (int i = 0; i < 60; ++i)
        all += i % 3 != 0 ? get("/<" + std::to_string(i) + ">")
                          : "POST /<" + std::to_string(i) + "> HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n";
    // '<' is not allowed in a target by everybody: spell it safely.
    for (auto at = all.find_first_of("<>"); at != std::string::npos; at = all.find_first_of("<>")) all[at] = '_';
    c.send(all);
    bed.world.run_for(5s);
    std::size_t at = 0;
    for (int i = 0; i < 60; ++i) {
        at = c.got.find("/_" + std::to_string(i) + "_" + (i % 3 == 0 ? "!" : ""), at);
        ASSERT_NE(at, std::string::npos) << i;
    }
    EXPECT_FALSE(c.over());
    EXPECT_EQ(bed.stats_of("web").requests[1][0], 60u);
}

TEST(Worker, PassesEveryFramingOfAnswersToEveryClient) {
    const std::string long_body(5000, 'b');
    struct Answer {
        const char* name;
        std::string bytes;
        bool close;
    };
    const std::vector<Answer> answers{
        {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + long_body, false},
        {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n7d0\r\n" + long_body.substr(0, 2000) + "\r\nbb8;ext=1\r\n" +
                        long_body.substr(2000) + "\r\n0\r\nX-T: end\r\n\r\n", false},
        {"until close", "HTTP/1.1 200 OK\r\n\r\n" + long_body, true},
        {"1.0", "HTTP/1.0 200 OK\r\n\r\n" + long_body, true},
        {"closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n" + long_body, true},
    };
    for (const auto& answer : answers)
        for (const bool old : {false, true})
            for (const double bytewise : {0.0, 1.0}) {
                SCOPED_TRACE(std::string(answer.name) + (old ? " to 1.0" : " to 1.1"));
                Bed bed(3);
                bed.serve("web", 1);
                bed.network.set_faults({.one_byte_reads = bytewise});
                bed.instances[0]->script = [&](Talker& t, const Request&) {
                    t.send(answer.bytes);
                    if (answer.close) t.close();
                };
                bed.open();
                auto& c = bed.client();
                c.send(old ? "GET / HTTP/1.0\r\n\r\n" : get() + get());
                bed.world.run_for(5s);
                std::string_view rest = c.got;
                for (int i = 0; i < (old ? 1 : 2); ++i) {
                    wire::ResponseHead head;
                    wire::HeadScan scan;
                    const auto result = wire::parse_response_head(rest, {}, wire::Method::get, scan, head);
                    ASSERT_EQ(result.status, wire::ParseStatus::done) << rest;
                    EXPECT_EQ(head.status, 200);
                    rest.remove_prefix(result.consumed);
                    wire::BodyReader reader(head.framing);
                    std::string body;
                    while (!reader.done() && !rest.empty()) {
                        const auto step = reader.read(rest);
                        ASSERT_NE(step.status, wire::BodyStatus::bad);
                        body.append(step.payload);
                        rest.remove_prefix(step.consumed);
                    }
                    EXPECT_EQ(body, long_body);
                    EXPECT_TRUE(reader.done() || head.framing.kind == wire::BodyKind::until_close);
                    if (!old && std::string_view(answer.name) == "chunked") { EXPECT_EQ(reader.trailers(), "X-T: end\r\n"); }
                }
                EXPECT_TRUE(rest.empty());
                EXPECT_EQ(c.over(), old);
            }
}

TEST(Worker, StreamsBothWaysThroughTinyBuffersInBoundedMemory) {
    sim::for_each_seed(4, [](std::uint64_t seed) {
        Bed bed(seed, {.read_bytes = 61, .buffer_bytes = 127});
        bed.serve("web", 1);
        bed.network.set_faults({.window = 700, .one_byte_reads = 0.2, .short_read = 0.3, .short_write = 0.3, .spurious_notice = 0.2});
        std::string body;
        for (int i = 0; body.size() < 20'000; ++i) body += std::to_string(i) + ",";
        bed.instances[0]->script = [](Talker& t, const Request& r) {
            t.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(r.body.size()) + "\r\n\r\n" + r.body);
        };
        bed.open();
        auto& c = bed.client();
        c.hold();
        std::string chunked;
        for (std::size_t at = 0; at < body.size(); at += 100) chunked += "64\r\n" + body.substr(at, 100) + "\r\n";
        body.resize(body.size() / 100 * 100);
        chunked.resize(body.size() / 100 * 106);
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body +
               "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + "0\r\n\r\n");
        bed.world.run_for(2s);
        c.release();
        bed.world.run_until([&] { return bed.instances[0]->requests.size() == 2 && c.got.size() > 2 * body.size() + 100; }, 600s);
        bed.world.run_for(5s);
        ASSERT_EQ(bed.instances[0]->requests.size(), 2u);
        EXPECT_EQ(bed.instances[0]->requests[0].body, body);
        EXPECT_EQ(bed.instances[0]->requests[1].body, body);
        const auto first = c.got.find("\r\n\r\n");
        EXPECT_EQ(c.got.substr(first + 4, body.size()), body);
        EXPECT_TRUE(c.got.ends_with(body));
    });
}

TEST(Worker, LeavesASlowClientToItsOwnPace) {
    Bed bed(1, {.keep_alive_timeout = 3600s});
    auto& web = bed.serve("web", 1);
    web.timeouts.idle = 30s;
    const std::string big(1'000'000, 'x');
    bed.instances[0]->script = [&](Talker& t, const Request&) { t.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + big); };
    bed.open();
    auto& c = bed.client();
    c.hold();
    c.send(get());
    bed.world.run_for(10s);
    EXPECT_GT(bed.instances[0]->connection(0).unsent(), 500'000u);  // The instance was not read to the end.
    c.release();
    bed.world.run_for(10s);
    EXPECT_TRUE(c.got.ends_with(std::string(1000, 'x')));
    EXPECT_GT(c.got.size(), big.size());
    c.hold();
    c.send(get());
    bed.world.run_for(60s);  // Takes nothing for longer than `idle`.
    c.release();
    bed.world.run_for(1s);
    EXPECT_TRUE(c.over());
    EXPECT_EQ(bed.stats_of("web").client_aborts, 1u);
    EXPECT_TRUE(bed.passive.empty());
}

TEST(Worker, LeavesASlowInstanceToItsOwnPace) {
    Bed bed;
    auto& web = bed.serve("web", 1);
    web.timeouts.idle = 30s;
    bed.instances[0]->deaf = true;
    bed.open();
    auto& c = bed.client();
    c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x'));
    bed.world.run_for(10s);
    EXPECT_GT(c.unsent(), 500'000u);  // The client was not read to the end.
    bed.instances[0]->connection(0).release();
    bed.world.run_for(10s);
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 200 OK")) << c.got;
    EXPECT_EQ(bed.instances[0]->requests.at(0).body.size(), 1'000'000u);
    auto& stuck = bed.client();
    bed.instances[0]->connection(0).hold();
    stuck.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x'));
    bed.world.run_for(40s);
    EXPECT_TRUE(stuck.got.starts_with("HTTP/1.1 504 ")) << stuck.got;
}

TEST(Worker, ARequestThatIsCutOffEndsAtTheInstanceToo) {
    for (const bool politely : {true, false}) {
        Bed bed;
        bed.serve("web", 1);
        bed.open();
        auto& c = bed.client();
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        bed.world.run_for(100ms);
        EXPECT_EQ(bed.instances[0]->open(), 1u);
        politely ? c.shut() : c.reset();
        bed.world.run_for(100ms);
        EXPECT_EQ(bed.instances[0]->open(), 0u);
        EXPECT_TRUE(bed.instances[0]->requests.empty());
        EXPECT_EQ(bed.stats_of("web").client_aborts, 1u);
        EXPECT_TRUE(bed.passive.empty());
    }
}

TEST(Worker, PassesInterimResponsesAndExpectations) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->on_head = [](Talker& t, const Request& r) {
        if (r.fields.contains("expect")) t.send("HTTP/1.1 100 Continue\r\n\r\n");
        else t.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    };
    bed.open();
    auto& c = bed.client();
    c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    bed.world.run_for(1s);
    EXPECT_TRUE(has(c.got, "HTTP/1.1 100 Continue\r\n")) << c.got;
    EXPECT_FALSE(has(c.got, "200"));
    c.send("abc");
    bed.world.run_for(1s);
    EXPECT_TRUE(has(c.got, "HTTP/1.1 200 OK")) << c.got;
    const auto hints = bed.ask(get());
    EXPECT_TRUE(hints.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK")) << hints;
    const auto old = bed.ask("GET / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(old.starts_with("HTTP/1.1 200 OK")) << old;
}

TEST(Worker, AnswersEarlyWhenTheInstanceDoes) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->on_head = [](Talker& t, const Request&) { t.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"); };
    bed.instances[0]->script = [](Talker&, const Request&) {};
    bed.open();
    auto& c = bed.client();
    c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + std::string(200'000, 'x'));
    bed.world.run_for(1s);
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 403 Forbidden\r\n")) << c.got;
    EXPECT_TRUE(has(c.got, "Connection: close")) << c.got;
    EXPECT_TRUE(c.ended);  // Not reset: the answer was not thrown away.
    bed.world.run_for(5s);
}

TEST(Worker, HeadAndEmptyAnswersHaveNoBody) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->script = [](Talker& t, const Request& r) {
        if (r.method == "HEAD") t.send("HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n");
        else t.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n");
    };
    bed.open();
    auto& c = bed.client();
    c.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get() + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    bed.world.run_for(1s);
    EXPECT_EQ(bed.instances[0]->requests.size(), 3u);
    EXPECT_EQ(bed.instances[0]->accepted, 1u);
    EXPECT_TRUE(has(c.got, "Content-Length: 700"));
}

TEST(Worker, TunnelsAfterAnUpgradeUntilBothSidesEnd) {
    for (const bool client_first : {true, false}) {
        Bed bed;
        bed.serve("web", 1);
        Talker* peer = nullptr;
        bed.instances[0]->script = [&](Talker& t, const Request& r) {
            EXPECT_EQ(r.fields.at("connection"), "Upgrade");
            EXPECT_EQ(r.fields.at("upgrade"), "websocket");
            bed.instances[0]->raw = true;
            peer = &t;
            t.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello");
        };
        bed.open();
        auto& c = bed.client();
        c.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
        bed.world.run_for(1s);
        EXPECT_TRUE(has(c.got, "HTTP/1.1 101 ") && has(c.got, "Upgrade: websocket") && c.got.ends_with("\r\n\r\nhello")) << c.got;
        ASSERT_NE(peer, nullptr);
        EXPECT_EQ(peer->got, "early");
        EXPECT_EQ(bed.worker->stats().tunnels, 1u);
        c.send(std::string(100'000, 'u'));
        peer->send(std::string(100'000, 'd'));
        bed.world.run_for(1s);
        EXPECT_EQ(peer->got.size(), 100'005u);
        EXPECT_TRUE(c.got.ends_with(std::string(100'000, 'd')));
        (client_first ? c : *peer).shut();
        bed.world.run_for(1s);
        EXPECT_TRUE((client_first ? *peer : c).ended);
        (client_first ? *peer : c).send("last");
        bed.world.run_for(1s);
        EXPECT_TRUE((client_first ? c : *peer).got.ends_with("last"));
        (client_first ? *peer : c).shut();
        bed.world.run_for(1s);
        EXPECT_EQ(bed.worker->stats().tunnels, 0u);
        EXPECT_EQ(bed.worker->stats().clients, 0u);
    }
}

TEST(Worker, ForwardsNoUpgradeToClearTextHttp2) {
    Bed bed;
    bed.serve("web", 1);
    bed.open();
    bed.ask(get("/", "a", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"));
    const auto& fields = bed.instances[0]->requests.at(0).fields;
    for (const char* gone : {"connection", "upgrade", "http2-settings"}) EXPECT_FALSE(fields.contains(gone)) << gone;
}

// Requests that smuggle a second one past a careless reader: the instance must see what we saw, or nothing.
TEST(Worker, SmugglesNothing) {
    const std::string evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string start = "POST /first HTTP/1.1\r\nHost: a\r\n";
    const auto length = "Content-Length: " + std::to_string(evil.size()) + "\r\n";
    const std::vector<std::string> attempts{
        start + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + evil,
        start + "Transfer-Encoding : chunked\r\n" + length + "\r\n" + evil,
        start + "Transfer-Encoding: xchunked\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked, identity\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil,
        start + "Transfer-Encoding:\x0b" "chunked\r\n" + length + "\r\n" + evil,
        start + "X: a\rTransfer-Encoding: chunked\r\n" + length + "\r\n" + evil,
        start + "X: a\nTransfer-Encoding: chunked\r\n" + length + "\r\n" + evil,
        start + "Content-Length: 0\r\n" + length + "\r\n" + evil,
        start + "Content-Length: 0, " + std::to_string(evil.size()) + "\r\n\r\n" + evil,
        start + "Content-Length: +0\r\n\r\n" + evil,
        start + "Content-Length: 0x0\r\n\r\n" + evil,
        start + "Content-Length: -1\r\n\r\n" + evil,
        start + "Content-Length: 99999999999999999999\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n\r\n00000000000000000000\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + evil,
        start + "Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" + evil,
        "POST /first HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil,
    };
    for (const auto& attempt : attempts) {
        Bed bed;
        bed.serve("web", 1);
        bed.open();
        const auto got = bed.ask(attempt);
        bool evil_seen = false;
        for (const auto& r : bed.instances[0]->requests) evil_seen |= r.target == "/evil";
        // Either refused, or both of us read two requests (then it is not smuggled but pipelined, and answered).
        std::size_t answers = 0;
        for (auto at = got.find("HTTP/1.1 "); at != std::string::npos; at = got.find("HTTP/1.1 ", at + 1)) ++answers;
        if (evil_seen) { EXPECT_EQ(answers, 2u) << attempt << got; }
        else { EXPECT_TRUE(has(got, "Hale-Reason: bad_request")) << attempt << got; }
    }
}

// Each operation of a busy conversation fails once: whatever follows, nothing may be left over.
TEST(Worker, SurvivesTheFailureOfAnyOperation) {
    for (const int error : {ECONNRESET, EMFILE})
        for (std::uint64_t nth = 1;; ++nth) {
            Bed bed;
            bed.serve("web", 2);
            bed.table.service("web").retry = {.max = 1, .budget_percent = 100};
            for (auto& instance : bed.instances)
                instance->script = [&](Talker& t, const Request& r) {
                    if (r.fields.contains("upgrade")) t.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello");
                    else if (r.target == "/big") t.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
                    else t.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
                };
            bed.open();
            auto& net = bed.network.net("proxy", bed.loop);
            const auto before = net.operations();
            net.fail_nth(nth, error);
            auto& a = bed.client();
            auto& b = bed.client();
            a.send(get() + get("/big") + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + get());
            b.send(get("/ws", "a", "Connection: upgrade\r\nUpgrade: x\r\n"));
            bed.world.run_for(1s);
            a.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + std::string(50'000, 'x'));
            bed.world.run_for(1s);
            bed.worker->stop();
            const bool reached = net.operations() - before >= nth;
            if (!reached) {
                EXPECT_GT(nth, 20u);
                break;
            }
        }
}

TEST(Worker, RefusesATunnelNobodyAskedFor) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->script = [](Talker& t, const Request&) { t.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"); };
    bed.open();
    const auto got = bed.ask(get());
    EXPECT_TRUE(got.starts_with("HTTP/1.1 502 ") && has(got, "upstream_reset")) << got;
}

TEST(Worker, ReusesConnectionsAndClosesThoseThatSpeakUnasked) {
    Bed bed(1, {.upstream_idle = 5s});
    bed.serve("web", 1);
    bed.open();
    auto& c = bed.client();
    for (int i = 0; i < 5; ++i) c.send(get()), bed.world.run_for(100ms);
    EXPECT_EQ(bed.instances[0]->accepted, 1u);
    EXPECT_EQ(bed.worker->stats().upstream_idle, 1u);
    bed.instances[0]->connection(0).send("HTTP/1.1 408 Too Late\r\n\r\n");
    bed.world.run_for(100ms);
    EXPECT_EQ(bed.worker->stats().upstream_idle, 0u);
    EXPECT_EQ(bed.worker->stats().unsolicited_closes, 1u);
    c.send(get());
    bed.world.run_for(100ms);
    EXPECT_EQ(bed.instances[0]->accepted, 2u);
    bed.world.run_for(10s);
    EXPECT_EQ(bed.worker->stats().upstream_connections, 0u);
    // Bytes behind an answer: the client must never see them.
    bed.instances[0]->script = [](Talker& t, const Request&) {
        t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    };
    c.got.clear();
    c.send(get());
    bed.world.run_for(1s);
    EXPECT_TRUE(c.got.ends_with("ok")) << c.got;
    EXPECT_EQ(bed.worker->stats().upstream_connections, 0u);
}

TEST(Worker, ClosesIdleConnectionsOfInstancesThatMayNotServe) {
    Bed bed;
    auto& web = bed.serve("web", 2);
    bed.open();
    for (int i = 0; i < 6; ++i) bed.ask(get(), 50ms);
    ASSERT_EQ(bed.instances[0]->open() + bed.instances[1]->open(), 2u);
    bed.table.judge(web.endpoints[0], verdict::State::unhealthy);
    bed.ask(get(), 50ms);  // The next request sees the epoch.
    EXPECT_EQ(bed.instances[0]->open(), 0u);
    EXPECT_EQ(bed.instances[1]->open(), 1u);
    bed.table.judge(web.endpoints[1], verdict::State::unhealthy);
    bed.world.run_for(1500ms);  // And without requests, the second does.
    EXPECT_EQ(bed.instances[1]->open(), 0u);
    bed.table.judge(web.endpoints[0], verdict::State::healthy);
    bed.ask(get(), 50ms);
    EXPECT_EQ(bed.instances[0]->open(), 1u);
    web.endpoints.erase(web.endpoints.begin());
    bed.adopt();  // Left the snapshot: at once.
    bed.world.run_for(10ms);
    EXPECT_EQ(bed.instances[0]->open(), 0u);
}

TEST(Worker, EveryRequestAfterAnAdoptionIsRoutedByIt) {
    Bed bed;
    bed.serve("web", 1);
    auto& other = bed.table.service("other");
    other.endpoints.push_back(bed.table.endpoint(bed.instance(1).at()));
    bed.instances[1]->script = [](Talker& t, const Request&) { t.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"); };
    bed.open();
    auto& c = bed.client();
    c.send(get() + "GET / HT");  // One in progress, one half read.
    Talker& slow = bed.client();
    bed.instances[0]->script = [&](Talker& t, const Request& r) {
        if (r.target == "/slow") return;
        t.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    };
    slow.send(get("/slow"));
    bed.world.run_for(100ms);
    EXPECT_EQ(bed.table.service("web").endpoints[0].row->in_flight.load(), 1u);
    bed.table.routes[0].service = "other";
    bed.adopt();
    EXPECT_EQ(bed.table.service("web").endpoints[0].row->in_flight.load(), 0u);  // The row may be recycled now.
    c.send("TP/1.1\r\nHost: a\r\n\r\n" + get());
    bed.world.run_for(100ms);
    EXPECT_EQ(bed.instances[0]->requests.size(), 2u);
    EXPECT_EQ(bed.instances[1]->requests.size(), 2u);
    // What was in progress finishes where it is.
    bed.instances[0]->connection(1).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    bed.instances[0]->connection(0).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    bed.world.run_for(100ms);
    EXPECT_TRUE(slow.got.ends_with("late")) << slow.got;
    bed.world.run_for(3s);
    EXPECT_EQ(bed.instances[0]->open(), 0u);
}

TEST(Worker, PausedRequestsWaitAndGoOn) {
    Bed bed(1, {.max_parked = 2});
    auto& web = bed.serve("web", 1);
    web.paused_until = bed.world.now() + 10s;
    bed.open();
    auto& a = bed.client();
    auto& b = bed.client();
    auto& c = bed.client();
    a.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    bed.world.run_for(10ms);
    b.send(get());
    bed.world.run_for(10ms);
    c.send(get());
    bed.world.run_for(1s);
    EXPECT_TRUE(a.got.empty() && b.got.empty());
    EXPECT_TRUE(c.got.starts_with("HTTP/1.1 503 ") && has(c.got, "Hale-Reason: paused")) << c.got;
    EXPECT_EQ(bed.worker->stats().parked, 2u);
    b.reset();  // Who went away is forgotten.
    bed.world.run_for(1s);
    web.paused_until.reset();
    bed.adopt();
    bed.world.run_for(1s);
    EXPECT_TRUE(a.got.starts_with("HTTP/1.1 200 OK")) << a.got;
    EXPECT_EQ(bed.instances[0]->requests.at(0).body, "abc");
    web.paused_until = bed.world.now() + 5s;
    bed.adopt();
    const auto late = bed.ask(get(), 6s);
    EXPECT_TRUE(late.starts_with("HTTP/1.1 503 ") && has(late, "Hale-Reason: paused") && has(late, "Retry-After: ")) << late;
    EXPECT_EQ(bed.worker->stats().exchanges, 0u);
}

TEST(Worker, V16AnswersPublicHealthFromMemory) {
    Bed bed;
    bed.serve("web", 1);
    bed.table.health = {{"GET", "/healthz", "ready", "simple"}, {"GET", "/livez", "live", "text"}, {"GET", "/h", "health", "spring"}};
    bed.open();
    EXPECT_TRUE(bed.ask(get("/healthz")).starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(bed.ask(get("/livez")).starts_with("HTTP/1.1 200 "));
    bed.health.ready = true;
    const auto ready = bed.ask(get("/healthz?x"));
    EXPECT_TRUE(ready.starts_with("HTTP/1.1 200 ") && ready.ends_with("{\"status\":\"healthy\"}\n")) << ready;
    EXPECT_TRUE(bed.ask(get("/h")).starts_with("HTTP/1.1 200 "));
    bed.health.adoption_failed = true;
    EXPECT_TRUE(bed.ask(get("/healthz")).starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(bed.ask(get("/h")).starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(bed.instances[0]->requests.empty());
    bed.ask("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(bed.instances[0]->requests.size(), 1u);
}

TEST(Worker, ShowsProofsToAuthoritiesAndLeavesOtherTokensToTheServices) {
    Bed bed;
    bed.serve("web", 1);
    bed.open();
    bed.worker->set_proof("tok-1", "tok-1.thumb");
    const auto answer = bed.ask("GET /.well-known/acme-challenge/tok-1 HTTP/1.1\r\nHost: unrouted.example\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\ntok-1.thumb")) << answer;
    const auto head = bed.ask("HEAD /.well-known/acme-challenge/tok-1 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n")) << head;
    EXPECT_TRUE(bed.instances[0]->requests.empty());
    bed.ask(get("/.well-known/acme-challenge/tok-2"));
    bed.ask("POST /.well-known/acme-challenge/tok-1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(bed.instances[0]->requests.size(), 2u);
    bed.worker->set_proof("tok-1", "");
    bed.ask(get("/.well-known/acme-challenge/tok-1"));
    EXPECT_EQ(bed.instances[0]->requests.size(), 3u);
    for (std::size_t i = 0; i < 2 * Worker::max_proofs; ++i) bed.worker->set_proof(std::to_string(i), "x");
    EXPECT_TRUE(bed.ask(get("/.well-known/acme-challenge/99")).starts_with("HTTP/1.1 200 "));
}

TEST(Worker, DrainsWithoutLosingARequest) {
    Bed bed;
    bed.serve("web", 1);
    Talker* waiting = nullptr;
    bed.instances[0]->script = [&](Talker& t, const Request& r) {
        if (r.target == "/slow") waiting = &t;
        else t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    };
    bed.open();
    auto& idle = bed.client();
    auto& idle2 = bed.client();
    auto& busy = bed.client();
    idle.send(get());
    idle2.send(get());
    busy.send(get("/slow"));
    bed.world.run_for(100ms);
    bool drained = false;
    bed.worker->drain(30s, [&] { drained = true; });
    bed.world.run_for(100ms);
    idle.got.clear();
    idle.send(get());  // Sent before it could know.
    bed.world.run_for(100ms);
    EXPECT_TRUE(idle.got.starts_with("HTTP/1.1 200 OK") && has(idle.got, "Connection: close") && idle.ended) << idle.got;
    EXPECT_FALSE(drained);
    bed.world.run_for(2s);
    EXPECT_TRUE(idle2.ended);
    EXPECT_FALSE(drained);
    waiting->send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    bed.world.run_for(100ms);
    EXPECT_TRUE(busy.got.ends_with("slow") && busy.ended);
    EXPECT_TRUE(drained);
    EXPECT_TRUE(bed.worker->stopped());
}

TEST(Worker, ADrainEndsAtItsLimit) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->script = [](Talker&, const Request&) {};
    bed.open();
    bed.client().send(get());
    bed.world.run_for(100ms);
    bool drained = false;
    bed.worker->drain(5s, [&] { drained = true; });
    bed.world.run_for(4s);
    EXPECT_FALSE(drained);
    bed.world.run_for(2s);
    EXPECT_TRUE(drained);
}

TEST(Worker, AClientThatGoesAwayIsNoSignal) {
    Bed bed;
    bed.serve("web", 1);
    bed.instances[0]->script = [](Talker&, const Request&) {};
    bed.open();
    auto& c = bed.client();
    c.send(get());
    bed.world.run_for(100ms);
    c.reset();
    bed.world.run_for(100ms);
    EXPECT_EQ(bed.stats_of("web").client_aborts, 1u);
    EXPECT_TRUE(bed.passive.empty());
    EXPECT_EQ(bed.instances[0]->open(), 0u);
    // Half a goodbye is not one: the answer still comes.
    bed.instances[0]->script = [](Talker& t, const Request&) { t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); };
    auto& half = bed.client();
    half.send(get() + get());
    half.shut();
    bed.world.run_for(1s);
    EXPECT_TRUE(half.ended);
    EXPECT_EQ(bed.instances[0]->requests.size(), 3u);
}

TEST(Worker, PanicIsLoudAndOnlyWhenDeclared) {
    Bed bed;
    auto& web = bed.serve("web", 4);
    for (const auto& e : web.endpoints) bed.table.judge(e, verdict::State::unhealthy);
    bed.open();
    EXPECT_TRUE(bed.ask(get()).starts_with("HTTP/1.1 503 "));
    web.panic = true;
    for (auto& e : web.endpoints) e.in_panic = true;
    bed.adopt();
    const auto got = bed.ask(get());
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK") && has(got, "Hale-Panic: web\r\n")) << got;
    EXPECT_EQ(bed.stats_of("web").panic_requests, 1u);
    EXPECT_TRUE(bed.stats_of("web").panic);
}

TEST(Worker, SticksByHeaderCookieAndAddress) {
    for (const auto kind : {config::BalanceKind::hash_header, config::BalanceKind::hash_cookie, config::BalanceKind::hash_address}) {
        Bed bed;
        auto& web = bed.serve("web", 5);
        web.balance = {.kind = kind, .name = kind == config::BalanceKind::hash_cookie ? "sid" : "X-User"};
        bed.open();
        std::map<std::size_t, int> met;
        for (int user = 0; user < 20; ++user)
            for (int again = 0; again < 3; ++again) {
                bed.ask(get("/" + std::to_string(user), "a", "X-User: " + std::to_string(user) + "\r\nCookie: a=b; sid=" + std::to_string(user) + "\r\n"), 20ms);
            }
        std::map<std::string, std::size_t> of;
        for (std::size_t i = 0; i < 5; ++i)
            for (const auto& r : bed.instances[i]->requests) {
                const auto [at, fresh] = of.emplace(r.target, i);
                EXPECT_EQ(at->second, i) << r.target;
                ++met[i];
            }
        EXPECT_EQ(met.size() == 1, kind == config::BalanceKind::hash_address);
    }
}

// Every way in which an instance gets traffic without a passing probe, against every place that is nobody's
// target: none is connected to, whoever else there is gets the request, and the file is held to `deny` alone.
TEST(Worker, V18NoRequestReachesARefusedTargetHoweverItBecameEligible) {
    const std::string link_local = "169.254.0.9:80", own = "10.0.0.2:4253", denied = "10.0.1.7:80";
    for (const std::string how : {"no check", "override up", "panic", "held unknown"})
        for (const std::string& where : {link_local, own, denied})
            for (const bool trusted : {false, true}) {
                SCOPED_TRACE(how + ", " + where + (trusted ? ", from the file" : ", from the API"));
                Bed bed;
                bed.network.add_host("meta", {"169.254.0.9"});
                const std::string host = where == link_local ? "meta" : where == own ? "proxy" : "web7";
                Instance secret(bed.network.net(host, bed.loop), *SocketAddress::parse(where));
                auto& web = bed.table.service("web");
                bed.table.route("*", "web");
                web.retry = {.max = 1, .budget_percent = 100};
                auto e = bed.table.endpoint(secret.at(), verdict::State::unhealthy);
                e.trusted = trusted;
                if (how == "no check") {
                    e.unchecked = true;
                    bed.table.judge(e, verdict::State::unknown);
                } else if (how == "override up") {
                    e.override = verdict::OverrideState::up;
                } else if (how == "panic") {
                    web.panic = e.in_panic = true;
                } else {
                    verdict::Word word{.state = verdict::State::unknown, .was_eligible = true, .generation = 1, .version = 9};
                    word.flags.set(verdict::Flag::held);
                    e.row->word.store(word.pack());
                }
                web.endpoints.push_back(e);
                bed.table.targets = std::make_shared<const catalog::TargetPolicy>(
                    catalog::TargetPolicy{.deny = {*Cidr::parse("10.0.1.7/32")}, .own = {*SocketAddress::parse(own)}});
                bed.open();
                const bool allowed = trusted && where != denied;
                EXPECT_EQ(has(bed.ask(get()), "HTTP/1.1 200 "), allowed);
                EXPECT_EQ(secret.accepted, allowed ? 1u : 0u);
                EXPECT_EQ(bed.worker->stats().refused_targets, allowed ? 0u : 1u);
                if (allowed) {
                    secret.kill();
                    continue;
                }
                EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 502 "));
                ASSERT_FALSE(bed.passive.empty());
                EXPECT_EQ(bed.passive.back().reason, verdict::Reason::target_refused);
                // Beside an instance that may be reached, no client notices.
                auto good = bed.table.endpoint(bed.instance(0).at(), verdict::State::healthy);
                good.override = verdict::OverrideState::up;
                web.endpoints.push_back(good);
                web.panic = false;
                bed.adopt();
                for (int i = 0; i < 4; ++i) EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 200 "));
                EXPECT_EQ(secret.accepted, 0u);
                secret.kill();
            }
}

TEST(Worker, ATargetThatIsDeniedLaterKeepsNoConnection) {
    Bed bed;
    bed.serve("web", 1).endpoints[0].trusted = true;
    bed.open();
    EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 200 "));
    EXPECT_EQ(bed.worker->stats().upstream_idle, 1u);
    bed.table.targets = std::make_shared<const catalog::TargetPolicy>(catalog::TargetPolicy{.deny = {*Cidr::parse("10.0.1.0/24")}, .own = {}});
    bed.adopt();
    EXPECT_EQ(bed.worker->stats().upstream_connections, 0u);
    EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 502 "));
    // One that was on its way when the policy changed is not kept either.
    bed.table.targets = nullptr;
    bed.adopt();
    bed.instances[0]->script = [&](Talker& t, const Request&) {
        bed.table.targets = std::make_shared<const catalog::TargetPolicy>(catalog::TargetPolicy{.deny = {*Cidr::parse("10.0.1.0/24")}, .own = {}});
        bed.adopt();
        t.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    };
    EXPECT_TRUE(has(bed.ask(get()), "HTTP/1.1 200 "));
    EXPECT_EQ(bed.worker->stats().upstream_connections, 0u);
}

TEST(Worker, HostsThatAreAddressesMatchAsTheyAreWritten) {
    Bed bed;
    bed.serve("six", 1, "[2001:db8::1]");
    bed.open();
    for (const char* host : {"[2001:db8::1]", "[2001:DB8:0::1]:8080", "[2001:db8:0:0::1]"})
        EXPECT_TRUE(has(bed.ask(get("/", host)), "HTTP/1.1 200 ")) << host;
    EXPECT_TRUE(has(bed.ask(get("/", "[2001:db8::2]")), "HTTP/1.1 404 "));
}

}  // namespace
}  // namespace hale::proxy
