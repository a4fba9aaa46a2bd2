// Goal: whoever stands aside for another process finishes what it began, begins nothing, stores the last word of every
// verdict, and goes on as if nothing had been when the other one failed.
// Method: control on the simulator with a journal that answers when the test says so; held at every step of a mutation.

#include "catalog/testing.h"

namespace hale::catalog {
namespace {

class Holding : public ::testing::Test, config::Journal, Checking, Routing, Audience {
protected:
    void SetUp() override {
        control.start({}, document("services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n"),
                      [this](MutationResult result) { started = result.has_value(); });
        answer_all();
        ASSERT_TRUE(started);
        batches.clear();
    }
    void commit(std::vector<config::Change> batch, bool, std::move_only_function<void(Result<>)> done) override {
        batches.push_back(std::move(batch));
        waiting.push_back([done = std::move(done)]() mutable { done({}); });
    }
    void send(std::vector<CheckerCommand> list, io::Task acknowledged) override {
        for (auto& one : list) commands.push_back(std::move(one));
        waiting.push_back(std::move(acknowledged));
    }
    void publish(Snapshot, io::Task adopted) override { waiting.push_back(std::move(adopted)); }
    void tell(std::vector<Delta>) override {}

    bool answer_one() {
        if (waiting.empty()) return false;
        auto one = std::move(waiting.front());
        waiting.pop_front();
        one();
        return true;
    }
    void answer_all() {
        while (answer_one()) {}
    }
    void mutate(std::string why) {
        control.mutate({.change = SetOverride{"web", "", verdict::OverrideState::down, 1h, std::move(why)}, .actor = "t", .action = "a", .object = "o", .detail = ""},
                       [this](MutationResult result) { answers.push_back(result ? "done" : result.error().error.code == Code::upgrading ? "upgrading" : result.error().error.text); });
    }
    void report(verdict::State state, std::uint32_t version) {
        const auto* to = all<Assignment>(commands).front();
        auto record = std::make_shared<InstanceRecord>();
        record->word = {.state = state, .generation = to->generation, .version = version};
        CheckReport report;
        report.changes.push_back({to->row, to->generation, std::move(record)});
        control.on_report(std::move(report));
    }
    const config::StoredVerdict* last_stored() const {
        const config::StoredVerdict* last = nullptr;
        for (const auto& batch : batches)
            for (const auto* one : all<config::PutVerdict>(batch)) last = &one->verdict;
        return last;
    }

    sim::World world{3};
    sim::Names names;
    sim::Resolver resolver{names, world.loop()};
    verdict::Ledger ledger{64};
    OwnHealth own;
    std::vector<CheckerCommand> commands;
    std::deque<io::Task> waiting;
    std::vector<std::vector<config::Change>> batches;
    std::vector<std::string> answers;
    bool started = false, still = false, settled = false;
    Control control{{.loop = world.loop(), .resolver = resolver, .journal = *this, .checking = *this, .routing = *this, .audience = *this, .own = own,
                     .ledger = ledger, .seed = 1}};
};

using Answers = std::vector<std::string>;

TEST_F(Holding, FinishesTheMutationUnderWayAtWhateverStepItIs) {
    for (int steps = 0; steps < 4; ++steps) {
        SCOPED_TRACE(steps);
        answers.clear();
        still = false;
        mutate("first");
        mutate("waits");
        for (int i = 0; i < steps && answers.empty(); ++i) answer_one();
        const bool over = !answers.empty();
        control.hold([this] { still = true; });
        mutate("late");
        if (!over) EXPECT_FALSE(still) << "something is under way";
        answer_all();
        EXPECT_TRUE(still);
        EXPECT_EQ(std::ranges::count(answers, "done"), over ? 2 : 1) << "begun before";
        EXPECT_EQ(std::ranges::count(answers, "upgrading"), over ? 1 : 2);
        control.let_go();
        mutate("waits");
        answer_all();
        if (!over) EXPECT_EQ(answers.back(), "done");
    }
}

TEST_F(Holding, IsStillAtOnceWhenNothingIsUnderWay) {
    control.hold([this] { still = true; });
    EXPECT_TRUE(still);
    std::optional<VerifyEnd> end;
    control.verify({.service = "web"}, [&](VerifyResult result) { end = result.end; });
    EXPECT_EQ(end, VerifyEnd::upgrading);
    std::optional<Code> beat;
    control.heartbeat("web", "", verdict::Outcome::pass, "", [&](Result<> result) { beat = result.error().code; });
    EXPECT_EQ(beat, Code::upgrading);
}

TEST_F(Holding, ATurnOfTheVerdictBeforeTheStandstillIsStored) {
    report(verdict::State::healthy, 3000);
    answer_all();
    control.hold([this] { still = true; });
    report(verdict::State::unhealthy, 3001);  // On its way when the checker stopped.
    control.settle([this] { settled = true; });
    EXPECT_FALSE(settled) << "the disk has not answered";
    answer_all();
    EXPECT_TRUE(settled);
    ASSERT_NE(last_stored(), nullptr);
    EXPECT_EQ(last_stored()->state, verdict::State::unhealthy);
    EXPECT_EQ(last_stored()->version, 3001u);
}

TEST_F(Holding, WritesNothingAfterwardsAndGoesOnWhenLetGo) {
    report(verdict::State::healthy, 3000);
    mutate("first");
    answer_all();
    control.mutate({.change = SetOverride{"web", "", verdict::OverrideState::up, 1s, "why"}, .actor = "t", .action = "a", .object = "o", .detail = ""}, [](MutationResult) {});
    answer_all();
    control.hold([this] { still = true; });
    control.settle([this] { settled = true; });
    answer_all();
    EXPECT_TRUE(settled);
    batches.clear();
    // The override's time passes meanwhile, and evidence grows old.
    world.run_for(5min);
    EXPECT_TRUE(batches.empty()) << "the state is somebody else's";
    control.let_go();
    for (int i = 0; i < 8; ++i) world.run_for(500ms), answer_all();
    bool expired = false;
    for (const auto& batch : batches) expired = expired || !all<config::RemoveOverride>(batch).empty();
    EXPECT_TRUE(expired);
}

}  // namespace
}  // namespace hale::catalog
