// Goal: what an earlier Hale deployed is found by its labels, one version of it serves, and nothing else is taken for it.
// Method: tables of labels; every order of containers of two versions, against the word of the oldest and of who serves already.

#include "fleet/former.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace hale::fleet {
namespace {

const docker::Place here{.shown = "unix:///run/docker.sock", .path = "/run/docker.sock", .host = {}, .port = 0, .command = {}};

docker::Inspected container(std::map<std::string, std::string> labels) {
    docker::Inspected out;
    out.id = "id";
    out.name = "web-3-1";
    out.labels = std::move(labels);
    docker::Attachment at;
    at.network = "shop";
    at.ip = Ip::v4(172, 18, 0, 2);
    out.attachments = {at};
    out.network_mode = "shop";
    return out;
}

const std::map<std::string, std::string> whole{{"hale.service", "web"}, {"hale.deployment", "d-1"}, {"hale.number", "3"}, {"hale.config", "f"}, {"hale.home", "/state"}, {"hale.port", "3000"}};

TEST(Former, LabelsSayWhatItIs) {
    const auto read = former_of(container(whole), here, true);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(*read, (Former{.container = "web-3-1", .deployment = "d-1", .number = 3, .version = "f", .home = "/state", .address = "172.18.0.2:3000"}));
    EXPECT_EQ(former_of(container(whole), here, false)->address, "");
    for (const std::string missing : {"hale.deployment", "hale.port"}) {
        auto labels = whole;
        labels.erase(missing);
        const auto none = former_of(container(labels), here, true);
        ASSERT_FALSE(none) << missing;
        EXPECT_EQ(none.error().code, Code::not_found) << "a container of somebody else, or one that nobody comes to";
    }
    auto nowhere = container(whole);
    nowhere.attachments.clear();
    EXPECT_FALSE(former_of(nowhere, here, true)) << "it runs, and has no address";
    EXPECT_TRUE(former_of(nowhere, here, false)) << "it has none because it does not run";
}

std::string shown(const TakenUp& taken) {
    std::string out;
    for (const auto& one : taken.back) out += (out.empty() ? "" : " ") + one.container;
    out += " |";
    for (const auto& one : taken.left) out += " " + one.container;
    return out;
}

TEST(Former, OneVersionServesWhateverTheOrder) {
    // Two of version a, by two deployments, for somebody scaled it; one of b, which came last; one of each does not run, nor does an
    // earlier version, which was kept for the way back.
    std::vector<Former> there{{"web-1-1", "d-1", 1, "a", "", "x"}, {"web-2-1", "d-2", 2, "a", "", "x"}, {"web-3-1", "d-3", 3, "b", "", "x"}, {"web-1-2", "d-1", 1, "a", "", ""}, {"web-3-2", "d-3", 3, "b", "", ""}, {"web-0-1", "d-0", 0, "c", "", ""}};
    std::ranges::sort(there, {}, &Former::container);
    do {
        EXPECT_EQ(shown(take_up(there, {})), "web-1-1 web-2-1 | web-3-1") << "the oldest that runs says which";
        EXPECT_EQ(shown(take_up(there, {"web-1-1"})), "web-2-1 | web-3-1");
        EXPECT_EQ(shown(take_up(there, {"web-1-1", "web-2-1"})), " | web-3-1");
        EXPECT_EQ(shown(take_up(there, {"web-3-1"})), " | web-1-1 web-2-1") << "who serves already says which";
        EXPECT_EQ(shown(take_up(there, {"web-3-2"})), "web-3-1 | web-1-1 web-2-1") << "whether it runs or not";
        EXPECT_EQ(shown(take_up(there, {"gone-1"})), "web-1-1 web-2-1 | web-3-1");
    } while (std::ranges::next_permutation(there, {}, &Former::container).found);
    EXPECT_EQ(shown(take_up({}, {})), " |");
    const auto told = take_up(there, {}).left.front();
    EXPECT_EQ(text(told), "container web-3-1: deployment d-3, which is not on record here, made it as another version than web-1-1, which is there; it is no instance");
}

}  // namespace
}  // namespace hale::fleet
