// Goal: a request reaches the authority with what it needs first, bad nonces are tried again and not forever, a lost account
// is replaced once and said so, and every way ends. Method: ways told step by step, then every answer at every step.

#include "acme/passage.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::acme {
namespace {

using Status = Passage::Status;
using Kind = Ask::Kind;

Acquaintance stranger() { return {.directory_url = "https://ca.example/dir"}; }
Answer directory() {
    return {.status = 200, .body = R"({"newNonce":"https://ca.example/n","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o","renewalInfo":"https://ca.example/r"})"};
}
Answer nonce(std::string value) { return {.status = 200, .nonce = std::move(value)}; }
Answer account() { return {.status = 201, .location = "https://ca.example/a/1", .nonce = "n2"}; }
Answer problem(int status, std::string_view type) {
    return {.status = status, .nonce = "fresh", .body = fmt::format(R"({{"type":"urn:ietf:params:acme:error:{}","detail":"No."}})", type)};
}

TEST(Passage, GetsDirectoryNonceAndAccountBeforeItAsks) {
    Acquaintance known = stranger();
    Passage passage(known, {.to = Errand::To::new_order, .payload = "{}"});
    Ask ask = passage.ask();
    EXPECT_EQ(ask.kind, Kind::get);
    EXPECT_EQ(ask.url, "https://ca.example/dir");
    passage.answered(directory());
    ask = passage.ask();
    EXPECT_EQ(ask.kind, Kind::head);
    EXPECT_EQ(ask.url, "https://ca.example/n");
    passage.answered(nonce("n1"));
    ask = passage.ask();
    EXPECT_EQ(ask.kind, Kind::post_with_key);
    EXPECT_TRUE(ask.registers);
    EXPECT_EQ(ask.nonce, "n1");
    passage.answered(account());
    ask = passage.ask();
    EXPECT_EQ(ask.kind, Kind::post_with_account);
    EXPECT_EQ(ask.url, "https://ca.example/o");
    EXPECT_EQ(ask.nonce, "n2");
    EXPECT_EQ(ask.payload, "{}");
    passage.answered({.status = 201, .nonce = "n3"});
    EXPECT_EQ(passage.status(), Status::answered);
    // The next one is one request.
    Passage next(known, {.to = Errand::To::url, .url = "https://ca.example/z"});
    EXPECT_EQ(next.ask().nonce, "n3");
    next.answered({.status = 200});
    EXPECT_EQ(next.status(), Status::answered);
}

TEST(Passage, TriesAgainWithTheNonceOfTheRefusalAndNotForever) {
    Acquaintance known = stranger();
    known.directory = *read_directory(directory().body);
    known.account = "https://ca.example/a/1";
    known.nonces = {"old", "older"};
    Passage passage(known, {.to = Errand::To::url, .url = "https://ca.example/z"});
    EXPECT_EQ(passage.ask().nonce, "old");
    for (int i = 0; i < most_bad_nonces; ++i) {
        passage.answered(problem(400, "badNonce"));
        ASSERT_EQ(passage.status(), Status::asking);
        EXPECT_EQ(passage.ask().nonce, "fresh");
    }
    passage.answered(problem(400, "badNonce"));
    EXPECT_EQ(passage.status(), Status::failed);
}

TEST(Passage, ReplacesALostAccountOnceAndSaysSo) {
    struct Case {
        int status;
        std::string_view type;
        bool fresh_key;
    };
    for (const Case& one : {Case{400, "accountDoesNotExist", false}, Case{401, "unauthorized", true}, Case{403, "unauthorized", true}}) {
        Acquaintance known = stranger();
        known.directory = *read_directory(directory().body);
        known.account = "https://ca.example/a/old";
        known.nonces = {"n"};
        Passage passage(known, {.to = Errand::To::new_order, .payload = "{}"});
        passage.ask();
        passage.answered(problem(one.status, one.type));
        ASSERT_EQ(passage.status(), Status::asking) << one.type;
        EXPECT_NE(passage.told().find("https://ca.example/a/old"), std::string::npos);
        EXPECT_EQ(passage.told(), "");
        Ask ask = passage.ask();
        EXPECT_TRUE(ask.registers);
        EXPECT_EQ(ask.fresh_key, one.fresh_key);
        passage.answered(account());
        EXPECT_EQ(passage.ask().kind, Kind::post_with_account);
        passage.answered(problem(one.status, one.type));
        EXPECT_EQ(passage.status(), Status::failed);
        EXPECT_NE(passage.failure().text.find("nor the new one"), std::string::npos);
    }
}

TEST(Passage, LosesTheOrderWithTheAccountAndStartsTheNextWithANewOne) {
    Acquaintance known = stranger();
    known.directory = *read_directory(directory().body);
    known.account = "https://ca.example/a/old";
    known.nonces = {"n"};
    Passage passage(known, {.to = Errand::To::url, .url = "https://ca.example/z"});
    passage.ask();
    passage.answered(problem(401, "unauthorized"));
    EXPECT_EQ(passage.status(), Status::failed);
    Passage next(known, {.to = Errand::To::new_order, .payload = "{}"});
    EXPECT_TRUE(next.ask().fresh_key);
}

TEST(Passage, LeavesARefusalAboutAnOrderToTheOrder) {
    Acquaintance known = stranger();
    known.directory = *read_directory(directory().body);
    known.account = "https://ca.example/a/1";
    known.nonces = {"n"};
    Passage passage(known, {.to = Errand::To::url, .url = "https://ca.example/z"});
    passage.ask();
    passage.answered(problem(403, "unauthorized"));
    EXPECT_EQ(passage.status(), Status::answered);
    EXPECT_EQ(passage.answer().status, 403);
}

TEST(Passage, HoldsTheWholeAuthorityWhenItsDirectoryIsLimited) {
    Acquaintance known = stranger();
    Passage passage(known, {.to = Errand::To::new_order});
    passage.ask();
    Answer limited = problem(429, "rateLimited");
    limited.retry_after = 5min;
    passage.answered(limited);
    EXPECT_EQ(passage.failure().kind, FailureKind::rate_limited);
    EXPECT_TRUE(passage.failure().whole_authority);
    EXPECT_EQ(passage.failure().retry_after, Duration(5min));
}

TEST(Passage, AsksRenewalInfoWithoutAccount) {
    Acquaintance known = stranger();
    Passage passage(known, {.to = Errand::To::renewal_info, .url = "aaa.bbb"});
    passage.ask();
    passage.answered(directory());
    const Ask ask = passage.ask();
    EXPECT_EQ(ask.kind, Kind::get);
    EXPECT_EQ(ask.url, "https://ca.example/r/aaa.bbb");
    passage.answered({.status = 200});
    EXPECT_EQ(passage.status(), Status::answered);
}

TEST(Passage, EndsWhateverIsAnswered) {
    const auto seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    const std::vector<Answer> answers{directory(), nonce("n1"), account(), {.status = 200}, {.status = 500, .body = "<html>"}, {.status = 200, .location = "https://ca.example/x"},
                                      problem(400, "badNonce"), problem(400, "accountDoesNotExist"), problem(401, "unauthorized"), problem(403, "unauthorized"),
                                      problem(429, "rateLimited"), problem(503, "serverInternal")};
    for (int walk = 0; walk < 20'000; ++walk) {
        Acquaintance known = stranger();
        // Several passages over what the former ones left.
        for (int i = 0; i < 4; ++i) {
            const auto to = static_cast<Errand::To>(random.below(3));
            Passage passage(known, {.to = to, .url = "https://ca.example/z"});
            int asks = 0;
            while (passage.status() == Status::asking) {
                const Ask ask = passage.ask();
                ASSERT_FALSE(ask.url.empty());
                const bool post = ask.kind == Kind::post_with_account || ask.kind == Kind::post_with_key;
                ASSERT_EQ(post, !ask.nonce.empty());
                if (ask.kind == Kind::post_with_account) ASSERT_FALSE(known.account.empty());
                ASSERT_LE(++asks, 4 + 2 * most_bad_nonces);
                if (random.one_in(30)) passage.unreachable("gone");
                else passage.answered(answers[random.below(answers.size())]);
                ASSERT_LE(known.nonces.size(), most_nonces_kept);
            }
            if (passage.status() == Status::failed) ASSERT_FALSE(passage.failure().text.empty());
        }
    }
}

}  // namespace
}  // namespace hale::acme
