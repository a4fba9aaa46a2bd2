// Goal: a mutation is committed before it is published, adopted before it is told, and told before it is
// answered; a refused commit changes nothing; a crash at any point takes no number back.
// Method: control on the simulator with a journal, checkers and workers that write down what they are asked and
// answer when the test says so.

#include "base/check.h"
#include "catalog/testing.h"

namespace hale::catalog {
namespace {

class Desk final : config::Journal, Checking, Routing, Audience {
public:
    explicit Desk(config::Restored restored = {}, const std::string& yaml = simple) {
        control.start(std::move(restored), document(yaml), [this](MutationResult result) { story.push_back(result ? "started" : "not started"); });
    }
    static inline const std::string simple = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n";

    void commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) override {
        for (const auto& change : batch)
            if (const auto* up = std::get_if<config::ReserveRevisions>(&change)) reserving = up->up_to;
        if (durable) story.emplace_back("commit");
        batches.push_back(batch);
        waiting.push_back([this, batch = std::move(batch), done = std::move(done)](Result<> result) mutable {
            if (result)
                for (const auto& change : batch) {
                    if (const auto* up = std::get_if<config::ReserveRevisions>(&change)) reserved = up->up_to;
                    else if (const auto* versions_up = std::get_if<config::ReserveVersions>(&change)) versions = versions_up->up_to;
                }
            done(std::move(result));
        });
        if (prompt) answer_journal();
    }
    void send(std::vector<CheckerCommand> list, io::Task acknowledged) override {
        for (auto& one : list) commands.push_back(std::move(one));
        story.emplace_back("send");
        acks.push_back(std::move(acknowledged));
        if (prompt) answer(acks);
    }
    void publish(Snapshot snapshot, io::Task adopted) override {
        published = std::move(snapshot);
        EXPECT_LE(published->revision, reserved) << "a number that is not reserved on disk was shown";
        story.emplace_back("publish");
        adoptions.push_back(std::move(adopted));
        if (prompt) answer(adoptions);
    }
    void tell(std::vector<Delta> deltas) override {
        story.emplace_back("tell");
        for (const auto& delta : deltas) {
            if (delta.revision != 0) {
                EXPECT_GE(delta.revision, view.revision());
                EXPECT_LE(delta.revision, reserved);
            }
            view.apply(delta);
        }
    }
    void answer_journal(Result<> result = {}) {
        while (!waiting.empty()) {
            auto one = std::move(waiting.front());
            waiting.pop_front();
            one(result);
        }
    }
    static void answer(std::deque<io::Task>& list) {
        while (!list.empty()) {
            auto one = std::move(list.front());
            list.pop_front();
            one();
        }
    }
    void mutate(Change change, std::optional<std::uint64_t> if_match = {}) {
        control.mutate({.change = std::move(change), .actor = "t", .action = "a", .object = "o", .detail = "", .if_match = if_match},
                       [this](MutationResult result) {
                           story.push_back(result ? "reply" : "refused");
                           last = std::move(result);
                       });
    }
    std::string id() const { return view.instance("web-1")->facts->id.str(); }
    void start() {
        prompt = true;
        answer_journal();
        answer(adoptions);
        answer(acks);
        story.clear();
        batches.clear();
        prompt = false;
    }
    void report(verdict::State state, std::uint32_t version) {
        const auto* to = all<Assignment>(commands).front();
        auto record = std::make_shared<InstanceRecord>();
        record->word = {.state = state, .generation = to->generation, .version = version};
        CheckReport report;
        report.changes.push_back({to->row, to->generation, std::move(record)});
        control.on_report(std::move(report));
    }

