// Writes HTTP/1.1 heads and chunks by appending to a buffer. What would break the message (CR, LF, NUL and
// other controls in a value, a name that is no token, a blank in a target) is never written: the head is
// taken back as a whole and end() says false.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/fields.h"

namespace hale::wire {

class HeadWriter {
public:
    // Appends to `out`, which must outlive the writer. Reuse `out` between messages: its memory stays.
    explicit HeadWriter(std::string& out) : out_(out), begin_(out.size()) {}

    // First exactly one of these.
    HeadWriter& request(std::string_view method, std::string_view target, int minor = 1);
    HeadWriter& response(int status, std::string_view reason = {}, int minor = 1);  // "": the usual reason.

    HeadWriter& field(std::string_view name, std::string_view value);
    HeadWriter& field(std::string_view name, std::uint64_t value);
    // A field that came from a parser: already checked.
    HeadWriter& copy(const Field& field);

    // The empty line. False: something was refused, and `out` is as it was before this head.
    [[nodiscard]] bool end();

private:
    void line(std::string_view name, std::string_view value);

    std::string& out_;
    std::size_t begin_;
    bool ok_ = true;
};

std::string_view reason_phrase(int status);  // RFC 9110 and friends; "" when unknown.

// A chunk is header + bytes + "\r\n". Needs: size > 0 (an empty chunk would end the body).
void append_chunk_header(std::string& out, std::uint64_t size);
void append_chunk(std::string& out, std::string_view bytes);  // Nothing for empty bytes.
inline constexpr std::string_view chunk_end = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";  // Ends a body without trailers.

}  // namespace hale::wire
