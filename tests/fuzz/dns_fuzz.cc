// Any bytes as a DNS answer, and as a name to ask for: reading ends, within its limits.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/dns.h"

using namespace hale::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto answer = parse_dns_answer(text)) {
        HALE_CHECK(answer->answers.size() <= max_dns_records);
        for (const DnsRecord& record : answer->answers) HALE_CHECK(!dns_type_name(record.type).empty() && record.name.size() <= 4 * 255);
        HALE_CHECK(parse_dns_answer(text).value() == *answer);
    }
    const auto query = dns_query(7, text, DnsType::mx);
    HALE_CHECK(query.has_value() == is_dns_name(text));
    if (query) {
        // The query, turned into an answer, is read back as the question it was.
        std::string answered = *query;
        answered[2] = static_cast<char>(0x81);
        const auto read = parse_dns_answer(answered);
        HALE_CHECK(read && read->id == 7 && read->question_type == DnsType::mx);
    }
    return 0;
}