    sim::World world{3};
    sim::Loop& loop = world.loop();
    sim::Names names;
    sim::Resolver resolver{names, loop};
    verdict::Ledger ledger{64};
    OwnHealth own;
    View view;
    Snapshot published;
    std::vector<CheckerCommand> commands;
    std::deque<std::move_only_function<void(Result<>)>> waiting;
    std::vector<std::vector<config::Change>> batches;  // All that were handed to the journal.
    std::deque<io::Task> acks, adoptions;
    std::vector<std::string> story;
    std::uint64_t reserved = 0, reserving = 0;
    std::uint32_t versions = 0;  // Reserved on disk.
    bool prompt = false;
    MutationResult last = MutationDone{};
    Control control{{.loop = loop, .resolver = resolver, .journal = *this, .checking = *this, .routing = *this, .audience = *this, .own = own,
                     .ledger = ledger, .seed = 1}};
};

using Story = std::vector<std::string>;
Change down(const std::string& id) { return SetOverride{"", id, verdict::OverrideState::down, 1h, "why"}; }

TEST(Control, V2CommitsThenPublishesThenTellsThenReplies) {
    Desk desk;
    EXPECT_EQ(desk.story, Story{"commit"});
    desk.start();
    const auto id = desk.id();
    desk.mutate(down(id));
    EXPECT_EQ(desk.story, Story{"commit"});
    EXPECT_EQ(desk.view.instance(id)->facts->override, nullptr);
    desk.answer_journal();
    EXPECT_EQ(desk.story, (Story{"commit", "publish"}));
    EXPECT_EQ(desk.published->table.find("web.example", "/")->service->endpoints[0].override, verdict::OverrideState::down);
    EXPECT_EQ(desk.view.instance(id)->facts->override, nullptr) << "no reader before every router";
    desk.answer(desk.adoptions);
    EXPECT_EQ(desk.story, (Story{"commit", "publish", "tell", "reply"}));
    EXPECT_NE(desk.view.instance(id)->facts->override, nullptr);
    EXPECT_EQ(desk.last->revision, desk.view.revision());
    EXPECT_EQ(desk.own.revision.load(), desk.view.revision());
}

TEST(Control, ReportsWaitForTheMutationUnderWayAndKeepTheirOrder) {
    Desk desk;
    desk.start();
    desk.mutate(down(desk.id()));
    desk.report(verdict::State::healthy, 1);
    desk.answer_journal();
    desk.report(verdict::State::unhealthy, 2);
    EXPECT_EQ(desk.view.instance("web-1")->record, nullptr);
    desk.answer(desk.adoptions);
    EXPECT_EQ(desk.view.instance("web-1")->state(), verdict::State::unhealthy);
    EXPECT_GT(desk.view.revision(), desk.last->revision);
}

TEST(Control, V11ARefusedCommitChangesNothingAndTheNextOneIsTried) {
    Desk desk;
    desk.start();
    const auto id = desk.id();
    const auto revision = desk.view.revision();
    desk.mutate(down(id));
    desk.mutate(Pause{"web", 30s});
    auto first = std::move(desk.waiting.front());
    desk.waiting.pop_front();
    first(fail(Code::unavailable, "disk full"));
    EXPECT_FALSE(desk.last.has_value());
    EXPECT_EQ(desk.last.error().error.code, Code::unavailable);
    EXPECT_EQ(desk.view.revision(), revision);
    EXPECT_EQ(desk.story, (Story{"commit", "refused", "commit"}));
    desk.answer_journal();
    desk.answer(desk.adoptions);
    EXPECT_TRUE(desk.last.has_value());
    EXPECT_GT(desk.last->revision, revision);
    EXPECT_EQ(desk.view.instance(id)->facts->override, nullptr);
    EXPECT_TRUE(desk.view.service("web")->facts->paused_until.has_value());
}

TEST(Control, NotHeardInTimeIsSaidAndNotUndone) {
    Desk desk;
    desk.start();
    set_bugs_fatal(false);
    desk.mutate(down(desk.id()));
    desk.answer_journal();
    desk.world.run_for(adoption_timeout - 1ms);
    EXPECT_EQ(desk.story, (Story{"commit", "publish"}));
    desk.world.run_for(2ms);
    ASSERT_FALSE(desk.last.has_value());
    EXPECT_EQ(desk.last.error().adoption_revision, desk.published->revision);
    EXPECT_TRUE(desk.own.adoption_failed.load());
    desk.mutate(Pause{"web", 30s});
    EXPECT_EQ(std::ranges::count(desk.story, "commit"), 1) << "the next waits for its turn";
    desk.answer(desk.adoptions);
    EXPECT_FALSE(desk.own.adoption_failed.load());
    EXPECT_NE(desk.view.instance("web-1")->facts->override, nullptr);
    set_bugs_fatal(true);
}

TEST(Control, AStartMayTakeLongerThanAMutation) {
    Desk desk;
    desk.answer_journal();
    desk.world.run_for(first_adoption_timeout - 1ms);
    EXPECT_EQ(desk.story, (Story{"commit", "publish", "send"}));
    EXPECT_FALSE(desk.own.adoption_failed.load());
    desk.start();
    desk.mutate(down(desk.id()));
    desk.answer_journal();
    set_bugs_fatal(false);
    desk.world.run_for(adoption_timeout + 1ms);
    EXPECT_FALSE(desk.last.has_value()) << "what comes after it has its own time";
    desk.answer(desk.adoptions);
    set_bugs_fatal(true);
}

TEST(Control, TheQueueOfMutationsHasAnEnd) {
    Desk desk;
    desk.start();
    for (std::size_t i = 0; i <= most_waiting_mutations; ++i) desk.mutate(Pause{"web", 30s});
    EXPECT_EQ(std::ranges::count(desk.story, "refused"), 0);
    desk.mutate(Pause{"web", 30s});
    EXPECT_EQ(std::ranges::count(desk.story, "refused"), 1);
    EXPECT_EQ(desk.last.error().error.code, Code::exhausted);
    desk.prompt = true;
    desk.answer_journal();
    desk.answer(desk.adoptions);
    EXPECT_EQ(std::ranges::count(desk.story, "reply"), std::ptrdiff_t{most_waiting_mutations} + 1);
}

TEST(Control, WhatIsInvalidTakesNoNumberAndTouchesNoDisk) {
    Desk desk;
    desk.start();
    const auto revision = desk.control.revision();
    desk.mutate(SetOverride{"nobody", "", verdict::OverrideState::down, 1h, "why"});
    EXPECT_EQ(desk.last.error().error.code, Code::not_found);
    desk.mutate(SetOverride{"web", "", verdict::OverrideState::down, 1h, ""});
    EXPECT_EQ(desk.last.error().error.code, Code::invalid);
    desk.mutate(SetOverride{"web", "", verdict::OverrideState::down, Duration{0}, "why"});
    EXPECT_EQ(desk.last.error().error.code, Code::invalid);
    desk.mutate(ClearOverride{"web", ""});
    EXPECT_EQ(desk.last.error().error.code, Code::not_found);
    desk.mutate(RemoveApiRoute{"r-none"});
    EXPECT_EQ(desk.last.error().error.code, Code::not_found);
    EXPECT_EQ(desk.control.revision(), revision);
    EXPECT_EQ(std::ranges::count(desk.story, "commit"), 0);
}

TEST(Control, WhatIsOnlyWitnessedIsInTheAuditAndChangesNothingElse) {
    Desk desk;
    desk.start();
    const auto before = desk.view.instance(desk.id())->facts;
    desk.prompt = true;
    desk.control.mutate({.change = Witness{}, .actor = "uid:0", .action = "upgrade", .object = "/usr/bin/hale", .detail = R"({"outcome":"begun"})"},
                        [&](MutationResult result) { desk.last = std::move(result); });
    desk.answer_journal();
    desk.answer(desk.adoptions);
    ASSERT_TRUE(desk.last) << desk.last.error().error.text;
    ASSERT_EQ(desk.batches.size(), 1u);
    ASSERT_EQ(desk.batches.front().size(), 1u);
    const auto* put = std::get_if<config::PutAudit>(&desk.batches.front().front());
    ASSERT_NE(put, nullptr);
    EXPECT_EQ(put->entry.actor, "uid:0");
    EXPECT_EQ(put->entry.action, "upgrade");
    EXPECT_EQ(put->entry.object, "/usr/bin/hale");
    EXPECT_EQ(put->entry.detail, R"({"outcome":"begun"})");
    EXPECT_EQ(put->entry.revision, desk.last->revision);
    EXPECT_EQ(put->entry.at, desk.world.utc());
    EXPECT_EQ(desk.view.instance(desk.id())->facts, before);
    // What can't be recorded is said.
    desk.prompt = false;
    desk.mutate(Witness{});
    desk.answer_journal(fail(Code::unavailable, "the disk is full"));
    ASSERT_FALSE(desk.last);
    EXPECT_EQ(desk.last.error().error.text, "the disk is full");
}

TEST(Control, IfMatchHoldsAnOverrideByItsOwnRevision) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    desk.mutate(down(desk.id()), 0);
    ASSERT_TRUE(desk.last.has_value()) << "there is none yet";
    const auto revision = desk.last->revision;
    desk.mutate(down(desk.id()), revision - 1);
    EXPECT_EQ(desk.last.error().error.code, Code::outdated);
    desk.mutate(down(desk.id()), revision);
    EXPECT_TRUE(desk.last.has_value());
}

