// Goal: every way a question can end, ends once, in time, on the loop, and never inside resolve().
// Method: a small real DNS server over UDP on loopback, on the same loop, that answers what each test says.

#include "os/ares_resolver.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <map>

#include "os/socket_address.h"
#include "os/testing.h"

namespace hale::os {
namespace {

constexpr std::uint16_t type_a = 1, type_cname = 5, type_aaaa = 28;

void put16(std::string& out, std::size_t value) { out += {static_cast<char>(value >> 8), static_cast<char>(value)}; }

struct Record {
    std::uint16_t type;
    std::uint16_t ttl;
    std::string data;
};

std::string four(std::uint8_t last) { return {10, 0, 0, static_cast<char>(last)}; }
std::string six(std::uint8_t last) {
    return std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + static_cast<char>(last);
}

class DnsServer final : private Watcher {
public:
    explicit DnsServer(EpollLoop& loop)
        : Watcher(loop), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        RawAddress raw = raw_address(loopback());
        HALE_CHECK(bind(socket_.get(), &raw.address.any, raw.size) == 0);
        raw.size = sizeof raw.address;
        HALE_CHECK(getsockname(socket_.get(), &raw.address.any, &raw.size) == 0);
        address = socket_address(raw);
        HALE_CHECK(watch(socket_.get(), EPOLLIN).has_value());
    }
    ~DnsServer() { unwatch(); }

    SocketAddress address;
    std::map<std::string, std::vector<Record>> zone;  // Absent: NXDOMAIN.
    bool silent = false;
    int lose = 0;    // So many questions are not answered.
    int refuse = 0;  // Response code for everything, if not 0.
    int questions = 0;

private:
    void on_events(std::uint32_t) noexcept override {
        char packet[512];
        RawAddress from;
        from.size = sizeof from.address;
        const ssize_t got = recvfrom(socket_.get(), packet, sizeof packet, 0, &from.address.any, &from.size);
        if (got < 12) return;
        ++questions;
        if (silent || lose-- > 0) return;
        const std::string reply = answer(std::string_view(packet, static_cast<std::size_t>(got)));
        sendto(socket_.get(), reply.data(), reply.size(), 0, &from.address.any, from.size);
    }

    std::string answer(std::string_view question) const {
        std::string name;
        std::size_t at = 12;
        while (question[at] != 0) {
            const auto size = static_cast<std::size_t>(question[at]);
            name += std::string(name.empty() ? "" : ".") + std::string(question.substr(at + 1, size));
            at += size + 1;
        }
        const auto type = static_cast<std::uint16_t>(question[at + 1] << 8 | question[at + 2]);
        const auto found = zone.find(name);
        std::vector<Record> records;
        if (found != zone.end())
            for (const Record& record : found->second)
                if (record.type == type || record.type == type_cname) records.push_back(record);
        const int code = refuse != 0 ? refuse : found == zone.end() ? 3 : 0;
        std::string reply(question.substr(0, 2));
        put16(reply, 0x8180u | static_cast<unsigned>(code));
        put16(reply, 1), put16(reply, code == 0 ? records.size() : 0), put16(reply, 0), put16(reply, 0);
        reply += question.substr(12, at + 5 - 12);
        // Records belong to the question's name, or after an alias to the name the alias points to.
        std::string owner{"\xc0\x0c", 2};
        if (code == 0)
            for (const Record& record : records) {
                reply += owner;
                put16(reply, record.type), put16(reply, 1), put16(reply, 0), put16(reply, record.ttl);
                put16(reply, record.data.size());
                if (record.type == type_cname) owner = record.data;
                reply += record.data;
            }
        return reply;
    }

    Descriptor socket_;
};

class Resolving : public ::testing::Test {
protected:
    void SetUp() override {
        auto made = AresResolver::create(*loop, {.servers = {server.address}});
        ASSERT_TRUE(made) << made.error().text;
        resolver = std::move(*made);
    }

    Result<io::Resolution> ask(std::string_view name, Duration within = patience) {
        std::optional<Result<io::Resolution>> got;
        auto question =
            resolver->resolve(name, loop->now() + within, [&](Result<io::Resolution> r) { got = std::move(r); });
        EXPECT_FALSE(got) << "inside resolve()";
        EXPECT_TRUE(loop->run_until([&] { return got.has_value(); }, 2 * patience));
        return got ? std::move(*got) : fail(Code::internal, "never");
    }

