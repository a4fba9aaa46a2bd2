#include "deploy/deployer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "deploy/application.h"
#include "deploy/planning.h"
#include "deploy/settling.h"
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
        numbered_.insert(one.service);
        restored_.insert(one.id);
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

namespace {
// What is wrong in itself ends nobody else's deployment. What is in its way now may be gone once that one is undone.
bool hopeless(const Result<Record>& record) { return !record && record.error().code == Code::invalid; }
}  // namespace

void Deployer::deploy(Request request, bool dry, AcceptedReply reply) {
    if (dry) {
        plan(std::move(request), "", [reply = std::move(reply)](Result<Record> record) mutable {
            if (!record) return reply(std::unexpected(std::move(record.error())));
            reply(Accepted{"", record->number, to_json(*record)});
        });
        return;
    }
    if (!runs_.contains(request.service)) return begin(std::move(request), std::move(reply));
    plan(request, "", [this, request, reply = std::move(reply)](Result<Record> record) mutable {
        if (hopeless(record)) return reply(std::unexpected(std::move(record.error())));
        supersede(std::move(request), std::move(reply));
    });
}

void Deployer::supersede(Request request, AcceptedReply reply) {
    const auto running = runs_.find(request.service);
    if (running == runs_.end()) return begin(std::move(request), std::move(reply));
    // The newest waits: whoever waited before it is nobody's wish any more.
    if (const auto waiting = next_.find(request.service); waiting != next_.end())
        waiting->second.reply(fail(Code::conflict, "a newer deployment of the service took its place before it began"));
    const std::string service = request.service, actor = request.actor;
    next_.insert_or_assign(service, Waiting{std::move(request), std::move(reply)});
    running->second->abort(rollout::Fault::superseded, fmt::format("a newer deployment was asked for by {}", actor));
}

void Deployer::know_number(const Request& request, io::Task then) {
    if (parts_.engine == nullptr || !request.targets.empty() || numbered_.contains(request.service)) return then();
    if (!former_) former_ = std::make_unique<Containers>(*parts_.engine);
    const Label label{request.compose.empty() ? service_label : application_label, request.service};
    former_->labelled(label, [this, here = std::weak_ptr(self_), service = request.service, then = std::move(then)](Result<std::vector<docker::Listed>> there) mutable {
        if (here.expired()) return;
        // An engine that can't be asked is told by the preflight, and asked again by the next deployment.
        if (there) {
            auto& number = numbers_[service];
            number = std::max(number, highest_number(*there));
            numbered_.insert(service);
        }
        then();
    });
}

void Deployer::plan(Request request, std::string id, std::move_only_function<void(Result<Record>)> then) {
    know_number(request, [this, request, id = std::move(id), then = std::move(then)]() mutable { plan_next(std::move(request), std::move(id), std::move(then)); });
}

// What there is, and then what is to be done. Nothing is begun.
void Deployer::plan_next(Request request, std::string id, std::move_only_function<void(Result<Record>)> then) {
    const std::string name = request.service;
    parts_.catalog.look(name, [this, here = std::weak_ptr(self_), request = std::move(request), id = std::move(id), then = std::move(then)](catalog::ServiceNow now) mutable {
        if (here.expired()) return;
        const auto done = done_.find(request.service);
        const Record* before = done == done_.end() || done->second.empty() ? nullptr : &done->second.back();
        const auto given = numbers_.find(request.service);
        const std::uint64_t number = (given == numbers_.end() ? 0 : given->second) + 1;
        if (request.compose.empty()) {
            if (before != nullptr && before->of_application())
                return then(fail(Code::conflict, fmt::format("\"{}\" is an application: it is deployed by its compose file", request.service)));
            return then(planned(request, now, std::move(id), number, parts_.loop.utc()));
        }
        auto application = application_of(request.service, request.compose, request.variables, *now.document);
        if (!application) return then(std::unexpected(std::move(application.error())));
        const auto services = services_of(*application, before);
        auto found = std::make_shared<std::map<std::string, catalog::ServiceNow>>();
        const std::string itself = request.service;
        auto settle = std::make_shared<std::move_only_function<void()>>(
            [this, found, number, request = std::move(request), application = std::move(*application), id = std::move(id), then = std::move(then)]() mutable {
                const auto latest = done_.find(request.service);
                const Record* old = latest == done_.end() || latest->second.empty() ? nullptr : &latest->second.back();
                then(planned_application(request, application, *found, old, std::move(id), number, parts_.loop.utc()));
            });
        found->emplace(itself, std::move(now));
        if (services.empty()) return (*settle)();
        for (const auto& service : services)
            parts_.catalog.look(service, [here, found, settle, service, count = services.size() + 1](catalog::ServiceNow there) {
                if (here.expired()) return;
                found->insert_or_assign(service, std::move(there));
                if (found->size() == count) (*settle)();
            });
    });
}

