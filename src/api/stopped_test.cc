// Goal: why a container does not run is said once, by the strongest reason that is known.
// Method: each way to end, beside what Hale did.

#include "api/stopped.h"

#include <gtest/gtest.h>

namespace hale::api {
namespace {

docker::Inspected ended(std::int64_t code) {
    docker::Inspected out;
    out.name = "web-1-1";
    out.state = docker::ContainerState::exited;
    out.exit_code = code;
    return out;
}

std::string_view code(const docker::Inspected& container, AsInstance instance = {.known = true}) {
    const auto stopped = stopped_of(container, instance);
    return stopped ? stopped->code : "none";
}

TEST(Stopped, WhatRunsIsNot) {
    using enum docker::ContainerState;
    for (const auto state : {running, paused, restarting, removing, unknown}) {
        docker::Inspected one = ended(137);
        one.state = state;
        EXPECT_EQ(code(one), "none") << docker::text(state);
    }
}

TEST(Stopped, ByItsExitCode) {
    EXPECT_EQ(code(ended(0)), "ended");
    EXPECT_EQ(code(ended(1)), "failed");
    EXPECT_EQ(code(ended(127)), "failed");
    EXPECT_EQ(code(ended(128)), "failed");
    EXPECT_EQ(code(ended(137)), "killed");
    EXPECT_EQ(code(ended(143)), "terminated");
    EXPECT_EQ(code(ended(139)), "signal");
    EXPECT_EQ(code(ended(255)), "failed");
    EXPECT_EQ(stopped_of(ended(134), {.known = true})->text, "exit code 134: ended by signal 6");
}

TEST(Stopped, TheStrongestReasonIsSaid) {
    EXPECT_EQ(code(ended(143), {.replaced = true}), "by_hale") << "a newer version took its place";
    EXPECT_EQ(code(ended(1), {}), "failed") << "a worker that nobody is routed to";
    EXPECT_EQ(code(ended(0), {}), "ended") << "what runs once";
    EXPECT_EQ(code(ended(1), {.known = true, .replaced = true}), "failed") << "it serves still";
    EXPECT_EQ(code(ended(143), {.known = true, .draining = true}), "by_hale");
    auto hungry = ended(137);
    hungry.oom_killed = true;
    EXPECT_EQ(code(hungry, {.replaced = true}), "oom");
    auto broken = ended(127);
    broken.error = "exec: no such file";
    EXPECT_EQ(stopped_of(broken, {.replaced = true})->text, "the engine says: exec: no such file");
    auto made = ended(0);
    made.state = docker::ContainerState::created;
    EXPECT_EQ(code(made), "created");
}

}  // namespace
}  // namespace hale::api