    std::unique_ptr<EpollLoop> loop = make_loop();
    DnsServer server{*loop};
    std::unique_ptr<AresResolver> resolver;
};

TEST_F(Resolving, AllAddressesIpv4FirstWithTheSmallestTtl) {
    server.zone["web.example"] = {{type_aaaa, 40, six(1)}, {type_a, 300, four(2)}, {type_a, 30, four(1)}};
    const auto got = ask("web.example");
    ASSERT_TRUE(got) << got.error().text;
    std::vector<std::string> texts;
    for (const Ip& ip : got->addresses) texts.push_back(ip.text());
    EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.2", "10.0.0.1", "2001:db8::1"}));
    EXPECT_EQ(got->ttl, 30s);
}

TEST_F(Resolving, AnAliasCountsForTheTtl) {
    server.zone["www.example"] = {{type_cname, 7, std::string("\3web\7example\0", 13)}, {type_a, 300, four(9)}};
    const auto got = ask("www.example");
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->addresses.front().text(), "10.0.0.9");
    EXPECT_EQ(got->ttl, 7s);
}

TEST_F(Resolving, EveryFailureHasItsCode) {
    server.zone["empty.example"] = {};
    EXPECT_EQ(ask("nobody.example").error().code, Code::not_found);
    EXPECT_EQ(ask("empty.example").error().code, Code::not_found);
    EXPECT_EQ(ask("").error().code, Code::invalid);
    EXPECT_EQ(ask(std::string(300, 'x')).error().code, Code::invalid);
    server.refuse = 2;
    EXPECT_EQ(ask("web.example").error().code, Code::unavailable);
}

TEST_F(Resolving, LiteralsAndLocalhostAskNobody) {
    EXPECT_EQ(ask("10.1.2.3")->addresses, std::vector{Ip::v4(10, 1, 2, 3)});
    EXPECT_EQ(ask("::1")->addresses, std::vector{*Ip::parse("::1")});
    EXPECT_EQ(ask("10.1.2.3")->ttl, 60s);
    for (const char* name : {"localhost", "LocalHost.", "app.localhost"})
        EXPECT_EQ(ask(name)->addresses.front(), Ip::v4(127, 0, 0, 1)) << name;
    EXPECT_EQ(server.questions, 0);
}

TEST_F(Resolving, SilenceEndsAtTheDeadline) {
    server.silent = true;
    const Instant before = loop->now();
    const auto got = ask("web.example", 200ms);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::timed_out);
    EXPECT_GE(loop->now() - before, 200ms);
    EXPECT_LT(loop->now() - before, 5s) << "that was c-ares' own end, not the deadline";
    EXPECT_GE(server.questions, 1);
}

TEST_F(Resolving, ALostDatagramIsAskedAgain) {
    server.zone["web.example"] = {{type_a, 300, four(1)}};
    server.lose = 2;
    const auto got = ask("web.example");
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_GT(server.questions, 2);
}

TEST_F(Resolving, AWithdrawnQuestionIsNeverAnswered) {
    server.zone["web.example"] = {{type_a, 300, four(1)}};
    int answers = 0;
    auto count = [&](Result<io::Resolution>) { ++answers; };
    // Withdrawn at once, after the question was sent, and when the answer is there but not told.
    for (int turns = 0; turns < 6; ++turns) {
        const int before = answers;
        auto question = resolver->resolve("web.example", loop->now() + patience, count);
        for (int i = 0; i < turns; ++i) loop->run_once();
        const int told = answers;
        EXPECT_LE(told, before + 1);
        question.reset();
        EXPECT_TRUE(ask("web.example")) << "asked and answered after it";
        EXPECT_EQ(answers, told);
    }
    auto literal = resolver->resolve("10.0.0.1", loop->now() + patience, count);
    literal.reset();
    const int told = answers;
    loop->run_once(), loop->run_once();
    EXPECT_EQ(answers, told);
}

TEST_F(Resolving, AnAnswerMayWithdrawItselfAndAskAgain) {
    server.zone["web.example"] = {{type_a, 300, four(1)}};
    std::unique_ptr<io::Resolver::Question> first, second;
    bool done = false;
    first = resolver->resolve("web.example", loop->now() + patience, [&](Result<io::Resolution>) {
        second = resolver->resolve("web.example", loop->now() + patience, [&](Result<io::Resolution> r) {
            done = r.has_value();
            second.reset();
        });
        first.reset();
    });
    EXPECT_TRUE(loop->run_until([&] { return done; }, patience));
}

TEST_F(Resolving, HasALimitAndEndsWithQuestionsOpen) {
    server.silent = true;
    std::vector<std::unique_ptr<io::Resolver::Question>> open;
    int ended = 0;
    for (std::size_t i = 0; i < AresResolver::question_limit; ++i)
        open.push_back(
            resolver->resolve("web" + std::to_string(i) + ".example", never, [&](Result<io::Resolution>) { ++ended; }));
    EXPECT_EQ(ask("one.more").error().code, Code::exhausted);
    resolver.reset();
    loop->run_once(), loop->run_once();
    EXPECT_EQ(ended, 0);
}

}  // namespace
}  // namespace hale::os
