// Goal: three backups are kept whatever the clock does, each is a whole state, and going back to one is never half
// done. Method: made-up days; restores from good and bad files; a restore cut off after each of its steps.

#include "store/backup.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include "store/test_state.h"

namespace hale::store {
namespace {

using namespace config;

std::vector<Utc> days_of(const std::string& directory) {
    std::vector<Utc> days;
    for (const Backup& b : *list_backups(directory)) days.push_back(b.at);
    return days;
}

TEST(Backup, NamesAreReadBackExactlyAndOthersAreNotLookedAt) {
    for (int n = 0; n < 400; n += 13) EXPECT_EQ(parse_backup_name(backup_name(day(n))), day(n));
    EXPECT_EQ(backup_name(Utc{}), "state-19700101T000000Z.db");
    for (const char* other : {"", "state-.db", "state-20261121T141821Z", "state-20261321T141821Z.db", "state.part",
                              "state-20261121X141821Z.db", "state-20261121T141821Z.db~"})
        EXPECT_FALSE(parse_backup_name(other)) << other;
}

TEST(Backup, DueOnceADay) {
    EXPECT_TRUE(backup_due({}, day(1)));
    EXPECT_FALSE(backup_due({{"a", day(1)}}, day(1)));
    EXPECT_FALSE(backup_due({{"a", day(1)}}, day(2) - 1s));
    EXPECT_TRUE(backup_due({{"a", day(1)}}, day(2)));
    EXPECT_TRUE(backup_due({{"a", day(9)}}, day(2)));  // From the future: says nothing about today.
    EXPECT_FALSE(backup_due({{"a", day(9)}, {"b", day(2)}}, day(2)));
}

TEST(Backup, IsMadeWhenTheNewestIsADayOldWheneverThatIsAsked) {
    TestDirectory directory;
    const auto asked = [&](Utc now) {
        OpenState s(directory.path());  // Every time another start.
        const auto made = s.store->backup_when_due(now);
        EXPECT_TRUE(made) << made.error().text;
        return made && made->has_value();
    };
    EXPECT_TRUE(asked(day(1)));
    for (Duration later = 0s; later < 24h; later += 7h) EXPECT_FALSE(asked(day(1) + later));
    EXPECT_TRUE(asked(day(2)));
    EXPECT_FALSE(asked(day(2)));
    EXPECT_EQ(days_of(directory.path()), (std::vector{day(2), day(1)}));
}

TEST(Backup, TheNewestThreeAreKeptWhateverTheClockDoes) {
    TestDirectory directory;
    OpenState s(directory.path());
    EXPECT_TRUE(s.store->backups()->empty());
    for (int n = 1; n <= 5; ++n) {
        ASSERT_TRUE(s.commit({PutObject{{"service", fmt::format("s{}", n), "{}", 1}}}));
        const auto made = s.store->backup(day(n));
        ASSERT_TRUE(made) << made.error().text;
        struct stat status{};
        ASSERT_EQ(::stat(made->path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u);
    }
    EXPECT_EQ(days_of(directory.path()), (std::vector{day(5), day(4), day(3)}));
    ASSERT_TRUE(s.store->backup(day(1)));  // The clock stepped back.
    EXPECT_EQ(days_of(directory.path()), (std::vector{day(5), day(4), day(1)}));
    ASSERT_TRUE(s.store->backup(day(2)));
    EXPECT_EQ(days_of(directory.path()), (std::vector{day(5), day(2), day(1)}));
    ASSERT_TRUE(s.store->backup(day(2)));  // Twice within a second.
    EXPECT_EQ(days_of(directory.path()).size(), 3u);
    const std::string text = backups_text(directory.path(), day(2) + 3h);
    EXPECT_NE(text.find("3h"), std::string::npos) << text;
    EXPECT_NE(text.find("from the future"), std::string::npos) << text;
}

class Restoring : public testing::Test {
protected:
    void SetUp() override {
        OpenState s(directory.path());
        ASSERT_TRUE(s.commit({PutObject{{"service", "old", "{}", 1}}, ReserveRevisions{500}, ReserveVersions{70}}));
        backup = s.store->backup(day(1))->path;
        ASSERT_TRUE(s.commit({PutObject{{"service", "new", "{}", 1}}, ReserveRevisions{900}, ReserveVersions{90}}));
    }
    std::string keys() {
        OpenState s(directory.path());
        EXPECT_TRUE(s.store) << s.error.text;
        std::string all;
        for (const auto& o : s.restored.objects) all += o.key + " ";
        reserved = s.restored.revisions_reserved;
        return all;
    }
    TestDirectory directory;
    std::string backup;
    std::uint64_t reserved = 0;
};

TEST_F(Restoring, GoesBackKeepsWhatItReplacedAndNeverReusesANumber) {
    ASSERT_EQ(keys(), "new old ");
    const auto back = restore(directory.path(), backup, day(2));
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(keys(), "old ");
    EXPECT_GT(reserved, 900u);
    const auto forth = restore(directory.path(), directory.path() + "/replaced/state.db", day(2));
    ASSERT_TRUE(forth) << forth.error().text;
    EXPECT_EQ(keys(), "new old ");
}

TEST_F(Restoring, ABadFileChangesNothing) {
    std::string torn = content_of(backup);
    torn.resize(torn.size() - 4096);
    const std::string bad = directory.path() + "/bad.db";
    for (const std::string& content :
         {torn, std::string(), std::string("not a database at all, but long enough"), std::string(20'000, 'x')}) {
        write_file(bad, content);
        const auto refused = restore(directory.path(), bad, day(2));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::corrupt) << refused.error().text;
        EXPECT_NE(refused.error().text.find("nothing was changed"), std::string::npos);
        EXPECT_EQ(keys(), "new old ");
    }
    const auto missing = restore(directory.path(), bad + "x", day(2));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
}

TEST_F(Restoring, CutOffAnywhereTheNextStartFindsTheOldOrTheNewState) {
    // Before the decision: a half-written copy beside.
    write_file(directory.state() + ".new", content_of(backup).substr(0, 5'000));
    EXPECT_EQ(keys(), "new old ");
    // Decided, nothing done yet; then with the old log removed already. The log left is a real one.
    for (const bool log_removed : {false, true}) {
        TestDirectory copy;
        {
            OpenState s(directory.path());
            ASSERT_TRUE(s.commit({PutObject{{"service", "logged", "{}", 1}}}));
            write_file(copy.state(), content_of(directory.state()));
            if (!log_removed) write_file(copy.state() + "-wal", content_of(directory.state() + "-wal"));
        }
        write_file(copy.state() + ".restore", content_of(backup));
        OpenState s(copy.path());
        ASSERT_TRUE(s.store) << s.error.text;
        ASSERT_EQ(s.restored.objects.size(), 1u);
        EXPECT_EQ(s.restored.objects[0].key, "old");
        EXPECT_FALSE(std::filesystem::exists(copy.state() + ".restore"));
    }
}

TEST_F(Restoring, FromACorruptStateToo) {
    write_file(directory.state(), std::string(8'192, 'x'));
    {
        OpenState s(directory.path());
        ASSERT_FALSE(s.store);
        EXPECT_NE(s.error.text.find("hale serve --restore " + backup), std::string::npos) << s.error.text;
    }
    ASSERT_TRUE(restore(directory.path(), backup, day(2)));
    EXPECT_EQ(keys(), "old ");
    EXPECT_EQ(content_of(directory.path() + "/replaced/state.db"), std::string(8'192, 'x'));
}

}  // namespace
}  // namespace hale::store
