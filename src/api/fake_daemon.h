// For this folder's tests: a server on the simulated network, a backend that answers at once and remembers, a
// view filled by hand, and the smallest client that can talk to it.

#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server.h"
#include "guard/tokens.h"
#include "sim/net.h"
#include "sim/world.h"
#include "wire/http1.h"

namespace hale::api {

using Json = nlohmann::json;

struct FakeBackend final : Backend {
    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override;
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override;
    void probe_now(std::string instance, std::string check, std::optional<Duration> max_age, ProbeReply reply) override;
    void probe_target(AdHocProbe probe, std::move_only_function<void(Result<verdict::Observation>)> reply) override;
    void heartbeat(std::string service, std::string check, verdict::Outcome outcome, std::string text, std::move_only_function<void(Result<>)> reply) override;
    void reload(std::string actor, std::optional<catalog::KeptAnswer> kept, catalog::MutationReply reply) override;
    void audit(std::size_t most, std::optional<std::uint64_t> before, std::move_only_function<void(Result<std::vector<config::AuditEntry>>)> reply) override;
    void answered(std::string key, std::string actor, std::move_only_function<void(Result<std::optional<config::PutIdempotent>>)> reply) override;
    void measure(std::move_only_function<void(Measurements)> reply) override;
    void upgrade(std::string actor, UpgradeReply reply) override;
    void certificates(std::move_only_function<void(std::vector<CertificateFacts>)> reply) override;
    void renew_certificate(std::string host, std::move_only_function<void(Result<>)> reply) override;
    void deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) override;
    void rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) override;
    void scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) override;
    void abort_deployment(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) override;
    void containers(std::string service, bool all, deploy::ContainersReply reply) override;
    void run_command(deploy::CommandRequest request, deploy::CommandReply reply) override;
    void act(deploy::HandRequest request, deploy::HandReply reply) override;
    std::unique_ptr<deploy::LogsReader> read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing) override;
    std::vector<deploy::ContainerNow> containers_there;
    std::optional<Error> refuse_by_hand;
    docker::ExecDone command_done;
    deploy::HandDone hand_done;
    deploy::LogsHearing hearing;       // Of the last reading.
    bool holds_logs = false;           // The test says what is told and when.
    std::size_t readers = 0, taken = 0;  // Those that are there; bytes of all.
    std::vector<CertificateFacts> shown;  // Certificates.
    std::vector<deploy::Request> deployed;
    std::optional<Error> refuse_deployment;

    io::Loop* loop = nullptr;
    std::vector<catalog::Mutation> mutations;
    std::vector<std::string> asked;  // Everything else, as a line.
    std::map<std::string, config::PutIdempotent> kept;
    void keep(const std::optional<catalog::KeptAnswer>& answer, const std::string& id);
    std::vector<io::Task> held;  // While `hold`: mutations that wait to be let go.
    bool hold = false;
    std::string made_id;  // Of what the next mutation makes.
    std::optional<catalog::MutationFailed> refuse;
    catalog::VerifyEnd verify_end = catalog::VerifyEnd::eligible;
    std::optional<Error> reload_error, upgrade_error;
    verdict::Observation seen;  // By every probe, unless its instance has its own.
    std::map<std::string, std::vector<catalog::ProbeAnswer>> seen_of;
    std::uint64_t revision = 1000;
};

struct Answer {
    int status = 0;
    std::map<std::string, std::string> fields;  // Lower-case names.
    std::string body;
    Json json() const { return Json::parse(body); }
};

// One connection; answers are read until complete.
class Client final : public io::StreamHandler {
public:
    Client(sim::World& world, io::Net& net, SocketAddress to);
    void send(std::string_view bytes);
    // Runs the world until one more answer has come.
    Answer next(wire::Method method = wire::Method::get);
    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    std::string got;  // Not yet taken.
    bool ended = false;
    bool paused = false;

private:
    sim::World& world_;
    std::unique_ptr<io::Stream> stream_;
};

struct Daemon {
    Daemon();
    void tell(catalog::Delta delta) { server->tell({std::move(delta)}); }
    // One delta of its own revision.
    template <class What>
    void put(What what) {
        catalog::Delta delta{.revision = ++backend.revision, .at = world.utc()};
        delta.what = std::move(what);
        tell(std::move(delta));
    }
    void add_service(catalog::Slot slot, std::string name, std::vector<std::pair<std::string, std::string>> labels = {});
    void add_instance(catalog::Slot slot, catalog::Slot service, std::string name, verdict::State state);
    void judge(catalog::Slot slot, verdict::State state, std::uint32_t version);

    // role: "", "read", "operate", "admin"; "bad" is a token that nobody has.
    Answer ask(std::string_view method, std::string_view target, std::string_view role = "admin", std::string_view body = "", std::string_view fields = "");
    std::string head(std::string_view method, std::string_view target, std::string_view role, std::string_view body, std::string_view fields) const;

    sim::World world{7};
    sim::Network network{world};
    FakeBackend backend;
    catalog::OwnHealth own;
    std::unique_ptr<Server> server;
    SocketAddress admin, health;
    std::map<std::string, std::string, std::less<>> secrets;
    std::shared_ptr<const config::CheckList> checks;
};

}  // namespace hale::api