// What GET said of an instance is what If-Match is held against, and every mutation of it moves it on.
TEST(Control, IfMatchHoldsAnInstanceByItsLastMutation) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    const auto shown = [&] { return desk.view.instance("web-1")->facts->revision; };
    const std::string id = desk.id();
    for (const Change& change : {Change{SetWeight{id, 3}}, Change{Drain{"", id}}, Change{Resume{"", id}}}) {
        const auto before = shown();
        desk.mutate(change, before + 1);
        EXPECT_EQ(desk.last.error().error.code, Code::outdated);
        desk.mutate(change, before);
        ASSERT_TRUE(desk.last.has_value());
        EXPECT_EQ(shown(), desk.last->revision);
    }
    const auto before = shown();
    desk.report(verdict::State::unhealthy, 2);
    EXPECT_EQ(shown(), before) << "a verdict is no mutation";
    // One that the API made is told by its id, and is as old as that.
    auto spec = config::load_instance(*desk.view.service("web")->facts->spec, R"({"name":"b","address":"10.0.0.2:80"})", *desk.view.document());
    desk.mutate(PutApiInstance{"web", *spec, R"({"name":"b","address":"10.0.0.2:80"})"});
    ASSERT_TRUE(desk.last.has_value());
    EXPECT_EQ(desk.last->id, desk.view.instance("b")->facts->id);
    EXPECT_EQ(desk.view.instance("b")->facts->revision, desk.last->revision);
    EXPECT_EQ(shown(), before);
    desk.mutate(RemoveApiInstance{"web", "b"}, desk.last->revision);
    EXPECT_TRUE(desk.last.has_value());
    // After a restart no number of an earlier life matches.
    Desk later({.revisions_reserved = desk.reserved});
    later.reserved = desk.reserved;
    later.start();
    EXPECT_GE(later.view.instance("web-1")->facts->revision, desk.reserved);
}

