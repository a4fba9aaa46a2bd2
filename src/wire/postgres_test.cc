// Goal: PostgreSQL's messages read the same however they are cut, bodies are believed only when they are whole, and what
// is no PostgreSQL is refused by its first byte.
// Method: streams of messages at every single cut; each body cut at every place and lengthened by a byte.

#include "wire/postgres.h"

#include <gtest/gtest.h>

#include <functional>

namespace hale::wire {
namespace {

using namespace std::string_literals;

std::string message(char type, std::string_view body) {
    std::string out(1, type);
    const auto length = body.size() + 4;
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(length >> shift);
    return out + std::string(body);
}

struct Read {
    std::vector<PostgresMessage> messages;
    std::string why;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view text, std::size_t cut, PostgresLimits limits) {
    PostgresReader reader(limits);
    Read out;
    for (std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
        while (!piece.empty()) {
            const auto step = reader.read(piece);
            piece.remove_prefix(step.consumed);
            if (step.status == PostgresStatus::bad) return out.why = step.why, out;
            if (step.status == PostgresStatus::more) break;
            out.messages.push_back(reader.take());
        }
    }
    return out;
}

Read every_split(std::string_view text, PostgresLimits limits = {}) {
    const Read whole = read(text, text.size(), limits);
    for (std::size_t cut = 1; cut < text.size(); ++cut) EXPECT_EQ(read(text, cut, limits), whole) << cut;
    return whole;
}

const std::string ok("\0\0\0\0", 4);
const std::string error = "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"app\"\0Fauth.c\0L326\0\0"s;
const std::string columns = "\0\2?column?\0"s + std::string(18, '\1') + "b\0"s + std::string(18, '\2');
const std::string row = "\0\3\0\0\0\1x\xff\xff\xff\xff\0\0\0\0"s;

TEST(Postgres, StreamsOfMessages) {
    const std::string stream = message('R', ok) + message('S', "server_version\00015.4\0"s) + message('Z', "I") + message('T', columns) + message('D', row) +
                               message('C', "SELECT 1\0"s) + message('I', "");
    const Read got = every_split(stream);
    EXPECT_EQ(got.why, "");
    ASSERT_EQ(got.messages.size(), 7u);
    EXPECT_EQ(got.messages[3], (PostgresMessage{'T', columns}));
    EXPECT_EQ(got.messages[6], (PostgresMessage{'I', ""}));
}

TEST(Postgres, RefusesWhatIsNoPostgresOrTooMuch) {
    EXPECT_NE(every_split("HTTP/1.1 400 Bad Request\r\n").why.find("no type"), std::string::npos);
    EXPECT_NE(every_split("-ERR wrong\r\n").why.find("no type"), std::string::npos);
    EXPECT_NE(every_split("R\0\0\0\3"s).why.find("shorter"), std::string::npos);
    EXPECT_NE(every_split(message('D', std::string(101, 'x')), {.max_body = 100}).why.find("too long"), std::string::npos);
    EXPECT_EQ(every_split(message('D', std::string(100, 'x')), {.max_body = 100}).why, "");
    EXPECT_NE(every_split("R\xff\xff\xff\xff"s).why.find("too long"), std::string::npos);
}

// A body means something whole, and nothing with a byte less or more.
void only_whole(const std::string& body, const std::function<bool(std::string_view)>& reads) {
    EXPECT_TRUE(reads(body));
    for (std::size_t size = 0; size < body.size(); ++size) EXPECT_FALSE(reads(std::string_view(body).substr(0, size))) << size;
    EXPECT_FALSE(reads(body + "\1"));
}

TEST(Postgres, BodiesAreBelievedOnlyWhole) {
    only_whole(error, [](std::string_view body) { return postgres_error(body).has_value(); });
    only_whole(columns, [](std::string_view body) { return postgres_columns(body).has_value(); });
    only_whole(row, [](std::string_view body) { return postgres_row(body).has_value(); });
    only_whole("server_version\00015.4\0"s, [](std::string_view body) { return postgres_parameter(body).has_value(); });
    only_whole("\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s, [](std::string_view body) { return postgres_authentication(body).has_value(); });
    only_whole("\0\0\0\5salt"s, [](std::string_view body) { return postgres_authentication(body).has_value(); });
    only_whole(ok, [](std::string_view body) { return postgres_authentication(body).has_value(); });

    EXPECT_EQ(postgres_error(error)->text(), "FATAL 28P01: password authentication failed for user \"app\"");
    EXPECT_EQ(*postgres_columns(columns), (std::vector<std::string>{"?column?", "b"}));
    EXPECT_EQ(*postgres_row(row), (PostgresRow{"x", std::nullopt, ""}));
    EXPECT_EQ(postgres_authentication("\0\0\0\5salt"s)->data, "salt");
    EXPECT_EQ(postgres_authentication("\0\0\0\12SCRAM-SHA-256\0\0"s)->mechanisms, std::vector<std::string>{"SCRAM-SHA-256"});
    EXPECT_EQ(postgres_authentication("\0\0\0\13r=abc"s)->kind, PostgresAuthentication::Kind::sasl_continue);
    EXPECT_EQ(postgres_authentication("\0\0\0\7"s)->kind, PostgresAuthentication::Kind::other);  // GSSAPI
    EXPECT_FALSE(postgres_row("\xff\xff"s));
    EXPECT_FALSE(postgres_error("SFATAL\0\0"s));  // Without a SQLSTATE it is none.
}

TEST(Postgres, Writes) {
    std::string out;
    append_postgres_ssl_request(out);
    EXPECT_EQ(out, "\0\0\0\10\4\xd2\x16\x2f"s);
    out.clear();
    append_postgres_startup(out, "app", "db", "hale");
    EXPECT_EQ(out, "\0\0\0\x34\0\3\0\0user\0app\0database\0db\0application_name\0hale\0\0"s);
    out.clear();
    append_postgres_startup(out, "app", "", "hale");
    EXPECT_EQ(out.size(), static_cast<std::size_t>(static_cast<unsigned char>(out[3])));
    out.clear();
    append_postgres_query(out, "SELECT 1\0; DROP"s);
    append_postgres_terminate(out);
    EXPECT_EQ(out, message('Q', "SELECT 1\0"s) + message('X', ""));
    out.clear();
    append_postgres_sasl_first(out, "SCRAM-SHA-256", "n,,");
    append_postgres_sasl_next(out, "c=biws");
    append_postgres_password(out, "secret");
    EXPECT_EQ(out, message('p', "SCRAM-SHA-256\0\0\0\0\3n,,"s) + message('p', "c=biws") + message('p', "secret\0"s));
}

}  // namespace
}  // namespace hale::wire
