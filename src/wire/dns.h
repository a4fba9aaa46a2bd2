// DNS messages (RFC 1035): a query as bytes, an answer read strictly. No socket. Names of answers may be compressed;
// pointers only lead backwards, so reading ends, and a name never grows beyond its 255 bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hale::wire {

enum class DnsType : std::uint16_t { a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28, srv = 33 };

std::string_view dns_type_name(DnsType type);  // "AAAA"
std::optional<DnsType> parse_dns_type(std::string_view name);
std::string dns_rcode_name(unsigned rcode);  // "NXDOMAIN", "RCODE11"
std::optional<unsigned> parse_dns_rcode(std::string_view name);

inline constexpr std::size_t max_dns_name = 253;    // As text, without the last dot.
inline constexpr std::size_t max_dns_records = 256;  // Answers that are read.

// Is that a name DNS can carry? Letters, digits, '-' and '_' in labels of at most 63 bytes.
bool is_dns_name(std::string_view name);

// One question, recursion desired. Fails for what is_dns_name refuses.
Result<std::string> dns_query(std::uint16_t id, std::string_view name, DnsType type);

struct DnsRecord {
    std::string name;  // Lower case, without the last dot; bytes that are no part of a usual name as \DDD.
    DnsType type = DnsType::a;
    std::uint32_t ttl = 0;
    // "10.0.0.7", "10 mail.example", "0 5 5060 sip.example", "v=spf1 -all", "ns.example admin.example 7 …".
    std::string text;
    bool operator==(const DnsRecord&) const = default;
};

struct DnsAnswer {
    std::uint16_t id = 0;
    unsigned rcode = 0;
    bool truncated = false;  // TC: the rest is for TCP.
    bool authoritative = false;
    bool recursion_available = false;
    std::string question;  // Lower case.
    std::optional<DnsType> question_type;
    std::vector<DnsRecord> answers;  // Of the answer section, those of the types above.
    bool operator==(const DnsAnswer&) const = default;
};

// An answer (QR set) to one question. The authority and additional sections are walked over, not kept; where TC is set
// the message may end anywhere behind the question.
Result<DnsAnswer> parse_dns_answer(std::string_view message);

}  // namespace hale::wire
