// At the end of a program: which rare branches did its tests never take (base/reached.h)?
//
// ctest runs each test in a process of its own, so each writes what it knows and what it met into a file below
// HALE_REACHED, and whoever ran them all (tools/test_runner.py) joins them. Without HALE_REACHED a run of all tests
// prints the list itself.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/reached.h"

namespace hale {
namespace {

class ReachedMarks final : public testing::Environment {
    void TearDown() override {
        const char* const folder = std::getenv("HALE_REACHED");
        if (folder == nullptr) {
            if (testing::UnitTest::GetInstance()->test_to_run_count() != testing::UnitTest::GetInstance()->total_test_count()) return;
            for (const std::string& line : never_reached()) fmt::print("never reached: {}\n", line);
            return;
        }
        std::FILE* const out = std::fopen(fmt::format("{}/{}", folder, getpid()).c_str(), "a");
        if (out == nullptr) return;
        for (const ReachedMark* mark : reached_marks())
            fmt::print(out, "{} {} ({}:{})\n", mark->hits.load(std::memory_order_relaxed), mark->name, mark->file, mark->line);
        std::fclose(out);
    }
};

const auto* const registered = testing::AddGlobalTestEnvironment(new ReachedMarks());

}  // namespace
}  // namespace hale
