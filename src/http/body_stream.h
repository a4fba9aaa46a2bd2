// One HTTP/1.1 request and its answer, whose body is handed out as it comes: for answers without an end, or longer than one likes
// to keep (ClientExchange keeps them whole). A state machine without clock, timer or ownership, as that one is: whoever
// owns the stream calls advance() at every notice until it says `waiting`, and gives up when it likes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/client_exchange.h"
#include "io/stream.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::http {

class BodyStream {
public:
    static constexpr std::size_t piece_bytes = 16 * 1024;  // At most so much payload at once.
    static constexpr std::size_t head_limit = 32 * 1024;
    static constexpr int most_interim_answers = 8;

    enum class Step : std::uint8_t {
        waiting,  // For the next notice.
        head,     // It came: see head().
        payload,  // Some of the body: see payload().
        ended,    // The body is whole.
        failed,
    };

    // Of `scratch` only the head is used, and only between `head` and whatever is done next.
    explicit BodyStream(Scratch& scratch) : scratch_(scratch) {}

    // The whole request: head and body.
    void begin(std::string request, wire::Method method);

    // Call after begin() on a writable stream, then at every notice, again and again until it says `waiting`. Whoever stops
    // earlier calls again by itself. After `ended` and `failed` no more.
    Step advance(io::Stream& stream);

    const wire::ResponseHead& head() const { return scratch_.head; }  // Until anything else is done.
    std::string_view payload() const { return payload_; }             // Until the next advance().

    // After `failed`.
    Trouble trouble() const { return trouble_; }
    std::string_view why() const { return why_; }
    int error() const { return error_; }
    bool head_came() const { return head_came_; }

private:
    enum class Stage : std::uint8_t { send, head, body, over };

    bool read(io::Stream& stream, Step& step);  // False: `step` is to be returned.
    Step take_head();
    Step failed(Trouble trouble, std::string_view why, int error = 0);

    Scratch& scratch_;
    std::string unsent_;
    std::size_t sent_ = 0;
    std::string head_;                // The bytes of the head, and what came with its end.
    std::unique_ptr<char[]> buffer_;  // For the rest of the body.
    std::string_view rest_;           // Read, but not looked at.
    std::string_view payload_;
    wire::Method method_ = wire::Method::get;
    wire::HeadScan scan_;
    wire::BodyReader reader_;
    std::string_view why_;
    std::size_t interim_bytes_ = 0;  // At the front of head_: answers that were passed over.
    int error_ = 0;
    int interim_ = 0;
    Stage stage_ = Stage::send;
    Trouble trouble_ = Trouble::none;
    bool head_came_ = false;
};

}  // namespace hale::http
