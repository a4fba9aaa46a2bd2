// Goal: a child ends as it is reported, is confined as the law asks, and nothing of it stays behind.
// Method: real programs of the machine through a real helper; a daemon of its own process is killed with -9.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/random.h"
#include "os/files.h"
#include "os/spawn_helper.h"
#include "os/spawn_protocol.h"
#include "os/testing.h"

namespace hale::os {
namespace {

bool running_as_root() { return geteuid() == 0; }

// A process that may be watched for its end, whoever its parent is; zombies have ended.
class Watched {
public:
    explicit Watched(pid_t process) : descriptor_(static_cast<int>(syscall(SYS_pidfd_open, process, 0))) {}
    bool ends() const {
        if (!descriptor_) return true;
        pollfd end{.fd = descriptor_.get(), .events = POLLIN};
        return poll(&end, 1, 10'000) == 1;
    }
    bool ended() const {
        pollfd end{.fd = descriptor_.get(), .events = POLLIN};
        return !descriptor_ || poll(&end, 1, 0) == 1;
    }

private:
    Descriptor descriptor_;
};

class Spawning : public ::testing::Test {
protected:
    void SetUp() override {
        auto started = SpawnHelper::start();
        ASSERT_TRUE(started);
        helper.emplace(std::move(*started));
        auto attached = Spawner::attach(*loop, *helper);
        ASSERT_TRUE(attached);
        spawner = std::move(*attached);
    }
    void TearDown() override {
        spawner.reset();
        helper.reset();
    }

    Result<io::SpawnResult> run(io::SpawnRequest request) {
        if (request.timeout == Duration{}) request.timeout = patience;
        std::optional<Result<io::SpawnResult>> got;
        spawner->spawn(*loop, std::move(request), [&](Result<io::SpawnResult> r) { got = std::move(r); });
        EXPECT_FALSE(got);
        EXPECT_TRUE(loop->run_until([&] { return got.has_value(); }, 2 * patience));
        return got ? std::move(*got) : fail(Code::internal, "never");
    }
    Result<io::SpawnResult> shell(std::string script) {
        return run({.arguments = {"/bin/sh", "-c", std::move(script)}});
    }
    std::string output(std::string script) {
        const auto got = shell(std::move(script));
        return got ? got->output : "failed: " + got.error().text;
    }

    std::unique_ptr<EpollLoop> loop = make_loop();
    std::optional<SpawnHelper> helper;
    std::unique_ptr<Spawner> spawner;
};

TEST_F(Spawning, ExitCodeSignalAndOutputAreReported) {
    for (const int code : {0, 1, 2, 3, 127, 255}) {
        const auto got = shell("echo hello; exit " + std::to_string(code));
        ASSERT_TRUE(got) << got.error().text;
        EXPECT_EQ(got->exit_code, code);
        EXPECT_EQ(got->signal, 0);
        EXPECT_FALSE(got->timed_out);
        EXPECT_EQ(got->output, "hello\n");
    }
    const auto killed = shell("echo before; kill -TERM $$");
    ASSERT_TRUE(killed);
    EXPECT_EQ(killed->exit_code, -1);
    EXPECT_EQ(killed->signal, SIGTERM);
    EXPECT_EQ(killed->output, "before\n");
    EXPECT_EQ(run({.arguments = {"/bin/echo", "a b", "$HOME", "*"}})->output, "a b $HOME *\n") << "no shell";
}

TEST_F(Spawning, TheEnvironmentIsCleanButForWhatIsGiven) {
    const auto got = run({.arguments = {"/usr/bin/env"}, .environment = {"HALE_DEPLOYMENT=d-1", "EMPTY=", "TWO WORDS=a b=c"}});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->output, "PATH=/usr/bin:/bin\nLANG=C\nHALE_DEPLOYMENT=d-1\nEMPTY=\nTWO WORDS=a b=c\n");
    EXPECT_EQ(run({.arguments = {"/usr/bin/env"}})->output, "PATH=/usr/bin:/bin\nLANG=C\n");
}

TEST_F(Spawning, OutputIsKeptToItsLimitAndTheRestIsDropped) {
    const auto got =
        run({.arguments = {"/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 5"}, .output_limit = 100});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->exit_code, 5);
    EXPECT_EQ(got->output, std::string(100, 'x'));
}

TEST_F(Spawning, ATimeoutKillsTheWholeGroup) {
    const TemporaryDirectory directory;
    const std::string fifo = directory / "fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
    const Descriptor ear{open(fifo.c_str(), O_RDWR | O_CLOEXEC)};
    const auto got = run(
        {.arguments = {"/bin/sh", "-c", "sleep 1000 & echo $! > " + fifo + "; echo begun; wait"}, .timeout = 300ms});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_TRUE(got->timed_out);
    EXPECT_EQ(got->exit_code, -1);
    EXPECT_EQ(got->output, "begun\n");
    char text[32] = {};
    ASSERT_GT(read(ear.get(), text, sizeof text - 1), 0);
    EXPECT_TRUE(Watched(atoi(text)).ends()) << "the background process outlived its group";
}

TEST_F(Spawning, WhatAChildLeavesBehindIsKilledWithIt) {
    // The background process holds the output open; the report does not wait for it.
    const auto got = shell("sleep 1000 & echo $!");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->exit_code, 0);
    EXPECT_TRUE(Watched(atoi(got->output.c_str())).ends());
}

