#include "wire/postgres.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hale::wire {

namespace {

constexpr std::uint32_t protocol_3_0 = 196608;
constexpr std::uint32_t ssl_request = 80877103;
constexpr std::size_t frame_head_bytes = 5;    // The type and the length.
constexpr std::size_t length_bytes = 4;  // Counted by the length itself.

void append_number(std::string& out, std::uint32_t value) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
}

void append_text(std::string& out, std::string_view text) {
    out += text.substr(0, text.find('\0'));
    out += '\0';
}

// The length goes where the message begins, once it is known.
class Frame {
public:
    Frame(std::string& out, char type) : out_(out) {
        if (type != '\0') out_ += type;
        at_ = out_.size();
        append_number(out_, 0);
    }
    ~Frame() {
        std::string length;
        append_number(length, static_cast<std::uint32_t>(out_.size() - at_));
        out_.replace(at_, length.size(), length);
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

private:
    std::string& out_;
    std::size_t at_ = 0;
};

// Takes from the front of a body; each step fails for good when too little is there.
class Body {
public:
    explicit Body(std::string_view bytes) : rest_(bytes) {}

    std::optional<std::string_view> bytes(std::size_t count) {
        if (rest_.size() < count) return std::nullopt;
        const std::string_view out = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return out;
    }
    std::optional<std::uint32_t> number(std::size_t size) {
        const auto taken = bytes(size);
        if (!taken) return std::nullopt;
        std::uint32_t value = 0;
        for (const char c : *taken) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }
    std::optional<std::string_view> text() {
        const auto end = rest_.find('\0');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view out = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return out;
    }
    std::string_view rest() const { return rest_; }
    bool empty() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

std::uint32_t number_at(std::string_view bytes) {
    std::uint32_t value = 0;
    for (const char c : bytes.substr(0, length_bytes)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

}  // namespace

void append_postgres_ssl_request(std::string& out) {
    const Frame frame(out, '\0');
    append_number(out, ssl_request);
}

void append_postgres_startup(std::string& out, std::string_view user, std::string_view database, std::string_view application) {
    const Frame frame(out, '\0');
    append_number(out, protocol_3_0);
    append_text(out, "user"), append_text(out, user);
    if (!database.empty()) append_text(out, "database"), append_text(out, database);
    append_text(out, "application_name"), append_text(out, application);
    out += '\0';
}

void append_postgres_password(std::string& out, std::string_view password) {
    const Frame frame(out, 'p');
    append_text(out, password);
}

void append_postgres_sasl_first(std::string& out, std::string_view mechanism, std::string_view message) {
    const Frame frame(out, 'p');
    append_text(out, mechanism);
    append_number(out, static_cast<std::uint32_t>(message.size()));
    out += message;
}

void append_postgres_sasl_next(std::string& out, std::string_view message) {
    const Frame frame(out, 'p');
    out += message;
}

void append_postgres_query(std::string& out, std::string_view sql) {
    const Frame frame(out, 'Q');
    append_text(out, sql);
}

void append_postgres_terminate(std::string& out) { const Frame frame(out, 'X'); }

PostgresReader::Step PostgresReader::read(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && !whole_ && why_.empty()) {
        if (head_.size() < frame_head_bytes) {
            head_ += bytes[at++];
            const char type = head_.front();
            // An HTTP server, say, is known by its first byte ('H' is one of COPY's, which nobody asked for).
            if (std::string_view("RSKZTDCENIAvt").find(type) == std::string_view::npos) why_ = "a message of no type that was asked for";
            if (head_.size() < frame_head_bytes || !why_.empty()) continue;
            const std::uint32_t length = number_at(std::string_view(head_).substr(1));
            if (length < length_bytes) why_ = "a message shorter than its own length";
            else if (length - length_bytes > limits_.max_body) why_ = "a message is too long";
            else {
                message_.type = type;
                left_ = length - length_bytes;
                whole_ = left_ == 0;
            }
            continue;
        }
        const std::size_t taken = std::min(left_, bytes.size() - at);
        message_.body.append(bytes, at, taken);
        at += taken;
        left_ -= taken;
        whole_ = left_ == 0;
    }
    if (!why_.empty()) return {PostgresStatus::bad, at, why_};
    return {whole_ ? PostgresStatus::done : PostgresStatus::more, at, {}};
}

PostgresMessage PostgresReader::take() {
    whole_ = false;
    head_.clear();
    return std::exchange(message_, {});
}

std::optional<PostgresAuthentication> postgres_authentication(std::string_view body) {
    Body in(body);
    const auto code = in.number(4);
    if (!code) return std::nullopt;
    using Kind = PostgresAuthentication::Kind;
    PostgresAuthentication out{.code = *code};
    switch (*code) {
        case 0: out.kind = Kind::ok; break;
        case 3: out.kind = Kind::cleartext; break;
        case 5: {
            const auto salt = in.bytes(4);
            if (!salt) return std::nullopt;
            out.kind = Kind::md5;
            out.data = *salt;
            break;
        }
        case 10:
            out.kind = Kind::sasl;
            for (;;) {
                const auto mechanism = in.text();
                if (!mechanism) return std::nullopt;
                if (mechanism->empty()) break;
                out.mechanisms.emplace_back(*mechanism);
            }
            break;
        case 11:
        case 12:
            out.kind = *code == 11 ? Kind::sasl_continue : Kind::sasl_final;
            out.data = *in.bytes(in.rest().size());
            break;
        default: return out;
    }
    if (!in.empty()) return std::nullopt;
    return out;
}

std::string PostgresError::text() const { return fmt::format("{} {}: {}", severity, sqlstate, message); }

std::optional<PostgresError> postgres_error(std::string_view body) {
    Body in(body);
    PostgresError out;
    for (;;) {
        const auto field = in.bytes(1);
        if (!field) return std::nullopt;
        if (field->front() == '\0') break;
        const auto value = in.text();
        if (!value) return std::nullopt;
        switch (field->front()) {
            case 'S':
                if (out.severity.empty()) out.severity = *value;
                break;
            case 'V': out.severity = *value; break;  // The same, never translated.
            case 'C': out.sqlstate = *value; break;
            case 'M': out.message = *value; break;
            default: break;
        }
    }
    if (!in.empty() || out.sqlstate.empty()) return std::nullopt;
    return out;
}

std::optional<std::vector<std::string>> postgres_columns(std::string_view body) {
    constexpr std::size_t facts_bytes = 18;  // Table, column, type, its length and modifier, format.
    Body in(body);
    const auto count = in.number(2);
    if (!count || *count > most_postgres_columns) return std::nullopt;
    std::vector<std::string> out;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto name = in.text();
        if (!name || !in.bytes(facts_bytes)) return std::nullopt;
        out.emplace_back(*name);
    }
    if (!in.empty()) return std::nullopt;
    return out;
}

std::optional<PostgresRow> postgres_row(std::string_view body) {
    constexpr std::uint32_t null_length = 0xffff'ffff;
    Body in(body);
    const auto count = in.number(2);
    if (!count || *count > most_postgres_columns) return std::nullopt;
    PostgresRow out;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto length = in.number(4);
        if (!length) return std::nullopt;
        if (*length == null_length) {
            out.emplace_back(std::nullopt);
            continue;
        }
        const auto value = in.bytes(*length);
        if (!value) return std::nullopt;
        out.emplace_back(std::string(*value));
    }
    if (!in.empty()) return std::nullopt;
    return out;
}

std::optional<std::pair<std::string, std::string>> postgres_parameter(std::string_view body) {
    Body in(body);
    const auto name = in.text();
    const auto value = name ? in.text() : std::nullopt;
    if (!value || !in.empty()) return std::nullopt;
    return std::pair{std::string(*name), std::string(*value)};
}

}  // namespace hale::wire
