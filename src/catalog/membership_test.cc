// Goal: an instance keeps its id, row and generation for as long as it is the same one (order, names, reloads,
// restarts), a changed address is proven beside the old one, and nothing costs the square of the instances.
// Method: documents from text, put one after the other; the effects are what checkers and readers are told.

#include <chrono>

#include "catalog/folding.h"
#include "catalog/publishing.h"
#include "catalog/testing.h"

namespace hale::catalog {
namespace {

struct Bench {
    Effects put(const std::string& yaml, bool routed = true, const Entrance& entrance = {.host = "web.example"}) {
        Effects effects;
        membership.put({service_of(document("services:\n  web: " + yaml)), entrance, routed, 1}, at, effects);
        return effects;
    }
    // web-1, web-2...: judged before a restart.
    void remember(int count) {
        std::vector<config::StoredVerdict> verdicts;
        for (int i = 0; i < count; ++i) {
            config::StoredVerdict one;
            one.instance = fmt::format("i-{}", i);
            one.service = "web";
            one.name = fmt::format("web-{}", i + 1);
            one.declared = fmt::format("10.0.0.{}:80", i + 1);
            one.generation = 1;
            verdicts.push_back(one);
        }
        membership.remember(verdicts);
    }
    Instance& named(std::string_view name) {
        for (const auto& one : membership.service("web")->instances)
            if (one->name == name && !one->leaving) return *one;
        ADD_FAILURE() << "no instance " << name;
        return *membership.service("web")->instances.front();
    }
    std::size_t serving() {
        return static_cast<std::size_t>(std::ranges::count_if(membership.service("web")->instances, [](const auto& one) { return !one->leaving; }));
    }
    Effects sweep(Duration later) {
        at.now += later;
        Effects effects;
        membership.sweep(at, effects);
        return effects;
    }
    Effects resolve(const std::string& name, std::vector<Ip> addresses) {
        Effects effects;
        membership.resolved(name, addresses, at, effects);
        return effects;
    }

    verdict::Ledger ledger{1u << 18};
    Random random{7};
    Membership membership{ledger, random};
    Moment at{Instant{1h}, Utc{1'795'270'000s}};
};

struct Same {
    explicit Same(const Instance& one) : id(one.id), row(one.current.row), generation(one.current.number), slot(one.slot) {}
    bool operator==(const Same&) const = default;
    std::string id;
    verdict::RowId row;
    std::uint16_t generation;
    Slot slot;
};

TEST(Membership, V3AnInstanceIsTheSameWhateverItsOrderOrName) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80", {name: c, address: "10.0.0.3:80"}]})");
    const Same first(bench.named("web-1")), second(bench.named("web-2")), third(bench.named("c"));
    // Reordered; timing changed; the address of a given name spelled once more.
    bench.put(R"({check: {http: /up, interval: 7s}, instances: [{name: c, address: "10.0.0.3:80"}, "10.0.0.2:80", "10.0.0.1:80"]})");
    EXPECT_EQ(Same(bench.named("web-1")), first);
    EXPECT_EQ(Same(bench.named("web-2")), second);
    EXPECT_EQ(Same(bench.named("c")), third);
    // A listed address gets a name: the same instance, called otherwise.
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.1:80"}, "10.0.0.2:80", {name: c, address: "10.0.0.3:80"}]})");
    EXPECT_EQ(Same(bench.named("a")), first);
    EXPECT_EQ(bench.serving(), 3u);
    // Names win over addresses: `a` moves to a new address though another now lives at its old one.
    bench.put(R"({check: {http: /up}, instances: [{name: b, address: "10.0.0.1:80"}, {name: a, address: "10.0.0.9:80"}, "10.0.0.2:80"]})");
    EXPECT_EQ(Same(bench.named("a")), first);
    ASSERT_NE(bench.named("a").next, nullptr);
    EXPECT_NE(Same(bench.named("b")).id, first.id);
}

TEST(Membership, AGivenNameIsNeverSharedWithANumber) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80"]})");
    const Same second(bench.named("web-2"));
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80", {name: web-2, address: "10.0.0.3:80"}]})");
    std::set<std::string> names;
    for (const auto& one : bench.membership.service("web")->instances) EXPECT_TRUE(names.insert(one->name.str()).second) << one->name;
    EXPECT_EQ(bench.membership.instance(second.id)->spec->target.declared, "10.0.0.2:80");
}

