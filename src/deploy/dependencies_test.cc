// Goal: what a deployment needs of others is looked at in one question each, and told in the order in which it is said.
// Method: a catalog that answers each question late and in the other order; every standing of a service, every end of a connection.

#include "deploy/dependencies.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>

#include "base/check.h"

namespace hale::deploy {
namespace {

using verdict::Outcome;

struct Others final : catalog::Deploying {
    void mutate(catalog::Mutation, catalog::MutationReply) override { HALE_CHECK(false); }
    void verify(catalog::VerifyRequest, catalog::VerifyReply) override { HALE_CHECK(false); }
    void traffic(std::string, std::move_only_function<void(catalog::TrafficNow)>) override { HALE_CHECK(false); }
    void when_gone(std::vector<std::string>, io::Task) override { HALE_CHECK(false); }
    void look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) override {
        catalog::ServiceNow now;
        if (services.contains(service)) {
            now.spec = std::make_shared<config::ServiceSpec>();
            now.instances = services[service];
        }
        answers.push_front([now = std::move(now), reply = std::move(reply)]() mutable { reply(std::move(now)); });
    }
    void probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) override {
        EXPECT_TRUE(std::holds_alternative<config::TcpCheck>(check->what));
        EXPECT_EQ(check->timing.timeout, dependency_timeout);
        EXPECT_TRUE(connections.contains(target)) << target;
        answers.push_front([seen = connections[target], reply = std::move(reply)]() mutable { reply(std::move(seen)); });
    }
    std::vector<std::string> missing(const std::vector<std::string>& needs) {
        std::optional<std::vector<std::string>> out;
        look_at_dependencies(*this, needs, [&](std::vector<std::string> sentences) {
            EXPECT_FALSE(out.has_value());
            out = std::move(sentences);
        });
        while (!answers.empty()) {
            EXPECT_FALSE(out.has_value()) << "told before all were asked";
            auto next = std::move(answers.front());
            answers.pop_front();
            next();
        }
        EXPECT_TRUE(out.has_value());
        return out.value_or(std::vector<std::string>{"never told"});
    }

    std::map<std::string, std::vector<catalog::InstanceNow>> services;
    std::map<std::string, Result<verdict::Observation>> connections;
    std::deque<std::move_only_function<void()>> answers;
};

verdict::Observation seen(Outcome outcome, std::string text) {
    verdict::Observation out;
    out.outcome = outcome;
    out.text = std::move(text);
    return out;
}

catalog::InstanceNow instance(bool eligible) {
    catalog::InstanceNow out;
    out.eligible = eligible;
    return out;
}

TEST(Dependencies, EachIsLookedAtAndToldInOrder) {
    Others others;
    others.services["db"] = {instance(false), instance(true)};
    others.services["queue"] = {instance(false), instance(false)};
    others.services["empty"] = {};
    others.connections.emplace("10.0.0.7:5432", seen(Outcome::pass, ""));
    others.connections.emplace("10.0.0.8:6379", seen(Outcome::fail, "connect refused by 10.0.0.8:6379"));
    others.connections.emplace("cache.local:11211", fail(Code::not_found, "no host cache.local"));
    EXPECT_EQ(others.missing({}), std::vector<std::string>{});
    EXPECT_EQ(others.missing({"db", "10.0.0.7:5432"}), std::vector<std::string>{});
    EXPECT_EQ(others.missing({"cache.local:11211", "queue", "db", "nobody", "10.0.0.8:6379", "empty"}),
              (std::vector<std::string>{"it needs cache.local:11211, which does not answer: no host cache.local",
                                        "it needs queue, and none of its 2 instances is eligible: `hale explain queue` says why", "it needs nobody, and no service has that name",
                                        "it needs 10.0.0.8:6379, which does not answer: connect refused by 10.0.0.8:6379",
                                        "it needs empty, and none of its 0 instances is eligible: `hale explain empty` says why"}));
}

}  // namespace
}  // namespace hale::deploy
