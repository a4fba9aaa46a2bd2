#include "deploy/strategy_json.h"

#include <algorithm>

namespace hale::deploy {

using Json = nlohmann::ordered_json;

nlohmann::ordered_json strategy_json(const Record& record) {
    const auto& plan = record.plan;
    const auto& now = record.progress;
    Json containers = Json::array(), old = Json::array();
    for (const auto& one : now.containers) containers.push_back({one.in_wave, one.serving, one.removing, one.since.time_since_epoch().count()});
    for (const auto& one : now.old) old.push_back({one.leaving, one.stopped, one.restoring});
    return {{"hooks_before", plan.hooks_before}, {"hooks_after", plan.hooks_after}, {"accept_pre_existing", plan.accept_pre_existing},
            {"breaker", plan.breaker}, {"replace_after", plan.replace_after.count()},
            {"most_running", plan.most_running}, {"least_serving", plan.least_serving}, {"old", plan.old},
            {"containers", std::move(containers)}, {"leaving", std::move(old)},
            {"asked_hooks", now.asked_hooks}, {"hooked", now.hooked}, {"accepted", now.accepted}, {"leading_back", now.leading_back},
            {"failures", now.failures}, {"wave", now.wave}, {"baked", record.baked}};
}

void read_strategy(const nlohmann::ordered_json& kept, Record& record) {
    auto& plan = record.plan;
    auto& now = record.progress;
    plan.hooks_before = kept.at("hooks_before");
    plan.hooks_after = kept.at("hooks_after");
    plan.accept_pre_existing = kept.at("accept_pre_existing");
    plan.breaker = kept.at("breaker");
    plan.replace_after = Duration(kept.at("replace_after").get<std::int64_t>());
    plan.most_running = kept.at("most_running");
    plan.least_serving = kept.at("least_serving");
    plan.old = kept.at("old");
    const Json& containers = kept.at("containers");
    for (std::size_t i = 0; i < std::min(containers.size(), now.containers.size()); ++i) {
        auto& one = now.containers[i];
        one.in_wave = containers[i].at(0);
        one.serving = containers[i].at(1);
        one.removing = containers[i].at(2);
        one.since = Utc(Duration(containers[i].at(3).get<std::int64_t>()));
    }
    now.old.clear();
    for (const Json& one : kept.at("leaving")) now.old.push_back({.leaving = one.at(0), .stopped = one.at(1), .restoring = one.at(2)});
    now.asked_hooks = kept.at("asked_hooks");
    now.hooked = kept.at("hooked");
    now.accepted = kept.at("accepted");
    now.leading_back = kept.at("leading_back");
    now.failures = kept.at("failures");
    now.wave = kept.at("wave");
    record.baked = kept.at("baked");
}

nlohmann::ordered_json shown_strategy(const Record& record) {
    const auto& plan = record.plan;
    const auto& now = record.progress;
    const Json none = nullptr;
    return {{"accepted", now.accepted ? Json(now.text) : none},
            {"baked", record.baked.empty() ? none : Json(record.baked)},
            {"failures", plan.breaker > 0 ? Json{{"seen", now.failures}, {"most", plan.breaker}} : none},
            {"waves", plan.in_waves() ? Json{{"wave", now.wave}, {"most_running", plan.most_running}, {"least_serving", plan.least_serving}, {"old", plan.old}} : none}};
}

}  // namespace hale::deploy
