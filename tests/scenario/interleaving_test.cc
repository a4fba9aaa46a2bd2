// Goal: one verdict record (V1), nothing shown before it is in force (V2), whatever happens in whatever order.
// Method: 10,000 rounds over many seeds. In each, some of probe, override, reload, route add and remove, drain,
// pause, weight, a turn of a backend's health, a death, a request and sometimes kill -9 of the node happen at
// drawn instants, so that they meet each other's middle. After each round every surface is compared with the
// ledger and the routing snapshot: readers, words and routers must agree at equal versions. Node holds V2 on
// every single delta and answer.

#include <map>
#include <set>

#include "base/text.h"
#include "config/load.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

using verdict::OverrideState;

class Story {
public:
    explicit Story(std::uint64_t seed) : site_(seed), loop_(site_.world.make_loop("client")) {
        for (int i = 0; i < 4; ++i)
            backends_.push_back(std::make_unique<Backend>(site_, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1)));
        draw_document();
        restart();
    }

    void round() {
        const auto happenings = 1 + below(4);
        for (std::uint64_t i = 0; i < happenings; ++i)
            loop_.post_at(site_.world.now() + Duration{static_cast<std::int64_t>(below(20'000'000))}, [this] { happen(); });
        site_.world.run_for(Duration{static_cast<std::int64_t>(below(below(4) == 0 ? 400'000'000 : 40'000'000))});
        agree();
        request();
        if (below(80) == 0) restart();
    }
    // Everything that is under way ends, and then there is nothing left to disagree about.
    void quiet() {
        EXPECT_TRUE(site_.world.run_until([&] { return settled(); }, 5s)) << "a mutation without an end";
        site_.world.run_for(1s);
        agree();
    }

