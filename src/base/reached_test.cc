// Goal: every mark of the program is listed, hit or not.
// Method: two marks in this file, one of them reached.

#include "base/reached.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace hale {
namespace {

void branch(bool rare) {
    if (rare)
        HALE_REACHED("test: the rare branch");
    else
        HALE_REACHED("test: the common branch");
}

TEST(Reached, ListsTheMarksThatNobodyReached) {
    volatile bool rare = false;
    branch(rare);
    const auto missing = never_reached();
    const auto lists = [&](std::string_view name) {
        return std::ranges::any_of(missing, [&](const std::string& line) { return line.starts_with(name); });
    };
    EXPECT_TRUE(lists("test: the rare branch ("));
    EXPECT_FALSE(lists("test: the common branch"));
    EXPECT_GE(reached_marks().size(), 2u);
    rare = true;
    branch(rare);
    EXPECT_FALSE(
        std::ranges::any_of(never_reached(), [](const std::string& line) { return line.starts_with("test:"); }));
}

}  // namespace
}  // namespace hale