TEST_F(Spawning, AMissingProgramIsNotFound) {
    const TemporaryDirectory directory;
    const std::string plain = directory / "plain";
    ASSERT_TRUE(write_file_durably(plain, "not a program", 0644));
    const std::string script = directory / "script";
    ASSERT_TRUE(write_file_durably(script, "#!/no/such/interpreter\n", 0755));
    for (const std::string& path : {std::string("/no/such/program"), plain, script, directory.path(), plain + "/x"}) {
        const auto got = run({.arguments = {path}});
        ASSERT_FALSE(got) << path;
        EXPECT_EQ(got.error().code, Code::not_found) << path << ": " << got.error().text;
        EXPECT_TRUE(got.error().text.contains(path));
    }
    EXPECT_EQ(run({.arguments = {"/bin/true"}, .user = "no-such-user"}).error().code, Code::not_found);
}

TEST_F(Spawning, WhatCanNotBeAskedIsInvalid) {
    EXPECT_EQ(run({.arguments = {}}).error().code, Code::invalid);
    EXPECT_EQ(run({.arguments = {"true"}}).error().code, Code::invalid);
    EXPECT_EQ(run({.arguments = {"/bin/echo", std::string("a\0b", 3)}}).error().code, Code::invalid);
    EXPECT_EQ(run({.arguments = {"/bin/true"}, .timeout = -1s}).error().code, Code::invalid);
    EXPECT_EQ(run({.arguments = {"/bin/echo", std::string(2'000'000, 'x')}}).error().code, Code::invalid);
    EXPECT_EQ(output("echo still here"), "still here\n");
}

TEST_F(Spawning, RunsAsAnotherUserWithoutPrivileges) {
    if (!running_as_root()) GTEST_SKIP() << "changing the user needs root";
    const auto got =
        run({.arguments = {"/bin/sh", "-c", "id -u; id -G; grep -h NoNewPrivs /proc/self/status"}, .user = "nobody"});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->output, "65534\n65534\nNoNewPrivs:\t1\n");
    EXPECT_EQ(output("id -u"), "0\n") << "no user: the daemon's own";
}

