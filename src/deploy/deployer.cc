#include "deploy/deployer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "deploy/planning.h"
#include "rollout/words.h"

namespace hale::deploy {

Deployer::Deployer(Parts parts) : parts_(std::move(parts)) {}
Deployer::~Deployer() = default;

std::string Deployer::made_up(std::string_view prefix) const {
    constexpr std::string_view letters = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's 32.
    std::string out(prefix);
    for (const char byte : parts_.secret_bytes(12)) out.push_back(letters[static_cast<unsigned char>(byte) % letters.size()]);
    return out;
}

void Deployer::restore(const std::vector<config::StoredDeployment>& stored) {
    std::vector<Record> records;
    for (const auto& one : stored) {
        auto& number = numbers_[one.service];
        number = std::max(number, one.number);
        auto record = record_from(one.json);
        if (record) records.push_back(std::move(*record));
        else log(LogLevel::error, fmt::format("deployment {} of {}: {}", one.id, one.service, record.error().text));
    }
    std::ranges::sort(records, {}, &Record::number);
    for (auto& record : records) {
        if (!rollout::over(record.progress.phase)) run(std::move(record));
        else if (record.progress.phase == rollout::Phase::done) done_[record.service].push_back(std::move(record));
    }
}

void Deployer::deploy(Request request, bool dry, AcceptedReply reply) {
    if (dry) {
        parts_.catalog.look(request.service, [this, here = std::weak_ptr(self_), request, reply = std::move(reply)](catalog::ServiceNow now) mutable {
            if (here.expired()) return;
            auto record = planned(request, now, "", numbers_[request.service] + 1, parts_.loop.utc());
            if (!record) return reply(std::unexpected(std::move(record.error())));
            reply(Accepted{"", record->number, to_json(*record)});
        });
        return;
    }
    if (const auto running = runs_.find(request.service); running != runs_.end()) {
        // The newest waits: whoever waited before it is nobody's wish any more.
        if (const auto waiting = next_.find(request.service); waiting != next_.end())
            waiting->second.reply(fail(Code::conflict, "a newer deployment of the service took its place before it began"));
        const std::string service = request.service, actor = request.actor;
        next_.insert_or_assign(service, Waiting{std::move(request), std::move(reply)});
        running->second->abort(rollout::Fault::superseded, fmt::format("a newer deployment was asked for by {}", actor));
        return;
    }
    begin(std::move(request), std::move(reply));
}

void Deployer::begin(Request request, AcceptedReply reply) {
    if (runs_.size() >= most_under_way) return reply(fail(Code::exhausted, fmt::format("{} deployments are under way; try again when one is over", runs_.size())));
    std::string service = request.service;
    parts_.catalog.look(service, [this, here = std::weak_ptr(self_), request = std::move(request), reply = std::move(reply)](catalog::ServiceNow now) mutable {
        if (here.expired()) return;
        // Somebody else came first while this looked.
        if (runs_.contains(request.service)) return deploy(std::move(request), false, std::move(reply));
        auto record = planned(request, now, made_up("d-"), numbers_[request.service] + 1, parts_.loop.utc());
        if (!record) return reply(std::unexpected(std::move(record.error())));
        ++numbers_[request.service];
        Accepted accepted{record->id, record->number, to_json(*record)};
        run(std::move(*record));
        reply(std::move(accepted));
    });
}

void Deployer::run(Record record) {
    std::string service = record.service;
    auto& run = runs_[service];
    run = std::make_unique<Run>(Run::Parts{.loop = parts_.loop, .catalog = parts_.catalog, .key = made_up(""), .engine = parts_.engine, .seed = hash64(made_up(""))}, std::move(record), [this, service] { over(service); });
    run->start();
}

void Deployer::over(const std::string& service) {
    auto node = runs_.extract(service);
    if (node.empty()) return;
    const Record& record = node.mapped()->record();
    if (record.progress.phase == rollout::Phase::done) {
        auto& list = done_[service];
        list.push_back(record);
        if (list.size() > most_remembered) list.erase(list.begin());
    }
    auto waiting = next_.extract(service);
    if (!waiting.empty()) begin(std::move(waiting.mapped().request), std::move(waiting.mapped().reply));
}

void Deployer::rollback(std::string service, std::string to, std::string actor, AcceptedReply reply) {
    const auto found = done_.find(service);
    std::vector<std::string> targets;
    std::string overrides;
    if (found != done_.end() && !found->second.empty()) {
        const auto& list = found->second;
        const auto named = std::ranges::find_if(list, [&](const Record& one) { return one.id == to || fmt::format("{}", one.number) == to; });
        // What a deployment brought in containers is made anew of the same image; addresses are what they were.
        const Record* again = to.empty() ? (list.size() >= 2 && list[list.size() - 2].containers ? &list[list.size() - 2] : nullptr) : named == list.end() ? nullptr : &*named;
        if (again != nullptr && again->containers) overrides = again->overrides;
        else if (again != nullptr)
            for (const auto& one : again->candidates) targets.push_back(one.target);
        else if (to.empty() && !list.back().containers) targets = list.back().before;
    }
    if (targets.empty() && overrides.empty())
        return reply(fail(Code::not_found, to.empty() ? fmt::format("there is nothing to go back to: no earlier deployment of service \"{}\" is remembered", escaped(service, 80))
                                                      : fmt::format("no deployment \"{}\" of service \"{}\" that users were switched to is remembered", escaped(to, 80), escaped(service, 80))));
    Request request{.service = std::move(service), .targets = std::move(targets), .overrides = std::move(overrides), .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = std::move(actor)};
    deploy(std::move(request), false, std::move(reply));
}

Result<> Deployer::abort(const std::string& id, const std::string& actor) {
    for (const auto& [service, run] : runs_)
        if (run->record().id == id) {
            if (run->record().progress.phase >= rollout::Phase::draining)
                return fail(Code::conflict, fmt::format("deployment {} is {}: it can't be ended any more; hale rollback {} leads back", id, rollout::text(run->record().progress.phase), service));
            run->abort(rollout::Fault::aborted, fmt::format("ended by {}", actor));
            return {};
        }
    return fail(Code::not_found, fmt::format("no deployment \"{}\" is under way", escaped(id, 80)));
}

}  // namespace hale::deploy
