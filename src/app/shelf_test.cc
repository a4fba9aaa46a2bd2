// Goal: what is on the shelf is whole and ours alone, whatever ends a process at whatever moment; one process at a time
// writes; a disk that refuses is told of and takes nothing that was there.
// Method: real directories; a second shelf for the other process, whose lock is the same flock; whatever a crash or a stranger
// can leave in the directory; a directory that may not be written.

#include "app/shelf.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "os/epoll_loop.h"
#include "os/files.h"

namespace hale::app {
namespace {

namespace fs = std::filesystem;

constexpr Duration patience = 30s;

class ShelfTest : public testing::Test {
protected:
    ShelfTest() {
        std::string made = testing::TempDir() + "hale-shelf-XXXXXX";
        EXPECT_NE(mkdtemp(made.data()), nullptr);
        state_ = made;
        EXPECT_TRUE(pool_.start(2));
    }
    ~ShelfTest() override {
        pool_.stop();
        loop_->run_until([] { return true; }, 1s);
        fs::remove_all(state_);
    }

    Shelf open() { return Shelf(*loop_, pool_, state_); }
    std::string directory() const { return state_ + "/certificates"; }
    std::string path(const std::string& name) const { return directory() + "/" + name; }
    void put(const std::string& name, const std::string& content) { std::ofstream(path(name), std::ios::binary) << content; }

    template <class T, class Ask>
    Result<T> wait(Ask ask) {
        std::optional<Result<T>> came;
        ask([&came](Result<T> result) { came = std::move(result); });
        EXPECT_FALSE(came) << "answered within the call";
        EXPECT_TRUE(loop_->run_until([&] { return came.has_value(); }, patience));
        return came ? std::move(*came) : fail(Code::timed_out, "no answer");
    }
    Result<> write(Shelf& shelf, const std::string& name, const std::string& content) {
        return wait<void>([&](auto done) { shelf.write(name, content, std::move(done)); });
    }
    Result<bool> lock(Shelf& shelf) {
        return wait<bool>([&](auto done) { shelf.lock(std::move(done)); });
    }
    Result<std::map<std::string, std::string>> read(Shelf& shelf) {
        auto files = wait<acme::Disk::Files>([&](auto done) { shelf.read_all(std::move(done)); });
        if (!files) return std::unexpected(files.error());
        return std::map<std::string, std::string>(files->begin(), files->end());
    }
    std::size_t files_there() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory()), {})); }

    static unsigned mode_of(const std::string& path) {
        struct stat seen {};
        EXPECT_EQ(::stat(path.c_str(), &seen), 0) << path;
        return seen.st_mode & 07777u;
    }

    using Files = std::map<std::string, std::string>;
    std::string state_;
    std::unique_ptr<os::EpollLoop> loop_ = std::move(*os::EpollLoop::create());
    os::BlockingPool pool_;
};

TEST_F(ShelfTest, KeepsWhatWasWrittenForTheNextProcessAndForNobodyElse) {
    const mode_t before = umask(0);
    {
        Shelf shelf = open();
        ASSERT_TRUE(lock(shelf).value_or(false));
        EXPECT_EQ(read(shelf).value(), Files{});
        ASSERT_TRUE(write(shelf, "www.example.json", "first"));
        ASSERT_TRUE(write(shelf, "account-0123456789abcdef.json", std::string("key\0bytes", 9)));
        ASSERT_TRUE(write(shelf, "www.example.json", "second"));
        EXPECT_EQ(mode_of(directory()), 0700u);
        for (const auto& entry : fs::directory_iterator(directory())) EXPECT_EQ(mode_of(entry.path()), 0600u) << entry.path();
    }
    umask(before);
    Shelf shelf = open();
    EXPECT_EQ(read(shelf).value(), (Files{{"www.example.json", "second"}, {"account-0123456789abcdef.json", std::string("key\0bytes", 9)}}));
    EXPECT_EQ(files_there(), 2u);
}

TEST_F(ShelfTest, ReplacesAFileWholeWhoeverReadsMeanwhile) {
    Shelf shelf = open();
    ASSERT_TRUE(lock(shelf).value_or(false));
    const std::string a(200'000, 'a'), b(100'000, 'b');
    ASSERT_TRUE(write(shelf, "www.example.json", a));
    int written = 0, seen = 0;
    for (int i = 0; i < 20; ++i) {
        shelf.write("www.example.json", i % 2 == 0 ? b : a, [&](Result<> done) { written += done ? 1 : 0; });
        shelf.read_all([&](Result<acme::Disk::Files> files) {
            ++seen;
            ASSERT_TRUE(files);
            ASSERT_EQ(files->size(), 1u);
            EXPECT_TRUE(files->front().second == a || files->front().second == b);
        });
    }
    EXPECT_TRUE(loop_->run_until([&] { return written == 20 && seen == 20; }, patience));
    EXPECT_EQ(files_there(), 1u);
}