TEST(Control, AKeptAnswerKnowsItsRevisionAndAnOverrideWhenItWasAsked) {
    Desk desk;
    desk.start();
    KeptAnswer kept{{"k", "t", 200, "", {}}, [](std::uint64_t revision, const std::string&) { return std::to_string(revision); }};
    const Utc asked = desk.world.utc() - 3ms;
    desk.control.mutate({.change = SetOverride{"web", "", verdict::OverrideState::down, 1h, "why", asked}, .actor = "t", .idempotent = kept},
                        [&](MutationResult result) { desk.last = std::move(result); });
    desk.world.run_for(2ms);  // On the way to the disk.
    desk.prompt = true;
    std::string body;
    std::optional<Utc> expires;
    ASSERT_EQ(desk.batches.size(), 1u);
    for (const auto& change : desk.batches.front()) {
        if (const auto* put = std::get_if<config::PutIdempotent>(&change)) body = put->body;
        if (const auto* layer = std::get_if<config::PutOverride>(&change)) expires = layer->override.expires;
    }
    desk.answer_journal();
    Desk::answer(desk.adoptions);
    Desk::answer(desk.acks);
    ASSERT_TRUE(desk.last.has_value());
    EXPECT_EQ(body, std::to_string(desk.last->revision));
    EXPECT_EQ(expires, asked + 1h);
    EXPECT_EQ(desk.view.service("web")->facts->override->expires, asked + 1h) << "in force as it is stored";
}

