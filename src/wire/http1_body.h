// Reads an HTTP/1.1 message body out of the bytes of a connection: what belongs to it, where it ends.
// Payload is handed out as slices of the caller's bytes. Allocates only when trailers come.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/http1.h"

namespace hale::wire {

struct BodyLimits {
    std::size_t max_chunk_line = 512;             // Size and extensions of one chunk, CRLF included.
    std::size_t max_extension_bytes = 16 * 1024;  // Of all chunks of a body together.
    std::size_t max_trailer_bytes = 8 * 1024;     // The trailer section with the empty line.
    std::size_t max_trailer_fields = 32;
};

enum class BodyStatus : std::uint8_t { more, done, bad };

class BodyReader {
public:
    struct Step {
        BodyStatus status;
        std::size_t consumed;      // Bytes of the input that are dealt with; never beyond the message.
        std::string_view payload;  // A slice of the input; may be empty.
        std::string_view why;      // bad: a sentence, static.
    };

    BodyReader() = default;  // No body: done from the start.
    explicit BodyReader(Framing framing, BodyLimits limits = {});

    // Takes bytes from the front: at most one slice of payload per call. While `more`: call again with what
    // is left, or with new bytes when nothing is left; a call with bytes always consumes some. After `done`
    // the rest belongs to the next message. Everything consumed was checked, so it may be passed on as it is
    // to a peer that is told the same framing.
    Step read(std::string_view bytes);

    // The peer closed: done where closing ends the body, else bad (the message was cut off).
    Step end_of_stream();

    bool done() const { return state_ == State::done; }
    // Payload bytes not yet seen of a body (length) or of the current chunk.
    std::uint64_t left() const { return left_; }
    // After done: the field lines of the trailer section without the last empty line; often "".
    std::string_view trailers() const { return trailers_; }

private:
    enum class State : std::uint8_t {
        done,
        bad,
        fixed,
        until_close,
        chunk_size,
        chunk_blank,
        chunk_extension,
        chunk_lf,
        chunk_data,
        chunk_data_cr,
        chunk_data_lf,
        trailer,
    };

    Step refuse(std::string_view why, std::size_t consumed);
    Step read_chunked(std::string_view bytes);
    // These take what they can from `at` on and return why the message is bad, or "".
    std::string_view take_framing_byte(char c);
    std::string_view end_chunk_line();
    std::string_view take_trailer(std::string_view bytes, std::size_t& at);
    std::string_view check_trailers();

    BodyLimits limits_;
    std::uint64_t left_ = 0;
    std::size_t line_bytes_ = 0;
    std::size_t extension_bytes_ = 0;
    std::string trailers_;
    std::string_view why_;
    State state_ = State::done;
    std::uint8_t digits_ = 0;  // Of the chunk size in hand.
};

}  // namespace hale::wire
