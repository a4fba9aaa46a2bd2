// What the tests of this folder share: documents from text, a membership over a ledger of its own, and control
// with a journal, checkers and workers that a test scripts.

#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catalog/control.h"
#include "catalog/view.h"
#include "config/load.h"
#include "sim/resolver.h"
#include "sim/world.h"

namespace hale::catalog {

inline std::shared_ptr<const config::Document> document(const std::string& yaml) {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", yaml}}});
    if (!loaded) {
        ADD_FAILURE() << config::text(loaded.error()) << "\n" << yaml;
        return std::make_shared<const config::Document>();
    }
    return std::make_shared<const config::Document>(std::move(*loaded));
}

// A service of the document, with the document's lifetime.
inline std::shared_ptr<const config::ServiceSpec> service_of(const std::shared_ptr<const config::Document>& document, std::size_t i = 0) {
    return {document, &document->services.at(i)};
}

template <class T, class List>
std::vector<const T*> all(const List& list) {
    std::vector<const T*> out;
    for (const auto& one : list)
        if (const auto* wanted = std::get_if<T>(&one)) out.push_back(wanted);
    return out;
}

// Control with a journal, checkers and workers that answer at once, and readers. Verdicts and gates are as the test says.
class PromptDesk final : config::Journal, Checking, Routing, Audience {
public:
    explicit PromptDesk(const std::string& yaml = file, config::Restored restored = {}) : PromptDesk(std::make_unique<sim::World>(3), nullptr, document(yaml), std::move(restored)) {}
    // On a loop of a world that others share.
    PromptDesk(sim::Loop& on, std::shared_ptr<const config::Document> of, config::Restored restored) : PromptDesk(nullptr, &on, std::move(of), std::move(restored)) {}
    static inline const std::string file = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n";

    void commit(std::vector<config::Change> batch, bool, std::move_only_function<void(Result<>)> done) override {
        for (const auto& change : batch) keep(change);
        done({});
    }
    void send(std::vector<CheckerCommand> list, io::Task acknowledged) override {
        for (auto& one : list) {
            if (auto* given = std::get_if<Assignment>(&one)) assigned.insert_or_assign(given->row, *given), ++times_assigned[given->row];
            if (const auto* gone = std::get_if<Unassign>(&one)) assigned.erase(gone->row);
            if (auto* gate = std::get_if<OpenGate>(&one)) gates.push_back(std::move(*gate));
        }
        acknowledged();
    }
    void publish(Snapshot snapshot, io::Task adopted) override {
        published = std::move(snapshot);
        adopted();
    }
    void tell(std::vector<Delta> deltas) override {
        for (const auto& delta : deltas) view.apply(delta);
    }