TEST_F(Spawning, TheEnvironmentIsClean) {
    ASSERT_EQ(setenv("HALE_SECRET", "s3cret", 1), 0);
    EXPECT_EQ(run({.arguments = {"/usr/bin/env"}})->output, "PATH=/usr/bin:/bin\nLANG=C\n");
    EXPECT_EQ(output("pwd; umask"), "/\n0022\n");
    // Own session and group, no signal blocked or ignored.
    EXPECT_EQ(output("test $(ps -o sid= -p $$) -eq $$ && grep -hE 'Sig(Blk|Ign)' /proc/self/status"),
              "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Spawning, NoDescriptorIsLeaked) {
    // Many things open here, without close-on-exec, before and after the helper was forked.
    const int before = open("/dev/null", O_RDONLY);
    Pair pair = make_pair(*loop);
    TearDown();
    SetUp();
    const int after = open("/dev/null", O_RDONLY);
    // ls itself holds 3, the directory it lists.
    EXPECT_EQ(run({.arguments = {"/bin/ls", "/proc/self/fd"}})->output, "0\n1\n2\n3\n");
    EXPECT_EQ(output("readlink /proc/self/fd/0; readlink /proc/self/fd/2"), "/dev/null\n/dev/null\n");
    // The helper: the three standard ones, its socket, its signals.
    std::size_t held = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(helper->process()) + "/fd"))
        ++held;
    EXPECT_EQ(held, 5u);
    close(before), close(after);
}

TEST_F(Spawning, LimitsAreInForce) {
    EXPECT_EQ(output("ulimit -n; ulimit -c"), "256\n0\n");
    EXPECT_EQ(output("ulimit -t"), "12\n");
    const auto got =
        shell("head -c 100000000 /dev/zero > /dev/shm/hale-os-test-$$ ; echo $?; rm -f /dev/shm/hale-os-test-$$");
    ASSERT_TRUE(got);
    EXPECT_NE(got->output, "0\n") << "a file beyond the limit was written";
}

// Three times as many as may run: each runs in its turn, never more than the limit at once, and its own time
// begins when it does.
TEST_F(Spawning, BeyondSixteenTheyTakeTurns) {
    const TemporaryDirectory directory;
    constexpr std::size_t all = 3 * children_at_once;
    const std::string script = "touch " + directory / "$$" + "; ls " + directory / "" + " | wc -l; sleep 0.2; rm " + directory / "$$";
    std::vector<Result<io::SpawnResult>> got;
    for (std::size_t i = 0; i < all; ++i)
        spawner->spawn(*loop, {.arguments = {"/bin/sh", "-c", script}, .timeout = patience, .patience = patience},
                       [&](Result<io::SpawnResult> r) { got.push_back(std::move(r)); });
    ASSERT_TRUE(loop->run_until([&] { return got.size() == all; }, 2 * patience));
    std::size_t waited = 0;
    for (const auto& one : got) {
        ASSERT_TRUE(one) << one.error().text;
        EXPECT_FALSE(one->timed_out);
        EXPECT_LE(std::stoi(one->output), static_cast<int>(children_at_once));
        waited += one->waited > Duration{0};
    }
    EXPECT_EQ(waited, all - children_at_once);
}

// Killed children keep their places until they are gone: those behind them wait, and are not refused.
TEST_F(Spawning, TheTurnComesWhenTheKilledAreGone) {
    std::vector<Result<io::SpawnResult>> got;
    for (std::size_t i = 0; i < children_at_once; ++i)
        spawner->spawn(*loop, {.arguments = {"/bin/sleep", "1000"}, .timeout = 300ms}, [&](Result<io::SpawnResult> r) { got.push_back(std::move(r)); });
    std::optional<Result<io::SpawnResult>> next, impatient;
    spawner->spawn(*loop, {.arguments = {"/bin/true"}, .timeout = patience, .patience = patience}, [&](Result<io::SpawnResult> r) { next = std::move(r); });
    spawner->spawn(*loop, {.arguments = {"/bin/true"}, .timeout = patience, .patience = 20ms}, [&](Result<io::SpawnResult> r) { impatient = std::move(r); });
    ASSERT_TRUE(loop->run_until([&] { return next && impatient; }, patience));
    for (const auto& one : got) EXPECT_TRUE(one && one->timed_out);
    ASSERT_TRUE(*next) << next->error().text;
    EXPECT_GE((*next)->waited, 250ms);
    ASSERT_FALSE(*impatient);
    EXPECT_EQ(impatient->error().code, Code::exhausted);
    EXPECT_TRUE(impatient->error().text.contains("turn")) << impatient->error().text;
    EXPECT_EQ(output("echo again"), "again\n");
}

