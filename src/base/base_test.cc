// Goal: what everything else stands on reads back what it wrote, and refuses what it should.
// Method: round trips over seeded random values, and tables of named good and bad inputs.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <unordered_map>

#include "base/address.h"
#include "base/id.h"
#include "base/nearest.h"
#include "base/random.h"
#include "base/result.h"
#include "base/shared_text.h"
#include "base/text.h"
#include "base/text_index.h"
#include "base/time.h"

namespace hale {
namespace {

TEST(Duration, EveryWrittenFormReadsBackExactly) {
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
        const Duration d{static_cast<std::int64_t>(random.next() >> (1 + random.below(62)))};
        ASSERT_EQ(parse_duration(duration_text(d)), d) << duration_text(d);
    }
    EXPECT_EQ(parse_duration("1m30s"), 90s);
    EXPECT_EQ(parse_duration("7d"), 24h * 7);
    for (const char* bad : {"", "5", "s", "-5s", "5 s", "1s1m", "1s1s", "1.5s", "5S", "99999999999d", "5x"})
        EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Size, EveryWrittenFormReadsBackExactly) {
    Random random(2);
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t n = random.next() >> (8 + random.below(56));
        ASSERT_EQ(parse_size(size_text(n)), n);
    }
    EXPECT_EQ(parse_size("64KiB"), 65536u);
    for (const char* bad : {"", "KiB", "-1B", "1 MB", "1.5MB", "99999999999GiB"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Rfc3339, EveryMillisecondReadsBack) {
    Random random(3);
    for (int i = 0; i < 20'000; ++i) {
        const Utc at{std::chrono::milliseconds{static_cast<std::int64_t>(random.below(4'102'444'800'000))}};
        ASSERT_EQ(parse_rfc3339(rfc3339(at)), at) << rfc3339(at);
    }
    EXPECT_EQ(rfc3339(Utc{1795270701s + 100ms}), "2026-11-21T14:18:21.100Z");
    EXPECT_EQ(parse_rfc3339("2026-11-21T15:18:21.1+01:00"), Utc{1795270701s + 100ms});
    for (const char* bad : {"", "2026-11-21", "2026-13-21T14:18:21Z", "2026-02-30T14:18:21Z", "2026-11-21T24:18:21Z",
                            "2026-11-21T14:18:21", "2026-11-21T14:18:21.Z", "2026-11-21T14:18:21Zx"})
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    EXPECT_EQ(http_date(Utc{784111777s}), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(Address, ReadsBackWhatItWrote) {
    for (const char* text : {"10.0.0.1:80", "[::1]:4253", "[2001:db8::7]:65535", "unix:/run/hale/hale.sock", "0.0.0.0:0"}) {
        const auto address = SocketAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->text(), text);
    }
    for (const char* bad : {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "::1:80", "[10.0.0.1]:80",
                            "web:80", "10.0.0:80", "unix:", "[::1:80"})
        EXPECT_FALSE(SocketAddress::parse(bad)) << bad;
}

TEST(Cidr, ContainsExactlyTheAddressesOfItsPrefix) {
    const auto ten = *Cidr::parse("10.0.0.0/8");
    EXPECT_TRUE(ten.contains(*Ip::parse("10.255.1.2")));
    EXPECT_FALSE(ten.contains(*Ip::parse("11.0.0.0")));
    EXPECT_FALSE(ten.contains(*Ip::parse("::1")));
    EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*Ip::parse("203.0.113.9")));
    EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(*Ip::parse("2001:db8::1")));
    const auto odd = *Cidr::parse("192.168.128.0/17");
    EXPECT_TRUE(odd.contains(*Ip::parse("192.168.200.1")));
    EXPECT_FALSE(odd.contains(*Ip::parse("192.168.127.255")));
    EXPECT_EQ(odd.text(), "192.168.128.0/17");
    for (const char* bad : {"10.0.0.0/33", "::/129", "10/8", "10.0.0.0/", "x"}) EXPECT_FALSE(Cidr::parse(bad)) << bad;
    EXPECT_TRUE(Ip::parse("169.254.169.254")->is_link_local());
    EXPECT_TRUE(Ip::parse("fe80::1")->is_link_local());
}

TEST(Text, ShowsWhatAStrangerSentWithoutObeyingIt) {
    EXPECT_EQ(escaped("a\x1b[31mb\r\n\"\\"), "a\\x1b[31mb\\r\\n\\\"\\\\");
    EXPECT_EQ(escaped("µ\xff\xc2\x85"), "µ\\xff\\x85");
    EXPECT_EQ(escaped("abcdef", 3), "abc…");
    std::string json;
    append_json_escaped(json, std::string_view("a\"\\\n\x01\xffµ", 8));
    EXPECT_EQ(json, "a\\\"\\\\\\n\\u0001\xef\xbf\xbdµ");
}

TEST(Text, SecretsAreHiddenInUrls) {
    EXPECT_EQ(redacted_url("https://u:p@h/p?token=abc&a=1&api_key=x"), "https://***@h/p?token=***&a=1&api_key=***");
    EXPECT_EQ(redacted_url("/up?a=b"), "/up?a=b");
    EXPECT_TRUE(looks_secret("X-Api-Key"));
    EXPECT_TRUE(looks_secret("Set-Cookie"));
    EXPECT_FALSE(looks_secret("Content-Type"));
}

