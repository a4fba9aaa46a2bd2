// Goal: answers of DNS servers are read as RFC 1035 has them, and no message makes reading fail otherwise than by a word:
// cut, bent, with pointers in circles, with names too long.
// Method: messages built by hand here; each cut at every place; each byte of them bent in turn.

#include "wire/dns.h"

#include <gtest/gtest.h>

namespace hale::wire {
namespace {

using namespace std::string_literals;

std::string n16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string n32(unsigned value) { return n16(value >> 16) + n16(value & 0xffff); }

std::string head(unsigned flags, unsigned answers, unsigned authority = 0, unsigned additional = 0) {
    return n16(0x1234) + n16(flags) + n16(1) + n16(answers) + n16(authority) + n16(additional);
}
// At 12; "example.org" begins there.
const std::string question = "\7example\3org\0"s + n16(1) + n16(1);
std::string record(std::string name, unsigned type, std::string data, unsigned ttl = 300) {
    return name + n16(type) + n16(1) + n32(ttl) + n16(static_cast<unsigned>(data.size())) + data;
}
const std::string same = "\xc0\x0c"s;  // The question's name.

TEST(Dns, Queries) {
    const auto query = dns_query(0x1234, "Example.org.", DnsType::a);
    ASSERT_TRUE(query);
    EXPECT_EQ(*query, n16(0x1234) + n16(0x0100) + n16(1) + n16(0) + n16(0) + n16(0) + "\7Example\3org\0"s + n16(1) + n16(1));
    const std::string label(63, 'a');
    EXPECT_TRUE(is_dns_name(label + ".x"));
    for (const std::string& bad : {""s, "."s, ".a"s, "a..b"s, "a b"s, "a*"s, label + "a"s, label + "." + label + "." + label + "." + label})
        EXPECT_FALSE(dns_query(1, bad, DnsType::a)) << bad;
    EXPECT_TRUE(is_dns_name("_sip._tcp.example"));
}

TEST(Dns, EveryTypeOfAnswer) {
    const std::string soa = "\2ns\xc0\x0c\5admin\xc0\x0c"s + n32(7) + n32(3600) + n32(600) + n32(86400) + n32(300);
    const std::string message = head(0x8580, 10) + question + record(same, 5, "\3www\xc0\x0c"s) + record("\3WWW\xc0\x0c"s, 1, "\x0a\0\0\x07"s) +
                                record(same, 28, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\1") + record(same, 15, n16(10) + "\4mail\xc0\x0c"s) +
                                record(same, 16, "\6v=spf1\5 -all"s) + record(same, 2, "\2ns\xc0\x0c"s) +
                                record(same, 33, n16(0) + n16(5) + n16(5060) + "\3sip\xc0\x0c"s) + record(same, 12, same) + record(same, 6, soa) +
                                record(same, 99, "unknown types are walked over");
    const auto got = parse_dns_answer(message);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->id, 0x1234);
    EXPECT_EQ(got->rcode, 0u);
    EXPECT_EQ(got->question, "example.org");
    EXPECT_EQ(got->question_type, DnsType::a);
    EXPECT_TRUE(got->authoritative && got->recursion_available && !got->truncated);
    std::vector<std::string> texts;
    for (const DnsRecord& one : got->answers) texts.push_back(std::string(dns_type_name(one.type)) + " " + one.text);
    EXPECT_EQ(texts, (std::vector<std::string>{"CNAME www.example.org", "A 10.0.0.7", "AAAA 2001:db8::1", "MX 10 mail.example.org", "TXT v=spf1 -all",
                                               "NS ns.example.org", "SRV 0 5 5060 sip.example.org", "PTR example.org",
                                               "SOA ns.example.org admin.example.org 7 3600 600 86400 300"}));
    EXPECT_EQ(got->answers[1].name, "www.example.org");
    EXPECT_EQ(got->answers[1].ttl, 300u);
    for (std::size_t size = 0; size < message.size(); ++size) EXPECT_FALSE(parse_dns_answer(message.substr(0, size))) << size;
    EXPECT_FALSE(parse_dns_answer(message + "x"));
    // Whatever one byte becomes, reading ends and stays within the message (which the sanitizers watch).
    for (std::size_t at = 0; at < message.size(); ++at) {
        for (const int bend : {0xff, 0xc0, 0x80, 0x01}) {
            std::string bent = message;
            bent[at] = static_cast<char>(bent[at] ^ bend);
            (void)parse_dns_answer(bent);
        }
    }
}

TEST(Dns, CutAnswersSayThatTheyAre) {
    const std::string message = head(0x8780, 2) + question + record(same, 1, "\x0a\0\0\x07"s) + record(same, 1, "\x0a\0\0\x08"s);
    for (std::size_t size = 12 + question.size(); size <= message.size(); ++size) {
        const auto got = parse_dns_answer(message.substr(0, size));
        ASSERT_TRUE(got) << size;
        EXPECT_TRUE(got->truncated);
    }
}

TEST(Dns, RcodesAndEmptyAnswers) {
    const auto missing = parse_dns_answer(head(0x8183, 0) + question);
    ASSERT_TRUE(missing);
    EXPECT_EQ(dns_rcode_name(missing->rcode), "NXDOMAIN");
    EXPECT_EQ(parse_dns_rcode("servfail"), 2u);
    EXPECT_FALSE(parse_dns_rcode("NO"));
    EXPECT_EQ(dns_rcode_name(15), "RCODE15");
    for (const auto type : {DnsType::a, DnsType::aaaa, DnsType::srv}) EXPECT_EQ(parse_dns_type(dns_type_name(type)), type);
    EXPECT_FALSE(parse_dns_type("ANY"));
}

TEST(Dns, RefusesWhatNobodyMaySend) {
    const auto why = [](const std::string& message) {
        const auto got = parse_dns_answer(message);
        return got ? "" : got.error().text;
    };
    EXPECT_EQ(why("short"), "shorter than a head");
    EXPECT_EQ(why(head(0x0100, 0) + question), "a question, not an answer");
    EXPECT_EQ(why(head(0xa800, 0) + question), "an answer to something that is no query");
    // A pointer to itself, forwards, into the head, and two that lead to each other.
    const std::size_t at = 12 + question.size();
    for (const std::size_t to : {at, at + 4, std::size_t{3}}) EXPECT_NE(why(head(0x8180, 1) + question + record("\xc0"s + static_cast<char>(to), 1, "\x0a\0\0\x07"s)), "");
    EXPECT_NE(why(head(0x8180, 1) + question + "\xc0"s + static_cast<char>(at + 2) + "\xc0"s + static_cast<char>(at) + n16(1) + n16(1) + n32(1) + n16(0)), "");
    // A name of 260 bytes out of its own pieces.
    std::string piled = head(0x8180, 5) + question;
    std::size_t before = 12;
    for (int i = 0; i < 5; ++i) {
        const std::size_t here = piled.size();
        piled += record("\x3f"s + std::string(63, 'a') + n16(0xc000 | static_cast<unsigned>(before)), 1, "\x0a\0\0\x07"s);
        before = here;
    }
    EXPECT_NE(why(piled), "");
    EXPECT_NE(why(head(0x8180, 1) + question + record(same, 1, "\x0a\0\0"s)), "");
    EXPECT_NE(why(head(0x8180, 1) + question + record(same, 16, "\x09short"s)), "");
    EXPECT_NE(why(head(0x8180, 1) + question + record("\x40"s, 1, "\x0a\0\0\x07"s)), "");
    std::string many = head(0x8180, max_dns_records + 1) + question;
    for (std::size_t i = 0; i <= max_dns_records; ++i) many += record(same, 1, "\x0a\0\0\x07"s);
    EXPECT_NE(why(many).find("more than"), std::string::npos);
    // Bytes that are no part of a usual name are spelled out.
    const auto odd = parse_dns_answer(head(0x8180, 1) + question + record(same, 5, "\3a.b\1\x1b\0"s));
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->answers[0].text, "a\\046b.\\027");
}

}  // namespace
}  // namespace hale::wire
