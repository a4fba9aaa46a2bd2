// The part of the fleet that goes on with what processes before this one left: containers of deployments that are not on record
// here, and replacements that were cut off.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "fleet/fleet.h"

namespace hale::fleet {

bool Fleet::may_try(const std::string& id) {
    auto& one = tries_[id];
    if (parts_.loop.now() < one.not_before) return false;
    one.not_before = never;
    return true;
}

void Fleet::try_again(const std::string& id) {
    auto& one = tries_[id];
    one.not_before = parts_.loop.now() + one.pause;
    one.pause = std::min(one.pause * 2, try_again_most);
}

// Somebody may deploy it this very moment: then what it finds serving is another, and it says so and ends.
void Fleet::take_up_former(const catalog::Housing& housing) {
    if (!made_whole_ || !following()) return;
    const auto before = std::exchange(left_, {});
    if (housing.vacant.empty()) unfit_.clear();
    for (const auto& [service, vacant] : housing.vacant) take_up_of(service, vacant, *housing.document);
    if (left_ != before && !comparing_) say_refused();
}

void Fleet::take_up_of(const std::string& service, const catalog::Vacant& vacant, const config::Document& document) {
    std::vector<Former> there;
    std::map<std::string, std::string> ids;
    for (const auto& [id, one] : residents_) {
        if (one.claims || one.key.first != service || is_aside(one.now)) continue;
        auto former = former_of(one.now, parts_.engine.place(), one.evidence.running());
        if (!former && former.error().code != Code::not_found) left_.insert({one.now.name, former.error().text});
        if (!former || vacant.recorded.contains(former->deployment)) continue;
        if (former->home != parts_.home) {
            if (!former->address.empty()) left_.insert({one.now.name, fmt::format("its label {} says \"{}\", and the state of this Hale is in \"{}\": another one made it", home_label, escaped(former->home, 200), parts_.home)});
            continue;
        }
        ids[former->container] = id;
        there.push_back(std::move(*former));
    }
    TakenUp taken = take_up(std::move(there), vacant.instances);
    left_.insert(taken.left.begin(), taken.left.end());
    for (const auto& one : taken.back) {
        const std::string id = ids.at(one.container);
        if (const auto unfit = unfit_.find(one.container); unfit != unfit_.end()) left_.insert({one.container, unfit->second});
        if (!may_try(id)) continue;
        put_instance({service, one.container}, *vacant.spec, one.address, one.deployment, "take up", document, [this, id, name = one.container](Result<> done) {
            if (done) unfit_.erase(name);
            else unfit_[name] = done.error().text, try_again(id);
        });
    }
}

void Fleet::go_on_with_cut_off(const catalog::Housing& housing) {
    if (!made_whole_ || (discover_ && !composed_whole_) || !following()) return;
    std::set<std::string> names;
    for (const auto& [id, one] : residents_)
        if (is_aside(one.now)) names.insert(std::string(usual_name(one.now)));
    if (names.empty()) return;
    std::vector<docker::Inspected> there;
    for (const auto& [id, one] : residents_)
        if (names.contains(std::string(usual_name(one.now)))) there.push_back(one.now);
    for (const auto& left : cut_off(there)) {
        const Resident& aside = residents_.at(left.id);
        const Key key = aside.key;
        if (treatments_.contains(key)) continue;
        const auto housed = std::ranges::find_if(housing.instances, [&](const auto& one) { return one.service == key.first && one.name == key.second; });
        const bool instance = housed != housing.instances.end();
        // What a deployment made is the deployment's while one is under way, and once its instance is gone; and what others
        // made is looked after where discovery is on alone.
        if (instance ? housed->deploying : !aside.claims || !discover_) continue;
        if (may_try(left.id)) go_on(left, key);
    }
}

void Fleet::go_on(const CutOff& left, const Key& key) {
    const std::string object = fmt::format("{}/{}", key.first, key.second);
    const std::string text = fmt::format("healing: replacing container {} of service {} was cut off: {}", left.name, key.first,
                                         left.made.empty() ? "the old one is put back" : left.start ? "the new one is started" : "the old one is removed");
    treatments_[key] = nullptr;  // Nobody else begins meanwhile.
    catalog::Mutation mutation{.change = catalog::Witness{}, .actor = "healing", .action = "replace", .object = object,
                               .detail = nlohmann::json{{"why", text}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    parts_.catalog.mutate(std::move(mutation), mine([this, left, key, object, text](catalog::MutationResult written) {
        if (!written || !residents_.contains(left.id)) {
            log(LogLevel::warning, fmt::format("{}: not done: {}", text, written ? std::string("it is gone") : written.error().error.text));
            treatments_.erase(key);
            return try_again(left.id);
        }
        log(LogLevel::warning, text);
        parts_.catalog.notice("healing.replace", object, text);
        auto& treatment = treatments_[key];
        treatment = std::make_unique<Treatment>(parts_.engine, left.id, left.name, usual_grace);
        treatment->go_on(left, mine([this, key, object, id = left.id](Result<> how) {
            if (!how) {
                log(LogLevel::error, fmt::format("healing: {}: {}", object, how.error().text));
                parts_.catalog.notice("healing.failed", object, how.error().text);
                if (residents_.contains(id)) try_again(id);
            }
            // In a later turn: the treatment is telling this.
            parts_.loop.post(mine([this, key] { treatments_.erase(key); }));
        }));
    }));
}

}  // namespace hale::fleet