TEST(Control, V7OverridesAndPausesEndByThemselves) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    desk.mutate(SetOverride{"", desk.id(), verdict::OverrideState::up, 10s, "why"});
    desk.mutate(Pause{"web", 5s});
    desk.world.run_for(4900ms);
    EXPECT_TRUE(desk.view.service("web")->facts->paused_until.has_value());
    desk.world.run_for(500ms);
    EXPECT_FALSE(desk.view.service("web")->facts->paused_until.has_value());
    EXPECT_TRUE(desk.view.instance("web-1")->eligible);
    desk.world.run_for(5s);
    EXPECT_EQ(desk.view.instance("web-1")->facts->override, nullptr);
    EXPECT_FALSE(desk.view.instance("web-1")->eligible);
}

TEST(Control, NoNumberComesTwiceWhereverItCrashes) {
    // The disk knows what was committed only; each life starts above all that an earlier one may have shown.
    std::uint64_t shown = 0, on_disk = 0;
    std::uint32_t versions = 0;
    for (int life = 0; life < 12; ++life) {
        Desk desk({.revisions_reserved = on_disk, .versions_reserved = versions});
        desk.reserved = on_disk;
        if (life % 4 == 0) continue;  // Dies before its first commit: nothing was shown.
        desk.start();
        EXPECT_GT(desk.view.revision(), shown);
        on_disk = desk.reserved;
        versions = desk.versions;
        desk.mutate(Pause{"web", 30s});
        if (life % 4 != 1) desk.answer_journal();
        if (life % 4 == 3) desk.answer(desk.adoptions);
        shown = std::max(desk.view.revision(), desk.published->revision);
    }
}

TEST(Control, ACrashLoopDoesNotUseUpTheVersions) {
    // One start every five seconds, and each dies: two months of that, and then some, must fit into 32 bits.
    constexpr std::uint32_t most_per_start = 0xffff'ffff / (61 * 24 * 3600 / 5);
    std::uint32_t on_disk = 0;
    for (int life = 0; life < 50; ++life) {
        Desk desk({.versions_reserved = on_disk});
        desk.start();
        EXPECT_GE(all<Assignment>(desk.commands).front()->first_version, on_disk) << "a number came twice";
        EXPECT_GT(desk.versions, on_disk);
        EXPECT_LE(desk.versions - on_disk, most_per_start);
        on_disk = desk.versions;
    }
}

