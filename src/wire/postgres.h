// PostgreSQL's frontend/backend protocol 3.0, as far as one asks who is there and runs one simple query: startup,
// authentication, query, rows, errors. Messages as bytes, bytes as messages; no socket.
//
//   [SSLRequest → one byte] → StartupMessage → Authentication… → ReadyForQuery → Query → rows → ReadyForQuery → Terminate

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hale::wire {

// ---- What we say, appended. Texts are cut at a NUL, which the protocol can't carry. ----

void append_postgres_ssl_request(std::string& out);
void append_postgres_startup(std::string& out, std::string_view user, std::string_view database, std::string_view application);
void append_postgres_password(std::string& out, std::string_view password);  // Also an MD5 answer.
void append_postgres_sasl_first(std::string& out, std::string_view mechanism, std::string_view message);
void append_postgres_sasl_next(std::string& out, std::string_view message);
void append_postgres_query(std::string& out, std::string_view sql);
void append_postgres_terminate(std::string& out);

// ---- What the server says ----

struct PostgresMessage {
    char type = 0;
    std::string body;
    bool operator==(const PostgresMessage&) const = default;
};

struct PostgresLimits {
    std::size_t max_body = 256 * 1024;
};

enum class PostgresStatus : std::uint8_t { more, done, bad };

// One message after the other. After `done`, take() gives it and the reader is ready for the next one.
class PostgresReader {
public:
    struct Step {
        PostgresStatus status;
        std::size_t consumed;
        std::string_view why;  // bad: a sentence, static.
    };

    explicit PostgresReader(PostgresLimits limits = {}) : limits_(limits) {}

    // While `more`: everything was consumed. After `done` the rest belongs to the next message.
    Step read(std::string_view bytes);
    PostgresMessage take();

private:
    PostgresLimits limits_;
    std::string head_;
    PostgresMessage message_;
    std::size_t left_ = 0;
    bool whole_ = false;
    std::string_view why_;
};

// ---- What is in them. Nothing: the body is not what its type promises. ----

// 'R'
struct PostgresAuthentication {
    enum class Kind : std::uint8_t { ok, cleartext, md5, sasl, sasl_continue, sasl_final, other };
    Kind kind = Kind::other;
    std::uint32_t code = 0;
    std::string data;                     // The salt of md5; the message of sasl_continue and sasl_final.
    std::vector<std::string> mechanisms;  // Of sasl.
};
std::optional<PostgresAuthentication> postgres_authentication(std::string_view body);

// 'E' and 'N'
struct PostgresError {
    std::string severity;  // "FATAL"
    std::string sqlstate;  // "28P01"
    std::string message;
    std::string text() const;  // "FATAL 28P01: password authentication failed for user "app""
};
std::optional<PostgresError> postgres_error(std::string_view body);

// 'T': the columns' names.
inline constexpr std::size_t most_postgres_columns = 1664;  // PostgreSQL's own limit.
std::optional<std::vector<std::string>> postgres_columns(std::string_view body);
// 'D': the values, nothing for NULL.
using PostgresRow = std::vector<std::optional<std::string>>;
std::optional<PostgresRow> postgres_row(std::string_view body);
// 'S': a name and its value.
std::optional<std::pair<std::string, std::string>> postgres_parameter(std::string_view body);

}  // namespace hale::wire
