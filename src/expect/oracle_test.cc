// Goal: the compiled program says what the tree it was written from says, for any mixture of comparisons,
// and/or/not and parentheses; and text that is cut anywhere never does worse than an error with a column.
// Method: a seeded generator writes random trees as text, with random spelling and blanks, and a slow oracle
// evaluates the tree itself in Kleene's logic. Then every comparator with every type, against plain
// arithmetic; and every prefix of many conditions.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "expect/conditions.h"
#include "tests/support/seed.h"

namespace hale::expect {
namespace {

enum class Three { no, yes, absent };
Three of(bool b) { return b ? Three::yes : Three::no; }

struct Leaf {
    std::string text;
    Three truth;
};

// What each leaf is for the one answer below, said by hand.
constexpr std::string_view answer_body =
    R"({"n": 7, "s": "blue", "z": null, "list": [1, 2], "deep": {"x": [{"y": true}]}})";
const std::vector<Leaf>& leaves() {
    static const std::vector<Leaf> all{
        {"[STATUS] == 200", Three::yes},
        {"[STATUS] > 299", Three::no},
        {"[STATUS] == any(401, 2xx)", Three::yes},
        {"[CONNECTED]", Three::yes},
        {"[CONNECTED] == false", Three::no},
        {"[RESPONSE_TIME] < 500", Three::yes},
        {"[PHASE].connect >= 1s", Three::no},
        {"[PHASE].tls < 1s", Three::absent},
        {"[IP] == 10.0.0.1", Three::yes},
        {"[HEADER].mode == \"a and b\"", Three::yes},
        {"[HEADER].none == a", Three::absent},
        {"has([HEADER].none)", Three::no},
        {"[BODY].n == 7", Three::yes},
        {"7 < [BODY].n", Three::no},
        {"[BODY].s == any(red, blue)", Three::yes},
        {"[BODY].s != pat(b*e)", Three::no},
        {"[BODY].s matches /^bl/", Three::yes},
        {"[BODY].s > 3", Three::absent},
        {"[BODY].z == 1", Three::absent},
        {"[BODY].z == null", Three::yes},
        {"[BODY].missing != 1", Three::absent},
        {"has([BODY].missing)", Three::no},
        {"len([BODY].list) == 2", Three::yes},
        {"len([BODY].missing) == 2", Three::absent},
        {"[BODY].deep.x[0].y == true", Three::yes},
        {"[BODY].deep.x[1].y == true", Three::absent},
        {"[BODY].list[0] == [BODY].list[1]", Three::no},
        {"[HEALTH] == pass", Three::absent},
    };
    return all;
}

class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t n) { return random_.below(n); }
    std::string blank() { return std::string(below(4) == 0 ? 2 : 1, ' '); }

    // A tree as text, and its truth. Loose: 0 stands anywhere, 1 is a part of `and`, 2 stands behind `not`.
    std::string tree(int depth, int tight, Three& truth) {
        if (depth == 0 || below(4) == 0) {
            const Leaf& leaf = leaves()[below(leaves().size())];
            truth = leaf.truth;
            return leaf.text;
        }
        const std::size_t kind = below(4);
        if (kind == 0) {
            const std::string inner = tree(depth - 1, 2, truth);
            if (truth != Three::absent) truth = of(truth == Three::no);
            return "not" + blank() + inner;
        }
        if (kind == 1) return "(" + maybe() + tree(depth - 1, 0, truth) + maybe() + ")";
        const bool conjunction = kind == 2;
        if (tight > (conjunction ? 1 : 0)) return "(" + chain(depth, conjunction, truth) + ")";
        return chain(depth, conjunction, truth);
    }

private:
    std::string maybe() { return below(3) == 0 ? " " : ""; }

    std::string chain(int depth, bool conjunction, Three& truth) {
        std::string out;
        bool some_yes = false, some_no = false, some_absent = false;
        const std::size_t parts = 2 + below(3);
        for (std::size_t i = 0; i < parts; ++i) {
            Three one = Three::no;
            // Below `and`, an `or` needs parentheses; an `and` inside an `and` reads the same without.
            out += (i == 0 ? "" : blank() + (conjunction ? "and" : "or") + blank()) +
                   tree(depth - 1, conjunction ? 1 : 0, one);
            some_yes = some_yes || one == Three::yes;
            some_no = some_no || one == Three::no;
            some_absent = some_absent || one == Three::absent;
        }
        if (conjunction)
            truth = some_no ? Three::no : some_absent ? Three::absent : Three::yes;
        else
            truth = some_yes ? Three::yes : some_absent ? Three::absent : Three::no;
        return out;
    }

    Random random_;
};

Response answer() {
    static const std::vector<Header> headers{{"Mode", "a and b"}};
    return {.status = 200,
            .connected = true,
            .headers = headers,
            .body = answer_body,
            .ip = Ip::v4(10, 0, 0, 1),
            .timings = {.dns = 1ms, .connect = 2ms, .total = 30ms}};
}

bool holds(const Condition& condition, const Response& response) {
    Conditions all;
    EXPECT_TRUE(all.add(condition));
    return all.evaluate(response).outcome == verdict::Outcome::pass;
}