TEST(Control, VersionsAreReservedBeforeTheyAreReached) {
    Desk desk({.versions_reserved = 7'000});
    desk.start();
    desk.prompt = true;
    // Every step a checker can take unseen: a new generation is the longest.
    std::uint32_t version = 7'001;
    for (int turn = 0; turn < 40; ++turn, version += turn % 2 == 0 ? 1 : generation_version_gap) {
        desk.report(turn % 2 == 0 ? verdict::State::healthy : verdict::State::unhealthy, version);
        EXPECT_GE(desk.versions, version + generation_version_gap + 1) << "the next one would not be on disk";
    }
}

TEST(Control, VersionsEndWithASentenceAndNeverBeginAgain) {
    for (const std::uint32_t on_disk : {last_version + 1, 0xffff'ffffu}) {
        Desk desk({.versions_reserved = on_disk});
        EXPECT_EQ(desk.story, Story{"not started"});
        EXPECT_TRUE(desk.commands.empty());
    }
    Desk desk({.versions_reserved = last_version});
    desk.start();
    desk.prompt = true;
    EXPECT_GT(desk.versions, last_version);
    for (std::uint32_t version = last_version + 1; version > last_version && version < 0xffff'ff00; version += 500) {
        desk.report(version % 1000 < 500 ? verdict::State::healthy : verdict::State::unhealthy, version);
        EXPECT_GT(desk.versions, last_version) << "the bound went back";
    }
}

TEST(Control, AReloadKeepsRevisionAndSilenceOfWhatDidNotChange) {
    const std::string two = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n"
                            "  api: {check: {http: /up}, instances: [\"10.0.0.2:80\"]}\n";
    Desk desk({}, two);
    desk.start();
    desk.prompt = true;
    struct Held {
        std::uint64_t etag, visible, instance;
        bool operator==(const Held&) const = default;
    };
    const auto held = [&](const std::string& name) {
        const auto* service = desk.view.service(std::string_view(name));
        return Held{service->facts->revision, service->revision, desk.view.instance(name + "-1")->revision};
    };
    const Held web = held("web"), api = held("api");
    const auto again = document("# Moved by a line.\n" + two);
    desk.mutate(ApplyDocument{again});
    ASSERT_TRUE(desk.last) << desk.last.error().error.text;
    EXPECT_EQ(held("web"), web);
    EXPECT_EQ(held("api"), api);
    EXPECT_EQ(desk.view.service(std::string_view("web"))->facts->spec.get(), &again->services[0]) << "the old document would never go";
    std::string changed = two;
    changed.replace(changed.find("10.0.0.2"), 8, "10.0.0.3");
    desk.mutate(ApplyDocument{document(changed)});
    ASSERT_TRUE(desk.last);
    EXPECT_EQ(held("web"), web);
    EXPECT_EQ(held("api").etag, desk.last->revision);
    EXPECT_EQ(held("api").visible, desk.last->revision);
}

TEST(Control, ABadFileIsSaidAndChangesNothing) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    const auto sent = desk.commands.size();
    desk.mutate(RejectDocument{{"hale.yml:1:1: no"}, "hale.yml"});
    EXPECT_TRUE(desk.last.has_value());
    EXPECT_TRUE(desk.own.reload_failed.load());
    EXPECT_FALSE(desk.view.reload().ok);
    EXPECT_NE(desk.view.service("web"), nullptr);
    desk.mutate(ApplyDocument{document(Desk::simple)});
    EXPECT_FALSE(desk.own.reload_failed.load());
    EXPECT_TRUE(desk.view.reload().ok);
    EXPECT_EQ(desk.commands.size(), sent) << "nothing changed: no probe is lost";
}

TEST(Control, RowsAreUsedAgainOnlyWhenNoRequestHoldsThem) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    const auto* to = all<Assignment>(desk.commands).front();
    auto* cell = to->cell;
    cell->in_flight.store(1);
    desk.mutate(ApplyDocument{document("services: {}\n")});
    desk.world.run_for(10s);
    EXPECT_EQ(desk.ledger.in_use(), 1u);
    cell->in_flight.store(0);
    desk.world.run_for(1s);
    EXPECT_EQ(desk.ledger.in_use(), 0u);
}

TEST(Control, AVerifyWithoutAnAnswerEndsAndOneWithoutObjectIsNoSuccess) {
    Desk desk;
    desk.start();
    std::optional<VerifyResult> result;
    desk.control.verify({.service = "nobody"}, [&](VerifyResult got) { result = std::move(got); });
    ASSERT_TRUE(result);
    EXPECT_EQ(result->end, VerifyEnd::nothing_to_verify);
    result.reset();
    desk.control.verify({.service = "web", .timeout = 3s}, [&](VerifyResult got) { result = std::move(got); });
    desk.world.run_for(2900ms);
    EXPECT_FALSE(result);
    desk.world.run_for(1s);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->end, VerifyEnd::timed_out);
}