TEST_F(Spawning, TheQueueHasAnEnd) {
    std::size_t refused = 0, other = 0;
    for (std::size_t i = 0; i < children_at_once + most_waiting_children + 5; ++i)
        spawner->spawn(*loop, {.arguments = {"/bin/sleep", "1000"}, .timeout = 1h},
                       [&](Result<io::SpawnResult> r) { !r && r.error().code == Code::exhausted ? ++refused : ++other; });
    ASSERT_TRUE(loop->run_until([&] { return refused > 0; }, patience));
    loop->run_once();
    EXPECT_EQ(refused, 5u);
    EXPECT_EQ(other, 0u);
}

TEST_F(Spawning, AnswersComeHomeToOtherThreads) {
    auto other = make_loop();
    std::thread thread([&] { other->run(); });
    int right = 0;
    for (int i = 0; i < 10; ++i)
        other->post([&] {
            spawner->spawn(*other, {.arguments = {"/bin/true"}, .timeout = patience}, [&](Result<io::SpawnResult> r) {
                const bool at_home = other->here() && r && r->exit_code == 0;
                loop->post([&right, at_home] { right += at_home; });
            });
        });
    EXPECT_TRUE(loop->run_until([&] { return right == 10; }, patience));
    other->stop();
    thread.join();
}

TEST_F(Spawning, ALostHelperIsToldToWhoeverWaits) {
    set_log_sink([](LogLevel, std::string_view) {});
    std::optional<Result<io::SpawnResult>> got;
    spawner->spawn(*loop, {.arguments = {"/bin/sh", "-c", "echo; sleep 1000"}, .timeout = 1h},
                   [&](Result<io::SpawnResult> r) { got = std::move(r); });
    loop->run_once();
    std::size_t told = 0;  // Those that run, and those that wait for their turn.
    for (std::size_t i = 0; i < 2 * children_at_once; ++i)
        spawner->spawn(*loop, {.arguments = {"/bin/sleep", "1000"}, .timeout = 1h},
                       [&](Result<io::SpawnResult> r) { told += !r && r.error().code == Code::unavailable; });
    loop->run_once();
    kill(helper->process(), SIGKILL);
    ASSERT_TRUE(loop->run_until([&] { return got.has_value() && told == 2 * children_at_once; }, patience));
    EXPECT_EQ(got->error().code, Code::unavailable);
    EXPECT_EQ(shell("true").error().code, Code::unavailable);
}

// Starts a daemon of its own that runs a long child, and gives (daemon, helper, child).
struct Family {
    pid_t daemon, helper, child;
};
Family start_family() {
    const TemporaryDirectory directory;
    const std::string fifo = directory / "fifo";
    HALE_CHECK(mkfifo(fifo.c_str(), 0666) == 0);
    const Descriptor ear{open(fifo.c_str(), O_RDWR | O_CLOEXEC)};
    int ends[2];
    HALE_CHECK(pipe(ends) == 0);
    const pid_t daemon = fork();
    if (daemon == 0) {
        auto helper = SpawnHelper::start();
        const pid_t process = helper->process();
        if (write(ends[1], &process, sizeof process) != sizeof process) _exit(1);
        auto loop = make_loop();
        auto spawner = Spawner::attach(*loop, *helper);
        (*spawner)->spawn(*loop,
                          {.arguments = {"/bin/sh", "-c", "echo $$ > " + fifo + "; exec sleep 1000"}, .timeout = 1h},
                          [](Result<io::SpawnResult>) {});
        loop->run();
        _exit(0);
    }
    Family family{.daemon = daemon, .helper = -1, .child = -1};
    HALE_CHECK(read(ends[0], &family.helper, sizeof family.helper) == sizeof family.helper);
    char text[32] = {};
    HALE_CHECK(read(ear.get(), text, sizeof text - 1) > 0);
    family.child = atoi(text);
    close(ends[0]), close(ends[1]);
    return family;
}

