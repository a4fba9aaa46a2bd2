// Goal: a damaged state.db is either refused with a sentence that names file, backups and the way back, or it opens as
// a state that was once committed. Never anything else, and never an empty one.
// Method: a file of every kind of row; cut at every page border and beside it, every page zeroed, seeded bytes changed,
// and the same for the log. Fabricated older, newer and foreign files.

#include <gtest/gtest.h>

#include <sqlite3.h>

#include "base/random.h"
#include "store/schema.h"
#include "store/test_state.h"

namespace hale::store {
namespace {

using namespace config;

constexpr std::uint64_t seed = 411;
constexpr std::size_t page = 4096;

std::vector<Change> some_of_everything(std::uint64_t n) {
    std::vector<Change> all;
    for (std::uint32_t i = 0; i < 60; ++i) all.push_back(PutVerdict{verdict_number(i + static_cast<std::uint32_t>(n))});
    for (int i = 0; i < 20; ++i)
        all.push_back(PutObject{{"service", fmt::format("s{}", i), std::string(i == 3 ? 20'000 : 100, 'j'), n}});
    all.push_back(PutOverride{{"web", "i", verdict::OverrideState::down, "me", "because", day(1), day(2), n}});
    all.push_back(PutTraffic{{"web", 3, true, day(1)}});
    all.push_back(PutToken{{"ci", "ab", "read", day(1), {}}});
    all.push_back(PutAudit{{n, day(1), "a", "b", "c", "d"}});
    all.push_back(ReserveRevisions{n});
    return all;
}

void run_sql(const std::string& path, const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &error), SQLITE_OK) << (error ? error : "");
    sqlite3_free(error);
    sqlite3_close(db);
}

class Damage : public testing::Test {
protected:
    void SetUp() override {
        OpenState s(directory.path());
        ASSERT_TRUE(s.commit(some_of_everything(1)));
        ASSERT_TRUE(s.store->backup(day(0) - 3h));
        for (std::uint64_t n = 2; n < 6; ++n) ASSERT_TRUE(s.commit(some_of_everything(n)));
        s.close();
        OpenState again(directory.path());
        whole = text_of(again.restored);
        states.push_back(whole);
        again.close();
        bytes = content_of(directory.state());
    }

    // Puts the bytes there and opens.
    void open_damaged(std::string_view content, const std::string& what, bool must_fail = false) {
        write_file(directory.state(), content);
        std::filesystem::remove(directory.state() + "-wal");
        std::filesystem::remove(directory.state() + "-shm");
        expect_refused_or_known(what, must_fail);
    }

    void expect_refused_or_known(const std::string& what, bool must_fail = false) {
        OpenState s(directory.path());
        if (s.store) {
            ++opened;
            EXPECT_FALSE(must_fail) << what;
            EXPECT_TRUE(std::ranges::find(states, text_of(s.restored)) != states.end()) << what << "\n"
                                                                                        << text_of(s.restored);
            return;
        }
        ++refused;
        EXPECT_EQ(s.error.code, Code::corrupt) << what << ": " << s.error.text;
        for (const std::string& part :
             {directory.state(), std::string("state-20"), std::string("old"), std::string("hale serve --restore ")})
            EXPECT_NE(s.error.text.find(part), std::string::npos) << what << ": " << s.error.text;
    }

    TestDirectory directory;
    std::string bytes, whole;
    std::vector<std::string> states;
    int opened = 0, refused = 0;
};

TEST_F(Damage, CutOffAnywhereIsRefused) {
    for (std::size_t at = 0; at < bytes.size(); at += page)
        for (const std::size_t cut : {at, at + 1, at + page - 1})
            open_damaged(std::string_view(bytes).substr(0, cut), fmt::format("cut at {}", cut), true);
    open_damaged(bytes, "whole");
    EXPECT_EQ(opened, 1);
}

TEST_F(Damage, AZeroedOrSwappedPageIsRefused) {
    for (std::size_t at = 0; at < bytes.size(); at += page) {
        std::string torn = bytes;
        torn.replace(at, page, page, '\0');
        open_damaged(torn, fmt::format("page at {} zeroed", at));
        torn = bytes;
        torn.replace(at, page, bytes, (at + page) % bytes.size(), page);
        open_damaged(torn, fmt::format("page at {} replaced by the next", at));
    }
    EXPECT_GT(refused, opened);
}

TEST_F(Damage, ChangedBytesAreRefusedOrMeanNothing) {
    Random random(seed);
    fmt::print("seed {}\n", seed);
    for (int i = 0; i < 500; ++i) {
        std::string changed = bytes;
        // Every second one in the header and the first pages, where few bytes mean much.
        const std::size_t at = random.below(i % 2 == 0 ? 100 + 200 * (static_cast<std::size_t>(i) % 7) : bytes.size());
        changed[at] = static_cast<char>(changed[at] ^ static_cast<char>(1 + random.below(255)));
        open_damaged(changed, fmt::format("byte {} changed, round {}", at, i));
    }
    std::string readonly = bytes;
    readonly[18] = 9;
    open_damaged(readonly, "write version", true);
    fmt::print("{} refused, {} opened as they were\n", refused, opened);
    EXPECT_GT(refused, 100);
}

TEST_F(Damage, ADamagedLogGivesAnEarlierState) {
    write_file(directory.state(), bytes);
    std::string log;
    {
        OpenState s(directory.path());
        for (std::uint64_t n = 6; n < 12; ++n) {
            ASSERT_TRUE(s.commit(some_of_everything(n)));
            TestDirectory copy;  // What a start would find now.
            write_file(copy.state(), content_of(directory.state()));
            write_file(copy.state() + "-wal", content_of(directory.state() + "-wal"));
            OpenState there(copy.path());
            ASSERT_TRUE(there.store) << there.error.text;
            states.push_back(text_of(there.restored));
        }
        log = content_of(directory.state() + "-wal");
        bytes = content_of(directory.state());
    }
    const auto with_log = [&](std::string_view damaged, const std::string& what) {
        write_file(directory.state(), bytes);
        write_file(directory.state() + "-wal", damaged);
        std::filesystem::remove(directory.state() + "-shm");
        expect_refused_or_known(what);
    };
    Random random(seed);
    for (std::size_t cut = 0; cut <= log.size(); cut += 1 + random.below(2 * page))
        with_log(std::string_view(log).substr(0, cut), fmt::format("log cut at {}", cut));
    for (int i = 0; i < 200; ++i) {
        std::string changed = log;
        const std::size_t at = i < 40 ? static_cast<std::size_t>(i) : random.below(log.size());
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        with_log(changed, fmt::format("log byte {} changed", at));
    }
    EXPECT_EQ(refused, 0);
    EXPECT_GT(opened, 200);
}

TEST_F(Damage, AMissingFileIsNotANewStartWhileABackupOrALogIsThere) {
    std::filesystem::remove(directory.state());
    expect_refused_or_known("missing");
    EXPECT_EQ(refused, 1);
    std::filesystem::remove_all(directory.path() + "/backup");
    write_file(directory.state() + "-wal", "x");
    {
        OpenState s(directory.path());
        ASSERT_FALSE(s.store);
        EXPECT_EQ(s.error.code, Code::corrupt);
        EXPECT_NE(s.error.text.find("there is no backup"), std::string::npos) << s.error.text;
    }
    std::filesystem::remove(directory.state() + "-wal");
    OpenState s(directory.path());
    EXPECT_TRUE(s.store) << s.error.text;
}

TEST_F(Damage, ANewerOrForeignFileIsNamed) {
    run_sql(directory.state(), "PRAGMA user_version=42");
    {
        OpenState s(directory.path());
        ASSERT_FALSE(s.store);
        EXPECT_NE(s.error.text.find("schema 42"), std::string::npos) << s.error.text;
        EXPECT_NE(s.error.text.find(fmt::format("up to {}", newest_version(schema_steps()))), std::string::npos) << s.error.text;
    }
    expect_refused_or_known("newer", true);
    run_sql(directory.state(), "PRAGMA user_version=2; PRAGMA application_id=7");
    expect_refused_or_known("foreign", true);
    EXPECT_EQ(refused, 2);
}

// With a made-up history of shapes.
Result<StateStore::Opened> open_with(io::Loop& loop, const std::string& directory, std::span<const Step> steps) {
    return StateStore::open(loop, {.directory = directory, .now = day(3), .steps = steps});
}

TEST_F(Damage, AnOlderShapeIsBackedUpAndMigratedAndAFailedMigrationChangesNothing) {
    // Version 0: traffic did not know `paused_until` yet.
    run_sql(directory.state(), "ALTER TABLE traffic DROP COLUMN paused_until; PRAGMA user_version=0");
    constexpr Step good[] = {{1,
                              "ALTER TABLE traffic ADD COLUMN paused_until INTEGER;"
                              "UPDATE traffic SET sum = row_sum('traffic', key, weight, draining, paused_until)"},
                             {2, "CREATE TABLE later(x INTEGER) STRICT"}};
    constexpr Step bad[] = {good[0], {2, "UPDATE nowhere SET x = 1"}};
    constexpr Step unsound[] = {{1, "ALTER TABLE traffic ADD COLUMN paused_until INTEGER"}};
    TestLoop loop;
    const auto backups_before = list_backups(directory.path());
    for (int attempt = 0; attempt < 4; ++attempt) {
        const auto failed = open_with(loop, directory.path(), bad);
        ASSERT_FALSE(failed);
        EXPECT_NE(failed.error().text.find("from schema 0 to 2"), std::string::npos) << failed.error().text;
        EXPECT_FALSE(open_with(loop, directory.path(), unsound));
        EXPECT_EQ(*list_backups(directory.path()), *backups_before);
    }
    auto migrated = open_with(loop, directory.path(), good);
    ASSERT_TRUE(migrated) << migrated.error().text;
    EXPECT_EQ(migrated->restored.traffic.at(0).weight, 3u);
    EXPECT_FALSE(migrated->restored.traffic.at(0).paused_until);
    EXPECT_EQ(migrated->restored.verdicts.size(), 64u);
    EXPECT_EQ(list_backups(directory.path())->size(), backups_before->size() + 1);
    EXPECT_EQ(list_backups(directory.path())->front().at, day(3));
    migrated->store.reset();
    EXPECT_TRUE(open_with(loop, directory.path(), good));
    EXPECT_EQ(list_backups(directory.path())->size(), backups_before->size() + 1);
    EXPECT_FALSE(open_with(loop, directory.path(), unsound));  // Now it is newer than that.
}

TEST_F(Damage, EveryShapeThatWasReleasedLoads) {
    for (std::uint32_t version = 1; version < newest_version(schema_steps()); ++version) {
        TestDirectory old;
        ASSERT_TRUE(create_state(old.state(), schema_steps().first(version)));
        OpenState s(old.path());
        ASSERT_TRUE(s.store) << "from schema " << version << ": " << s.error.text;
        ASSERT_TRUE(s.commit({PutStanding{{"web", verdict::State::healthy, day(1)}}}));
    }
}

}  // namespace
}  // namespace hale::store
