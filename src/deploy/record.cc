#include "deploy/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "catalog/mutation.h"
#include "deploy/strategy_json.h"
#include "rollout/words.h"

namespace hale::deploy {

namespace {

using Json = nlohmann::ordered_json;
using rollout::Word;

constexpr std::array<std::string_view, 3> words{"none", "pass", "fail"};
constexpr std::array<std::string_view, 3> needs_words{"started", "healthy", "completed"};

template <std::size_t N, class Enum>
std::string_view spelled(const std::array<std::string_view, N>& list, Enum value) {
    return list[static_cast<std::size_t>(value)];
}

// Words that this version does not know, read to the end so that the first of them can be told.
struct Reading {
    std::string unknown;

    template <class T>
    T known(const std::optional<T>& value, const Json& json) {
        if (!value && unknown.empty()) unknown = json.dump();
        return value.value_or(T{});
    }
    template <class Enum, std::size_t N>
    Enum word(const std::array<std::string_view, N>& list, const Json& json) {
        const auto& text = json.get_ref<const std::string&>();
        std::optional<Enum> found;
        for (std::size_t i = 0; i < N; ++i)
            if (list[i] == text) found = static_cast<Enum>(i);
        return known(found, json);
    }
    rollout::Phase phase(const Json& json) { return known(rollout::parse_phase(json.get_ref<const std::string&>()), json); }
};

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
Json at(Utc time) { return time == Utc::max() || time == Utc{} ? Json(nullptr) : Json(rfc3339(time)); }

using Limit = std::pair<std::string_view, Duration rollout::Deadlines::*>;
constexpr std::array<Limit, 12> limits{Limit{"requested", &rollout::Deadlines::requested},
                                       {"pulling", &rollout::Deadlines::pulling},
                                       {"yielding", &rollout::Deadlines::yielding},
                                       {"creating", &rollout::Deadlines::creating},
                                       {"starting", &rollout::Deadlines::starting},
                                       {"verifying", &rollout::Deadlines::verifying},
                                       {"switching", &rollout::Deadlines::switching},
                                       {"hooks_after", &rollout::Deadlines::hooks_after},
                                       {"baking", &rollout::Deadlines::baking},
                                       {"draining", &rollout::Deadlines::draining},
                                       {"retiring", &rollout::Deadlines::retiring},
                                       {"rolling_back", &rollout::Deadlines::rolling_back}};

Json fault_json(const Record& record) {
    const auto& progress = record.progress;
    if (progress.fault == rollout::Fault::none) return nullptr;
    const auto& facts = rollout::facts(progress.fault);
    Json out{{"code", facts.code}, {"text", progress.text}, {"means", facts.sentence}, {"try", facts.hint}, {"retryable", facts.retryable}};
    // In which phase, how much of its time was gone, and how much it had.
    const auto undoing = std::ranges::find(record.phases, rollout::Phase::rolling_back, &PhaseNote::phase);
    if (undoing == record.phases.begin() || undoing == record.phases.end()) return out;
    const PhaseNote& met = *std::prev(undoing);
    out["phase"] = rollout::text(met.phase);
    out["elapsed"] = seconds(undoing->entered - met.entered);
    out["budget"] = seconds(met.deadline - met.entered);
    return out;
}

// Times are kept to the nanosecond: what goes on after a restart is what was.
std::int64_t exact(Utc time) { return time.time_since_epoch().count(); }
Utc instant(const Json& json) { return Utc(Duration(json.get<std::int64_t>())); }

// What people do not need and a later process does.
Json kept_json(const Record& record) {
    Json containers = Json::array();
    for (std::size_t i = 0; i < record.plan.containers.size(); ++i) {
        const auto& plan = record.plan.containers[i];
        const auto& now = record.progress.containers[i];
        Json after = Json::array();
        for (const auto& one : plan.after) after.push_back({one.container, spelled(needs_words, one.needs)});
        const auto& one = record.candidates[i];
        containers.push_back({{"name", plan.name}, {"external", plan.external}, {"made", plan.made}, {"one_shot", plan.one_shot}, {"container_health", plan.container_health},
                              {"direct", plan.direct}, {"routed", plan.routed}, {"after", std::move(after)},
                              {"created", now.created}, {"asked_to_start", now.asked_to_start}, {"started", now.started}, {"ended", now.ended},
                              {"health", spelled(words, now.health)}, {"answered", spelled(words, now.direct)},
                              {"of", one.service}, {"in_file", one.container}});
    }
    Json parts = Json::array();
    for (const auto& one : record.parts)
        parts.push_back({{"service", one.service}, {"makes", one.makes}, {"declares", one.declares}, {"declared", one.declared}, {"leaves", one.leaves},
                         {"from", one.from}, {"before", one.before}, {"gone", one.gone}});
    Json seen = Json::array();
    for (const auto& one : record.seen) seen.push_back({exact(one.at), one.kind, one.container, one.yes, one.more, one.number, rollout::code(one.fault), one.text});
    Json deadlines = Json::object();
    for (const auto& [name, limit] : limits) deadlines[std::string(name)] = (record.plan.deadlines.*limit).count();
    Json phases = Json::array();
    for (const auto& one : record.phases) phases.push_back({rollout::text(one.phase), exact(one.entered), exact(one.deadline), one.reason});
    const auto& progress = record.progress;
    return {{"containers", std::move(containers)},
            {"deadlines", std::move(deadlines)},
            {"pull", record.plan.pull},
            {"has_old", record.plan.has_old},
            {"retire_old", record.plan.retire_old},
            {"phase", rollout::text(progress.phase)},
            {"entered", exact(progress.entered)},
            {"deadline", exact(progress.deadline)},
            {"proxy", spelled(words, progress.proxy)},
            {"asked_proxy", progress.asked_proxy},
            {"users_switched", progress.users_switched},
            {"fault", rollout::code(progress.fault)},
            {"text", progress.text},
            {"created", exact(record.created)},
            {"verifying_said", record.verifying_said},
            {"made", record.containers},
            {"image", record.image},
            {"overrides", record.overrides},
            {"keeps", record.keeps},
            {"way_back", record.way_back},
            {"compose", record.compose},
            {"variables", record.variables},
            {"parts", std::move(parts)},
            {"strategy", strategy_json(record)},
            {"seen", std::move(seen)},
            {"seen_whole", record.seen_whole},
            {"route", record.route_json},
            {"phases", std::move(phases)}};
}

void read_kept(const Json& kept, Record& out, Reading& reading) {
    for (const Json& one : kept.at("containers")) {
        rollout::ContainerPlan plan{.name = one.at("name"), .external = one.at("external"), .made = one.at("made"), .one_shot = one.at("one_shot"),
                                    .container_health = one.at("container_health"), .direct = one.at("direct"), .routed = one.at("routed"), .after = {}};
        for (const Json& before : one.at("after")) plan.after.push_back({before.at(0), reading.word<rollout::Needs>(needs_words, before.at(1))});
        if (out.plan.containers.size() < out.candidates.size()) {
            out.candidates[out.plan.containers.size()].service = one.at("of");
            out.candidates[out.plan.containers.size()].container = one.at("in_file");
        }
        out.plan.containers.push_back(std::move(plan));
        out.progress.containers.push_back({.created = one.at("created"), .asked_to_start = one.at("asked_to_start"), .started = one.at("started"), .ended = one.at("ended"),
                                           .health = reading.word<Word>(words, one.at("health")), .direct = reading.word<Word>(words, one.at("answered"))});
    }
    for (const auto& [name, limit] : limits) out.plan.deadlines.*limit = Duration(kept.at("deadlines").at(std::string(name)).get<std::int64_t>());
    out.plan.pull = kept.at("pull");
    out.plan.has_old = kept.at("has_old");
    out.plan.retire_old = kept.at("retire_old");
    auto& progress = out.progress;
    progress.phase = reading.phase(kept.at("phase"));
    progress.entered = instant(kept.at("entered"));
    progress.deadline = instant(kept.at("deadline"));
    progress.proxy = reading.word<Word>(words, kept.at("proxy"));
    progress.asked_proxy = kept.at("asked_proxy");
    progress.users_switched = kept.at("users_switched");
    progress.fault = reading.known(rollout::parse_fault(kept.at("fault").get_ref<const std::string&>()), kept.at("fault"));
    progress.text = kept.at("text");
    out.created = instant(kept.at("created"));
    out.verifying_said = kept.at("verifying_said");
    out.containers = kept.at("made");
    out.image = kept.at("image");
    out.overrides = kept.at("overrides");
    out.keeps = kept.at("keeps");
    out.way_back = kept.at("way_back");
    out.compose = kept.at("compose");
    out.variables = kept.at("variables").get<config::Variables>();
    out.seen_whole = kept.at("seen_whole");
    for (const Json& one : kept.at("parts"))
        out.parts.push_back({one.at("service"), one.at("makes"), one.at("declares"), one.at("declared"), one.at("leaves"), one.at("from"), one.at("before"), one.at("gone")});
    for (const Json& one : kept.at("seen"))
        out.seen.push_back({instant(one.at(0)), one.at(1), one.at(2), one.at(3), one.at(4), one.at(5),
                            reading.known(rollout::parse_fault(one.at(6).get_ref<const std::string&>()), one.at(6)), one.at(7)});
    out.route_json = kept.at("route");
    read_strategy(kept.at("strategy"), out);
    for (const Json& one : kept.at("phases")) out.phases.push_back({reading.phase(one.at(0)), instant(one.at(1)), instant(one.at(2)), one.size() > 3 ? one.at(3).get<std::string>() : std::string()});
}

// Why it is in the phase that it has just entered.
std::string reason_of(const Record& record) {
    using rollout::Phase;
    const auto& now = record.progress;
    const std::string fault = now.fault == rollout::Fault::none ? "" : fmt::format("{}: {}", rollout::code(now.fault), now.text);
    switch (now.phase) {
        case Phase::requested: return fmt::format("asked for by {}", record.actor);
        case Phase::pulling: return "what it needs is there";
        case Phase::yielding: return "room is made for the next containers";
        case Phase::creating: return "the images are here";
        case Phase::starting: return "the containers are made";
        case Phase::verifying: return record.containers ? "the containers run" : "the targets are known";
        case Phase::switching: return now.accepted ? fmt::format("accepted although its check fails: {}", now.text) : "what is verified passed";
        case Phase::baking: return "users are led to it";
        case Phase::draining: return "users are led to it alone";
        case Phase::retiring: return "the old version was drained";
        case Phase::done: return "users reach it";
        case Phase::rolling_back:
        case Phase::rolled_back:
        case Phase::superseded:
        case Phase::failed: return fault;
    }
    return fault;
}

}  // namespace

void note_phase(Record& record) {
    const auto& now = record.progress;
    if (!record.phases.empty() && record.phases.back().phase == now.phase) return;
    record.phases.push_back({now.phase, now.entered, now.deadline, reason_of(record)});
    record.doing.clear();
}

std::string to_json(const Record& record) {
    const auto& progress = record.progress;
    const bool over = rollout::over(progress.phase);
    Json out = {{"id", record.id}, {"service", record.service}, {"number", record.number}, {"actor", record.actor}, {"created", at(record.created)},
                {"phase", rollout::text(progress.phase)}, {"doing", record.doing.empty() ? Json(nullptr) : Json(record.doing)}, {"over", over}, {"entered", at(progress.entered)}, {"deadline", at(progress.deadline)},
                {"longest", seconds(rollout::longest(record.plan))}, {"seconds", seconds(progress.entered - record.created)},
                {"users_switched", progress.users_switched}, {"fault", fault_json(record)}};
    Json instances = Json::array();
    for (std::size_t i = 0; i < record.candidates.size(); ++i) {
        const auto& one = record.candidates[i];
        const auto& now = progress.containers.at(i);
        const auto& plan = record.plan.containers.at(i);
        instances.push_back({{"instance", one.name}, {"service", one.service.empty() ? Json(nullptr) : Json(one.service)}, {"target", one.target},
                             {"kept", one.kept}, {"reused", one.reused}, {"image", one.image.empty() ? Json(nullptr) : Json(one.image)}, {"created", now.created}, {"started", now.started},
                             {"container", plan.container_health ? Json(spelled(words, now.health)) : Json(nullptr)},
                             {"direct", plan.direct ? Json(spelled(words, now.direct)) : Json(nullptr)}, {"unverified", one.unverified.empty() ? Json(nullptr) : Json(one.unverified)}, {"observations", one.observations}, {"log", one.log},
                             {"address", one.address}, {"host", one.host}, {"path", one.path}});
    }
    out["application"] = record.of_application();
    out["image"] = record.containers ? Json(record.image) : Json(nullptr);
    const auto known = std::ranges::find_if(record.candidates, [](const Candidate& one) { return !one.image.empty(); });
    out["digest"] = known == record.candidates.end() ? Json(nullptr) : Json(known->image);
    out["instances"] = std::move(instances);
    out["proxy"] = std::ranges::any_of(record.plan.containers, &rollout::ContainerPlan::routed) ? Json(spelled(words, progress.proxy)) : Json(nullptr);
    std::vector<std::string> before, gone;
    for (const auto& one : record.parts) {
        before.insert(before.end(), one.before.begin(), one.before.end());
        gone.insert(gone.end(), one.gone.begin(), one.gone.end());
    }
    out.update(shown_strategy(record));
    out["from"] = record.from();
    out["before"] = std::move(before);
    out["gone"] = std::move(gone);
    Json deadlines = Json::object();
    for (const auto& [name, limit] : limits) deadlines[std::string(name)] = seconds(record.plan.deadlines.*limit);
    out["deadlines"] = std::move(deadlines);
    Json phases = Json::array();
    for (const auto& one : record.phases) phases.push_back({{"phase", rollout::text(one.phase)}, {"entered", at(one.entered)}, {"deadline", at(one.deadline)}, {"reason", one.reason}});
    out["phases"] = std::move(phases);
    out["kept"] = kept_json(record);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string shown(const std::string& json, std::optional<std::uint64_t> revision) {
    Json all = Json::parse(json, nullptr, false);
    if (!all.is_object()) return "{}";
    all.erase("kept");
    if (revision) all["revision"] = *revision;
    return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string instance_json(const Record& record, const Candidate& candidate, const std::string& checks) {
    Json out = {{"name", candidate.name}, {"address", candidate.target}, {"deployment", catalog::wave_of(record.id, record.progress.wave)}};
    if (!checks.empty()) out["checks"] = Json::parse(checks, nullptr, false);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string old_instance_json(const std::string& name, const std::string& address, const std::string& deployment) {
    return Json{{"name", name}, {"address", address}, {"deployment", deployment}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Part* Record::part(std::string_view service_name) {
    const auto found = std::ranges::find(parts, service_name, &Part::service);
    return found == parts.end() ? nullptr : &*found;
}

std::vector<std::string> Record::from() const {
    std::vector<std::string> out;
    for (const auto& one : parts) out.insert(out.end(), one.from.begin(), one.from.end());
    return out;
}

std::string detail_json(const Record& record) { return Json{{"deployment", record.id}, {"phase", rollout::text(record.progress.phase)}}.dump(); }

Result<Record> record_from(std::string_view json) {
    try {
        const Json all = Json::parse(json);
        Record out;
        out.id = all.at("id");
        out.service = all.at("service");
        out.number = all.at("number");
        out.actor = all.at("actor");
        const auto text = [](const Json& json) { return json.is_string() ? json.get<std::string>() : std::string{}; };
        for (const Json& one : all.at("instances"))
            out.candidates.push_back({.name = one.at("instance"), .service = {}, .container = {}, .target = one.at("target"), .kept = one.at("kept"), .reused = one.at("reused"),
                                      .image = text(one.at("image")), .unverified = text(one.at("unverified")), .observations = one.at("observations"), .log = one.at("log"),
                                      .address = one.value("address", ""), .host = one.value("host", ""), .path = one.value("path", "")});
        Reading reading;
        read_kept(all.at("kept"), out, reading);
        if (!reading.unknown.empty()) return fail(Code::corrupt, fmt::format("deployment {}: this version does not know {}", out.id, reading.unknown));
        if (out.candidates.size() != out.plan.containers.size()) return fail(Code::corrupt, fmt::format("deployment {}: its instances are not its plan's", out.id));
        return out;
    } catch (const Json::exception& error) {
        return fail(Code::corrupt, fmt::format("a stored deployment can't be read: {}", error.what()));
    }
}

config::StoredDeployment stored(const Record& record) {
    return {.id = record.id, .service = record.service, .number = record.number, .over = rollout::over(record.progress.phase), .created = record.created, .json = to_json(record)};
}

}  // namespace hale::deploy