TEST(Control, ABeatIsForOneCheckAndWithSeveralItMustSayWhich) {
    for (const int checks : {0, 1, 2}) {
        std::string yaml = "services:\n  jobs:\n    checks:\n      other: {http: /up}\n";
        if (checks >= 1) yaml += "      night: {heartbeat: {every: 1h}}\n";
        if (checks >= 2) yaml += "      week: {heartbeat: {every: 1h}}\n";
        Desk desk({}, yaml + "    instances: [\"10.0.0.1:80\", \"10.0.0.2:80\"]\n");
        desk.start();
        desk.prompt = true;
        for (const std::string asked : {"", "night", "week", "other"}) {
            desk.commands.clear();
            std::optional<Result<>> answer;
            desk.control.heartbeat("jobs", asked, verdict::Outcome::pass, "", [&](Result<> result) { answer = std::move(result); });
            ASSERT_TRUE(answer) << asked;
            const std::string meant = asked == "week" && checks == 2 ? "week" : asked == "night" && checks >= 1 ? "night" : asked.empty() && checks == 1 ? "night" : "";
            const auto beats = all<HeartbeatSeen>(desk.commands);
            EXPECT_EQ(answer->has_value(), !meant.empty()) << asked << checks;
            EXPECT_EQ(beats.size(), meant.empty() ? 0u : 2u) << asked << checks;
            for (const auto* beat : beats) EXPECT_EQ(beat->check, meant);
            if (asked.empty() && checks == 2) { EXPECT_NE(answer->error().text.find("night, week"), std::string::npos) << answer->error().text; }
        }
        std::optional<Result<>> answer;
        desk.control.heartbeat("nobody", "", verdict::Outcome::pass, "", [&](Result<> result) { answer = std::move(result); });
        EXPECT_EQ(answer->error().code, Code::not_found);
    }
}

// What the file says to all checkers, and of targets, is in force with the reload that says it, and said once.
TEST(Control, SettingsAreSaidToCheckersAndWorkersWhenTheyChange) {
    Desk desk;
    desk.start();
    auto said = all<CheckerSettings>(desk.commands);
    ASSERT_EQ(said.size(), 1u) << "first of all";
    EXPECT_TRUE(std::holds_alternative<CheckerSettings>(desk.commands.front()));
    EXPECT_EQ(said[0]->in_flight, 4096u);
    EXPECT_EQ(said[0]->in_flight_per_host, 8u);
    EXPECT_EQ(desk.published->max_body, std::nullopt);
    EXPECT_TRUE(desk.published->targets->deny.empty());

    desk.prompt = true;
    std::optional<bool> held;
    desk.control.set_own_addresses({*SocketAddress::parse("127.0.0.1:4253")}, [&] { held = true; });
    EXPECT_TRUE(held.value_or(false));
    EXPECT_EQ(desk.published->targets->own.size(), 1u);
    held.reset();
    desk.control.set_own_addresses({*SocketAddress::parse("127.0.0.1:4253")}, [&] { held = true; });
    EXPECT_TRUE(held.value_or(false)) << "answered also when nothing changed";

    const auto reload = [&](const std::string& head) { desk.mutate(ApplyDocument{document(head + Desk::simple)}); };
    reload("probes_in_flight: 10\nprobes_in_flight_per_host: 3\ntargets: {deny: [10.9.0.0/16]}\nlimits: {max_body: 1MiB}\n");
    said = all<CheckerSettings>(desk.commands);
    ASSERT_EQ(said.size(), 3u);
    EXPECT_EQ(said[2]->in_flight, 10u);
    EXPECT_EQ(said[2]->in_flight_per_host, 3u);
    EXPECT_EQ(said[2]->targets->deny.size(), 1u);
    EXPECT_EQ(said[2]->targets->own.size(), 1u) << "a reload forgets nothing of ours";
    EXPECT_EQ(desk.published->targets, said[2]->targets);
    EXPECT_EQ(desk.published->max_body, 1u << 20);
    reload("probes_in_flight: 10\nprobes_in_flight_per_host: 3\ntargets: {deny: [10.9.0.0/16]}\n");
    EXPECT_EQ(all<CheckerSettings>(desk.commands).size(), 3u);
    EXPECT_EQ(desk.published->max_body, std::nullopt);
}

