#include "api/fake_daemon.h"

#include <fmt/format.h>

#include "config/digest.h"
#include "base/text.h"
#include "wire/http1_body.h"

namespace hale::api {

void FakeBackend::keep(const std::optional<catalog::KeptAnswer>& answer, const std::string& id) {
    if (!answer) return;
    auto put = answer->put;
    put.body = answer->body(revision + 1, id);
    kept[put.key + " " + put.actor] = put;
}

void FakeBackend::mutate(catalog::Mutation mutation, catalog::MutationReply reply) {
    const auto later = [this](io::Task task) { hold ? held.push_back(std::move(task)) : loop->post(std::move(task)); };
    later([this, mutation = std::move(mutation), reply = std::move(reply)]() mutable {
        if (refuse) return reply(std::unexpected(*refuse));
        keep(mutation.idempotent, made_id);
        mutations.push_back(std::move(mutation));
        reply(catalog::MutationDone{++revision, std::exchange(made_id, "")});
    });
}

void FakeBackend::verify(catalog::VerifyRequest request, catalog::VerifyReply reply) {
    asked.push_back(fmt::format("verify {}{} {}", request.service, request.instance, duration_text(request.timeout)));
    loop->post([this, reply = std::move(reply)]() mutable {
        catalog::VerifyResult result{.end = verify_end, .revision = revision};
        result.instances.push_back({.instance = "i-000000000001", .name = "web-1", .outcome = {.end = catalog::GateEnd::passed, .passes = 2, .needed = 2, .observations = {seen}}, .eligible = true});
        reply(std::move(result));
    });
}

void FakeBackend::probe_now(std::string instance, std::string check, std::optional<Duration> max_age, ProbeReply reply) {
    asked.push_back(fmt::format("probe {} {} {}", instance, check, max_age ? duration_text(*max_age) : "-"));
    loop->post([this, instance, reply = std::move(reply)]() mutable {
        const auto own = seen_of.find(instance);
        reply(own != seen_of.end() ? own->second : std::vector<catalog::ProbeAnswer>{{"main", seen, false}});
    });
}

void FakeBackend::probe_target(AdHocProbe probe, std::move_only_function<void(Result<verdict::Observation>)> reply) {
    asked.push_back("target " + probe.target);
    loop->post([this, reply = std::move(reply)]() mutable { reply(seen); });
}

void FakeBackend::heartbeat(std::string service, std::string check, verdict::Outcome outcome, std::string text, std::move_only_function<void(Result<>)> reply) {
    asked.push_back(fmt::format("heartbeat {} {} {} {}", service, check, verdict::to_text(outcome), text));
    loop->post([reply = std::move(reply)]() mutable { reply({}); });
}

void FakeBackend::reload(std::string actor, std::optional<catalog::KeptAnswer> answer, catalog::MutationReply reply) {
    asked.push_back("reload " + actor);
    loop->post([this, answer = std::move(answer), reply = std::move(reply)]() mutable {
        if (reload_error) return reply(std::unexpected(catalog::MutationFailed{*reload_error, {}}));
        keep(answer, "");
        reply(catalog::MutationDone{++revision, ""});
    });
}

void FakeBackend::audit(std::size_t most, std::optional<std::uint64_t>, std::move_only_function<void(Result<std::vector<config::AuditEntry>>)> reply) {
    asked.push_back(fmt::format("audit {}", most));
    reply(std::vector<config::AuditEntry>{{.revision = 5, .at = Utc{1s}, .actor = "uid:0", .action = "PUT /x", .object = "web", .detail = "{}"}});
}

void FakeBackend::answered(std::string key, std::string actor, std::move_only_function<void(Result<std::optional<config::PutIdempotent>>)> reply) {
    const auto found = kept.find(key + " " + actor);
    std::optional<config::PutIdempotent> before;
    if (found != kept.end()) before = found->second;
    loop->post([before, reply = std::move(reply)]() mutable { reply(before); });
}

void FakeBackend::upgrade(std::string actor, UpgradeReply reply) {
    asked.push_back("upgrade " + actor);
    loop->post([this, reply = std::move(reply)]() mutable {
        if (upgrade_error) return reply(std::unexpected(*upgrade_error));
        reply(Upgraded{.process = 4711, .version = "2.0.0", .took = 250ms});
    });
}

void FakeBackend::certificates(std::move_only_function<void(std::vector<CertificateFacts>)> reply) {
    loop->post([all = shown, reply = std::move(reply)]() mutable { reply(std::move(all)); });
}

void FakeBackend::deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) {
    asked.push_back(fmt::format("deploy {} {} dry {}", request.service, fmt::join(request.targets, ","), dry));
    deployed.push_back(std::move(request));
    loop->post([this, dry, reply = std::move(reply)]() mutable {
        if (refuse_deployment) reply(std::unexpected(*refuse_deployment));
        else reply(deploy::Accepted{dry ? "" : "d-1", 7, R"({"id":"d-1","phase":"requested","kept":{"secret":1}})"});
    });
}