TEST(Oracle, RandomConditionsAgreeWithTheTreeTheyWereWrittenFrom) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Generator generator(seed);
    const Response response = answer();
    int yes = 0, no = 0, absent = 0;
    for (int round = 0; round < 3'000; ++round) {
        Three truth = Three::no;
        const std::string text = generator.tree(4, 0, truth);
        if (text.size() > max_condition_bytes) continue;
        const auto condition = compile(text);
        ASSERT_TRUE(condition) << text << ": " << condition.error().text();
        EXPECT_EQ(holds(*condition, response), truth == Three::yes) << text;
        // Under `not` what is absent still doesn't hold, so the two together tell all three apart.
        if (text.size() + 6 > max_condition_bytes) continue;
        const auto opposite = compile("not (" + text + ")");
        ASSERT_TRUE(opposite) << text << ": " << opposite.error().text();
        EXPECT_EQ(holds(*opposite, response), truth == Three::no) << text;
        (truth == Three::yes ? yes : truth == Three::no ? no : absent)++;
    }
    EXPECT_GT(yes, 100);
    EXPECT_GT(no, 100);
    EXPECT_GT(absent, 100);
}

TEST(Oracle, EveryComparatorWithEveryTypeIsArithmeticOrRefused) {
    const std::vector<std::string> comparators{"==", "!=", "<", "<=", ">", ">="};
    const auto arithmetic = [](std::size_t how, int a, int b) {
        const bool results[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
        return results[how];
    };
    for (std::size_t how = 0; how < comparators.size(); ++how) {
        const std::string& op = comparators[how];
        for (int value = 199; value <= 201; ++value) {
            const std::string json = fmt::format(R"({{"i": {0}, "s": "{0}", "f": {0}.0, "b": true}})", value);
            const std::string digits = fmt::format("{}", value);
            const std::vector<Header> headers{{"n", digits}};
            Response response{
                .status = value, .connected = true, .headers = headers, .body = json, .ip = Ip::v4(1, 1, 1, 1)};
            response.timings.total = std::chrono::milliseconds(value);
            for (const std::string name :
                 {"[STATUS]", "[RESPONSE_TIME]", "[PHASE].total", "[BODY].i", "[BODY].s", "[BODY].f", "[HEADER].n"}) {
                const auto straight = compile(fmt::format("{} {} 200", name, op));
                ASSERT_TRUE(straight) << name << op;
                EXPECT_EQ(holds(*straight, response), arithmetic(how, value, 200)) << name << op << value;
                const auto turned = compile(fmt::format("200 {} {}", op, name));
                ASSERT_TRUE(turned) << name << op;
                EXPECT_EQ(holds(*turned, response), arithmetic(how, 200, value)) << name << op << value;
                const auto self = compile(fmt::format("{} {} {}", name, op, name));
                ASSERT_TRUE(self) << name << op;
                EXPECT_EQ(holds(*self, response), arithmetic(how, value, value)) << name << op << value;
            }
            const auto length = compile(fmt::format("len([BODY].s) {} 3", op));
            ASSERT_TRUE(length);
            EXPECT_EQ(holds(*length, response), arithmetic(how, 3, 3));
            const auto duration = compile(fmt::format("[RESPONSE_TIME] {} 200ms", op));
            ASSERT_TRUE(duration);
            EXPECT_EQ(holds(*duration, response), arithmetic(how, value, 200));
        }
        // What has no order compiles with == and != only.
        for (const std::string pair :
             {"[CONNECTED] {} true", "has([BODY].x) {} true", "[IP] {} 1.1.1.1", "[HEALTH] {} pass",
              "[STATUS] {} any(200, 201)", "[BODY] {} pat(x)", "[BODY] {} text", "[IP] {} [BODY].x"})
            EXPECT_EQ(compile(fmt::format(fmt::runtime(pair), op)).has_value(), how < 2) << pair << op;
        for (const std::string pair : {"[STATUS] {} [RESPONSE_TIME]", "[CONNECTED] {} [STATUS]", "[IP] {} len([BODY])",
                                       "[HEALTH] {} [CONNECTED]"})
            EXPECT_FALSE(compile(fmt::format(fmt::runtime(pair), op))) << pair << op;
    }
}

TEST(Oracle, EveryPrefixCompilesOrHasAColumnInsideTheText) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Generator generator(seed);
    std::vector<std::string> texts{
        R"([BODY]["a.b"][0].c == any("x, y", pat(*(z)*), 'w') and not has([BODY].e))",
        R"(([BODY] matches /a\/b[c-d]+/i or len([BODY].l) >= 0x10) and [PHASE].first_byte < 1m30s)"};
    for (const Leaf& leaf : leaves()) texts.push_back(leaf.text);
    for (int round = 0; round < 60; ++round) {
        Three truth = Three::no;
        texts.push_back(generator.tree(2, 0, truth));
    }
    for (const std::string& text : texts) {
        ASSERT_TRUE(compile(text)) << text;
        for (std::size_t length = 0; length <= text.size(); ++length)
            for (const std::string tail : {"", "\xff", ")", "\"", " and"}) {
                const std::string cut = text.substr(0, length) + tail;
                const auto condition = compile(cut);
                if (condition) {
                    (void)holds(*condition, answer());
                    continue;
                }
                EXPECT_GE(condition.error().column, 1u) << cut;
                EXPECT_LE(condition.error().column, cut.size() + 1) << cut;
                EXPECT_FALSE(condition.error().what.empty()) << cut;
            }
    }
}

}  // namespace
}  // namespace hale::expect
