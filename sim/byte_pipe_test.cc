// Goal: a stream of the simulated world keeps the contract of io/stream.h, each notice of it, and no more.
// Method: single steps on a pipe, told notices counted; then every split and every failing operation of a
// small conversation, with all bytes accounted for.

#include "sim/byte_pipe.h"

#include <gtest/gtest.h>

#include <string>

#include "sim/echo_test.h"
#include "sim/world.h"

namespace hale::sim {
namespace {

using io::IoStatus;

// Counts notices; does nothing else.
struct Witness : io::StreamHandler {
    void on_ready(io::Stream&, io::Readiness ready) noexcept override {
        ++notices;
        readable += ready.readable;
        writable += ready.writable;
    }
    int notices = 0, readable = 0, writable = 0;
};

struct Pipe : ::testing::Test {
    void make(PipeOptions options = {}) {
        at_left = at_right = {};
        options.totals = totals;
        std::tie(left, right) = make_pipe(world, options);
        left->set_handler(&at_left);
        right->set_handler(&at_right);
        settle();
        EXPECT_EQ(at_left.writable, 1);  // What came before the handler is told.
        EXPECT_EQ(at_left.readable, 0);
        at_left = {};
        at_right = {};
    }
    void settle() { EXPECT_TRUE(world.run_until_idle()); }
    io::IoResult read(io::Stream& from, std::size_t most) {
        buffer.assign(most, '?');
        const auto result = from.read(buffer);
        buffer.resize(result.bytes);
        return result;
    }

