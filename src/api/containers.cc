// Containers by hand: seen, read, told a command, stopped and started. The engine is asked elsewhere; here its containers meet
// the verdicts of their instances.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "api/body.h"
#include "api/desk.h"
#include "api/handlers.h"
#include "api/stopped.h"
#include "api/target.h"
#include "base/text.h"
#include "deploy/by_hand.h"
#include "docker/hale_labels.h"

namespace hale::api {

namespace {

constexpr std::size_t most_words = 256;           // Of a command,
constexpr std::size_t most_word_bytes = 64 << 10;  // and of each of them.

// The instance that a container is, where there is one.
const catalog::InstanceView* instance_of(const Desk& desk, const docker::Inspected& container) {
    const auto* instance = desk.view.instance(std::string_view(container.name));
    return instance != nullptr && instance->facts->name == container.name && instance->facts->service == docker::label(container, docker::service_label) ? instance : nullptr;
}

// Of the deployment that made it, which may be forgotten, or be another Hale's.
std::optional<std::uint64_t> number_of(const Desk& desk, const docker::Inspected& container) {
    const auto& all = desk.view.deployments();
    if (const auto own = all.find(docker::label(container, docker::deployment_label)); own != all.end()) return own->second->number;
    return parse_unsigned(docker::label(container, docker::number_label));
}

// Whether a deployment of its service or application after the one that made it is done.
bool replaced(const Desk& desk, const docker::Inspected& container) {
    const auto& all = desk.view.deployments();
    const std::string application = docker::label(container, docker::application_label), owner = application.empty() ? docker::label(container, docker::service_label) : application;
    const std::uint64_t number = number_of(desk, container).value_or(0);
    return std::ranges::any_of(all, [&](const auto& one) {
        if (one.second->service != owner || one.second->number <= number || !one.second->over) return false;
        const auto record = nlohmann::json::parse(one.second->json, nullptr, false);
        return record.is_object() && record.value("phase", "") == "done";
    });
}

void write_container(JsonWriter& json, const Desk& desk, const deploy::ContainerNow& one) {
    const auto& container = one.container;
    const auto* instance = instance_of(desk, container);
    const std::string deployment = docker::label(container, docker::deployment_label);
    json.open('{').text("name", container.name).text("id", container.id).text("service", docker::label(container, docker::service_label)).text("deployment", deployment);
    if (const auto number = number_of(desk, container)) json.number("number", *number);
    else json.null("number");
    json.text("image", container.image).text("image_id", container.image_id);
    one.digest.empty() ? json.null("digest") : json.text("digest", one.digest);
    json.text("state", docker::text(container.state));
    container.health ? json.text("health", docker::text(container.health->status)) : json.null("health");
    const bool runs = container.state == docker::ContainerState::running;
    json.time("created", container.created).time("started", container.started);
    if (runs && container.started) json.decimal("uptime", std::max(0.0, seconds(desk.loop.utc() - *container.started)));
    else json.null("uptime");
    json.number("restarts", container.restart_count);
    const auto stopped = stopped_of(container, {.known = instance != nullptr, .draining = instance != nullptr && instance->facts->lifecycle == verdict::Lifecycle::draining, .replaced = replaced(desk, container)});
    if (stopped) {
        json.time("finished", container.finished).number("exit_code", static_cast<std::uint64_t>(std::max<std::int64_t>(container.exit_code, 0)));
        json.open("stopped", '{').text("code", stopped->code).text("text", stopped->text).close('}');
    } else {
        json.null("finished").null("exit_code").null("stopped");
    }
    json.boolean("oom", container.oom_killed);
    if (instance != nullptr) {
        json.text("instance", instance->facts->id.view()).text("verdict", verdict::to_text(instance->state())).text("lifecycle", verdict::to_text(instance->facts->lifecycle)).boolean("eligible", instance->eligible);
    } else {
        json.null("instance").null("verdict").null("lifecycle").boolean("eligible", false);
    }
    json.close('}');
}

}  // namespace

void list_containers(Desk& desk, const CallPtr& call) {
    const std::string service(call->query.value("service"));
    desk.backend.containers(service, call->query.is_true("all"), [&desk, call, service](Result<std::vector<deploy::ContainerNow>> all) {
        if (!all) return answer_error(call, all.error());
        // What was misspelt has none, and so has what is there: they are told apart.
        if (all->empty() && !service.empty() && desk.view.service(std::string_view(service)) == nullptr)
            return answer_error(call, no_such_service(desk.view, service));
        std::string body;
        JsonWriter json(body);
        json.open('{').number("revision", desk.view.revision()).open("items", '[');
        for (const auto& one : *all) write_container(json, desk, one);
        json.close(']').null("next").close('}');
        answer_json(call, 200, std::move(body));
    });
}

// {command, user?, folder?, timeout?}. The audit has it before it runs; of its words only the first, since the others may be secrets.
void run_in_container(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "command user folder timeout");
    deploy::CommandRequest request{.container = call->param("name"), .command = body.texts("command", true), .user = body.text("user"), .folder = body.text("folder")};
    request.within = body.duration("timeout").value_or(deploy::usual_command_time);
    if (request.within <= Duration{0} || request.within > deploy::longest_command_time) body.fault("timeout", "allowed: more than 0s, at most 10m");
    if (request.command.empty() || request.command.front().empty()) body.fault("command", "must name a program");
    if (request.command.size() > most_words || std::ranges::any_of(request.command, [](const auto& one) { return one.size() > most_word_bytes; }))
        body.fault("command", "allowed: at most 256 words of at most 64 KiB");
    if (!body.ok()) return answer_problem(call, body.problem());
    catalog::Mutation witness{.change = catalog::Witness{}, .actor = call->caller.name, .action = fmt::format("POST {}", call->path()), .object = request.container,
                              .detail = fmt::format(R"({{"program":{},"arguments":{}}})", json_quoted(escaped(request.command.front(), 200)), request.command.size() - 1)};
    desk.backend.mutate(std::move(witness), [&desk, call, request = std::move(request)](catalog::MutationResult kept) mutable {
        if (!kept) return answer_error(call, kept.error().error);
        desk.backend.run_command(std::move(request), [call](Result<docker::ExecDone> done) {
            if (!done) return answer_error(call, done.error());
            std::string body;
            JsonWriter json(body);
            json.open('{').text("container", call->param("name")).number("exit_code", static_cast<std::uint64_t>(std::max<std::int64_t>(done->exit_code, 0)));
            json.text("output", done->output).text("errors", done->errors).boolean("truncated", done->truncated).close('}');
            answer_json(call, 200, std::move(body));
        });
    });
}