TEST(Membership, UnchangedInstancesCostNoCommand) {
    Bench bench;
    const std::string yaml = R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80"]})";
    EXPECT_EQ(bench.put(yaml).commands.size(), 2u);
    EXPECT_TRUE(bench.put(yaml).commands.empty());
    EXPECT_EQ(bench.put(R"({check: {http: /up, fall: 5}, instances: ["10.0.0.1:80", "10.0.0.2:80"]})").commands.size(), 2u);
    // An instance's own overlay touches it alone.
    const auto one = bench.put(R"({check: {http: /up, fall: 5}, instances: ["10.0.0.1:80", {name: web-2, address: "10.0.0.2:80", check: {port: 81}}]})");
    EXPECT_EQ(all<Assignment>(one.commands).size(), 1u);
}

TEST(Membership, WhoeverLooksThroughTheProxyIsToldHowUsersCome) {
    const std::string yaml = R"({checks: {main: {http: /up}, way: {http: /up, via: proxy}}, instances: ["10.0.0.1:80"]})";
    Bench bench;
    bench.put(yaml);
    for (const Entrance& now : {Entrance{.host = "web.example", .stripped = "/api"}, {.host = "web.example", .stripped = "/api", .tls = true}, {.host = "web.example"}}) {
        const auto effects = bench.put(yaml, true, now);
        const auto told = all<Assignment>(effects.commands);
        ASSERT_EQ(told.size(), 1u) << "the instance's own checks ask as before";
        EXPECT_EQ(told[0]->entrance, now);
        EXPECT_TRUE((*told[0]->checks)[0]->through_proxy());
        EXPECT_TRUE(bench.put(yaml, true, now).commands.empty());
    }
}

TEST(Membership, AChangedAddressIsProvenBesideTheOldOne) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.1:80"}]})");
    Instance& a = bench.named("a");
    const Same before(a);
    const auto moved = bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.2:80"}]})");
    EXPECT_EQ(Same(a), before);
    ASSERT_NE(a.next, nullptr);
    EXPECT_EQ(a.current.address->text(), "10.0.0.1:80");
    EXPECT_EQ(a.next->address->text(), "10.0.0.2:80");
    EXPECT_EQ(a.next->number, before.generation + 1);
    ASSERT_EQ(all<Assignment>(moved.commands).size(), 1u);
    EXPECT_GT(all<Assignment>(moved.commands)[0]->first_version, a.current.word().version);
    EXPECT_EQ(bench.membership.by_row(a.next->row, a.next->number).generation, a.next.get());
    // Changed its mind: back where it was; and the number is not given twice.
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.1:80"}]})");
    EXPECT_EQ(a.next, nullptr);
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.3:80"}]})");
    EXPECT_EQ(a.next->number, before.generation + 2);
    // Nobody answers there: after replace_timeout it takes over all the same.
    EXPECT_TRUE(bench.sweep(29s).retired.empty());
    const auto replaced = bench.sweep(2s);
    ASSERT_EQ(replaced.retired.size(), 1u);
    EXPECT_EQ(replaced.retired[0], before.row);
    EXPECT_EQ(a.current.address->text(), "10.0.0.3:80");
    EXPECT_EQ(a.id, before.id);
    EXPECT_EQ(bench.membership.by_row(before.row, before.generation).instance, nullptr) << "late reports of it are nobody's";
}

