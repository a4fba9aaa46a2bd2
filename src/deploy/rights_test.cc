// Goal: who may only operate brings another version of what is declared, and nothing else.
// Method: every form of an image's name, and every kind of word beside it.

#include "deploy/rights.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace hale::deploy {
namespace {

TEST(Rights, TheRepositoryIsTheNameWithoutItsVersion) {
    for (const auto& [image, repository] : std::vector<std::pair<std::string, std::string>>{{"web", "web"},
                                                                                           {"web:2", "web"},
                                                                                           {"team/web:2", "team/web"},
                                                                                           {"localhost:5000/web", "localhost:5000/web"},
                                                                                           {"localhost:5000/web:2", "localhost:5000/web"},
                                                                                           {"r.example/a/b@sha256:00", "r.example/a/b"},
                                                                                           {"r.example:1/a/b:2@sha256:00", "r.example:1/a/b"}})
        EXPECT_EQ(repository_of(image), repository) << image;
}

TEST(Rights, AnotherVersionIsTheDeclaredRepositoryAndNothingBeside) {
    config::DeploySpec declared;
    declared.image = "r.example/web:1";
    for (const std::string yes : {"", "{}", R"({"image":"r.example/web:2"})", R"({"image":"r.example/web@sha256:00","replicas":3})", R"({"replicas":2})"})
        EXPECT_TRUE(only_another_version(yes, &declared)) << yes;
    for (const std::string no : {"[]", "{", R"({"image":"r.example/web2:1"})", R"({"image":"evil/web:1"})", R"({"image":7})", R"({"env":{"A":"b"}})", R"({"image":"r.example/web:2","command":["sh"]})"})
        EXPECT_FALSE(only_another_version(no, &declared)) << no;
    EXPECT_FALSE(only_another_version("", nullptr)) << "nothing is declared";
    declared.image.clear();
    EXPECT_FALSE(only_another_version(R"({"image":"web:1"})", &declared)) << "no image is declared";
}

}  // namespace
}  // namespace hale::deploy
