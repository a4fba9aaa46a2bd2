// Goal: a URL of each kind means what its documentation says, every parameter has its range, and neither a sentence nor an
// argument ever holds a password.
// Method: tables of URLs with their oracle; then real servers on loopback that tell what they were asked.

#include "cli/check_url.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fmt/format.h>

#include <fstream>

#include "cli/json.h"
#include "cli/testing.h"

namespace hale::cli {
namespace {

using namespace config;

TEST(CheckUrl, EachSchemeIsACheckAtItsUsualPort) {
    struct Row {
        std::string url, kind, where;
    };
    for (const Row& row : {Row{"http://h/up", "http", "http://h"}, Row{"https://h/up", "http", "https://h"}, Row{"h:8080/up", "http", "http://h:8080"},
                           Row{"tcp://h:5432", "tcp", "h:5432"}, Row{"tls://h", "tls", "h:443"}, Row{"tls://h:8443", "tls", "h:8443"},
                           Row{"redis://h", "redis", "h:6379"}, Row{"rediss://h", "redis", "h:6379"}, Row{"redis://[::1]:7000", "redis", "[::1]:7000"},
                           Row{"postgres://h", "postgres", "h:5432"}, Row{"postgresql://h:5433/shop", "postgres", "h:5433"}, Row{"smtp://h", "smtp", "h:25"},
                           Row{"smtps://h", "smtp", "h:465"}, Row{"dns://10.0.0.53/example.org", "dns", "10.0.0.53:53"}, Row{"dns://h:5353/example.org", "dns", "h:5353"},
                           Row{"REDIS://H", "redis", "h:6379"}}) {
        const auto subject = subject_of(row.url);
        ASSERT_TRUE(subject) << row.url << ": " << subject.error().text;
        CheckSpec spec;
        spec.what = subject->what;
        EXPECT_EQ(spec.kind(), row.kind) << row.url;
        EXPECT_EQ(subject->target.declared.view(), row.where) << row.url;
    }
}

TEST(CheckUrl, ParametersAreWordsOfTheConfiguration) {
    const auto redis = [](const char* url) { return std::get<RedisCheck>(subject_of(url).value().what); };
    EXPECT_EQ(redis("redis://app@h?role=replica"), (RedisCheck{.role = RedisRole::replica, .username = "app"}));
    EXPECT_EQ(redis("rediss://h/"), RedisCheck{.over_tls = true});
    const auto postgres = [](const char* url) { return std::get<PostgresCheck>(subject_of(url).value().what); };
    EXPECT_EQ(postgres("postgres://h"), PostgresCheck{});
    EXPECT_EQ(postgres("postgres://a%40b@h/my%20shop?tls_mode=require&role=standby&query=SELECT%20count(*)%2B1"),
              (PostgresCheck{.user = "a@b", .database = "my shop", .query = "SELECT count(*)+1", .tls = PostgresTls::require, .role = PostgresRole::standby}));
    const auto smtp = [](const char* url) { return std::get<SmtpCheck>(subject_of(url).value().what); };
    EXPECT_EQ(smtp("smtp://h?starttls=required"), SmtpCheck{.starttls = StartTls::required});
    EXPECT_EQ(smtp("smtps://h"), SmtpCheck{.over_tls = true});
    const auto dns = [](const char* url) { return std::get<DnsCheck>(subject_of(url).value().what); };
    EXPECT_EQ(dns("dns://h/example.org"), DnsCheck{.name = "example.org"});
    EXPECT_EQ(dns("dns://h/example.org?type=MX&rcode=NXDOMAIN&transport=tcp"),
              (DnsCheck{.name = "example.org", .record = wire::DnsType::mx, .rcode = 3, .transport = DnsTransport::tcp}));
}

TEST(CheckUrl, WhatMeansNothingIsRefusedWithTheWayOut) {
    struct Row {
        std::string url, says;
    };
    for (const Row& row : {Row{"ftp://h/", "no such kind of target; allowed: http, https, tcp, tls, redis"}, Row{"redis://h?role=primary", "role=primary: allowed: any, master, replica"},
                           Row{"redis://h?rolle=master", "unknown parameter \"rolle\"; allowed: role"}, Row{"redis://h?role=any&role=any", "role is said twice"},
                           Row{"redis://h/0", "a path has no meaning here"}, Row{"tls://h?x=1", "unknown parameter \"x\"; allowed: none"},
                           Row{"smtps://h?starttls=required", "unknown parameter"}, Row{"smtp://h?starttls=maybe", "allowed: none, required"},
                           Row{"postgres://h?tls_mode=verify-full", "allowed: off, prefer, require"}, Row{"postgres://h?query=%20", "no statement"},
                           Row{"postgres://h/%zz", "badly percent-encoded"}, Row{"postgres://h/a%00b", "badly percent-encoded"}, Row{"postgres://h/a%2", "badly percent-encoded"},
                           Row{"dns://h", "write dns://SERVER/NAME"}, Row{"dns://h/a/b", "no name that DNS can carry"}, Row{"dns://h/x?type=ANY", "type=ANY"},
                           Row{"dns://h/x?rcode=YXDOMAIN", "rcode=YXDOMAIN"}, Row{"dns://h/x?transport=tls", "allowed: udp, tcp"}, Row{"redis://", "URL"},
                           Row{"redis://h:99999", "URL"}}) {
        const auto subject = subject_of(row.url);
        ASSERT_FALSE(subject) << row.url;
        EXPECT_EQ(subject.error().code, Code::invalid);
        EXPECT_NE(subject.error().text.find(row.says), std::string::npos) << row.url << ": " << subject.error().text;
    }
}

TEST(CheckUrl, APasswordAmongTheArgumentsIsRefusedAndNotRepeated) {
    for (const std::string url : {"redis://:hunter2@h", "rediss://app:hunter2@h", "postgres://app:hunter2@h/shop", "http://app:hunter2@h/", "smtp://app:hunter2@h",
                                  "dns://app:hunter2@h/x", "ftp://app:hunter2@h/"}) {
        const Ran ran = run_with({"check", url}, {});
        EXPECT_EQ(ran.exit, 3) << url;
        EXPECT_EQ((ran.out + ran.err).find("hunter2"), std::string::npos) << ran.out << ran.err;
    }
    const Ran bare = run_with({"check", "redis://127.0.0.1:1", "--password", "hunter2"}, {});
    EXPECT_EQ(bare.exit, 3);
    EXPECT_NE(bare.err.find("write file:PATH or env:NAME"), std::string::npos) << bare.err;
    EXPECT_EQ(bare.err.find("hunter2"), std::string::npos);
    // Where it would not be used, it is not taken either.
    for (const char* url : {"http://127.0.0.1:1/", "tcp://127.0.0.1:1", "smtp://127.0.0.1:1", "tls://127.0.0.1:1", "dns://127.0.0.1:1/x"})
        EXPECT_NE(run_with({"check", url, "--password", "env:P"}, {{"P", "x"}}).err.find("--password is for redis"), std::string::npos) << url;
    EXPECT_NE(run_with({"check", "web", "--password", "env:P"}, {{"P", "x"}, {"HALE_SERVER", "http://127.0.0.1:1"}}).err.find("are for URLs"), std::string::npos);
    EXPECT_NE(run_with({"check", "redis://127.0.0.1:1", "--password", "env:NOT_SET"}, {}).err.find("variable NOT_SET is not set"), std::string::npos);
    EXPECT_EQ(run_with({"check", "redis://127.0.0.1:1", "--password", "file:/no/such/file"}, {}).exit, 3);
    EXPECT_NE(run_with({"check", "redis://127.0.0.1:1", "--password", "env:P"}, {{"P", ""}}).err.find("is empty"), std::string::npos);
    EXPECT_NE(run_with({"check", "redis://127.0.0.1:1", "--tls-ca", "/x"}, {}).err.find("not asked over TLS"), std::string::npos);
    EXPECT_EQ(run_with({"check", "rediss://127.0.0.1:1", "--tls-ca", "/no/such/file"}, {}).exit, 3);
}

TEST(CheckUrl, TheProbeIsTheDaemonsAndSpeaksInNagiosCodes) {
    // Nobody listens at port 1: every kind that connects says so, with its own words for what it asked.
    for (const std::string_view url : {"tls://127.0.0.1:1", "redis://127.0.0.1:1", "rediss://127.0.0.1:1", "postgres://app@127.0.0.1:1/shop", "smtp://127.0.0.1:1",
                                       "smtps://127.0.0.1:1", "dns://127.0.0.1:1/example.org?transport=tcp"}) {
        const Ran ran = run_with({"check", std::string(url), "-o", "json", "--timeout", "2s"}, {});
        EXPECT_EQ(ran.exit, 2) << url << ran.err;
        EXPECT_EQ(text_at(parse_json(ran.out), "code"), "connect_refused") << ran.out;
    }
    // A server that answers in other words than Redis does.
    ScriptedDaemon stranger({});
    const Ran ran = run_with({"check", "redis://" + stranger.address().text(), "--timeout", "2s"}, {});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_NE(ran.out.find("redis " + stranger.address().text()), std::string::npos) << ran.out;
}

TEST(CheckUrl, ThePasswordIsReadFromItsFileOrVariable) {
    std::string path = testing::TempDir() + "hale-secret-XXXXXX";
    const int made = mkstemp(path.data());
    ASSERT_GE(made, 0);
    close(made);
    std::ofstream(path) << "hunter2\n";
    for (const auto& reference : {"file:" + path, std::string("env:WORD")}) {
        const Ran ran = run_with({"check", "redis://127.0.0.1:1", "--password", reference, "--timeout", "1s"}, {{"WORD", "hunter2"}});
        EXPECT_EQ(ran.exit, 2) << ran.err;
        EXPECT_EQ((ran.out + ran.err).find("hunter2"), std::string::npos);
    }
    unlink(path.c_str());
    Subject subject = subject_of("redis://h").value();
    set_password(subject, "hunter2");
    EXPECT_EQ(std::get<RedisCheck>(subject.what).password, "hunter2");
    subject = subject_of("postgres://h").value();
    set_password(subject, "hunter2");
    EXPECT_EQ(std::get<PostgresCheck>(subject.what).password, "hunter2");
}

}  // namespace
}  // namespace hale::cli
