// Goal: a mail server's replies read the same however they are cut, and what is none is refused.
// Method: a table, each entry read at once, at every single cut and byte by byte.

#include "wire/smtp.h"

#include <gtest/gtest.h>

namespace hale::wire {
namespace {

struct Read {
    std::vector<SmtpReply> replies;
    std::string why;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view text, std::size_t cut, SmtpLimits limits) {
    SmtpReader reader(limits);
    Read out;
    for (std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
        while (!piece.empty()) {
            const auto step = reader.read(piece);
            piece.remove_prefix(step.consumed);
            if (step.status == SmtpStatus::bad) return out.why = step.why, out;
            if (step.status == SmtpStatus::more) break;
            out.replies.push_back(reader.take());
        }
    }
    return out;
}

Read every_split(std::string_view text, SmtpLimits limits = {}) {
    const Read whole = read(text, text.size(), limits);
    for (std::size_t cut = 1; cut < text.size(); ++cut) EXPECT_EQ(read(text, cut, limits), whole) << cut;
    return whole;
}

TEST(Smtp, Replies) {
    EXPECT_EQ(every_split("220 mail.example ESMTP\r\n").replies, (std::vector<SmtpReply>{{220, {"mail.example ESMTP"}}}));
    EXPECT_EQ(every_split("250\r\n354 go\n").replies, (std::vector<SmtpReply>{{250, {""}}, {354, {"go"}}}));
    const auto ehlo = every_split("250-mail.example\r\n250-SIZE 1000\r\n250-StartTLS\r\n250 HELP\r\n").replies;
    ASSERT_EQ(ehlo.size(), 1u);
    EXPECT_EQ(ehlo[0].text(), "mail.example SIZE 1000 StartTLS HELP");
    EXPECT_TRUE(ehlo[0].offers("STARTTLS"));
    EXPECT_TRUE(ehlo[0].offers("size"));
    EXPECT_FALSE(ehlo[0].offers("mail.example"));  // That is its name.
    EXPECT_FALSE(SmtpReply{}.offers("SIZE"));
}

TEST(Smtp, RefusesWhatIsNoReplyOrTooMuch) {
    const SmtpLimits small{.max_line = 10, .max_lines = 2};
    const struct {
        std::string_view bytes, why;
    } cases[] = {{"SSH-2.0-OpenSSH\r\n", "three digits"}, {"22\r\n", "three digits"},         {"\r\n", "three digits"},
                 {"220_ok\r\n", "hyphen"},                {"120 ok\r\n", "none of SMTP's"},   {"600 ok\r\n", "none of SMTP's"},
                 {"250-a\r\n251 b\r\n", "different"},     {"250-a\r\n250-b\r\n250 c\r\n", "too many"}, {"250 1234567\r\n", "too long"},
                 {"250 a\rb", "without LF"}};
    for (const auto& one : cases) {
        SCOPED_TRACE(one.bytes);
        const Read got = every_split(one.bytes, small);
        EXPECT_NE(got.why.find(one.why), std::string::npos) << got.why;
    }
}

}  // namespace
}  // namespace hale::wire