TEST(Id, IsReadableAndDoesNotRepeat) {
    Random random(4);
    std::string before;
    for (int i = 0; i < 1000; ++i) {
        const std::string id = make_instance_id(random);
        ASSERT_TRUE(is_instance_id(id)) << id;
        ASSERT_NE(id, before);
        before = id;
    }
    EXPECT_FALSE(is_instance_id("i-short"));
    EXPECT_FALSE(is_instance_id("i-ilouilouilou"));
    EXPECT_EQ(make_request_id(random).size(), 16u);
}

TEST(Random, IsAFunctionOfItsSeedAndStaysInBounds) {
    Random a(7), b(7), c(8);
    bool differs = false;
    for (int i = 0; i < 1000; ++i) {
        const auto x = a.next();
        ASSERT_EQ(x, b.next());
        differs = differs || x != c.next();
    }
    EXPECT_TRUE(differs);
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_LT(a.below(7), 7u);
        const double u = a.unit();
        ASSERT_TRUE(u >= 0 && u < 1);
    }
    EXPECT_EQ(a.below(0), 0u);
}

Result<int> half(int n) {
    if (n % 2 != 0) return fail(Code::invalid, "odd");
    return n / 2;
}
Result<int> quarter(int n) {
    HALE_ASSIGN(const int h, half(n));
    HALE_ASSIGN(const int q, half(h));
    return q;
}

TEST(Result, TheFirstErrorEndsTheFunction) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).error().text, "odd");
    EXPECT_EQ(system_text(111), "connection refused");
}

TEST(Human, SaysDurationsAsPeopleDo) {
    EXPECT_EQ(human(400us), "400 µs");
    EXPECT_EQ(human(1500ms), "1.5 s");
    EXPECT_EQ(human(124s), "2m04s");
    EXPECT_EQ(human(74h), "3d 02h");
}

TEST(Nearest, ForgivesAThirdOfAWord) {
    const std::vector<std::string> known{"list", "explain", "verify", "version", "drain", "set"};
    EXPECT_EQ(nearest("lst", known), "list");
    EXPECT_EQ(nearest("ilst", known), "list");
    EXPECT_EQ(nearest("explian", known), "explain");
    EXPECT_EQ(nearest("exp", known), "explain");
    EXPECT_EQ(nearest("verfy", known), "verify");
    EXPECT_EQ(nearest("deploy", known), "");
    EXPECT_EQ(nearest("", known), "");
    EXPECT_EQ(nearest(std::string(1000, 'x'), known), "");
}

TEST(SharedText, IsTheTextItWasMadeOfHoweverManyHoldIt) {
    for (const std::string_view text : {"", "a", "exactly16letters", "web.example.org:8080 and a good deal more than any small buffer"}) {
        SharedText first = text;
        EXPECT_EQ(first, text);
        EXPECT_EQ(first.empty(), text.empty());
        EXPECT_EQ(first.c_str(), std::string(text));
        SharedText second = first;
        EXPECT_EQ(first, second);
        first = SharedText("other");
        EXPECT_EQ(second, text) << "the other holder keeps it";
        EXPECT_EQ(first, "other");
        const SharedText moved = std::move(second);
        EXPECT_EQ(moved, text);
        EXPECT_EQ(moved.str(), text);
        EXPECT_EQ(fmt::format("<{}>", moved), fmt::format("<{}>", text));
    }
    EXPECT_LT(SharedText("a"), SharedText("b"));
    EXPECT_LT(SharedText{}, "b");
}

TEST(SharedText, IsFoundByAnyKindOfText) {
    std::unordered_map<SharedText, int, TextHash, std::equal_to<>> table;
    table.emplace("web", 1);
    EXPECT_TRUE(table.contains(std::string_view("web")));
    EXPECT_TRUE(table.contains(SharedText("web")));
    EXPECT_FALSE(table.contains(std::string_view("we")));
}

// Against std::map, over random puts and removals of few keys, so that places collide and wrap.
TEST(TextIndex, FindsWhatAMapWouldFind) {
    Random random(7);
    std::vector<std::string> keys;
    keys.reserve(20'000);
    TextIndex<std::uint32_t, ~0u> index;
    std::map<std::string, std::uint32_t, std::less<>> oracle;
    const auto key_of = [&](std::uint32_t at) { return std::string_view(keys[at]); };
    for (int i = 0; i < 20'000; ++i) {
        const std::string key = fmt::format("k{}", random.below(300));
        if (random.below(5) < 3) {
            keys.push_back(key);
            const auto handle = static_cast<std::uint32_t>(keys.size() - 1);
            index.put(handle, key_of);
            oracle[key] = handle;
        } else if (const auto found = oracle.find(key); found != oracle.end()) {
            ASSERT_TRUE(index.erase(found->second, key_of)) << key;
            ASSERT_FALSE(index.erase(found->second, key_of)) << key;
            oracle.erase(found);
        }
        ASSERT_EQ(index.size(), oracle.size());
        const std::string asked = fmt::format("k{}", random.below(300));
        const auto there = oracle.find(asked);
        ASSERT_EQ(index.find(asked, key_of), there == oracle.end() ? ~0u : there->second) << asked << " in round " << i;
    }
}

}  // namespace
}  // namespace hale
