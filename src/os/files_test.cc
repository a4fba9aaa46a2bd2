// Goal: what was written is there whole after a crash, what is private stays so, changes are noticed.
// Method: real files in a fresh directory; a writer killed at seeded moments; a watcher turned by hand.

#include "os/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/random.h"
#include "os/clock.h"
#include "os/file_watcher.h"
#include "os/secret_bytes.h"
#include "os/testing.h"

namespace hale::os {
namespace {

TEST(Files, WrittenContentReadsBackWithItsMode) {
    const TemporaryDirectory directory;
    const std::string path = directory / "f";
    for (const int mode : {0600, 0644}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{200'000}}) {
            const std::string content = secret_bytes(size);
            ASSERT_TRUE(write_file_durably(path, content, mode));
            EXPECT_EQ(read_file(path).value(), content);
            struct stat found{};
            ASSERT_EQ(stat(path.c_str(), &found), 0);
            EXPECT_EQ(found.st_mode & 0777, static_cast<mode_t>(mode));
        }
    }
    EXPECT_EQ(read_file(path, 199'999).error().code, Code::exhausted);
    EXPECT_TRUE(read_file(path, 200'000));
    EXPECT_EQ(read_file(directory / "absent").error().code, Code::not_found);
    EXPECT_FALSE(read_file(directory.path()));
    EXPECT_EQ(write_file_durably(directory / "no/such", "x").error().code, Code::not_found);
}

TEST(Files, AFailedWriteLeavesTheOldContentAndNoLitter) {
    const TemporaryDirectory directory;
    const std::string path = directory / "d";
    ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
    EXPECT_FALSE(write_file_durably(path, "a file can't replace a directory"));
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path())) ++entries;
    EXPECT_EQ(entries, 1u);
}

TEST(Files, AWriterKilledAtAnyMomentLeavesOldOrNewWhole) {
    const TemporaryDirectory directory;
    const std::string path = directory / "state";
    const std::string a(50'000, 'a'), b(70'000, 'b');
    ASSERT_TRUE(write_file_durably(path, a));
    const std::uint64_t seed = 3;
    Random random(seed);
    for (int round = 0; round < 30; ++round) {
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0) {
            for (;;) {
                if (!write_file_durably(path, b) || !write_file_durably(path, a)) _exit(1);
                if (write(ends[1], "x", 1) != 1) _exit(1);
            }
        }
        // Killed somewhere in the write that follows a few whole ones.
        char one = 0;
        for (std::uint64_t n = 1 + random.below(3); n > 0; --n) ASSERT_EQ(read(ends[0], &one, 1), 1);
        const Instant until = monotonic_now() + Duration{static_cast<std::int64_t>(random.below(300'000))};
        while (monotonic_now() < until) {
        }
        kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";
        close(ends[0]), close(ends[1]);
        const auto found = read_file(path);
        ASSERT_TRUE(found);
        ASSERT_TRUE(*found == a || *found == b) << "seed " << seed << " round " << round;
    }
}

TEST(Files, APrivateDirectoryIsMadeOrClosed) {
    const TemporaryDirectory directory;
    const std::string path = directory / "state";
    struct stat found{};
    ASSERT_TRUE(ensure_private_directory(path));
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
    ASSERT_TRUE(ensure_private_directory(path));
    ASSERT_EQ(stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u);
    EXPECT_EQ(ensure_private_directory(directory / "no/such").error().code, Code::not_found);
    ASSERT_TRUE(write_file_durably(directory / "file", ""));
    EXPECT_FALSE(ensure_private_directory(directory / "file"));
    if (geteuid() == 0) {
        ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
        EXPECT_EQ(ensure_private_directory(path).error().code, Code::denied);
    }
}

TEST(Files, ADirectoryHasOneOwnerUntilItLetsGo) {
    const TemporaryDirectory directory;
    auto first = lock_directory(directory.path());
    ASSERT_TRUE(first);
    EXPECT_EQ(lock_directory(directory.path()).error().code, Code::conflict);
    first->close();
    EXPECT_TRUE(lock_directory(directory.path()));
    EXPECT_EQ(lock_directory(directory / "absent").error().code, Code::not_found);
}

TEST(SecretBytes, DoNotRepeat) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) seen.insert(secret_bytes(16));
    EXPECT_EQ(seen.size(), 100u);
    EXPECT_NE(secret_seed(), secret_seed());
    EXPECT_EQ(secret_bytes(0), "");
}

class Watching : public ::testing::Test {
protected:
    bool told(int more) {
        const int want = changes + more;
        return loop->run_until([&] { return changes >= want; }, patience);
    }
    // Nothing is told within ten times the quiet period.
    bool silent() {
        const int before = changes;
        return !loop->run_until([&] { return changes > before; }, 10 * FileWatcher::quiet);
    }

    std::unique_ptr<EpollLoop> loop = make_loop();
    TemporaryDirectory directory;
    int changes = 0;
};

TEST_F(Watching, AFileIsToldHoweverItChanges) {
    const std::string path = directory / "hale.yml";
    auto watcher = FileWatcher::watch_path(*loop, path, [&] { ++changes; });
    ASSERT_TRUE(watcher);
    ASSERT_TRUE(write_file_durably(path, "made"));
    EXPECT_TRUE(told(1));
    ASSERT_TRUE(write_file_durably(path, "replaced"));
    EXPECT_TRUE(told(1));
    const Descriptor file{open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)};
    ASSERT_EQ(write(file.get(), "in place", 8), 8);
    Descriptor{open(path.c_str(), O_WRONLY | O_CLOEXEC)}.close();
    EXPECT_TRUE(told(1));
    unlink(path.c_str());
    EXPECT_TRUE(told(1));
    ASSERT_TRUE(write_file_durably(directory / "neighbour", "x"));
    EXPECT_TRUE(silent());
}

TEST_F(Watching, ADirectoryIsToldAndABurstOnce) {
    auto watcher = FileWatcher::watch_path(*loop, directory.path(), [&] { ++changes; });
    ASSERT_TRUE(watcher);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(write_file_durably(directory / std::to_string(i), "x"));
    EXPECT_TRUE(told(1));
    EXPECT_TRUE(silent());
    EXPECT_EQ(FileWatcher::watch_path(*loop, directory / "no/such", [] {}).error().code, Code::not_found);
}

TEST_F(Watching, TheCallbackMayDestroyTheWatcher) {
    std::unique_ptr<FileWatcher> watcher;
    watcher = std::move(*FileWatcher::watch_path(*loop, directory.path(), [&] {
        watcher.reset();
        ++changes;
    }));
    ASSERT_TRUE(write_file_durably(directory / "f", "x"));
    EXPECT_TRUE(told(1));
}

}  // namespace
}  // namespace hale::os
