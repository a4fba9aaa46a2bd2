// Goal: what is told of a pull never goes backwards, ends whole, and stays small whatever an engine says.
// Method: an engine's lines as they come, the text after each; then more layers than are counted.

#include "deploy/pulling.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hale::deploy {
namespace {

TEST(Pulling, LayersAndBytesAsTheyCome) {
    struct Step {
        docker::PullProgress told;
        std::string_view text;
    };
    Pulling pulling;
    EXPECT_EQ(pulling.text(), "");
    for (const auto& [told, text] : {
             Step{{"2", "Pulling from team/web", 0, 0}, ""},
             Step{{"a1", "Pulling fs layer", 0, 0}, "web:2: 0 of 1 layers"},
             Step{{"b2", "Already exists", 0, 0}, "web:2: 1 of 2 layers"},
             Step{{"a1", "Downloading", 1 << 20, 4 << 20}, "web:2: 1 of 2 layers, 1.0 of 4.0 MiB"},
             Step{{"a1", "Downloading", 1 << 19, 4 << 20}, "web:2: 1 of 2 layers, 1.0 of 4.0 MiB"},
             Step{{"a1", "Verifying Checksum", 0, 0}, "web:2: 1 of 2 layers, 1.0 of 4.0 MiB"},
             Step{{"a1", "Download complete", 0, 0}, "web:2: 1 of 2 layers, 4.0 of 4.0 MiB"},
             Step{{"a1", "Extracting", 1 << 18, 4 << 20}, "web:2: 1 of 2 layers, 4.0 of 4.0 MiB"},
             Step{{"a1", "Pull complete", 0, 0}, "web:2: 2 of 2 layers, 4.0 of 4.0 MiB"},
             Step{{"", "Digest: sha256:12", 0, 0}, "web:2: 2 of 2 layers, 4.0 of 4.0 MiB"},
         }) {
        pulling.hear("web:2", told);
        EXPECT_EQ(pulling.text(), text) << told.status;
    }
    pulling.hear("db:1", {"c3", "Waiting", 0, 0});
    EXPECT_EQ(pulling.text(), "db:1: 0 of 1 layers; web:2: 2 of 2 layers, 4.0 of 4.0 MiB");
}

TEST(Pulling, MoreLayersThanAnyImageHasAreNotCounted) {
    Pulling pulling;
    for (std::size_t i = 0; i < 2 * most_layers_told; ++i) pulling.hear("web:2", {fmt::format("{}", i), "Pull complete", 0, 0});
    EXPECT_EQ(pulling.text(), fmt::format("web:2: {0} of {0} layers", most_layers_told));
    pulling.hear("web:2", {"0", "Pull complete", 0, 0});
    EXPECT_EQ(pulling.text(), fmt::format("web:2: {0} of {0} layers", most_layers_told));
}

}  // namespace
}  // namespace hale::deploy