TEST(Membership, ANewGenerationIsToldThatItIsTheLastEligible) {
    Bench bench;
    Folding folding(bench.membership);
    const auto refold = [&] {
        Effects effects;
        folding.refold({"web"}, bench.at, effects);
        return effects;
    };
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.1:80"}]})");
    EXPECT_EQ(all<LastEligible>(refold().commands).size(), 1u);
    EXPECT_TRUE(all<LastEligible>(refold().commands).empty()) << "said once";
    bench.put(R"({check: {http: /up}, instances: [{name: a, address: "10.0.0.2:80"}]})");
    Instance& a = bench.named("a");
    Effects effects;
    bench.membership.replace(a, bench.at, effects);
    const auto told = refold();
    const auto last = all<LastEligible>(told.commands);
    ASSERT_EQ(last.size(), 1u) << "the row is another: its checker was never told";
    EXPECT_EQ(last[0]->row, a.current.row);
    EXPECT_TRUE(last[0]->last);
}

TEST(Membership, EveryCheckOfWhatIsRestoredHasAPlaceOfItsOwn) {
    Bench bench;
    bench.remember(3);
    auto effects = bench.put(R"({checks: {a: {http: /a}, b: {http: /b}}, instances: ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]})");
    Membership::spread_restored(effects);
    std::vector<std::uint32_t> ranks;
    for (const auto* one : all<Assignment>(effects.commands)) {
        if (!one->last_known) continue;
        EXPECT_EQ(one->restored_total, 6u);
        ranks.push_back(one->restored_rank);
    }
    EXPECT_EQ(ranks, (std::vector<std::uint32_t>{0, 2, 4}));
}

TEST(Membership, WhatIsRestoredIsProbedByTheShortestIntervalFirst) {
    Bench bench;
    bench.remember(3);
    auto effects = bench.put(R"({check: {http: /, interval: 60s}, instances: ["10.0.0.1:80", {address: "10.0.0.2:80", check: {http: /, interval: 1s}}, )"
                             R"({address: "10.0.0.3:80", check: {http: /, interval: 5s}}]})");
    Membership::spread_restored(effects);
    std::vector<std::uint32_t> ranks;
    for (const auto* one : all<Assignment>(effects.commands)) ranks.push_back(one->restored_rank);
    EXPECT_EQ(ranks, (std::vector<std::uint32_t>{2, 0, 1}));
}

TEST(Membership, AResolvedNameKeepsItsAddressWhileTheAnswerHoldsIt) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["db:80"]})");
    Instance& one = bench.named("web-1");
    EXPECT_FALSE(one.current.address.has_value());
    EXPECT_EQ(bench.membership.names(), std::set<std::string>{"db"});
    const Ip a = Ip::v4(10, 0, 0, 1), b = Ip::v4(10, 0, 0, 2), c = Ip::v4(10, 0, 0, 3);
    bench.resolve("db", {a});
    EXPECT_EQ(one.current.address->ip, a);
    bench.resolve("db", {b, a});
    EXPECT_EQ(one.next, nullptr);
    bench.resolve("db", {b});
    ASSERT_NE(one.next, nullptr);
    EXPECT_EQ(one.current.address->ip, a);
    bench.resolve("db", {c, b});
    EXPECT_EQ(one.next->address->ip, b) << "the one being proven stays, too";
    bench.resolve("db", {c});
    EXPECT_EQ(one.next->address->ip, c);
    bench.resolve("db", {a, c});
    EXPECT_EQ(one.next, nullptr) << "back where it serves";
    bench.resolve("db", {});
    EXPECT_EQ(one.current.address->ip, a);
}

TEST(Membership, EachAddressOfANameIsAnInstanceAndAVanishedOneDrainsAtOnce) {
    Bench bench;
    bench.put(R"({check: {http: /up}, resolve: each, instances: ["db:80"]})");
    EXPECT_EQ(bench.serving(), 0u);
    bench.resolve("db", {Ip::v4(10, 0, 0, 1), Ip::v4(10, 0, 0, 2)});
    ASSERT_EQ(bench.serving(), 2u);
    const Same first(bench.named("web-1@10.0.0.1"));
    EXPECT_TRUE(bench.resolve("db", {Ip::v4(10, 0, 0, 2), Ip::v4(10, 0, 0, 1)}).commands.empty());
    bench.resolve("db", {Ip::v4(10, 0, 0, 1), Ip::v4(10, 0, 0, 3)});
    EXPECT_EQ(Same(bench.named("web-1@10.0.0.1")), first);
    EXPECT_EQ(bench.serving(), 2u);
    bench.put(R"({check: {http: /up}, resolve: each, balance: least_requests, instances: ["db:80"]})");
    EXPECT_EQ(Same(bench.named("web-1@10.0.0.1")), first);
    EXPECT_EQ(bench.sweep(1s).retired.size(), 1u) << "idle: gone at the next sweep";
}