    World world{1};
    std::shared_ptr<Totals> totals = std::make_shared<Totals>();
    Witness at_left, at_right;
    std::unique_ptr<io::Stream> left, right;
    std::string buffer;
};

TEST_F(Pipe, ANoticeComesOnceAfterWouldBlock) {
    make();
    EXPECT_EQ(read(*right, 10).status, IoStatus::would_block);
    left->write("abc");
    EXPECT_EQ(at_right.notices, 0);  // Never inside a call.
    settle();
    EXPECT_EQ(at_right.readable, 1);
    left->write("def");
    settle();
    EXPECT_EQ(at_right.readable, 1);  // It was told already and did not look.
    EXPECT_EQ(read(*right, 6).bytes, 6u);
    EXPECT_EQ(buffer, "abcdef");
    left->write("g");
    settle();
    EXPECT_EQ(at_right.readable, 1);  // A full buffer is not would_block: who stops early reads on by itself.
    EXPECT_EQ(read(*right, 6).bytes, 1u);
    left->write("h");
    settle();
    EXPECT_EQ(at_right.readable, 2);  // A short read is.
}

TEST_F(Pipe, BytesBeforeTheFirstReadAreToldToo) {
    std::tie(left, right) = make_pipe(world);
    left->write("early");
    settle();
    right->set_handler(&at_right);
    EXPECT_EQ(at_right.notices, 0);
    settle();
    EXPECT_EQ(at_right.readable, 1);
    Witness second;
    right->set_handler(&second);
    settle();
    EXPECT_EQ(second.readable, 1);  // Nobody read: the new handler is told.
    EXPECT_EQ(at_right.readable, 1);
}

TEST_F(Pipe, AShortReadWithTheEndBehindItIsFollowedByANotice) {
    make();
    left->write("bye");
    left->shutdown_write();
    settle();
    EXPECT_EQ(at_right.readable, 1);
    EXPECT_EQ(read(*right, 10).bytes, 3u);
    settle();
    EXPECT_EQ(at_right.readable, 2);
    EXPECT_EQ(read(*right, 10).status, IoStatus::end);
    EXPECT_EQ(read(*right, 10).status, IoStatus::end);
    EXPECT_EQ(right->write("answer").status, IoStatus::ok);  // Half closed: the other way is open.
    settle();
    EXPECT_EQ(read(*left, 6).bytes, 6u);
    EXPECT_EQ(left->write("x").error, EPIPE);
}

TEST_F(Pipe, AFullPeerBlocksTheWriterAndItsReadingFreesIt) {
    make({.window = 9, .delay = 1ms});
    EXPECT_EQ(left->write("0123456789ab").bytes, 9u);
    settle();
    EXPECT_EQ(at_left.writable, 0);  // A short write alone promises nothing.
    EXPECT_EQ(left->write("9").status, IoStatus::would_block);
    EXPECT_EQ(read(*right, 1).bytes, 1u);
    settle();
    EXPECT_EQ(at_left.writable, 0);  // Less than a third is free.
    EXPECT_EQ(read(*right, 2).bytes, 2u);
    EXPECT_EQ(left->write("9").bytes, 1u);  // The byte of the first read is known to be free, those two are not.
    EXPECT_EQ(left->write("9").status, IoStatus::would_block);
    settle();
    EXPECT_EQ(read(*right, 7).bytes, 7u);
    settle();
    EXPECT_EQ(at_left.writable, 1);
    EXPECT_EQ(totals->written, 10u);
    EXPECT_EQ(totals->read, 10u);
}

TEST_F(Pipe, ClosingDeliversWhatWasWrittenThenTheEnd) {
    make({.delay = 5ms});
    left->write("last words");
    left.reset();
    settle();
    EXPECT_EQ(read(*right, 20).bytes, 10u);
    EXPECT_EQ(read(*right, 20).status, IoStatus::end);
    // Nobody is there to read the answer: it comes back as a reset.
    EXPECT_EQ(right->write("too late").status, IoStatus::ok);
    settle();
    EXPECT_EQ(right->write("again").error, ECONNRESET);
    EXPECT_EQ(right->write("again").error, EPIPE);
    EXPECT_EQ(totals->dropped_by_close, 8u);
    EXPECT_EQ(totals->written, totals->read + totals->dropped());
}

TEST_F(Pipe, ClosingWithUnreadBytesIsAReset) {
    make();
    right->write("never read");
    settle();
    left->write("in flight");
    left.reset();
    settle();
    EXPECT_EQ(read(*right, 20).error, ECONNRESET);
    EXPECT_EQ(read(*right, 20).status, IoStatus::end);
    EXPECT_EQ(totals->dropped_by_close, 10u);
    EXPECT_EQ(totals->dropped_by_reset, 9u);
}

TEST_F(Pipe, AResetDropsWhatIsInFlightButNotWhatArrived) {
    make({.delay = 1ms});
    EXPECT_EQ(read(*right, 9).status, IoStatus::would_block);
    left->write("arrived");
    settle();
    left->write("dropped");
    left->reset();
    settle();
    EXPECT_EQ(left->write("x").error, EBADF);
    EXPECT_EQ(at_left.notices, 0);
    EXPECT_EQ(read(*right, 7).bytes, 7u);
    EXPECT_EQ(read(*right, 7).error, ECONNRESET);
    EXPECT_EQ(totals->dropped_by_reset, 7u);
    EXPECT_EQ(totals->streams_open, 2u);
    left.reset();
    right.reset();
    settle();
    EXPECT_EQ(totals->streams_open, 0u);
}

TEST_F(Pipe, ADestroyedStreamGetsNoNotice) {
    make();
    EXPECT_EQ(read(*right, 9).status, IoStatus::would_block);
    left->write("x");
    world.run_until([&] { return totals->written == 1; }, 0ns);
    right.reset();
    settle();
    EXPECT_EQ(at_right.notices, 0);

    make();
    right->set_handler(nullptr);
    left->write("y");
    settle();
    EXPECT_EQ(at_right.notices, 0);
    right->set_handler(&at_right);
    settle();
    EXPECT_EQ(at_right.readable, 1);
}

TEST_F(Pipe, ATouchFromAnotherLoopEndsTheTest) {
    make();
    Loop& foreign = world.make_loop("foreign");
    foreign.post([&] { left->write("x"); });
    EXPECT_DEATH(world.run_until_idle(), "here");
}

struct Outcome {
    std::string answer;
    bool failed = false;
    std::uint64_t operations = 0;
};

Outcome converse(PipeFaults left, PipeFaults right, std::uint64_t window, std::string_view text = "0123456789abcdef") {
    World world(3);
    auto faults = std::make_shared<PipeFaults>(std::move(left));
    auto totals = std::make_shared<Totals>();
    auto [a, b] = make_pipe(world.make_loop("asker"), world.make_loop("echo"),
                            {.left = faults,
                             .right = std::make_shared<PipeFaults>(std::move(right)),
                             .window = window,
                             .delay = 1ms,
                             .totals = totals});
    Asker asker(std::move(a), std::string(text));
    Echo echo(std::move(b));
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(asker.stream, nullptr);
    EXPECT_EQ(echo.stream, nullptr);
    EXPECT_EQ(totals->streams_open, 0u);
    EXPECT_EQ(totals->written, totals->read + totals->dropped());
    return {asker.answer, asker.failed, faults->operations};
}

TEST(PipeFaults, EverySplitOfWritesAndReadsArrivesWhole) {
    const std::string text = "0123456789abcdef";
    for (std::uint64_t a = 1; a <= text.size(); ++a)
        for (std::uint64_t b = 1; b <= text.size(); ++b)
            for (const std::uint64_t window : {1u, 2u, 3u, 5u, 64u}) {
                const PipeFaults split{.read_sizes = {b}, .write_sizes = {a}};
                ASSERT_EQ(converse(split, {}, window).answer, text) << a << ' ' << b << ' ' << window;
                ASSERT_EQ(converse({}, split, window).answer, text) << a << ' ' << b << ' ' << window;
            }
    EXPECT_EQ(converse({.most_per_read = 1, .most_per_write = 1}, {.most_per_read = 1, .most_per_write = 1}, 64).answer,
              text);
}

TEST(PipeFaults, EveryOperationMayFailAndNothingHangsOrLeaks) {
    const Outcome clean = converse({}, {}, 4);
    ASSERT_FALSE(clean.failed);
    ASSERT_GT(clean.operations, 5u);
    for (std::uint64_t n = 1; n <= clean.operations; ++n)
        EXPECT_TRUE(converse({.fail_operation = n}, {}, 4).failed) << n;
    EXPECT_FALSE(converse({.fail_operation = clean.operations + 1}, {}, 4).failed);
}

TEST(PipeFaults, BreaksAtTheByteThatWasNamed) {
    for (std::uint64_t n = 0; n <= 15; ++n) {
        const Outcome broken = converse({}, {.break_at = n}, 64);
        EXPECT_TRUE(broken.failed) << n;
        EXPECT_LE(broken.answer.size(), n);
    }
}

}  // namespace
}  // namespace hale::sim