TEST(SpawnHelper, DiesWithItsDaemonAndTakesItsChildren) {
    const Family family = start_family();
    const Watched helper(family.helper), child(family.child);
    EXPECT_FALSE(helper.ended());
    EXPECT_FALSE(child.ended());
    kill(family.daemon, SIGKILL);
    EXPECT_TRUE(helper.ends());
    EXPECT_TRUE(child.ends());
    waitpid(family.daemon, nullptr, 0);
}

TEST(SpawnHelper, ItsChildrenDieWhenItIsKilled) {
    const Family family = start_family();
    const Watched helper(family.helper), child(family.child);
    // Signals meant for the daemon's group are none of its own.
    kill(family.helper, SIGINT), kill(family.helper, SIGTERM);
    EXPECT_FALSE(helper.ended());
    kill(family.helper, SIGKILL);
    EXPECT_TRUE(child.ends());
    kill(family.daemon, SIGKILL);
    waitpid(family.daemon, nullptr, 0);
}

TEST(SpawnProtocol, EveryFrameReadsBackAndEveryCutIsRefused) {
    const SpawnOrder order{
        .id = 7, .request = {.arguments = {"/bin/x", "", "a b"}, .user = "nobody", .timeout = 3s, .output_limit = 9}};
    const SpawnReport report{
        .id = 8, .result = io::SpawnResult{.exit_code = 3, .signal = 9, .timed_out = true, .output = "out"}};
    const SpawnReport failed{.id = 9, .result = fail(Code::not_found, "gone", 2)};
    const std::string stream = *frame(order) + frame(report) + frame(failed);
    // Whatever the pieces in which it arrives.
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        std::string buffer, body;
        std::vector<std::string> bodies;
        for (const std::string& piece : {stream.substr(0, cut), stream.substr(cut)}) {
            buffer += piece;
            while (take_frame(buffer, body) == FrameState::whole) bodies.push_back(body);
        }
        ASSERT_EQ(bodies.size(), 3u);
        EXPECT_TRUE(buffer.empty());
        const auto one = read_order(bodies[0]);
        ASSERT_TRUE(one);
        EXPECT_EQ(one->id, 7u);
        EXPECT_EQ(one->request.arguments, order.request.arguments);
        EXPECT_EQ(one->request.user, "nobody");
        EXPECT_EQ(one->request.timeout, 3s);
        EXPECT_EQ(one->request.output_limit, 9u);
        const auto two = read_report(bodies[1]);
        ASSERT_TRUE(two && two->result);
        EXPECT_EQ(two->result->exit_code, 3);
        EXPECT_EQ(two->result->signal, 9);
        EXPECT_TRUE(two->result->timed_out);
        EXPECT_EQ(two->result->output, "out");
        const auto three = read_report(bodies[2]);
        ASSERT_TRUE(three && !three->result);
        EXPECT_EQ(three->result.error().code, Code::not_found);
        EXPECT_EQ(three->result.error().system, 2);
        for (std::size_t i = 0; i < bodies[0].size(); ++i) EXPECT_FALSE(read_order(bodies[0].substr(0, i)));
        EXPECT_FALSE(read_order(bodies[0] + "x"));
    }
    std::string huge = "\xff\xff\xff\xff", body;
    EXPECT_EQ(take_frame(huge, body), FrameState::broken);
}

