// The whole daemon, wired: the only place that knows every organ. Starts them from the ground up and ends them
// from the top down, on the supervisor's (main) thread.
//
//   state restored ▶ everything declared is in force ▶ admin.token written ▶ all addresses bound and written to
//   listen.json ▶ traffic is accepted ▶ admin answers (so once /live answers, everything acknowledged is in force)

#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/server.h"
#include "app/backend.h"
#include "app/certificates.h"
#include "app/deployments.h"
#include "app/endings.h"
#include "app/fleet_door.h"
#include "app/life_signs.h"
#include "app/issuing.h"
#include "app/loop_thread.h"
#include "app/reloading.h"
#include "app/sockets.h"
#include "app/state_door.h"
#include "app/wiring.h"
#include "base/result.h"
#include "catalog/control.h"
#include "catalog/own_health.h"
#include "config/document.h"
#include "os/blocking_pool.h"
#include "os/spawn_helper.h"
#include "store/state_store.h"
#include "verdict/ledger.h"

namespace hale::app {

class Daemon {
public:
    struct Options {
        std::vector<RoleSocket> sockets = {};            // Handed by a supervisor or a predecessor.
        std::function<Result<>()> before_state = {};     // Returns when state.db is ours to open.
        std::function<void()> before_admin = {};         // Traffic is served; returns when the API may be.
        Backend::Upgrade upgrade = {};                   // Asked for over the API.
    };
    Daemon(std::shared_ptr<const config::Document> document, os::SpawnHelper& spawn_helper, Options options);
    ~Daemon();

    // Returns once /live answers. On failure everything that was started has ended.
    Result<> start();
    // Lets requests finish (at most drain_timeout), remembers, and ends every thread.
    void stop();
    // A second signal: do not wait for requests any longer.
    void hurry();
    // `done` runs on control's thread.
    void reload(io::Task done = [] {});
    void reopen_logs();
    // Into the audit, behind everything that control was asked before. `outcome`: begun, done, failed; `why` may be empty.
    void witness(std::string actor, std::string action, std::string object, std::string_view outcome, std::string_view why = {});

    // ---- Another process takes over (handing_on.cc); all on the supervisor's thread, whose loop `home` is ----
    // Copies of all that listens.
    Result<std::vector<RoleSocket>> sockets_in_use();
    // Mutations are refused, checkers stand still, last verdicts are stored, state.db is closed: then `held`.
    void hold(io::Loop& home, io::Task held);
    // Everything that was held goes on; the failure is state.db's, and then all but mutations goes on.
    Result<> go_on();
    // It serves: nobody listens or answers for the API here any more. stop() lets the rest finish.
    void leave();
    // Every thread, to be asked whether it goes on. Until stop().
    std::vector<LifeSigns::Member> threads();
    const config::Settings& settings() const { return settings_; }
    // One line for people: what is served.
    std::string says() const;

private:
    Result<> open_state();
    Result<> create_threads();
    Result<> start_threads();
    Result<> put_in_force();
    Result<> write_admin_token();
    Result<> create_tls();
    void show_certificates(const config::Document& document);
    Result<> open_listeners();
    Result<> open_traffic(std::string& content, const std::shared_future<void>& opened);
    // `mode`: of a unix socket's file. On the api thread.
    Result<> open_admin(std::string_view role, const std::optional<SocketAddress>& declared, int mode, SocketAddress& where);
    void stand_still(io::Loop& home, io::Task still);
    void release_checkers(bool go_on);
    Result<> bind_admin(std::string& content, std::vector<SocketAddress>& own);
    Result<> mutate_and_wait(catalog::Mutation mutation);
    void back_up() noexcept;
    void give_back() noexcept;
    std::string socket_path() const;

    std::shared_ptr<const config::Document> document_;
    const config::Settings& settings_;
    os::SpawnHelper& spawn_helper_;
    catalog::OwnHealth own_;
    verdict::Ledger ledger_;
    std::unique_ptr<LoopThread> control_thread_, api_thread_;
    std::vector<CheckerThread> checkers_;
    std::vector<WorkerThread> workers_;
    os::BlockingPool pool_;
    std::unique_ptr<store::StateStore> store_;  // Until it is started and the door has it.
    std::unique_ptr<StateDoor> state_;
    config::Restored restored_;
    std::vector<config::StoredDeployment> deployed_;  // As the store held them.
    std::vector<config::StoredToken> tokens_;  // As the api was last told at start.
    std::unique_ptr<io::Resolver> control_resolver_;
    std::unique_ptr<os::Spawner> spawner_;
    std::unique_ptr<CheckerWires> checker_wires_;
    std::unique_ptr<WorkerWires> worker_wires_;
    std::unique_ptr<AudienceWires> audience_;
    std::unique_ptr<catalog::Control> control_;
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<Reloading> reloading_;
    std::unique_ptr<Certificates> certificates_;
    std::unique_ptr<Endings> endings_;
    std::unique_ptr<io::Resolver> api_resolver_;
    std::unique_ptr<Issuing> issuing_;
    std::unique_ptr<Deployments> deployments_;
    std::unique_ptr<FleetDoor> fleet_;
    std::shared_ptr<tls::ServerContext> admin_tls_;  // Null: the admin listener speaks plain HTTP.
    std::unique_ptr<api::Server> server_;
    std::unique_ptr<io::Timer> backup_timer_, settled_timer_;
    bool started_ = false;
    Options options_;
    Sockets sockets_;
    std::shared_ptr<std::promise<bool>> standstill_;  // Checkers wait at it: to go on, or to stop.
    bool handed_on_ = false;
};

}  // namespace hale::app
