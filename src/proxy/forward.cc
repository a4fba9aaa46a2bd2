#include "proxy/forward.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "wire/http1_write.h"

namespace hale::proxy {

namespace {

using wire::Known;

constexpr std::uint64_t bit(Known id) { return std::uint64_t{1} << std::to_underlying(id); }

constexpr std::uint64_t replaced_in_requests = bit(Known::host) | bit(Known::x_forwarded_for) | bit(Known::x_forwarded_proto) |
                                               bit(Known::x_forwarded_host) | bit(Known::forwarded) |
                                               bit(Known::x_request_id) | bit(Known::transfer_encoding);
// Said by nobody but a proxy before us: dropped unless that proxy is trusted.
constexpr std::uint64_t believed_in_requests = bit(Known::x_forwarded_port) | bit(Known::x_real_ip);
constexpr std::uint64_t replaced_in_responses = bit(Known::transfer_encoding) | bit(Known::hale_reason) | bit(Known::hale_panic);

// Appends the fields for which `dropped` says no, each run of neighbours in one piece.
template <class Dropped>
void append_fields(std::string& out, const wire::Fields& fields, Dropped dropped) {
    const wire::Field* const end = fields.end();
    for (const wire::Field* field = fields.begin(); field != end;) {
        if (dropped(*field)) {
            ++field;
            continue;
        }
        const char* const from = field->name.data();
        while (field + 1 != end && !dropped(field[1])) ++field;
        out.append(from, field->value.data() + field->value.size());
        out.append("\r\n");
        ++field;
    }
}

bool dropped_by(std::uint64_t mask, const wire::Field& field, const wire::Fields& all) {
    return (mask & bit(field.id)) != 0 || wire::hop_by_hop(field, all);
}

void append_joined(std::string& out, const wire::Fields& fields, Known id) {
    for (const auto& field : fields)
        if (field.id == id && !field.value.empty()) out.append(field.value).append(", ");
}

}  // namespace

Peer Peer::of(const SocketAddress& address, std::span<const Cidr> trusted_proxies) {
    Peer peer;
    if (address.is_unix()) {
        peer.text = peer.forwarded = "unknown";
        return peer;
    }
    peer.ip = address.ip;
    peer.text = address.ip.text();
    peer.forwarded = address.ip.is_v4() ? peer.text : "\"[" + peer.text + "]\"";
    peer.trusted = std::ranges::any_of(trusted_proxies, [&](const Cidr& c) { return c.contains(address.ip); });
    return peer;
}

ClientAddress client_address(const wire::RequestHead& head, const Peer& peer, std::span<const Cidr> trusted_proxies) {
    ClientAddress client{peer.ip, peer.text};
    if (!peer.trusted || !head.fields.has(Known::x_forwarded_for)) return client;
    for (std::size_t i = head.fields.size(); i-- > 0;) {
        if (head.fields[i].id != Known::x_forwarded_for) continue;
        std::string_view rest = head.fields[i].value;
        while (!rest.empty()) {
            const auto comma = rest.rfind(',');
            std::string_view hop = comma == std::string_view::npos ? rest : rest.substr(comma + 1);
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
            while (hop.starts_with(' ')) hop.remove_prefix(1);
            while (hop.ends_with(' ')) hop.remove_suffix(1);
            const auto ip = Ip::parse(hop);
            if (!ip) return client;  // Whoever wrote this can't be read: believe no further.
            client = {*ip, hop};
            if (std::ranges::none_of(trusted_proxies, [&](const Cidr& c) { return c.contains(*ip); })) return client;
        }
    }
    return client;
}

bool valid_request_id(std::string_view id) {
    const auto fine = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    return !id.empty() && id.size() <= most_request_id_bytes && std::ranges::all_of(id, fine);
}

HostPlace append_request(std::string& out, const wire::RequestHead& head, const Peer& peer, const RequestChanges& changes) {
    const auto& fields = head.fields;
    out.append(head.method_name).append(1, ' ').append(changes.target).append(" HTTP/1.1\r\nHost: ");
    const HostPlace host{out.size(), changes.host.size()};
    out.append(changes.host).append("\r\n");

    const std::uint64_t mask = replaced_in_requests | (peer.trusted ? 0 : believed_in_requests);
    append_fields(out, fields, [&](const wire::Field& field) {
        return dropped_by(mask, field, fields) || (!changes.without.empty() && equal_ignoring_case(field.name, changes.without));
    });
    if (head.framing.kind == wire::BodyKind::chunked) out.append("Transfer-Encoding: chunked\r\n");
    if (head.upgrade) {
        out.append("Connection: Upgrade\r\n");
        for (const auto& field : fields)
            if (field.id == Known::upgrade) out.append("Upgrade: ").append(field.value).append("\r\n");
    }

    const std::string_view authority = head.authority;
    std::string_view proto = peer.tls ? "https" : "http", asked_host = authority;
    out.append("X-Forwarded-For: ");
    if (peer.trusted) {
        append_joined(out, fields, Known::x_forwarded_for);
        if (const auto said = fields.value(Known::x_forwarded_proto); said == "https" || said == "http") proto = said;
        if (const auto said = fields.value(Known::x_forwarded_host); wire::parse_authority(said)) asked_host = said;
    }
    out.append(peer.text).append("\r\nX-Forwarded-Proto: ").append(proto);
    if (!asked_host.empty()) out.append("\r\nX-Forwarded-Host: ").append(asked_host);
    out.append("\r\nForwarded: ");
    if (peer.trusted) append_joined(out, fields, Known::forwarded);
    out.append("for=").append(peer.forwarded);
    if (!asked_host.empty()) out.append(";host=\"").append(asked_host).append(1, '"');
    out.append(";proto=").append(proto).append("\r\nX-Request-ID: ").append(changes.request_id).append("\r\n\r\n");
    return host;
}

namespace {
void append_status_line(std::string& out, std::uint16_t status, std::string_view reason) {
    char line[] = "HTTP/1.1 200 ";
    line[9] = static_cast<char>('0' + status / 100);
    line[10] = static_cast<char>('0' + status / 10 % 10);
    line[11] = static_cast<char>('0' + status % 10);
    out.append(line, 13).append(reason).append("\r\n");
}
}  // namespace

void append_response(std::string& out, const wire::ResponseHead& head, const ResponseChanges& changes) {
    const auto& fields = head.fields;
    append_status_line(out, head.status, head.reason);
    append_fields(out, fields, [&](const wire::Field& field) { return dropped_by(replaced_in_responses, field, fields); });
    const bool chunked = changes.body == ClientBody::chunked ||
                         (changes.body == ClientBody::as_is && head.framing.kind == wire::BodyKind::chunked);
    if (chunked) out.append("Transfer-Encoding: chunked\r\n");
    if (!fields.has(Known::date)) out.append("Date: ").append(changes.date).append("\r\n");
    if (changes.hsts != 0 && !fields.has(Known::strict_transport_security)) append_hsts(out, changes.hsts);
    if (!changes.panic.empty()) out.append("Hale-Panic: ").append(changes.panic).append("\r\n");
    if (!changes.keep_alive) out.append("Connection: close\r\n");
    else if (changes.client_minor == 0) out.append("Connection: keep-alive\r\n");
    out.append("\r\n");
}

void append_hsts(std::string& out, std::uint32_t seconds) {
    char digits[10];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), seconds).ptr;
    out.append("Strict-Transport-Security: max-age=").append(digits, end).append("\r\n");
}

