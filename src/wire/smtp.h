// What a mail server answers (RFC 5321 section 4.2): a code and one or more lines. No socket.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hale::wire {

struct SmtpReply {
    std::uint16_t code = 0;
    std::vector<std::string> lines;  // Without code and line end; at least one.

    // "mail.example ESMTP Postfix": the lines joined by blanks.
    std::string text() const;
    // Of an answer to EHLO: does a line after the first begin with that keyword?
    bool offers(std::string_view keyword) const;
    bool operator==(const SmtpReply&) const = default;
};

struct SmtpLimits {
    std::size_t max_line = 2048;  // RFC 5321 has 512; extensions make EHLO's longer.
    std::size_t max_lines = 128;
};

enum class SmtpStatus : std::uint8_t { more, done, bad };

// One reply after the other. After `done`, take() gives the reply and the reader is ready for the next one.
class SmtpReader {
public:
    struct Step {
        SmtpStatus status;
        std::size_t consumed;
        std::string_view why;  // bad: a sentence, static.
    };

    explicit SmtpReader(SmtpLimits limits = {}) : limits_(limits) {}

    // While `more`: everything was consumed. After `done` the rest belongs to the next reply.
    Step read(std::string_view bytes);
    SmtpReply take();

private:
    std::string_view take_line();

    SmtpLimits limits_;
    std::string line_;
    bool cr_ = false;
    bool whole_ = false;
    SmtpReply reply_;
    std::string_view why_;
};

}  // namespace hale::wire
