#include "wire/smtp.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace hale::wire {

std::string SmtpReply::text() const { return fmt::format("{}", fmt::join(lines, " ")); }

bool SmtpReply::offers(std::string_view keyword) const {
    return std::any_of(lines.begin() + (lines.empty() ? 0 : 1), lines.end(), [&](const std::string& line) {
        return equal_ignoring_case(std::string_view(line).substr(0, line.find(' ')), keyword);
    });
}

SmtpReader::Step SmtpReader::read(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && !whole_ && why_.empty()) {
        const char c = bytes[at++];
        if (c == '\n') {
            // Some servers send bare LF; whoever only asks may read that, as most clients do.
            cr_ = false;
            why_ = take_line();
        } else if (cr_) {
            why_ = "a line ends without LF";
        } else if (c == '\r') {
            cr_ = true;
        } else if (line_.size() >= limits_.max_line) {
            why_ = "a line is too long";
        } else {
            line_ += c;
            if (line_.size() <= 3 && (c < '0' || c > '9')) why_ = "a line does not begin with a code of three digits";
        }
    }
    if (!why_.empty()) return {SmtpStatus::bad, at, why_};
    return {whole_ ? SmtpStatus::done : SmtpStatus::more, at, {}};
}

SmtpReply SmtpReader::take() {
    whole_ = false;
    return std::exchange(reply_, {});
}

std::string_view SmtpReader::take_line() {
    const std::string line = std::exchange(line_, {});
    if (line.size() < 3) return "a line does not begin with a code of three digits";
    const bool further = line.size() > 3 && line[3] == '-';
    if (line.size() > 3 && !further && line[3] != ' ') return "neither a blank nor a hyphen follows the code";
    const auto code = parse_unsigned(std::string_view(line).substr(0, 3));
    if (!code || *code < 200 || *code > 599) return "the code is none of SMTP's";
    if (!reply_.lines.empty() && reply_.code != *code) return "the lines of one reply have different codes";
    if (reply_.lines.size() >= limits_.max_lines) return "a reply has too many lines";
    reply_.code = static_cast<std::uint16_t>(*code);
    reply_.lines.push_back(line.size() > 4 ? line.substr(4) : std::string{});
    whole_ = !further;
    return {};
}

}  // namespace hale::wire