    std::string mutate(Change change) {
        std::string answer = "nothing";
        control.mutate({.change = std::move(change), .actor = "t", .action = "a", .object = "o", .detail = "{}"}, [&](MutationResult result) {
            answer = result ? "" : result.error().error.text;
            code = result ? std::nullopt : std::optional(result.error().error.code);
        });
        return answer;
    }
    config::StoredDeployment record(const std::string& id, std::uint64_t number = 1, bool over = false) const {
        return {.id = id, .service = "web", .number = number, .over = over, .created = world.utc(), .json = fmt::format(R"({{"id":"{}"}})", id)};
    }
    Stage stage(const std::string& id, const std::vector<std::string>& called) {
        Stage out{.record = record(id), .candidates = {}, .key = "key-" + id, .services = {}, .route = {}};
        for (std::size_t i = 0; i < called.size(); ++i) {
            const std::string json = fmt::format(R"({{"name":"{}","address":"10.0.1.{}:80","deployment":"{}"}})", called[i], ++addresses, id);
            auto spec = config::load_instance(*view.service("web")->facts->spec, json, *control.document());
            EXPECT_TRUE(spec) << config::text(spec.error());
            out.candidates.push_back({"web", *spec, json});
        }
        return out;
    }
    Switch to(const std::string& id, std::vector<std::string> from, std::vector<std::string> after, bool back = false) const { return {record(id), {{"web", std::move(from), std::move(after)}}, {}, back}; }
    Unstage gone(const std::string& id, const std::vector<std::string>& called, bool service = false) const {
        Unstage out{record(id), {}, {}};
        for (const auto& name : called) out.gone.push_back({"web", name});
        if (service) out.services.emplace_back("web");
        return out;
    }
    void judge(const std::string& name, verdict::State state) {
        for (const auto& [row, given] : assigned) {
            const auto* instance = view.instance(std::string_view(given.id));
            if (instance == nullptr || instance->facts->name != name) continue;
            auto judged = std::make_shared<InstanceRecord>();
            judged->since = world.utc();
            judged->word = {.state = state, .generation = given.generation, .version = ++versions};
            given.cell->word.store(judged->word.pack());
            CheckReport report;
            report.changes.push_back({row, given.generation, std::move(judged)});
            control.on_report(std::move(report));
        }
    }
    // Whom users' requests reach, by what workers were last told.
    std::set<std::string> eligible() const {
        std::set<std::string> out;
        const auto* route = published->table.find("web.example", "/");
        if (route == nullptr) return out;
        for (const auto& endpoint : route->service->endpoints)
            if (verdict::eligibility({endpoint.lifecycle, endpoint.override, verdict::read_word(endpoint.row->word.load(), endpoint.generation), endpoint.unchecked}).eligible)
                out.insert(endpoint.name.str());
        return out;
    }
    std::string lifecycle(std::string_view name) const {
        const auto* one = view.instance(name);
        return one == nullptr ? "gone" : std::string(verdict::to_text(one->facts->lifecycle));
    }
    std::string key() const { return published->table.find("web.example", "/")->service->candidate_key; }
    // Answers every open gate on an instance of this name.
    void answer_gate(const std::string& name, GateEnd end, verdict::Observation seen = {}) {
        for (auto& gate : std::exchange(gates, {})) {
            const auto given = assigned.find(gate.row);
            const auto* instance = given == assigned.end() ? nullptr : view.instance(std::string_view(given->second.id));
            if (instance == nullptr || instance->facts->name != name) gates.push_back(std::move(gate));
            else gate.reply({.row = gate.row, .end = end, .passes = 2, .needed = 2, .fails = 0, .state = verdict::State::healthy, .observations = {seen}});
        }
    }
    // What a process that is killed now finds when it starts again.
    config::Restored left() const {
        config::Restored out;
        for (const auto& [key, one] : objects) out.objects.push_back(one);
        for (const auto& [key, one] : verdicts) out.verdicts.push_back(one);
        for (const auto& [key, one] : traffic) out.traffic.push_back(one);
        for (const auto& [key, one] : deployments) out.deployments.push_back(one);
        out.revisions_reserved = 10'000'000;
        return out;
    }

private:
    PromptDesk(std::unique_ptr<sim::World> own_world, sim::Loop* on, std::shared_ptr<const config::Document> of, config::Restored restored)
        : own_world_(std::move(own_world)), loop_(on != nullptr ? *on : own_world_->loop()), world(loop_.world()) {
        for (const auto& one : restored.objects) objects.emplace(one.kind + one.key, one);
        for (const auto& one : restored.verdicts) verdicts.emplace(one.instance, one);
        for (const auto& one : restored.traffic) traffic.emplace(one.key, one);
        for (const auto& one : restored.deployments) deployments.emplace(one.id, one);
        control.start(std::move(restored), std::move(of), [](MutationResult result) { EXPECT_TRUE(result); });
    }
    std::unique_ptr<sim::World> own_world_;
    sim::Loop& loop_;

public:
    sim::World& world;
    View view;
    Snapshot published;
    std::optional<Code> code;
    std::map<verdict::RowId, Assignment> assigned;
    std::map<verdict::RowId, std::uint64_t> times_assigned;
    std::vector<OpenGate> gates;  // Open still.
    std::map<std::string, config::StoredObject> objects;
    std::map<std::string, config::StoredVerdict> verdicts;
    std::map<std::string, config::StoredTraffic> traffic;
    std::map<std::string, config::StoredDeployment> deployments;
    std::vector<config::AuditEntry> audit;

private:
    void keep(const config::Change& change) {
        if (const auto* put = std::get_if<config::PutObject>(&change)) objects.insert_or_assign(put->object.kind + put->object.key, put->object);
        if (const auto* gone = std::get_if<config::RemoveObject>(&change)) objects.erase(gone->kind + gone->key);
        if (const auto* verdict = std::get_if<config::PutVerdict>(&change)) verdicts.insert_or_assign(verdict->verdict.instance, verdict->verdict);
        if (const auto* forgotten = std::get_if<config::RemoveVerdict>(&change)) verdicts.erase(forgotten->instance);
        if (const auto* said = std::get_if<config::PutTraffic>(&change)) traffic.insert_or_assign(said->traffic.key, said->traffic);
        if (const auto* deployed = std::get_if<config::PutDeployment>(&change)) deployments.insert_or_assign(deployed->deployment.id, deployed->deployment);
        if (const auto* entry = std::get_if<config::PutAudit>(&change)) audit.push_back(entry->entry);
        if (const auto* dropped = std::get_if<config::RemoveDeployment>(&change)) deployments.erase(dropped->id);
    }

    sim::Names names;
    sim::Resolver resolver{names, loop_};
    verdict::Ledger ledger{1'024};
    OwnHealth own;
    std::uint32_t versions = 5'000;
    int addresses = 0;

public:
    Control control{{.loop = loop_, .resolver = resolver, .journal = *this, .checking = *this, .routing = *this, .audience = *this, .own = own,
                     .ledger = ledger, .seed = 1}};
};

}  // namespace hale::catalog
