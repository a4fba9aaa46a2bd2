// Goal: every document of the RFC is read for what it says, and what is unusable is told; nothing of a stranger's reaches a
// log or a header unescaped. Method: the RFC's examples, then each with a part missing or bent.

#include "acme/answers.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace hale::acme {
namespace {

const Utc now = *parse_rfc3339("2026-11-21T14:00:00Z");

TEST(Directory, IsReadAndItsLackTold) {
    const auto read = read_directory(R"({"newNonce":"https://ca.example/n","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o",
        "renewalInfo":"https://ca.example/r","meta":{"termsOfService":"https://ca.example/t","externalAccountRequired":true},"x":[1]})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->new_order, "https://ca.example/o");
    EXPECT_EQ(read->renewal_info, "https://ca.example/r");
    EXPECT_TRUE(read->external_account_required);
    for (const std::string_view bad : {"", "[]", "{}", R"({"newNonce":"https://ca.example/n"})", "<html>",
                                       R"({"newNonce":"ftp://x/n","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o"})",
                                       R"({"newNonce":1,"newAccount":"https://ca.example/a","newOrder":"https://ca.example/o"})"})
        EXPECT_FALSE(read_directory(bad)) << bad;
}

TEST(OrderDocument, IsReadInEveryStatus) {
    int number = 0;
    for (const std::string_view status : {"pending", "ready", "processing", "valid", "invalid"}) {
        const auto read = read_order(fmt::format(R"({{"status":"{}","authorizations":["https://ca.example/z/1"],"finalize":"https://ca.example/f"}})", status));
        ASSERT_TRUE(read);
        EXPECT_EQ(static_cast<int>(read->status), number++);
        EXPECT_EQ(read->authorizations.size(), 1u);
    }
    EXPECT_FALSE(read_order(R"({"status":"new"})"));
    EXPECT_FALSE(read_order(R"({"status":"pending","authorizations":[1]})"));
    EXPECT_FALSE(read_order(R"({"status":"pending","authorizations":["no url"]})"));
    std::string many = R"({"status":"pending","authorizations":[)";
    for (std::size_t i = 0; i <= most_authorizations; ++i) many += fmt::format(R"({}"https://ca.example/{}")", i == 0 ? "" : ",", i);
    EXPECT_FALSE(read_order(many + "]}"));
}

TEST(AuthorizationDocument, TellsChallengesAndTheirErrors) {
    const auto read = read_authorization(R"({"status":"invalid","identifier":{"type":"dns","value":"WWW.example"},"challenges":[
        {"type":"http-01","url":"https://ca.example/c/1","token":"abc_-9","status":"invalid",
         "error":{"type":"urn:ietf:params:acme:error:connection","detail":"Fetching \u001b[31mit: refused"}},
        {"type":"dns-01","url":"https://ca.example/c/2","token":"../../x\r\nEvil: 1"}]})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->host, "www.example");
    ASSERT_EQ(read->challenges.size(), 2u);
    EXPECT_EQ(read->challenges[0].token, "abc_-9");
    EXPECT_EQ(read->challenges[0].error->type, "connection");
    EXPECT_EQ(read->challenges[0].error->detail.find('\x1b'), std::string::npos);
    EXPECT_EQ(read->challenges[1].token, "");  // It would become a part of a path.
    EXPECT_FALSE(read_authorization(R"({"status":"odd"})"));
    EXPECT_EQ(read_authorization(R"({"status":"revoked"})")->status, AuthorizationStatus::over);
}

TEST(Problems, AreToldInTheAuthoritysOwnSentence) {
    const Problem problem = read_problem({.status = 403, .body = R"({"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"Policy forbids",
        "subproblems":[{"detail":"www.example is blocked"}]})"});
    EXPECT_EQ(problem.type, "rejectedIdentifier");
    EXPECT_EQ(problem.text(), "Policy forbids; www.example is blocked (rejectedIdentifier)");
    EXPECT_EQ(read_problem({.status = 502, .body = "<html>Bad gateway"}).text(), "status 502 Bad Gateway");
    EXPECT_EQ(read_problem({.status = 599, .body = "[]"}).text(), "status 599");
}

TEST(RetryAfter, IsReadAsSecondsOrAsADate) {
    EXPECT_EQ(read_retry_after("120", now), Duration(120s));
    EXPECT_EQ(read_retry_after("Sat, 21 Nov 2026 14:01:30 GMT", now), Duration(90s));
    EXPECT_EQ(read_retry_after("Sat, 21 Nov 2020 14:01:30 GMT", now), Duration(0s));
    EXPECT_LT(*read_retry_after("99999999999999", now), 24h * 400);
    for (const std::string_view bad : {"", "-1", "soon", "Sat, 21 Xxx 2026 14:01:30 GMT", "1.5"}) EXPECT_FALSE(read_retry_after(bad, now)) << bad;
}

TEST(RenewalInfo, IsReadOrRefused) {
    const auto read = read_renewal_info(R"({"suggestedWindow":{"start":"2026-11-22T00:00:00Z","end":"2026-11-23T00:00:00Z"},"explanationURL":"https://ca.example/why"})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->end - read->start, Duration(24h));
    EXPECT_FALSE(read_renewal_info(R"({"suggestedWindow":{"start":"2026-11-24T00:00:00Z","end":"2026-11-23T00:00:00Z"}})"));
    EXPECT_FALSE(read_renewal_info(R"({"suggestedWindow":{"start":"x","end":"2026-11-23T00:00:00Z"}})"));
    EXPECT_FALSE(read_renewal_info("{}"));
}

TEST(Chains, MayHoldNothingButCertificates) {
    EXPECT_TRUE(check_chain("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"));
    EXPECT_FALSE(check_chain(""));
    EXPECT_FALSE(check_chain("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"));
}

TEST(Documents, MayNotBeNestedWithoutEnd) { EXPECT_FALSE(read_order(std::string(100'000, '['))); EXPECT_FALSE(read_directory("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}")); }

}  // namespace
}  // namespace hale::acme
