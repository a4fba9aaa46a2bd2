// Redis' protocol, RESP2 (https://redis.io/docs/reference/protocol-spec): commands as bytes, bytes as replies. No
// socket. Every length is bounded before anything is kept, so that whoever answers instead of Redis costs little.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace hale::wire {

// "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n", appended.
void append_resp_command(std::string& out, std::initializer_list<std::string_view> words);

struct RespValue {
    enum class Kind : std::uint8_t { simple, error, integer, bulk, null, array };
    Kind kind = Kind::null;
    std::string text;          // simple, error, bulk.
    std::int64_t integer = 0;
    std::vector<RespValue> items;

    bool is_error() const { return kind == Kind::error; }
    // The first word of an error: "NOAUTH", "WRONGPASS", "LOADING".
    std::string_view error_code() const;
    bool operator==(const RespValue&) const = default;
};

struct RespLimits {
    std::size_t max_line = 1024;            // Without its CRLF; errors and numbers are lines.
    std::size_t max_bulk_bytes = 64 * 1024;
    std::size_t max_items = 1024;           // Of all arrays of one reply together.
    std::size_t max_depth = 4;
};

enum class RespStatus : std::uint8_t { more, done, bad };

// One reply after the other. After `done`, take() gives the reply and the reader is ready for the next one.
class RespReader {
public:
    struct Step {
        RespStatus status;
        std::size_t consumed;
        std::string_view why;  // bad: a sentence, static.
    };

    explicit RespReader(RespLimits limits = {}) : limits_(limits) {}

    // While `more`: everything was consumed, call again with new bytes. After `done` the rest belongs to the next reply.
    Step read(std::string_view bytes);
    RespValue take();

private:
    enum class State : std::uint8_t { line, line_lf, bulk, bulk_cr, bulk_lf, whole, bad };
    struct Open {
        RespValue array;
        std::size_t left;
    };

    std::string_view take_line();
    std::string_view begin_array(std::int64_t count);
    std::string_view begin_bulk(std::int64_t length);
    void finish(RespValue value);

    RespLimits limits_;
    State state_ = State::line;
    std::string line_;
    RespValue bulk_;
    std::size_t left_ = 0;
    std::size_t items_ = 0;
    std::vector<Open> open_;
    RespValue whole_;
    std::string_view why_;
};

// The value of one field of what INFO answers ("role:master\r\n"); empty without it.
std::string_view info_field(std::string_view info, std::string_view name);

}  // namespace hale::wire