TEST(Membership, WhatLeavesIsDroppedWhenNoRequestIsThereOrItsTimeIsUp) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80"]})");
    Instance& one = bench.named("web-1");
    const std::string id = one.id.str();
    one.current.cell->in_flight.store(1);
    const auto left = bench.put(R"({check: {http: /up}, instances: ["10.0.0.2:80"]})");
    EXPECT_TRUE(left.commands.empty());
    EXPECT_EQ(one.lifecycle, verdict::Lifecycle::draining);
    EXPECT_TRUE(bench.sweep(29s).retired.empty());
    const auto gone = bench.sweep(2s);
    EXPECT_EQ(gone.retired.size(), 1u);
    EXPECT_EQ(all<Unassign>(gone.commands).size(), 1u);
    EXPECT_EQ(all<config::RemoveVerdict>(gone.remember).size(), 1u);
    EXPECT_EQ(bench.membership.instance(id), nullptr);
}

config::StoredVerdict stored(const Instance& one) {
    return {.instance = one.id.str(), .service = "web", .name = one.name.str(), .declared = one.spec->target.declared.str(), .generation = one.current.number,
            .state = verdict::State::healthy, .was_eligible = true, .version = 9, .reason = "ok", .observed = Utc{1'795'269'990s},
            .resolved = one.current.address ? one.current.address->text() : ""};
}

TEST(Membership, ARestartFindsEveryInstanceAgain) {
    const std::string yaml = R"({check: {http: /up}, resolve: each, instances: ["10.0.0.1:80", {name: c, address: "10.0.0.3:80"}, "db:80"]})";
    Bench before;
    before.put(yaml);
    before.resolve("db", {Ip::v4(10, 0, 0, 7), Ip::v4(10, 0, 0, 8)});
    std::map<std::string, std::string> ids;
    std::vector<config::StoredVerdict> kept;
    for (const auto& one : before.membership.service("web")->instances) {
        ids[one->name.str()] = one->id.str();
        kept.push_back(stored(*one));
    }
    ASSERT_EQ(ids.size(), 4u);
    kept.push_back({.instance = "i-gone", .service = "web", .name = "old", .declared = "10.9.9.9:80"});
    Bench after;
    after.membership.options.first_version = 1'000'000;
    after.membership.remember(kept);
    // Another order and a newcomer: names and ids go with what was declared, not with places.
    const auto effects = after.put(R"({check: {http: /up}, resolve: each, instances: ["10.0.0.9:80", "db:80", {name: c, address: "10.0.0.3:80"}, "10.0.0.1:80"]})");
    std::set<std::string> names;
    for (const auto& one : after.membership.service("web")->instances) {
        EXPECT_TRUE(names.insert(one->name.str()).second) << one->name;
        if (ids.contains(one->name.str())) EXPECT_EQ(one->id, ids[one->name.str()]) << one->name;
        if (one->each) EXPECT_EQ(one->name, "web-3@" + one->current.address->ip.text());
    }
    EXPECT_EQ(names.size(), 5u);
    std::size_t known = 0;
    for (const auto* to : all<Assignment>(effects.commands)) {
        EXPECT_EQ(to->first_version, 1'000'000u);
        if (!to->last_known) continue;
        ++known;
        EXPECT_EQ(to->last_known->age, 10s);
    }
    EXPECT_EQ(known, 4u);
    const auto forgotten = after.membership.forget_unclaimed();
    ASSERT_EQ(forgotten.size(), 1u);
    EXPECT_EQ(std::get<config::RemoveVerdict>(forgotten[0]).instance, "i-gone");
}

TEST(Membership, ARemovedServiceLetsReadersOfItsEpochFinish) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80"]})");
    const std::weak_ptr<verdict::Epoch> epoch = bench.membership.service("web")->epoch;
    {
        Effects effects;
        bench.membership.remove("web", bench.at, effects);
        EXPECT_FALSE(epoch.expired());
        EXPECT_EQ(effects.retired.size(), 1u);
        EXPECT_EQ(all<ServiceGone>(effects.tell).size(), 1u);
        EXPECT_EQ(all<InstanceGone>(effects.tell).size(), 1u);
    }
    EXPECT_TRUE(epoch.expired());
    EXPECT_EQ(bench.membership.service("web"), nullptr);
}

