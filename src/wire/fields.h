// Header fields of one head: views into the bytes they were read from, in the order they came, with an id for
// the names Hale acts on, so that callers switch instead of comparing text. Shared by HTTP/1 and HTTP/2.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace hale::wire {

// At most 63 besides `other`: Fields keeps one bit for each.
enum class Known : std::uint8_t {
    other,
    // Framing and connection.
    host,
    connection,
    content_length,
    transfer_encoding,
    expect,
    upgrade,
    te,
    trailer,
    keep_alive,
    proxy_connection,
    proxy_authenticate,
    proxy_authorization,
    // Who asked, for what, through whom.
    x_forwarded_for,
    x_forwarded_proto,
    x_forwarded_host,
    x_forwarded_port,
    x_real_ip,
    forwarded,
    via,
    x_request_id,
    traceparent,
    user_agent,
    referer,
    origin,
    authorization,
    cookie,
    accept,
    accept_encoding,
    idempotency_key,
    last_event_id,
    range,
    cache_control,
    if_match,
    if_none_match,
    if_modified_since,
    if_unmodified_since,
    sec_websocket_key,
    sec_websocket_version,
    sec_websocket_protocol,
    // Answers.
    content_type,
    content_encoding,
    content_range,
    location,
    date,
    server,
    set_cookie,
    etag,
    last_modified,
    retry_after,
    vary,
    age,
    www_authenticate,
    sec_websocket_accept,
    strict_transport_security,
    hale_reason,
    hale_panic,
};

Known known_of(std::string_view name);  // Case-insensitive. Needs: a token (RFC 9110 section 5.6.2).
std::string_view known_name(Known id);  // Lower case; "" for other.

struct Field {
    std::string_view name;   // As sent.
    std::string_view value;  // Without blanks around it; never holds CR, LF, NUL or another control but tab.
    Known id = Known::other;
};

class Fields {
public:
    static constexpr std::size_t capacity = 128;

    Fields() {}  // The array stays raw until fields are added.

    const Field* begin() const { return items_; }
    const Field* end() const { return items_ + size_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Field& operator[](std::size_t i) const { return items_[i]; }

    bool has(Known id) const { return (seen_ >> static_cast<unsigned>(id)) & 1; }
    const Field* find(Known id) const;               // The first one, or null.
    const Field* find(std::string_view name) const;  // Any name, case-insensitive.
    std::string_view value(Known id) const;          // Of the first one, or "".

    bool add(Field field);  // False when full.
    void clear();

    // Some Connection field names something besides close, keep-alive and upgrade.
    bool connection_names_others() const { return connection_names_others_; }
    void set_connection_names_others() { connection_names_others_ = true; }

private:
    std::uint64_t seen_ = 0;
    std::uint32_t size_ = 0;
    bool connection_names_others_ = false;
    union {
        Field items_[capacity];
    };
};

// True for fields that end at this hop (RFC 9110 section 7.6.1): the fixed ones, and those `all` lists in
// Connection. Host, Content-Length and the forwarded family can't be removed by listing them: that is a known
// trick to make the next hop believe something else.
bool hop_by_hop(const Field& field, const Fields& all);

// Walks a comma-separated list value: takes the next non-empty element, trimmed, off the front of `rest`;
// "" at the end.
std::string_view next_element(std::string_view& rest);
// `token` is an element of some field with this id; case-insensitive.
bool lists(const Fields& fields, Known id, std::string_view token);

// RFC 9110: token; field-value as Hale sends it (no CR, LF, NUL nor other control but tab, no blank at either end).
bool valid_field_name(std::string_view name);
bool valid_field_value(std::string_view value);

}  // namespace hale::wire
