// One HTTP/1.1 request and its answer over a connected stream, as a state machine without clock, timer or
// ownership: whoever owns the stream calls advance() at every notice, measures, and gives up when it likes.
// It bounds everything the peer could make endless: head, interim answers, body.
//
// The usual answer comes in one read and is handed out as views into the thread's scratch, so that it costs
// no allocation: look at head() and body() before any exchange of the same scratch advances again.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/stream.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::http {

// One per thread, shared by its exchanges.
struct Scratch {
    std::array<char, 64 * 1024> bytes;
    wire::ResponseHead head;
};

struct AnswerPlan {
    wire::Method method = wire::Method::get;
    bool head_only = false;              // Answered at the end of the head.
    bool keep_body = true;               // False: the body is read to its end but not kept.
    std::size_t body_limit = 64 * 1024;  // More than this ends the reading: answered, truncated.
    std::size_t head_limit = 32 * 1024;
};

enum class Progress : std::uint8_t { waiting, answered, failed };

enum class Trouble : std::uint8_t {
    none,
    closed,     // The peer ended the stream before the answer was complete.
    reset,      // ECONNRESET or EPIPE.
    malformed,  // Not HTTP/1.1 as we read it, or beyond a limit; `why` says what.
    early,      // Bytes came before the request was sent.
    broken,     // Another errno.
};

class ClientExchange {
public:
    static constexpr int most_interim_answers = 8;

    explicit ClientExchange(Scratch& scratch) : scratch_(scratch) {}

    // The slices must stay valid until the first advance() returned.
    void begin(std::span<const io::Slice> request, const AnswerPlan& plan);

    // Call once after begin() on a writable stream, then at every notice. `unread`: bytes may already wait,
    // although nothing was sent yet.
    Progress advance(io::Stream& stream, bool unread = false);

    // After `answered`, until the scratch is used again.
    const wire::ResponseHead& head() const { return scratch_.head; }
    std::string_view body() const { return body_.empty() ? view_ : std::string_view(body_); }
    bool body_truncated() const { return truncated_; }
    // The connection may carry another request.
    bool in_step() const { return in_step_; }

    // After `failed`.
    Trouble trouble() const { return trouble_; }
    std::string_view why() const { return why_; }
    int error() const { return error_; }
    // What came instead of a head, at most a line or so; until the scratch is used again.
    std::string_view raw() const { return raw_.empty() ? std::string_view(kept_) : raw_; }

    bool sent() const { return stage_ != Stage::send; }
    bool any_byte_came() const { return any_byte_; }
    bool head_came() const { return stage_ == Stage::body || stage_ == Stage::over; }
    // Gives back what a long answer took.
    void release();

private:
    enum class Stage : std::uint8_t { send, head, body, over };

    Progress send(io::Stream& stream);
    Progress receive(io::Stream& stream);
    Progress take(std::string_view bytes);
    Progress take_head(std::string_view bytes, std::string_view& rest);
    Progress take_body(std::string_view bytes);
    Progress ended();
    void keep_for_later();
    Progress answered(bool in_step);
    Progress failed(Trouble trouble, std::string_view why, int error = 0);

    Scratch& scratch_;
    AnswerPlan plan_;
    std::span<const io::Slice> request_;
    std::string unsent_;     // The rest of a request that did not fit into the socket at once.
    std::string kept_;       // Head bytes of an answer that came in pieces.
    std::string body_;       // Payload of such an answer.
    std::string_view view_;  // Payload that lies in the scratch.
    std::string_view head_in_scratch_;
    std::string_view raw_;
    std::string_view why_;
    wire::HeadScan scan_;
    wire::BodyReader reader_;
    std::uint64_t body_bytes_ = 0;
    int error_ = 0;
    int interim_ = 0;
    Stage stage_ = Stage::send;
    Trouble trouble_ = Trouble::none;
    bool head_parsed_now_ = false;  // scratch_.head is this exchange's, parsed during this very advance().
    bool keep_alive_ = false;
    bool truncated_ = false;
    bool in_step_ = false;
    bool any_byte_ = false;
};

}  // namespace hale::http