// 40,000 come, change, are exchanged by half and go within two or three seconds under sanitizers (100,000 in
// seven); the square would take minutes.
TEST(Membership, ManyInstancesCostTheirNumberNotItsSquare) {
    const auto spec = [](int first, int count, bool fast) {
        auto made = std::make_shared<config::ServiceSpec>(*service_of(document(
            fmt::format("services:\n  web: {{check: {{http: /up, interval: {}}}, instances: [\"10.0.0.1:80\"]}}", fast ? "4s" : "5s"))));
        made->instances.clear();
        for (int i = first; i < first + count; ++i) {
            config::InstanceSpec one;
            one.name = fmt::format("web-{}", i - first + 1);
            one.target = config::Target::parse(fmt::format("10.{}.{}.{}:80", i / 65536, i / 256 % 256, i % 256)).value();
            made->instances.push_back(std::move(one));
        }
        return made;
    };
    constexpr int count = 40'000;
    Bench bench;
    Effects effects;
    // Anything quadratic would outlast the suite's own deadline.
    bench.membership.put({spec(0, count, false), {.host = "web.example"}, true, 1}, bench.at, effects);
    bench.membership.put({spec(0, count, true), {.host = "web.example"}, true, 2}, bench.at, effects);
    bench.membership.put({spec(count / 2, count, true), {.host = "web.example"}, true, 3}, bench.at, effects);
    EXPECT_EQ(bench.serving(), std::size_t{count});
    bench.sweep(1s);
    EXPECT_EQ(bench.membership.service("web")->instances.size(), std::size_t{count});
    bench.membership.remove("web", bench.at, effects);
    EXPECT_TRUE(bench.membership.service("web") == nullptr);
}

TEST(Publishing, UnchangedServicesAreSharedAndChangedOnesAreNew) {
    Bench bench;
    const auto both = document("services:\n  a: {hosts: [a.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n"
                               "  b: {hosts: [b.example], check: {http: /up}, instances: [\"10.0.0.2:80\"]}\n");
    Effects effects;
    for (std::size_t i = 0; i < 2; ++i) bench.membership.put({service_of(both, i), {}, true, 1}, bench.at, effects);
    std::vector<RouteFacts> routes;
    for (const auto& route : both->routes) routes.push_back({route, 1});
    Publishing publishing;
    const auto first = publishing.build(bench.membership, routes, effects.services, *both, nullptr, 1, bench.at);
    const auto second = publishing.build(bench.membership, routes, {"b"}, *both, nullptr, 2, bench.at);
    EXPECT_EQ(first->table.find("a.example", "/")->service, second->table.find("a.example", "/")->service);
    EXPECT_NE(first->table.find("b.example", "/")->service, second->table.find("b.example", "/")->service);
    EXPECT_EQ(second->table.find("b.example", "/")->service->endpoints[0].address.text(), "10.0.0.2:80");
    EXPECT_EQ(second->table.find("b.example", "/")->service->revision, 2u);
}