// Checks via: proxy go to the listeners as this machine reaches them; said once, and kept over reloads.
TEST(Control, ListenersAreSaidToCheckersAsTheyAreReachedFromHere) {
    struct Case { std::string bound, reached; };
    for (const Case& one : {Case{"0.0.0.0:80", "127.0.0.1:80"}, {"[::]:80", "[::1]:80"}, {"10.0.0.7:80", "10.0.0.7:80"}, {"unix:/run/x.sock", "unix:/run/x.sock"}}) {
        Desk desk;
        desk.start();
        desk.prompt = true;
        for (int twice = 0; twice < 2; ++twice) desk.control.set_front({.http = SocketAddress::parse(one.bound), .https = {}});
        auto said = all<CheckerSettings>(desk.commands);
        ASSERT_EQ(said.size(), 2u);
        EXPECT_EQ(said[1]->front.http, SocketAddress::parse(one.reached));
        EXPECT_EQ(said[1]->front.https, std::nullopt);
        desk.mutate(ApplyDocument{document("probes_in_flight: 10\n" + std::string(Desk::simple))});
        said = all<CheckerSettings>(desk.commands);
        ASSERT_EQ(said.size(), 3u);
        EXPECT_EQ(said[2]->front.http, SocketAddress::parse(one.reached));
    }
}

// Users will be turned away however well the instances are: the service says so, and is routed as before.
TEST(Control, ACertificateThatEndsSoonDegradesItsServiceAndNothingElse) {
    Desk desk;
    desk.start();
    desk.prompt = true;
    const auto standing = [&] { return desk.view.service("web")->standing; };
    desk.report(verdict::State::healthy, 1);
    ASSERT_EQ(standing().state, verdict::State::healthy);
    desk.control.set_ending_certificates({{"web", {"web.example", "/c.pem", *parse_rfc3339("2099-01-01T00:00:00Z")}}, {"nobody", {}}});
    EXPECT_EQ(standing().state, verdict::State::degraded);
    EXPECT_EQ(verdict::code(standing().reason), "certificate_expiring");
    EXPECT_NE(standing().text.find("web.example (/c.pem) ends at 2099-01-01"), std::string::npos) << standing().text;
    EXPECT_EQ(standing().counts.eligible, standing().counts.total);
    desk.control.set_ending_certificates({});
    EXPECT_EQ(standing().state, verdict::State::healthy);
}

TEST(Control, EndpointsOfTheFileAloneAreTrusted) {
    Desk desk;
    desk.prompt = true;
    desk.answer_journal();
    desk.answer(desk.adoptions);
    desk.answer(desk.acks);
    auto added = config::load_instance(*desk.view.service("web")->facts->spec, R"({"address":"10.0.0.2:80","name":"extra"})", *desk.view.document());
    ASSERT_TRUE(added);
    desk.mutate(PutApiInstance{"web", *added, "{}"});
    const auto& endpoints = desk.published->table.find("web.example", "/")->service->endpoints;
    ASSERT_EQ(endpoints.size(), 2u);
    for (const auto& endpoint : endpoints) EXPECT_EQ(endpoint.trusted, endpoint.name == "web-1") << endpoint.name;
}

TEST(Control, AnOverrideLastsAtMostAsLongAsTheFileAllows) {
    Desk desk({}, "override_max: 30m\n" + Desk::simple);
    desk.start();
    desk.prompt = true;
    desk.mutate(down(desk.id()));
    ASSERT_FALSE(desk.last);
    EXPECT_EQ(desk.last.error().error.code, Code::invalid);
    desk.mutate(ApplyDocument{document("override_max: 2h\n" + Desk::simple)});
    desk.mutate(down(desk.id()));
    EXPECT_TRUE(desk.last);
}

}  // namespace
}  // namespace hale::catalog