void FakeBackend::rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) {
    asked.push_back(fmt::format("rollback {} to \"{}\" by {}", service, to, actor));
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_deployment) reply(std::unexpected(*refuse_deployment));
        else reply(deploy::Accepted{"d-2", 8, R"({"id":"d-2"})"});
    });
}

void FakeBackend::scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) {
    asked.push_back(fmt::format("scale {} to {} by {}", service, replicas, actor));
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_deployment) reply(std::unexpected(*refuse_deployment));
        else reply(deploy::Accepted{"d-3", 9, R"({"id":"d-3"})"});
    });
}

void FakeBackend::abort_deployment(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) {
    asked.push_back(fmt::format("abort {} by {}", id, actor));
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_deployment) reply(std::unexpected(*refuse_deployment));
        else reply({});
    });
}

void FakeBackend::containers(std::string service, bool all, deploy::ContainersReply reply) {
    asked.push_back(fmt::format("containers \"{}\" all {}", service, all));
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_by_hand) reply(std::unexpected(*refuse_by_hand));
        else reply(containers_there);
    });
}

void FakeBackend::run_command(deploy::CommandRequest request, deploy::CommandReply reply) {
    asked.push_back(fmt::format("run {} in {} within {}", fmt::join(request.command, "|"), request.container, duration_text(request.within)));
    if (request.container == "nothing") return loop->post([reply = std::move(reply)]() mutable { reply(fail(Code::not_found, "no such container")); });
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_by_hand) reply(std::unexpected(*refuse_by_hand));
        else reply(command_done);
    });
}

void FakeBackend::act(deploy::HandRequest request, deploy::HandReply reply) {
    asked.push_back(fmt::format("{} {} of {} force {} within {} by {}: {}", deploy::text(request.verb), request.instance, request.service, request.force, duration_text(request.within), request.actor, request.action));
    loop->post([this, reply = std::move(reply)]() mutable {
        if (refuse_by_hand) reply(std::unexpected(*refuse_by_hand));
        else reply(hand_done);
    });
}

std::unique_ptr<deploy::LogsReader> FakeBackend::read_logs(deploy::LogsRequest request, deploy::LogsHearing heard) {
    asked.push_back(fmt::format("logs of \"{}\" \"{}\" tail {} follow {} since {}", request.service, request.container, request.tail, request.follow, request.since ? rfc3339(*request.since) : "-"));
    hearing = std::move(heard);
    loop->post([this, none = request.container == "nothing"] {
        if (none || refuse_by_hand) return hearing.begun(std::unexpected(refuse_by_hand.value_or(Error{Code::not_found, "no such container"})));
        hearing.begun(std::vector<std::string>{"web-1", "web-2"});
        if (!holds_logs) hearing.more("{\"container\":\"web-1\",\"line\":\"x\"}\n"), hearing.ended();
    });
    struct Reader final : deploy::LogsReader {
        explicit Reader(FakeBackend& the_backend) : backend(the_backend) { ++backend.readers; }
        ~Reader() override { --backend.readers; }
        void taken(std::size_t bytes) override { backend.taken += bytes; }
        FakeBackend& backend;
    };
    return std::make_unique<Reader>(*this);
}