private:
    std::uint64_t below(std::uint64_t n) { return site_.world.random().below(n); }
    std::string a_service() { return fmt::format("s{}", below(3)); }

    void draw_document() {
        yaml_ = "defaults: {check: {interval: 300ms, timeout: 100ms, rise: 1, fall: 2, confirm_interval: 100ms}}\nservices:\n";
        for (int s = 0; s < 3; ++s) {
            yaml_ += fmt::format("  s{}: {{hosts: [s{}.example], check: {{http: {}}}, instances: [", s, s, below(2) == 0 ? "/up" : "/health");
            bool any = false;
            const auto first = below(4);
            for (std::uint64_t b = 0; b < 4; ++b) {
                if (any && below(3) == 0) continue;
                yaml_ += fmt::format("{}\"{}\"", any ? ", " : "", backends_[(first + b) % 4]->address());
                any = true;
            }
            yaml_ += "]}\n";
        }
    }

    void restart() {
        std::map<std::string, std::shared_ptr<const config::Override>> in_force;
        if (node_ && settled())
            each_instance([&](const catalog::InstanceView& one) {
                if (one.facts->override && one.facts->override->instance == one.facts->id && one.facts->lifecycle == verdict::Lifecycle::serving)
                    in_force[one.facts->id.str()] = one.facts->override;
            });
        asks_.clear();
        node_.reset();
        node_ = std::make_unique<Node>(site_);
        ASSERT_TRUE(node_->start(yaml_)) << yaml_;
        // Acknowledged and not expired: there again. (An unapplied reload may have taken the instance away.)
        for (const auto& [id, layer] : in_force) {
            const auto* one = node_->view().instance(id);
            if (one == nullptr || layer->expires <= site_.world.utc()) continue;
            EXPECT_NE(one->facts->override, nullptr) << "V7: the override of " << id << " did not survive";
        }
        agree();
    }

    template <class F>
    void each_instance(F&& f) {
        for (catalog::Slot slot = 0; slot < node_->view().instance_slots(); ++slot)
            if (const auto* one = node_->view().instance(slot)) f(*one);
    }
    std::string an_instance() {
        std::vector<std::string> ids;
        each_instance([&](const catalog::InstanceView& one) { ids.push_back(one.facts->id.str()); });
        return ids.empty() ? "i-none" : ids[below(ids.size())];
    }

    void ask(catalog::Change change) {
        node_->ask(std::move(change), [](catalog::MutationResult result) {
            if (result) return;
            const Code code = result.error().error.code;
            EXPECT_TRUE(code == Code::not_found || code == Code::conflict || code == Code::invalid) << result.error().error.text;
        });
    }

    void happen() {
        if (!node_ || node_->view().document() == nullptr) return;  // Between a crash and the next start.
        Backend& backend = *backends_[below(4)];
        switch (below(15)) {
            case 0:
            case 1: backend.sick = !backend.sick; break;
            case 2: ask(catalog::SetOverride{"", an_instance(), an_override(), lasting(), "test"}); break;
            case 3: ask(catalog::SetOverride{a_service(), "", an_override(), lasting(), "test"}); break;
            case 4: ask(catalog::ClearOverride{"", an_instance()}); break;
            case 5: ask(catalog::ClearOverride{a_service(), ""}); break;
            case 6:
                draw_document();
                ask(catalog::ApplyDocument{document(yaml_)});
                break;
            case 7: ask(catalog::RejectDocument{{"hale.yml:1:1: no"}, "hale.yml"}); break;
            case 8: put_route(); break;
            case 9: ask(catalog::RemoveApiRoute{config::route_id(fmt::format("r{}.example", below(3)), "/")}); break;
            case 10: ask(below(2) == 0 ? catalog::Change{catalog::Drain{"", an_instance()}} : catalog::Change{catalog::Resume{"", an_instance()}}); break;
            case 11: ask(below(4) == 0 ? catalog::Change{catalog::Drain{a_service(), ""}} : catalog::Change{catalog::Resume{a_service(), ""}}); break;
            case 12: ask(catalog::SetWeight{an_instance(), static_cast<std::uint32_t>(1 + below(4))}); break;
            case 13:
                if (below(3) == 0) ask(catalog::Pause{a_service(), 100ms});
                else if (backend.dead) backend.up();
                else backend.kill();
                break;
            case 14:
                asks_.push_back(std::make_unique<Ask>(site_, loop_, node_->worker_at(static_cast<unsigned>(below(2))), a_service() + ".example"));
                node_->control_loop().post([this, id = an_instance()] {
                    node_->control().probe_now(id, "", {}, [](Result<std::vector<catalog::ProbeAnswer>>) {});
                });
                break;
        }
    }
    OverrideState an_override() { return std::array{OverrideState::up, OverrideState::down, OverrideState::maintenance}[below(3)]; }
    Duration lasting() { return 200ms + Duration{static_cast<std::int64_t>(below(3'000'000'000))}; }
    void put_route() {
        const std::string json = fmt::format(R"({{"host": "r{}.example", "service": "{}"}})", below(3), a_service());
        auto spec = config::load_route(json, *node_->view().document());
        ASSERT_TRUE(spec.has_value());
        ask(catalog::PutApiRoute{*spec, json});
    }

    bool settled() const {
        return !node_->mutating() && node_->published() && node_->published()->revision <= node_->view().revision() &&
               node_->adopted_everywhere() >= node_->published()->revision;
    }
    static verdict::Word word_of(const catalog::Endpoint& endpoint) {
        return verdict::read_word(endpoint.row->word.load(), endpoint.generation);
    }
    static bool eligible(const catalog::Endpoint& endpoint) {
        return verdict::eligibility({endpoint.lifecycle, endpoint.override, word_of(endpoint), endpoint.unchecked}).eligible;
    }

    void agree() {
        if (!settled()) return;
        ++compared_;
        const auto& view = node_->view();
        const auto& table = node_->published()->table;
        ASSERT_EQ(table.all().size(), view.routes().size());
        for (const auto& route : table.all()) {
            const auto* shown = view.route(route.host, route.path);
            ASSERT_NE(shown, nullptr) << route.host;
            EXPECT_EQ(shown->spec.service, route.service->name) << route.host;
            const auto* service = view.service(route.service->name);
            ASSERT_NE(service, nullptr);
            std::set<std::string> routed, listed;
            std::uint32_t serve = 0;
            bool equal_versions = true;
            for (const auto& endpoint : route.service->endpoints) {
                routed.insert(endpoint.id.str());
                const auto* one = view.instance(endpoint.id);
                ASSERT_NE(one, nullptr) << endpoint.name;
                EXPECT_EQ(one->facts->lifecycle, endpoint.lifecycle) << endpoint.name;
                EXPECT_EQ(one->facts->generation, endpoint.generation) << endpoint.name;
                EXPECT_EQ(one->facts->where(), endpoint.address_text) << endpoint.name;
                EXPECT_EQ(one->facts->weight, endpoint.weight) << endpoint.name;
                EXPECT_EQ(one->facts->override ? std::optional{one->facts->override->state} : std::nullopt, endpoint.override) << endpoint.name;
                const auto word = word_of(endpoint);
                const auto rule = verdict::eligibility({endpoint.lifecycle, endpoint.override, word, endpoint.unchecked});
                serve += rule.eligible ? 1 : 0;
                if (!one->record || one->record->word.version != word.version) {
                    equal_versions = false;
                    continue;
                }
                ++endpoints_;
                EXPECT_EQ(one->record->word, word) << endpoint.name;
                EXPECT_EQ(one->eligible, rule.eligible) << endpoint.name;
                EXPECT_EQ(one->rule, rule.rule) << endpoint.name;
            }
            for (const auto slot : service->instances) listed.insert(view.instance(slot)->facts->id.str());
            EXPECT_EQ(routed, listed) << route.service->name;
            if (equal_versions) EXPECT_EQ(service->standing.counts.eligible, serve) << route.service->name;
            EXPECT_EQ(service->standing.counts.total, listed.size()) << route.service->name;
        }
    }

    std::set<std::string> serving(const std::string& host) const {
        std::set<std::string> names;
        if (const auto* route = node_->published()->table.find(host, "/"))
            for (const auto& endpoint : route->service->endpoints)
                if (eligible(endpoint)) names.insert(endpoint.address_text.str());
        return names;
    }

    // The router's answer is the one that the readers' copy foretells.
    void request() {
        if (!settled()) return;
        const std::string host = fmt::format("{}{}.example", below(4) == 0 ? "r" : "s", below(3));
        const auto* route = node_->published()->table.find(host, "/");
        if (route != nullptr && route->service->paused_until && *route->service->paused_until + 10ms > site_.world.now()) return;
        const auto snapshot = node_->published();
        const auto before = serving(host);
        const auto got = get(site_, loop_, node_->worker_at(static_cast<unsigned>(below(2))), host);
        if (node_->published() != snapshot || serving(host) != before) return;
        ++asked_;
        if (route == nullptr) {
            EXPECT_EQ(got->status(), 404) << got->text();
            return;
        }
        bool all_alive = true;
        std::set<std::string> names;
        for (const auto& backend : backends_) {
            if (!before.contains(backend->address())) continue;
            names.insert(backend->name());
            all_alive = all_alive && !backend->dead;
        }
        if (got->status() == 200) EXPECT_TRUE(names.contains(got->body())) << host << " was answered by " << got->body();
        else EXPECT_TRUE(got->has("Hale-Reason: ")) << "V21: " << got->text();
        if (before.empty()) EXPECT_EQ(got->status(), 503) << got->text();
        else if (all_alive) EXPECT_EQ(got->status(), 200) << host << ": " << got->text();
    }

    Site site_;
    sim::Loop& loop_;
    std::vector<std::unique_ptr<Backend>> backends_;
    std::string yaml_;
    std::unique_ptr<Node> node_;
    std::vector<std::unique_ptr<Ask>> asks_;

public:
    std::uint64_t compared_ = 0, endpoints_ = 0, asked_ = 0;
};

TEST(Interleavings, V1AllSurfacesAgreeAndV2NothingIsShownBeforeItIsInForceIn10000Rounds) {
    constexpr std::uint64_t seeds = 100;
    constexpr int rounds = 100;
    std::uint64_t told = 0, compared = 0, endpoints = 0, asked = 0;
    sim::for_each_seed(seeds, [&](std::uint64_t seed) {
        ++told;
        Story story(seed);
        for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) story.round();
        if (!testing::Test::HasFailure()) story.quiet();
        compared += story.compared_;
        endpoints += story.endpoints_;
        asked += story.asked_;
    });
    testing::Test::RecordProperty("compared", static_cast<int>(compared));
    testing::Test::RecordProperty("asked", static_cast<int>(asked));
    fmt::print("{} stories: {} comparisons, {} of endpoints at equal versions, {} requests\n", told, compared, endpoints, asked);
    // Most rounds end with something to compare, or this proves little: of each 100, 90 comparisons of
    // a thousand endpoints in all, and 80 requests.
    EXPECT_GE(compared, told * 90);
    EXPECT_GE(asked, told * 80);
    EXPECT_GE(endpoints, told * 1000);
}

}  // namespace
}  // namespace hale::scenario