TEST_F(ShelfTest, PassesOverWhatACrashOrAStrangerLeft) {
    Shelf shelf = open();
    {
        Shelf other = open();
        ASSERT_TRUE(lock(other).value_or(false));
        ASSERT_TRUE(write(other, "www.example.json", "whole"));
    }
    put("www.example.json.a1B2c3", "ha");     // A write that a crash ended.
    put("api.example.json.ZZZZZZ", "");
    put("README", "made by hand");
    put("notes.json.backup", "made by hand");  // Six letters, and nobody's random ones.
    put("torn.example.json", "{\"format\": 1, \"ho");  // Told as it is: who reads it refuses it.
    put("empty.example.json", "");
    put("large.example.json", std::string(Shelf::most_bytes + 1, 'x'));
    fs::create_directory(path("folder.example.json"));
    const Files wanted{{"www.example.json", "whole"}, {"torn.example.json", "{\"format\": 1, \"ho"}, {"empty.example.json", ""}};
    EXPECT_EQ(read(shelf).value(), wanted);
    EXPECT_TRUE(fs::exists(path("www.example.json.a1B2c3"))) << "swept without the lock: another process may be writing it";
    ASSERT_TRUE(lock(shelf).value_or(false));
    EXPECT_FALSE(fs::exists(path("www.example.json.a1B2c3")));
    EXPECT_FALSE(fs::exists(path("api.example.json.ZZZZZZ")));
    EXPECT_TRUE(fs::exists(path("README")));
    EXPECT_TRUE(fs::exists(path("notes.json.backup")));
    EXPECT_EQ(read(shelf).value(), wanted);
    // What was torn is simply written again.
    ASSERT_TRUE(write(shelf, "torn.example.json", "whole"));
    EXPECT_EQ(read(shelf).value().at("torn.example.json"), "whole");
}

TEST_F(ShelfTest, IsLockedByOneUntilItUnlocksOrIsGone) {
    {
        Shelf first = open(), second = open();
        EXPECT_TRUE(lock(first).value());
        EXPECT_TRUE(lock(first).value()) << "held already";
        EXPECT_FALSE(lock(second).value());
        // Without the lock it still reads what the other one writes.
        ASSERT_TRUE(write(first, "www.example.json", "news"));
        EXPECT_EQ(read(second).value().at("www.example.json"), "news");
        first.unlock();
        EXPECT_TRUE(lock(second).value());
        EXPECT_FALSE(lock(first).value());
    }
    // Gone without a word, too.
    Shelf shelf = open();
    EXPECT_TRUE(lock(shelf).value());
}

TEST_F(ShelfTest, TellsADirectoryThatRefusesAndLosesNothing) {
    // Root may write everywhere: the directory belongs to somebody who is not, and so are we for a while.
    constexpr uid_t nobody = 65534;
    const bool root = geteuid() == 0;
    Shelf shelf = open();
    ASSERT_TRUE(lock(shelf).value_or(false));
    ASSERT_TRUE(write(shelf, "www.example.json", "first"));
    shelf.unlock();
    if (root) {
        for (const std::string& one : {state_, directory(), path("www.example.json")}) ASSERT_EQ(chown(one.c_str(), nobody, nobody), 0);
        ASSERT_EQ(seteuid(nobody), 0);
    }
    ASSERT_EQ(chmod(directory().c_str(), 0500), 0);
    const auto refused = write(shelf, "www.example.json", "second");
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_NE(refused.error().text.find("www.example.json"), std::string::npos) << refused.error().text;
    EXPECT_FALSE(write(shelf, "new.example.json", "x"));
    EXPECT_EQ(files_there(), 1u);
    ASSERT_EQ(chmod(directory().c_str(), 0700), 0);
    EXPECT_EQ(read(shelf).value(), (Files{{"www.example.json", "first"}}));
    EXPECT_TRUE(write(shelf, "www.example.json", "second"));
    if (root) {
        EXPECT_EQ(seteuid(0), 0);
    }
}

TEST_F(ShelfTest, LeavesNothingBesideAFileThatItCouldNotReplace) {
    Shelf shelf = open();
    ASSERT_TRUE(lock(shelf).value_or(false));
    fs::create_directories(path("www.example.json") + "/inside");
    EXPECT_FALSE(write(shelf, "www.example.json", "x"));
    EXPECT_FALSE(write(shelf, "no/such/place.json", "x"));
    EXPECT_EQ(files_there(), 1u);
}

TEST_F(ShelfTest, RefusesADirectoryThatIsNone) {
    std::ofstream(directory()) << "a file";
    Shelf shelf = open();
    EXPECT_FALSE(read(shelf));
    EXPECT_FALSE(lock(shelf));
    EXPECT_FALSE(write(shelf, "www.example.json", "x"));
}

TEST_F(ShelfTest, IsNotHeardOfOnceItIsGone) {
    bool heard = false;
    {
        Shelf shelf = open();
        shelf.lock([&](Result<bool>) { heard = true; });
        shelf.write("www.example.json", "x", [&](Result<>) { heard = true; });
        shelf.read_all([&](Result<acme::Disk::Files>) { heard = true; });
    }
    pool_.stop();
    loop_->run_until([] { return false; }, 50ms);
    EXPECT_FALSE(heard);
    // Its lock went with it.
    EXPECT_TRUE(os::lock_directory(directory()));
}

TEST_F(ShelfTest, SaysWhenThereIsNoThreadForIt) {
    pool_.stop();
    Shelf shelf = open();
    EXPECT_FALSE(lock(shelf));
    EXPECT_FALSE(read(shelf));
    EXPECT_FALSE(write(shelf, "www.example.json", "x"));
}

}  // namespace
}  // namespace hale::app