void FakeBackend::renew_certificate(std::string host, std::move_only_function<void(Result<>)> reply) {
    asked.push_back("renew " + host);
    const bool known = std::ranges::find(shown, host, &CertificateFacts::host) != shown.end();
    loop->post([known, reply = std::move(reply)]() mutable { known ? reply({}) : reply(fail(Code::not_found, "no certificate of it is got from an authority")); });
}

void FakeBackend::measure(std::move_only_function<void(Measurements)> reply) {
    Measurements measured;
    proxy::WorkerStats worker{.worker = 0};
    proxy::ServiceStats service{.service = "web"};
    service.requests[1][0] = 7;
    service.requests[4][1] = 2;
    service.durations.add(3ms);
    worker.services.push_back(service);
    measured.workers.push_back(worker);
    measured.checkers.push_back({.checker = 0, .in_flight = 3, .worst_lag = 5ms});
    loop->post([measured, reply = std::move(reply)]() mutable { reply(std::move(measured)); });
}

Client::Client(sim::World& world, io::Net& net, SocketAddress to) : world_(world) {
    auto stream = net.connect(to);
    EXPECT_TRUE(stream.has_value());
    stream_ = std::move(*stream);
    stream_->set_handler(this);
    world_.run_for(5ms);
}

void Client::send(std::string_view bytes) { EXPECT_EQ(stream_->write(bytes).bytes, bytes.size()); }

void Client::on_ready(io::Stream& stream, io::Readiness) noexcept {
    if (paused) return;
    std::array<char, 16384> piece;
    for (;;) {
        const auto result = stream.read(piece);
        if (result.status == io::IoStatus::end || result.status == io::IoStatus::failed) ended = true;
        if (result.status != io::IoStatus::ok) return;
        got.append(piece.data(), result.bytes);
    }
}

Answer Client::next(wire::Method method) {
    Answer answer;
    std::size_t whole = 0;
    const auto complete = [&] {
        wire::HeadScan scan;
        wire::ResponseHead head;
        const auto parsed = wire::parse_response_head(got, {}, method, scan, head);
        if (parsed.status != wire::ParseStatus::done) return false;
        answer = {.status = head.status};
        for (const auto& field : head.fields) answer.fields[lower(field.name)] = field.value;
        wire::BodyReader reader(head.framing);
        std::string_view rest = std::string_view(got).substr(parsed.consumed);
        while (!reader.done()) {
            if (rest.empty()) return false;
            const auto step = reader.read(rest);
            EXPECT_NE(step.status, wire::BodyStatus::bad) << step.why;
            if (step.status == wire::BodyStatus::bad) return true;
            answer.body += step.payload;
            rest.remove_prefix(step.consumed);
        }
        whole = got.size() - rest.size();
        return true;
    };
    EXPECT_TRUE(world_.run_until(complete, 30s)) << got.substr(0, 2000);
    got.erase(0, whole);
    return answer;
}

Daemon::Daemon() {
    network.add_host("hale", {"10.0.0.1"});
    backend.loop = &world.loop();
    own.ready = true;
    server = std::make_unique<Server>(world.loop(), network.net("hale", world.loop()), backend, own,
                                      ServerOptions{.node = "host-a", .version = "1.2.3", .daemon_uid = 100, .operators_gid = 200,
                                                    .secret_bytes = [](std::size_t count) { return std::string(count, 's'); }});
    std::vector<config::StoredToken> tokens;
    for (const auto role : {guard::Role::read, guard::Role::operate, guard::Role::admin}) {
        auto made = guard::make_token(std::string(guard::to_text(role)) + "er", role, std::string(32, static_cast<char>('a' + static_cast<int>(role))), world.utc());
        secrets[std::string(guard::to_text(role))] = made.secret;
        tokens.push_back(made.stored);
    }
    tokens.push_back({"spare", config::sha256_hex("spare"), "read", world.utc(), {}});
    server->set_tokens(tokens);
    config::CheckSpec check;
    check.what = config::HttpCheck{.path = "/api/health"};
    check.expect_text = {"[STATUS] == 2xx"};
    checks = std::make_shared<const config::CheckList>(config::CheckList{std::make_shared<const config::CheckSpec>(check)});
    backend.seen = {.outcome = verdict::Outcome::pass, .reason = verdict::Reason::ok, .status = 200, .at = world.utc()};
    backend.seen.timings.total = 12ms;
    auto document = std::make_shared<config::Document>();
    document->source = "hale.yml";
    document->settings.targets_allow = {*Cidr::parse("10.0.0.0/8")};
    document->settings.probe_endpoint_allow = {"10.9.9.9:80"};
    document->aliases.push_back({.path = "/api/proxy/{name}/status", .action = "service_health", .service = "{name}", .shape = "template",
                                 .body = R"({"svc":"{{service}}","ok":{{healthy}},"why":"{{reason}}"})"});
    document->aliases.push_back({.path = "/up", .action = "health", .shape = "text"});
    put(catalog::DocumentPut{document, {.ok = true, .at = world.utc(), .source = "hale.yml"}});
    const auto opened = server->listen_admin(*SocketAddress::parse("127.0.0.1:0"));
    EXPECT_TRUE(opened.has_value());
    admin = *opened;
    health = *server->listen_health(*SocketAddress::parse("10.0.0.1:0"));
}