namespace {

// {force?, timeout?}. The drain is in the audit as its beginning; this is its end.
void act_on_instance(Desk& desk, const CallPtr& call, deploy::HandVerb verb) {
    const auto* instance = need_instance(desk, call);
    if (instance == nullptr) return;
    Body body(call->request().body, "force timeout");
    deploy::HandRequest request{.verb = verb, .service = instance->facts->service.str(), .instance = instance->facts->name.str(), .force = body.boolean("force"),
                                .within = body.duration("timeout").value_or(deploy::usual_turn), .actor = call->caller.name, .action = fmt::format("POST {}", call->path())};
    if (request.within < deploy::shortest_turn || request.within > deploy::longest_turn) body.fault("timeout", "allowed: 5s to 1h");
    if (!body.ok()) return answer_problem(call, body.problem());
    desk.backend.act(std::move(request), [&desk, call](Result<deploy::HandDone> done) {
        if (!done) return answer_error(call, done.error());
        MutationPlan plan{.object = done->instance, .detail = fmt::format(R"({{"outcome":"done","container":{}}})", json_quoted(done->state))};
        plan.members = [done = *done](JsonWriter& json) {
            json.text("instance", done.instance).text("container", done.state).boolean("eligible", done.eligible).boolean("moved", done.moved).decimal("seconds", done.seconds);
            done.address.empty() ? json.null("address") : json.text("address", done.address);
            if (done.address.empty()) json.number("exit_code", static_cast<std::uint64_t>(std::max<std::int64_t>(done.exit_code, 0)));
        };
        mutate(desk, call, catalog::Witness{}, std::move(plan));
    });
}

// ---- Logs ----

// What was told and is not sent yet; the reader hears what was taken, so the engine waits for slow clients.
struct LogsTold {
    explicit LogsTold(Desk& its_desk, CallPtr its_call) : desk(its_desk), call(std::move(its_call)), ping(desk.loop, io::member_fire<&LogsTold::beat>, this) {}
    void wake() {
        if (streaming) call->exchange->wake();
    }
    // Both ends of a silent stream learn that the other one is there.
    void beat() noexcept {
        if (text.empty()) text = "\n", own = 1;
        ping.arm(desk.loop.now() + ping_interval);
        wake();
    }

