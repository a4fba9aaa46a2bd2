#include "wire/fields.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "wire/chars.h"

namespace hale::wire {

namespace {

constexpr std::array<std::string_view, 63> known_names{"",
                                                       "host",
                                                       "connection",
                                                       "content-length",
                                                       "transfer-encoding",
                                                       "expect",
                                                       "upgrade",
                                                       "te",
                                                       "trailer",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "proxy-authenticate",
                                                       "proxy-authorization",
                                                       "x-forwarded-for",
                                                       "x-forwarded-proto",
                                                       "x-forwarded-host",
                                                       "x-forwarded-port",
                                                       "x-real-ip",
                                                       "forwarded",
                                                       "via",
                                                       "x-request-id",
                                                       "traceparent",
                                                       "user-agent",
                                                       "referer",
                                                       "origin",
                                                       "authorization",
                                                       "cookie",
                                                       "accept",
                                                       "accept-encoding",
                                                       "idempotency-key",
                                                       "last-event-id",
                                                       "range",
                                                       "cache-control",
                                                       "if-match",
                                                       "if-none-match",
                                                       "if-modified-since",
                                                       "if-unmodified-since",
                                                       "sec-websocket-key",
                                                       "sec-websocket-version",
                                                       "sec-websocket-protocol",
                                                       "content-type",
                                                       "content-encoding",
                                                       "content-range",
                                                       "location",
                                                       "date",
                                                       "server",
                                                       "set-cookie",
                                                       "etag",
                                                       "last-modified",
                                                       "retry-after",
                                                       "vary",
                                                       "age",
                                                       "www-authenticate",
                                                       "sec-websocket-accept",
                                                       "strict-transport-security",
                                                       "hale-reason",
                                                       "hale-panic"};

constexpr std::size_t name_count = std::to_underlying(Known::hale_panic) + 1;
static_assert(!known_names[name_count - 1].empty() && known_names[name_count].empty(),
              "one name for each Known, in its order");

constexpr unsigned char folded(char c) { return static_cast<unsigned char>(c) | 0x20; }

constexpr int slot_bits = 9;
constexpr std::size_t slot_of(std::string_view name, std::uint32_t factor) {
    const std::size_t size = name.size();
    const std::uint32_t mix = static_cast<std::uint32_t>(size) | std::uint32_t{folded(name[0])} << 8 |
                              std::uint32_t{folded(name[size / 2])} << 16 |
                              std::uint32_t{folded(name[size > 1 ? size - 2 : 0])} << 24;
    return (mix * factor) >> (32 - slot_bits);
}

struct Hash {
    std::uint32_t factor = 0;
    std::array<std::uint8_t, 1 << slot_bits> id{};
};

// A perfect hash over the length and three letters, found by the compiler.
consteval Hash find_hash() {
    for (std::uint32_t factor = 0x9e3779b1;; factor = factor * 5 | 1) {
        Hash hash{.factor = factor};
        bool collided = false;
        for (std::size_t i = 1; i < name_count && !collided; ++i) {
            std::uint8_t& slot = hash.id[slot_of(known_names[i], factor)];
            collided = slot != 0;
            slot = static_cast<std::uint8_t>(i);
        }
        if (!collided) return hash;
    }
}
constexpr Hash hash = find_hash();

}  // namespace

Known known_of(std::string_view name) {
    if (name.empty()) return Known::other;
    const std::uint8_t id = hash.id[slot_of(name, hash.factor)];
    const std::string_view candidate = known_names[id];
    if (candidate.size() != name.size()) return Known::other;
    // Setting bit 5 folds the case of letters; among tokens only '^' and '_' change besides, into characters
    // that no name here has.
    for (std::size_t i = 0; i < name.size(); ++i)
        if (folded(name[i]) != static_cast<unsigned char>(candidate[i])) return Known::other;
    return static_cast<Known>(id);
}

std::string_view known_name(Known id) { return known_names[std::to_underlying(id)]; }

const Field* Fields::find(Known id) const {
    if (!has(id)) return nullptr;
    for (const Field& field : *this)
        if (field.id == id) return &field;
    return nullptr;
}

const Field* Fields::find(std::string_view name) const {
    for (const Field& field : *this)
        if (equal_ignoring_case(field.name, name)) return &field;
    return nullptr;
}

std::string_view Fields::value(Known id) const {
    const Field* field = find(id);
    return field == nullptr ? std::string_view{} : field->value;
}

bool Fields::add(Field field) {
    if (size_ == capacity) return false;
    std::construct_at(&items_[size_++], field);
    seen_ |= std::uint64_t{1} << std::to_underlying(field.id);
    return true;
}

void Fields::clear() {
    size_ = 0;
    seen_ = 0;
    connection_names_others_ = false;
}

bool hop_by_hop(const Field& field, const Fields& all) {
    switch (field.id) {
        case Known::connection:
        case Known::transfer_encoding:
        case Known::upgrade:
        case Known::te:
        case Known::trailer:
        case Known::keep_alive:
        case Known::proxy_connection:
        case Known::proxy_authenticate:
        case Known::proxy_authorization:
            return true;
        case Known::host:
        case Known::content_length:
        case Known::forwarded:
        case Known::x_forwarded_for:
        case Known::x_forwarded_proto:
        case Known::x_forwarded_host:
        case Known::x_forwarded_port:
        case Known::x_real_ip:
        case Known::x_request_id:
            return false;
        default:
            return all.connection_names_others() && lists(all, Known::connection, field.name);
    }
}

std::string_view next_element(std::string_view& rest) {
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const auto element = trim(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        if (!element.empty()) return element;
    }
    return {};
}

bool lists(const Fields& fields, Known id, std::string_view token) {
    if (!fields.has(id)) return false;
    for (const Field& field : fields) {
        if (field.id != id) continue;
        std::string_view rest = field.value;
        for (auto element = next_element(rest); !element.empty(); element = next_element(rest))
            if (equal_ignoring_case(element, token)) return true;
    }
    return false;
}

bool valid_field_name(std::string_view name) { return !name.empty() && chars::all(name, chars::token); }

bool valid_field_value(std::string_view value) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    if (!value.empty() && (blank(value.front()) || blank(value.back()))) return false;
    return chars::end_of_value(value.data(), value.data() + value.size()) == value.data() + value.size();
}

}  // namespace hale::wire
