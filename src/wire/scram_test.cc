// Goal: the proof is the one of RFC 7677, whoever does not know the password is not believed, and a hostile server can
// neither make us work for long nor be answered in somebody else's name.
// Method: the RFC's own conversation; then each of its messages spoiled in every way that matters.

#include "wire/scram.h"

#include <gtest/gtest.h>

namespace hale::wire {
namespace {

// RFC 7677 section 3.
constexpr std::string_view nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

TEST(Scram, TheConversationOfTheRfc) {
    Scram scram("user", nonce);
    EXPECT_EQ(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    const auto challenge = scram.challenge(server_first);
    ASSERT_TRUE(challenge) << challenge.error().text;
    EXPECT_EQ(challenge->iterations, 4096u);
    const auto keys = scram_keys("pencil", challenge->salt, challenge->iterations);
    ASSERT_TRUE(keys);
    const auto final = scram.final(*keys);
    ASSERT_TRUE(final);
    EXPECT_EQ(*final, client_final);
    EXPECT_TRUE(scram.confirm(server_final));

    std::string other(server_final);
    other[5] = other[5] == 'a' ? 'b' : 'a';
    EXPECT_EQ(scram.confirm(other).error().code, Code::denied);
    EXPECT_EQ(scram.confirm("e=invalid-proof").error().text, "invalid-proof");
    for (const std::string_view bad : {"", "v=", "v=!", "x=1", "v"}) EXPECT_FALSE(scram.confirm(bad)) << bad;
}

TEST(Scram, NamesAreEscaped) { EXPECT_EQ(Scram("a=b,c", "n").first(), "n,,n=a=3Db=2Cc,r=n"); }

TEST(Scram, RefusesEverySpoiledChallenge) {
    for (std::size_t cut = 0; cut < server_first.size() - 4; ++cut) {
        Scram scram("user", nonce);
        const auto got = scram.challenge(server_first.substr(0, cut));
        // Cut within its number the message is a smaller number; everything else is no challenge.
        EXPECT_FALSE(got) << cut;
    }
    for (const std::string_view bad :
         {"r=other%hvYDpWUa2RaTCAfuxFIlj,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=W22Z,i=0", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=W22Z,i=200001",
          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=W22Z,i=4096x", "r=rOprNGfwEbeRWgbNEkqO%hv\x01YDpWU,s=W22Z,i=4096", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=W2!Z,i=4096",
          "m=ext,r=rOprNGfwEbeRWgbNEkqO%hvYDpWU,s=W22Z,i=4096"}) {
        Scram scram("user", nonce);
        EXPECT_FALSE(scram.challenge(bad)) << bad;
    }
    Scram scram("user", nonce);
    EXPECT_FALSE(scram.challenge(std::string(server_first) + "," + std::string(Scram::most_message_bytes, 'x')));
}

TEST(Scram, Base64BothWays) {
    std::string text;
    for (int i = 0; i < 70; ++i) {
        EXPECT_EQ(from_base64(base64(text)), text);
        text += static_cast<char>(i * 37);
    }
    for (const std::string_view bad : {"a", "ab", "abc", "ab=c", "====", "a===", "ab\nc"}) EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Md5, AsPostgresHasIt) {
    // select 'md5' || md5(md5('secret' || 'app') || 'salt')
    const auto got = postgres_md5("app", "secret", "salt");
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, "md57f097e06031b34893c20e25a0e68242c");
}

}  // namespace
}  // namespace hale::wire