// What was heard of a conversation until its end.
struct Talk final : io::StreamHandler {
    explicit Talk(Result<std::unique_ptr<io::Stream>> began) : stream(std::move(*began)) { stream->set_handler(this); }
    ~Talk() override {
        if (stream) stream->set_handler(nullptr);
    }
    void on_ready(io::Stream&, io::Readiness) noexcept override {
        char buffer[64 * 1024];
        for (;;) {
            const auto got = stream->read(buffer);
            if (got.status == io::IoStatus::would_block) return;
            if (got.status != io::IoStatus::ok) {
                ended = true;
                words = stream->last_words();
                return;
            }
            heard.append(buffer, got.bytes);
        }
    }
    std::unique_ptr<io::Stream> stream;
    std::string heard, words;
    bool ended = false;
};

TEST_F(Spawning, AChildConversesAndItsErrorsAreItsLastWords) {
    const auto speak = [&](std::string script, Duration timeout = 20s) { return spawner->converse(*loop, {.arguments = {"/bin/sh", "-c", std::move(script)}, .timeout = timeout}); };
    {
        Talk talk(speak("read line; echo got $line; cat"));
        EXPECT_EQ(talk.stream->write(std::string_view("hello\nmore\n")).status, io::IoStatus::ok);
        EXPECT_TRUE(loop->run_until([&] { return talk.heard == "got hello\nmore\n"; }, patience)) << talk.heard;
        talk.stream->shutdown_write();
        EXPECT_TRUE(loop->run_until([&] { return talk.ended; }, patience));
        EXPECT_EQ(talk.words, "") << "it ended in order";
    }
    {
        Talk talk(speak("echo one; echo 'no way there' >&2; echo 'try it again' >&2; exit 255"));
        EXPECT_TRUE(loop->run_until([&] { return talk.ended; }, patience));
        EXPECT_EQ(talk.heard, "one\n");
        EXPECT_EQ(talk.words, "no way there; try it again");
    }
    {
        Talk talk(spawner->converse(*loop, {.arguments = {"/usr/bin/nothing-of-that-name"}, .timeout = 5s}));
        EXPECT_TRUE(loop->run_until([&] { return talk.ended; }, patience));
        EXPECT_NE(talk.words.find("can't run /usr/bin/nothing-of-that-name"), std::string::npos) << talk.words;
    }
    {
        Talk talk(speak("sleep 100", 300ms));
        EXPECT_TRUE(loop->run_until([&] { return talk.ended; }, patience));
        EXPECT_EQ(talk.words, "/bin/sh took too long and was ended");
    }
    // Many at once, each with its own; and the checks' children beside them have their turn.
    std::vector<std::unique_ptr<Talk>> many;
    for (std::size_t i = 0; i < conversations_at_once; ++i) many.push_back(std::make_unique<Talk>(speak("echo " + std::to_string(i) + "; cat")));
    for (std::size_t i = 0; i < many.size(); ++i) EXPECT_TRUE(loop->run_until([&] { return many[i]->heard == std::to_string(i) + "\n"; }, patience)) << many[i]->heard;
    EXPECT_EQ(output("echo beside"), "beside\n");
    Talk refused(speak("echo"));
    EXPECT_TRUE(loop->run_until([&] { return refused.ended; }, patience));
    EXPECT_NE(refused.words.find("under way already"), std::string::npos) << refused.words;
}

TEST_F(Spawning, AChildThatNobodySpeaksWithIsEnded) {
    const TemporaryDirectory directory;
    const std::string note = directory / "pid";
    std::optional<Watched> child;
    {
        // It does not look at its input, and ignores what is polite.
        Talk talk(spawner->converse(*loop, {.arguments = {"/bin/sh", "-c", "trap '' TERM HUP PIPE; echo $$; exec sleep 1000"}, .timeout = 1h}));
        EXPECT_TRUE(loop->run_until([&] { return talk.heard.ends_with("\n"); }, patience));
        child.emplace(static_cast<pid_t>(std::stoi(talk.heard)));
        EXPECT_FALSE(child->ended());
    }
    EXPECT_TRUE(child->ends());
}

}  // namespace
}  // namespace hale::os