// What the file says of a service is what its routers get.
TEST(Publishing, EveryTrafficKeyReachesTheSnapshot) {
    Bench bench;
    const auto said = document(
        "trusted_proxies: [10.0.0.0/8]\nerrors: {detail_for: [10.1.0.0/16]}\nlimits: {max_body: 1MiB}\n"
        "aliases: [{path: /up, action: health, on_public: true}, {path: /private, action: health}]\n"
        "services:\n  a:\n    routes: [{host: a.example, path: /x, strip: true}]\n    check: {http: /up}\n"
        "    instances: [{address: \"10.0.0.1:80\", weight: 7}]\n    balance: {hash: \"header:X\"}\n    degraded_weight: 0.5\n"
        "    timeouts: {connect: 2s, first_byte: 3s, idle: 4s}\n    retry: {max: 5, budget: 50%}\n    panic: {below: 10%, min_instances: 9, to: last_good}\n");
    Effects effects;
    bench.membership.put({service_of(said, 0), {}, true, 1}, bench.at, effects);
    std::vector<RouteFacts> routes{{said->routes.at(0), 1}};
    Publishing publishing;
    const auto snapshot = publishing.build(bench.membership, routes, effects.services, *said, nullptr, 1, bench.at);
    const Route* route = snapshot->table.find("a.example", "/x/y");
    ASSERT_NE(route, nullptr);
    EXPECT_EQ(snapshot->table.find("a.example", "/y"), nullptr);
    EXPECT_TRUE(route->strip);
    const auto& service = *route->service;
    EXPECT_EQ(service.endpoints.at(0).weight, 7u);
    EXPECT_EQ(service.balance.kind, config::BalanceKind::hash_header);
    EXPECT_EQ(service.degraded_weight, 0.5);
    EXPECT_EQ(service.timeouts, (config::Timeouts{.connect = 2s, .first_byte = 3s, .idle = 4s}));
    EXPECT_EQ(service.retry, (config::Retry{.max = 5, .budget_percent = 50}));
    EXPECT_EQ(snapshot->trusted_proxies.size(), 1u);
    EXPECT_EQ(snapshot->errors_detail_for.size(), 1u);
    EXPECT_EQ(snapshot->max_body, 1u << 20);
    ASSERT_EQ(snapshot->public_health.size(), 1u);
    EXPECT_EQ(snapshot->public_health[0].path, "/up");
}

// What control folds from records is what the law folds from words.
TEST(Folding, AgreesWithTheLawOverEveryPairOfInstanceStates) {
    Bench bench;
    bench.put(R"({check: {http: /up}, instances: ["10.0.0.1:80", "10.0.0.2:80"]})");
    Folding folding(bench.membership);
    Service& service = *bench.membership.service("web");
    std::uint32_t version = 0;
    using verdict::State;
    for (const State a : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
        for (const State b : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
            for (const bool maintenance : {false, true}) {
                service.instances[0]->override = maintenance ? std::make_shared<config::Override>(config::Override{.state = verdict::OverrideState::maintenance}) : nullptr;
                CheckReport report;
                std::vector<verdict::InstanceView> views;
                std::size_t i = 0;
                for (const State state : {a, b}) {
                    Instance& one = *service.instances[i++];
                    auto record = std::make_shared<InstanceRecord>();
                    record->word = {.state = state, .generation = one.current.number, .version = ++version};
                    record->reason = verdict::Reason::status_mismatch;
                    report.changes.push_back({one.current.row, one.current.number, record});
                    views.push_back({{.override = one.override ? std::optional{one.override->state} : std::nullopt, .word = record->word}, record->reason});
                }
                Effects effects;
                folding.take(std::move(report), bench.at, effects);
                const auto law = verdict::fold_service(views, {});
                EXPECT_EQ(service.standing.state, law.state);
                EXPECT_EQ(service.standing.counts.eligible, law.counts.eligible);
                for (std::size_t n = 0; n < 2; ++n) EXPECT_EQ(service.instances[n]->eligible, verdict::eligibility(views[n].standing).eligible);
                EXPECT_EQ(all<VerdictPut>(effects.tell).size(), 2u);
            }
    // Another generation's report is nobody's.
    CheckReport late;
    late.changes.push_back({service.instances[0]->current.row, 77, std::make_shared<InstanceRecord>()});
    Effects effects;
    folding.take(std::move(late), bench.at, effects);
    EXPECT_TRUE(effects.tell.empty());
    EXPECT_EQ(folding.discarded(), 1u);
}

}  // namespace
}  // namespace hale::catalog
