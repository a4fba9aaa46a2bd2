#include "wire/dns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/address.h"
#include "base/text.h"

namespace hale::wire {

namespace {

constexpr std::array<std::pair<DnsType, std::string_view>, 9> types{{{DnsType::a, "A"}, {DnsType::aaaa, "AAAA"}, {DnsType::cname, "CNAME"},
                                                                     {DnsType::mx, "MX"}, {DnsType::txt, "TXT"}, {DnsType::ns, "NS"},
                                                                     {DnsType::srv, "SRV"}, {DnsType::ptr, "PTR"}, {DnsType::soa, "SOA"}}};
constexpr std::array<std::string_view, 11> rcodes{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                                  "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};
constexpr std::size_t dns_head_bytes = 12;
constexpr std::size_t max_dns_label = 63;
constexpr std::size_t max_wire_name = 255;  // With its length bytes.
constexpr std::uint16_t class_internet = 1;

bool name_byte(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_';
}

void append_16(std::string& out, std::uint16_t value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 0xff);
}

// Steps through a message. Once something is missing, `ok` stays false.
struct MessageCursor {
    std::string_view message;
    std::size_t at = 0;
    bool ok = true;

    std::size_t left() const { return message.size() - at; }
    std::string_view take(std::size_t count) {
        if (!ok || left() < count) return ok = false, std::string_view{};
        const std::string_view out = message.substr(at, count);
        at += count;
        return out;
    }
    std::uint32_t number(std::size_t bytes) {
        std::uint32_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }
    std::string name();
};

void append_label(std::string& out, std::string_view label) {
    if (!out.empty()) out += '.';
    for (const char c : label) {
        if (name_byte(c)) out += lower(c);
        else out += fmt::format("\\{:03}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
}

// A pointer leads to before the place where the labels read so far began, so each is nearer to the beginning.
std::string MessageCursor::name() {
    std::string out;
    std::size_t here = at;
    std::size_t limit = at;
    std::size_t length = 1;  // Of the name on the wire, with its last empty label.
    bool jumped = false;
    while (ok) {
        if (here >= message.size()) return ok = false, std::string{};
        const auto byte = static_cast<unsigned char>(message[here]);
        if ((byte & 0xc0) == 0xc0) {
            if (here + 1 >= message.size()) return ok = false, std::string{};
            const std::size_t to = static_cast<std::size_t>(byte & 0x3f) << 8 | static_cast<unsigned char>(message[here + 1]);
            if (!std::exchange(jumped, true)) at = here + 2;
            if (to >= limit || to < dns_head_bytes) return ok = false, std::string{};
            here = limit = to;
            continue;
        }
        if (byte > max_dns_label) return ok = false, std::string{};
        ++here;
        if (byte == 0) break;
        length += byte + std::size_t{1};
        if (length > max_wire_name || here + byte > message.size()) return ok = false, std::string{};
        append_label(out, message.substr(here, byte));
        here += byte;
    }
    if (!jumped) at = here;
    return ok ? out : std::string{};
}

// Character strings, one after the other (RFC 1035 section 3.3.14); their text is joined, as its readers do.
std::string joined_strings(MessageCursor data) {
    std::string out;
    while (data.ok && data.left() > 0) out += data.take(data.number(1));
    return data.ok ? out : std::string{};
}

std::string ip_text(std::string_view bytes) {
    Ip ip;
    if (bytes.size() == 4) {
        ip = Ip::v4(static_cast<std::uint8_t>(bytes[0]), static_cast<std::uint8_t>(bytes[1]), static_cast<std::uint8_t>(bytes[2]),
                    static_cast<std::uint8_t>(bytes[3]));
    } else {
        std::ranges::copy(bytes, ip.bytes.begin());
    }
    return ip.text();
}

// What the data of a record says; nothing when it is not of its type. `data` knows the message up to the data's end.
std::optional<std::string> data_text(DnsType type, MessageCursor data) {
    const auto name_of = [&] {
        std::string name = data.name();
        return name.empty() ? std::string(".") : name;
    };
    std::string out;
    switch (type) {
        case DnsType::a:
        case DnsType::aaaa: {
            const std::size_t size = type == DnsType::a ? 4 : 16;
            const std::string_view bytes = data.take(size);
            if (data.ok) out = ip_text(bytes);
            break;
        }
        case DnsType::ns:
        case DnsType::cname:
        case DnsType::ptr: out = name_of(); break;
        case DnsType::mx: {
            const auto preference = data.number(2);
            out = fmt::format("{} {}", preference, name_of());
            break;
        }
        case DnsType::srv: {
            const auto priority = data.number(2);
            const auto weight = data.number(2);
            const auto port = data.number(2);
            out = fmt::format("{} {} {} {}", priority, weight, port, name_of());
            break;
        }
        case DnsType::soa: {
            const std::string server = name_of();
            const std::string mailbox = name_of();
            out = fmt::format("{} {}", server, mailbox);
            for (int i = 0; i < 5; ++i) out += fmt::format(" {}", data.number(4));
            break;
        }
        case DnsType::txt: {
            MessageCursor strings = data;
            while (strings.ok && strings.left() > 0) strings.take(strings.number(1));
            if (!strings.ok) return std::nullopt;
            return joined_strings(data);
        }
    }
    if (!data.ok || data.left() != 0) return std::nullopt;
    return out;
}

std::unexpected<Error> malformed(std::string_view what) { return fail(Code::corrupt, std::string(what)); }

}  // namespace

std::string_view dns_type_name(DnsType type) {
    const auto found = std::ranges::find(types, type, &std::pair<DnsType, std::string_view>::first);
    return found == types.end() ? std::string_view{} : found->second;
}

std::optional<DnsType> parse_dns_type(std::string_view name) {
    for (const auto& [type, text] : types)
        if (equal_ignoring_case(text, name)) return type;
    return std::nullopt;
}

std::string dns_rcode_name(unsigned rcode) { return rcode < rcodes.size() ? std::string(rcodes[rcode]) : fmt::format("RCODE{}", rcode); }

std::optional<unsigned> parse_dns_rcode(std::string_view name) {
    for (unsigned i = 0; i < rcodes.size(); ++i)
        if (equal_ignoring_case(rcodes[i], name)) return i;
    return std::nullopt;
}

bool is_dns_name(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > max_dns_name) return false;
    return std::ranges::all_of(split(name, '.'), [](std::string_view label) {
        return !label.empty() && label.size() <= max_dns_label && std::ranges::all_of(label, name_byte);
    });
}

Result<std::string> dns_query(std::uint16_t id, std::string_view name, DnsType type) {
    if (!is_dns_name(name)) return fail(Code::invalid, fmt::format("\"{}\" is no name that DNS can carry", escaped(name, 80)));
    if (name.ends_with('.')) name.remove_suffix(1);
    std::string out;
    append_16(out, id);
    append_16(out, 0x0100);  // Recursion desired.
    append_16(out, 1);
    for (int i = 0; i < 3; ++i) append_16(out, 0);
    for (const std::string_view label : split(name, '.')) {
        out += static_cast<char>(label.size());
        out += label;
    }
    out += '\0';
    append_16(out, std::to_underlying(type));
    append_16(out, class_internet);
    return out;
}

Result<DnsAnswer> parse_dns_answer(std::string_view message) {
    MessageCursor in{message};
    DnsAnswer out;
    out.id = static_cast<std::uint16_t>(in.number(2));
    const auto flags = in.number(2);
    const auto questions = in.number(2);
    const std::array<std::uint32_t, 3> sections{in.number(2), in.number(2), in.number(2)};
    if (!in.ok) return malformed("shorter than a head");
    if ((flags & 0x8000) == 0) return malformed("a question, not an answer");
    if ((flags & 0x7800) != 0) return malformed("an answer to something that is no query");
    out.rcode = flags & 0xf;
    out.truncated = (flags & 0x0200) != 0;
    out.authoritative = (flags & 0x0400) != 0;
    out.recursion_available = (flags & 0x0080) != 0;
    if (questions > 1) return malformed("more than one question");
    if (questions == 1) {
        out.question = in.name();
        const auto type = in.number(2);
        const auto of = in.number(2);
        if (!in.ok || of != class_internet) return malformed("a question that can't be read");
        for (const auto& [known, text] : types)
            if (std::to_underlying(known) == type) out.question_type = known;
    }
    std::size_t seen = 0;
    for (std::size_t section = 0; section < sections.size(); ++section) {
        for (std::uint32_t i = 0; i < sections[section]; ++i) {
            if (++seen > max_dns_records) return malformed(fmt::format("more than {} records", max_dns_records));
            DnsRecord record;
            record.name = in.name();
            const auto type = in.number(2);
            const auto of = in.number(2);
            record.ttl = in.number(4);
            const auto length = in.number(2);
            const std::size_t begin = in.at;
            in.take(length);
            if (!in.ok) {
                if (out.truncated) return out;
                return malformed("a record that ends too early");
            }
            const auto known = std::ranges::find(types, static_cast<DnsType>(type), &std::pair<DnsType, std::string_view>::first);
            if (section != 0 || of != class_internet || known == types.end()) continue;
            record.type = known->first;
            auto text = data_text(record.type, MessageCursor{message.substr(0, in.at), begin});
            if (!text) return malformed(fmt::format("a record of type {} that can't be read", known->second));
            record.text = std::move(*text);
            out.answers.push_back(std::move(record));
        }
    }
    if (in.left() != 0) return malformed("bytes behind its end");
    return out;
}

}  // namespace hale::wire