void Deployer::begin(Request request, AcceptedReply reply) {
    if (runs_.size() >= most_under_way) return reply(fail(Code::exhausted, fmt::format("{} deployments are under way; try again when one is over", runs_.size())));
    plan(request, made_up("d-"), [this, request, reply = std::move(reply)](Result<Record> record) mutable {
        // Somebody else came first while this looked.
        if (!hopeless(record) && runs_.contains(request.service)) return supersede(std::move(request), std::move(reply));
        if (!record) return reply(std::unexpected(std::move(record.error())));
        numbers_[request.service] = record->number;
        Accepted accepted{record->id, record->number, to_json(*record)};
        run(std::move(*record));
        reply(std::move(accepted));
    });
}

void Deployer::run(Record record) {
    std::string service = record.service;
    auto& run = runs_[service];
    run = std::make_unique<Run>(Run::Parts{.loop = parts_.loop, .catalog = parts_.catalog, .key = made_up(""), .engine = parts_.engine, .seed = hash64(made_up("")), .spawner = parts_.spawner, .exec_user = parts_.exec_user, .home = parts_.home,
                                               .on_record = [this](const std::string& deployment) { return restored_.contains(deployment); }}, std::move(record), [this, service] { over(service); });
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

namespace {
// What was given the time it needed once needs it again.
std::optional<Duration> asked_for(const Record& record) {
    if (!record.verifying_said) return std::nullopt;
    return record.plan.deadlines.verifying;
}
}  // namespace

void Deployer::rollback(std::string service, std::string to, std::string actor, AcceptedReply reply) {
    const auto found = done_.find(service);
    const Record* again = nullptr;
    Request request{.service = service, .targets = {}, .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = std::move(actor)};
    if (found != done_.end() && !found->second.empty()) {
        const auto& list = found->second;
        const auto named = std::ranges::find_if(list, [&](const Record& one) { return one.id == to || fmt::format("{}", one.number) == to; });
        if (!to.empty()) again = named == list.end() ? nullptr : &*named;
        else if (!list.back().containers) request.targets = list.back().parts.front().before;
        else if (list.size() >= 2) again = &list[list.size() - 2];
    }
    if (again != nullptr && again->containers) {
        // Its containers may be there still; what is missing is made anew.
        request.overrides = again->overrides;
        request.compose = again->compose;
        request.keeps = again->of_application();
        request.verifying = asked_for(*again);
        request.variables = again->variables;
        for (const auto& one : again->candidates) request.way_back.emplace_back(one.name, one.container);
    } else if (again != nullptr) {
        for (const auto& one : again->candidates) request.targets.push_back(one.target);
        request.verifying = asked_for(*again);
    }
    if (again == nullptr && request.targets.empty())
        return reply(fail(Code::not_found, to.empty() ? fmt::format("there is nothing to go back to: no earlier deployment of \"{}\" is remembered", escaped(service, 80))
                                                      : fmt::format("no deployment \"{}\" of \"{}\" that users were switched to is remembered", escaped(to, 80), escaped(service, 80))));
    deploy(std::move(request), false, std::move(reply));
}

void Deployer::scale(std::string service, std::uint32_t replicas, std::string actor, AcceptedReply reply) {
    const auto found = done_.find(service);
    if (found == done_.end() || found->second.empty() || !found->second.back().containers)
        return reply(fail(Code::not_found, fmt::format("no deployment made containers of service \"{}\": there is nothing to scale", escaped(service, 80))));
    const Record& last = found->second.back();
    if (last.of_application())
        return reply(fail(Code::conflict, fmt::format("\"{}\" is an application: say deploy.replicas in its compose file, and deploy that", escaped(service, 80))));
    Request request{.service = std::move(service), .targets = {}, .overrides = with_replicas(last.overrides, replicas), .compose = {}, .variables = {}, .keeps = true,
                    .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = asked_for(last), .actor = std::move(actor)};
    deploy(std::move(request), false, std::move(reply));
}

bool Deployer::deploys(const std::string& service) const {
    return std::ranges::any_of(runs_, [&](const auto& one) {
        return one.first == service || std::ranges::any_of(one.second->record().candidates, [&](const auto& candidate) { return candidate.service == service; });
    });
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