void Daemon::add_service(catalog::Slot slot, std::string name, std::vector<std::pair<std::string, std::string>> labels) {
    auto spec = std::make_shared<config::ServiceSpec>();
    spec->name = name;
    spec->checks = checks;
    spec->labels = std::move(labels);
    auto facts = std::make_shared<catalog::ServiceFacts>();
    facts->slot = slot;
    facts->name = name;
    facts->spec = spec;
    facts->revision = backend.revision + 1;
    put(catalog::ServicePut{facts});
    catalog::ServiceStanding standing{.state = verdict::State::healthy, .reason = verdict::Reason::ok, .counts = {.total = 1, .eligible = 1, .healthy = 1}, .version = 4, .since = world.utc()};
    put(catalog::StandingPut{slot, standing});
}

void Daemon::add_instance(catalog::Slot slot, catalog::Slot service, std::string name, verdict::State state) {
    auto facts = std::make_shared<catalog::InstanceFacts>();
    facts->slot = slot;
    facts->service_slot = service;
    facts->id = fmt::format("i-{:012}", slot);
    facts->service = name.substr(0, name.rfind('-'));
    facts->name = std::move(name);
    facts->declared = fmt::format("10.0.{}.{}:3000", slot / 256, slot % 256);
    facts->resolved = SocketAddress::parse(facts->declared);
    facts->generation = 7;
    facts->routed = true;
    facts->checks = checks;
    put(catalog::InstancePut{facts});
    judge(slot, state, 1);
}

void Daemon::judge(catalog::Slot slot, verdict::State state, std::uint32_t version) {
    auto record = std::make_shared<catalog::InstanceRecord>();
    record->word = {.state = state, .generation = 7, .version = version};
    record->reason = state == verdict::State::healthy ? verdict::Reason::ok : verdict::Reason::connect_refused;
    record->decided_by = "main";
    record->since = world.utc();
    record->checks.push_back({.name = "main", .state = state, .run_outcome = state == verdict::State::healthy ? verdict::Outcome::pass : verdict::Outcome::fail, .run_length = 3, .run_needed = 3});
    put(catalog::VerdictPut{slot, record, state == verdict::State::healthy, static_cast<std::uint8_t>(state == verdict::State::healthy ? 5 : 6)});
}

std::string Daemon::head(std::string_view method, std::string_view target, std::string_view role, std::string_view body, std::string_view fields) const {
    std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}", method, target, fields);
    const auto secret = secrets.find(role);
    if (!role.empty()) out += fmt::format("Authorization: Bearer {}\r\n", secret != secrets.end() ? secret->second : "hale_nobody");
    if (!body.empty()) out += fmt::format("Content-Length: {}\r\n", body.size());
    return out + "\r\n" + std::string(body);
}

Answer Daemon::ask(std::string_view method, std::string_view target, std::string_view role, std::string_view body, std::string_view fields) {
    Client client(world, network.net("hale", world.loop()), admin);
    client.send(head(method, target, role, body, fields));
    return client.next(wire::method_of(method));
}

}  // namespace hale::api