    Desk& desk;
    CallPtr call;
    std::unique_ptr<deploy::LogsReader> reader;
    std::string text;
    std::size_t sent = 0;  // Of text.
    std::size_t own = 0;   // Of what is not sent: ours, which the reader did not tell.
    bool streaming = false, ended = false;
    io::Timer ping;
};

class LogsBody final : public http::BodyProducer {
public:
    explicit LogsBody(std::shared_ptr<LogsTold> told) : told_(std::move(told)) {}
    ~LogsBody() override {
        told_->streaming = false;
        told_->reader.reset();
        told_->ping.disarm();
    }
    More produce(std::string& out, std::size_t most) override {
        LogsTold& told = *told_;
        const std::size_t some = std::min(most, told.text.size() - told.sent);
        out.append(told.text, told.sent, some);
        told.sent += some;
        const std::size_t ours = std::min(told.own, some);
        told.own -= ours;
        if (told.reader && some > ours) told.reader->taken(some - ours);
        if (told.sent < told.text.size()) return More::more;
        told.text.clear();
        told.sent = 0;
        return told.ended ? More::done : More::wait;
    }

private:
    std::shared_ptr<LogsTold> told_;
};

void read_logs(Desk& desk, const CallPtr& call, deploy::LogsRequest request) {
    const auto& query = call->query;
    std::vector<ProblemPart> faults;
    if (query.has("tail")) {
        const auto tail = parse_unsigned(query.value("tail"));
        if (tail && *tail <= deploy::most_tail) request.tail = static_cast<std::uint32_t>(*tail);
        else faults.push_back({"/tail", fmt::format("allowed: 0 to {}", deploy::most_tail)});
    }
    if (query.has("since")) {
        const auto ago = parse_duration(query.value("since"));
        request.since = ago && *ago >= Duration{0} && *ago <= longest_duration ? std::optional(desk.loop.utc() - *ago) : parse_rfc3339(query.value("since"));
        if (!request.since) faults.push_back({"/since", "allowed: a duration like 10m, or an RFC 3339 time"});
    }
    request.follow = query.is_true("follow");
    if (!faults.empty()) return answer_problem(call, invalid(400, std::move(faults)));
    const auto told = std::make_shared<LogsTold>(desk, call);
    call->exchange->when_gone([weak = std::weak_ptr(told)] {
        if (const auto here = weak.lock()) here->reader.reset();
    });
    const std::weak_ptr<LogsTold> weak = told;
    // Until its stream begins it is kept by the question alone.
    auto kept = std::make_shared<std::shared_ptr<LogsTold>>(told);
    told->reader = desk.backend.read_logs(std::move(request), {
        .begun = [kept](Result<std::vector<std::string>> names) {
            const auto here = std::exchange(*kept, nullptr);
            if (!here) return;
            if (!names) {
                here->reader.reset();
                return answer_error(here->call, names.error());
            }
            here->streaming = true;
            JsonWriter json(here->text);
            json.open('{').open("containers", '[');
            for (const auto& name : *names) json.text(name);
            json.close(']').close('}');
            here->text += '\n';
            here->own = here->text.size();
            here->ping.arm(here->desk.loop.now() + ping_interval);
            here->call->exchange->stream(200, {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}, std::make_unique<LogsBody>(here));
        },
        .more = [weak](std::string text) {
            const auto here = weak.lock();
            if (!here) return;
            here->text += text;
            here->wake();
        },
        .ended = [weak] {
            const auto here = weak.lock();
            if (!here) return;
            here->ended = true;
            here->wake();
        }});
}

}  // namespace

void stop_instance(Desk& desk, const CallPtr& call) { act_on_instance(desk, call, deploy::HandVerb::stop); }
void start_instance(Desk& desk, const CallPtr& call) { act_on_instance(desk, call, deploy::HandVerb::start); }
void restart_instance(Desk& desk, const CallPtr& call) { act_on_instance(desk, call, deploy::HandVerb::restart); }

void container_logs(Desk& desk, const CallPtr& call) { read_logs(desk, call, {.container = call->param("name")}); }

void service_logs(Desk& desk, const CallPtr& call) {
    if (need_service(desk, call) != nullptr) read_logs(desk, call, {.service = call->param("s")});
}

}  // namespace hale::api
