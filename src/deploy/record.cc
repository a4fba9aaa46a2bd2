#include "deploy/record.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
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
constexpr std::array<Limit, 10> limits{Limit{"requested", &rollout::Deadlines::requested},
                                       {"pulling", &rollout::Deadlines::pulling},
                                       {"creating", &rollout::Deadlines::creating},
                                       {"starting", &rollout::Deadlines::starting},
                                       {"verifying", &rollout::Deadlines::verifying},
                                       {"switching", &rollout::Deadlines::switching},
                                       {"baking", &rollout::Deadlines::baking},
                                       {"draining", &rollout::Deadlines::draining},
                                       {"retiring", &rollout::Deadlines::retiring},
                                       {"rolling_back", &rollout::Deadlines::rolling_back}};

Json fault_json(const rollout::Progress& progress) {
    if (progress.fault == rollout::Fault::none) return nullptr;
    const auto& facts = rollout::facts(progress.fault);
    return {{"code", facts.code}, {"text", progress.text}, {"means", facts.sentence}, {"try", facts.hint}, {"retryable", facts.retryable}};
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
        containers.push_back({{"name", plan.name}, {"external", plan.external}, {"one_shot", plan.one_shot}, {"container_health", plan.container_health},
                              {"direct", plan.direct}, {"routed", plan.routed}, {"after", std::move(after)},
                              {"created", now.created}, {"asked_to_start", now.asked_to_start}, {"started", now.started}, {"ended", now.ended},
                              {"health", spelled(words, now.health)}, {"answered", spelled(words, now.direct)}});
    }
    Json deadlines = Json::object();
    for (const auto& [name, limit] : limits) deadlines[std::string(name)] = (record.plan.deadlines.*limit).count();
    Json phases = Json::array();
    for (const auto& one : record.phases) phases.push_back({rollout::text(one.phase), exact(one.entered), exact(one.deadline)});
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
            {"service", record.service_json},
            {"route", record.route_json},
            {"phases", std::move(phases)}};
}

void read_kept(const Json& kept, Record& out, Reading& reading) {
    for (const Json& one : kept.at("containers")) {
        rollout::ContainerPlan plan{.name = one.at("name"), .external = one.at("external"), .one_shot = one.at("one_shot"),
                                    .container_health = one.at("container_health"), .direct = one.at("direct"), .routed = one.at("routed"), .after = {}};
        for (const Json& before : one.at("after")) plan.after.push_back({before.at(0), reading.word<rollout::Needs>(needs_words, before.at(1))});
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
    out.service_json = kept.at("service");
    out.route_json = kept.at("route");
    for (const Json& one : kept.at("phases")) out.phases.push_back({reading.phase(one.at(0)), instant(one.at(1)), instant(one.at(2))});
}

}  // namespace

void note_phase(Record& record) {
    const auto& now = record.progress;
    if (record.phases.empty() || record.phases.back().phase != now.phase) record.phases.push_back({now.phase, now.entered, now.deadline});
}

std::string to_json(const Record& record) {
    const auto& progress = record.progress;
    const bool over = rollout::over(progress.phase);
    Json out = {{"id", record.id}, {"service", record.service}, {"number", record.number}, {"actor", record.actor}, {"created", at(record.created)},
                {"phase", rollout::text(progress.phase)}, {"over", over}, {"entered", at(progress.entered)}, {"deadline", at(progress.deadline)},
                {"longest", seconds(rollout::longest(record.plan))}, {"seconds", seconds(progress.entered - record.created)},
                {"users_switched", progress.users_switched}, {"fault", fault_json(progress)}};
    Json instances = Json::array();
    for (std::size_t i = 0; i < record.candidates.size(); ++i) {
        const auto& one = record.candidates[i];
        const auto& now = progress.containers.at(i);
        const auto& plan = record.plan.containers.at(i);
        instances.push_back({{"instance", one.name}, {"target", one.target}, {"kept", one.kept}, {"created", now.created}, {"started", now.started},
                             {"container", plan.container_health ? Json(spelled(words, now.health)) : Json(nullptr)},
                             {"direct", plan.direct ? Json(spelled(words, now.direct)) : Json(nullptr)}, {"observations", one.observations}, {"log", one.log}});
    }
    out["image"] = record.containers ? Json(record.image) : Json(nullptr);
    out["instances"] = std::move(instances);
    out["proxy"] = std::ranges::any_of(record.plan.containers, &rollout::ContainerPlan::routed) ? Json(spelled(words, progress.proxy)) : Json(nullptr);
    out["from"] = record.from;
    out["before"] = record.before;
    out["gone"] = record.gone;
    Json deadlines = Json::object();
    for (const auto& [name, limit] : limits) deadlines[std::string(name)] = seconds(record.plan.deadlines.*limit);
    out["deadlines"] = std::move(deadlines);
    Json phases = Json::array();
    for (const auto& one : record.phases) phases.push_back({{"phase", rollout::text(one.phase)}, {"entered", at(one.entered)}, {"deadline", at(one.deadline)}});
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

std::string instance_json(const Record& record, const Candidate& candidate) {
    return Json{{"name", candidate.name}, {"address", candidate.target}, {"deployment", record.id}}.dump(-1, ' ', false, Json::error_handler_t::replace);
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
        for (const Json& one : all.at("instances")) out.candidates.push_back({one.at("instance"), one.at("target"), one.at("kept"), one.at("observations"), one.at("log")});
        out.from = all.at("from");
        out.before = all.at("before");
        out.gone = all.at("gone");
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