void append_interim(std::string& out, const wire::ResponseHead& head) {
    const auto& fields = head.fields;
    append_status_line(out, head.status, head.reason);
    append_fields(out, fields, [&](const wire::Field& field) { return dropped_by(replaced_in_responses, field, fields); });
    if (head.tunnel) {
        out.append("Connection: Upgrade\r\n");
        for (const auto& field : fields)
            if (field.id == Known::upgrade) out.append("Upgrade: ").append(field.value).append("\r\n");
    }
    out.append("\r\n");
}

void append_stripped(std::string& out, std::string_view target, std::size_t prefix) {
    const auto hex = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    const auto unreserved = [](int c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
               c == '~';
    };
    std::size_t at = 0;
    for (std::size_t matched = 0; matched < prefix && at < target.size();) {
        if (target[at] != '%' || at + 2 >= target.size()) {
            ++at, ++matched;
        } else {  // An escaped unreserved character was matched as one, any other escape as its three.
            matched += unreserved(hex(target[at + 1]) * 16 + hex(target[at + 2])) ? 1 : 3;
            at += 3;
        }
    }
    const std::string_view rest = target.substr(std::min(at, target.size()));
    if (!rest.starts_with('/')) out.push_back('/');
    out.append(rest);
}

}  // namespace hale::proxy
