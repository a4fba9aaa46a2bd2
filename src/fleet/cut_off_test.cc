// Goal: what was left amid a replacement is told from everything else, and what is to be done with it from what stands in its place.
// Method: each state of who took the name; names that only look alike.

#include "fleet/cut_off.h"

#include <gtest/gtest.h>

namespace hale::fleet {
namespace {

using State = docker::ContainerState;

const std::string id = "0123456789abcdef0123456789abcdef";

docker::Inspected container(std::string name, std::string of, State state) {
    docker::Inspected out;
    out.name = std::move(name);
    out.id = std::move(of);
    out.state = state;
    return out;
}

TEST(CutOff, WhatIsDoneFollowsFromWhoHasTheName) {
    const auto aside = container("web-1-1-sick-0123456789ab", id, State::exited);
    EXPECT_EQ(aside_name("web-1-1", id), aside.name);
    EXPECT_EQ(cut_off({aside}), (std::vector<CutOff>{{.id = id, .name = "web-1-1", .made = "", .start = false}}));
    for (const State state : {State::created, State::running, State::restarting, State::exited, State::paused, State::dead})
        EXPECT_EQ(cut_off({container("web-1-1", "other", state), aside}), (std::vector<CutOff>{{.id = id, .name = "web-1-1", .made = "other", .start = state == State::created}}));
}

// What was made again has all its labels.
TEST(CutOff, WhoeverElseTookTheNameIsLeftAlone) {
    auto aside = container("web-1-1-sick-0123456789ab", id, State::exited), other = container("web-1-1", "other", State::created);
    aside.labels = {{"hale.service", "web"}, {"hale.deployment", "d-1"}};
    other.labels = {{"hale.service", "web"}, {"hale.deployment", "d-2"}};
    EXPECT_EQ(cut_off({aside, other}), std::vector<CutOff>{});
    other.labels = aside.labels;
    EXPECT_EQ(cut_off({aside, other}).size(), 1u);
}

TEST(CutOff, NothingElseIsTakenForOne) {
    for (const std::string name : {"web-1-1", "web-sick-1", "web-1-1-sick-0123456789ac", "web-1-1-sick-0123456789ab-2", "-sick-0123456789ab", "sick-0123456789ab"}) {
        EXPECT_EQ(usual_name(container(name, id, State::exited)), name);
        EXPECT_EQ(cut_off({container(name, id, State::exited)}), std::vector<CutOff>{}) << name;
    }
    // Put aside twice: the name of the second holds the first's.
    const auto twice = cut_off({container("a-sick-bbbbbbbbbbbb-sick-0123456789ab", id, State::exited)});
    ASSERT_EQ(twice.size(), 1u);
    EXPECT_EQ(twice[0].name, "a-sick-bbbbbbbbbbbb");
}

}  // namespace
}  // namespace hale::fleet
