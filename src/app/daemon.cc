#include "app/daemon.h"

#include <malloc.h>

#include <fmt/format.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <utility>

#include "api/body.h"
#include "app/log_file.h"
#include "app/serve.h"
#include "app/sizing.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "config/digest.h"
#include "guard/role.h"
#include "guard/tokens.h"
#include "os/ares_resolver.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/secret_bytes.h"
#include "os/socket_address.h"
#include "os/threads.h"
#include "tls/doors.h"

namespace hale::app {

namespace {

constexpr Duration start_patience = 60s;   // For everything declared to be in force.
constexpr Duration backup_look_interval = 1h;  // How often it is asked whether a backup is due.
constexpr Duration settled_after = 20s;        // What a start takes and needs no more goes back to the machine then.
constexpr int pool_threads = 2;
constexpr std::string_view token_file = "admin.token";
constexpr std::string_view first_token = "admin";
constexpr std::uint32_t no_group = ~0u;

std::uint32_t operators_gid() {
    std::array<char, 4096> buffer{};
    struct group entry{}, *found = nullptr;
    if (getgrnam_r("hale", &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return no_group;
    return found->gr_gid;
}

std::size_t descriptor_limit() {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 1024;
}

std::string node_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

Daemon::Daemon(std::shared_ptr<const config::Document> document, os::SpawnHelper& spawn_helper, Options options)
    : document_(std::move(document)),
      settings_(document_->settings),
      spawn_helper_(spawn_helper),
      options_(std::move(options)),
      sockets_(std::exchange(options_.sockets, {})) {}

Daemon::~Daemon() = default;

Result<> Daemon::start() {
    const auto run = [this]() -> Result<> {
        HALE_TRY(create_threads());
        if (options_.before_state) HALE_TRY(options_.before_state());
        HALE_TRY(open_state());
        HALE_TRY(start_threads());
        HALE_TRY(put_in_force());
        deployments_->go_on(std::move(deployed_));
        fleet_->start();
        HALE_TRY(write_admin_token());
        HALE_TRY(open_listeners());
        return {};
    };
    auto done = run();
    if (!done) stop();
    return done;
}

Result<> Daemon::create_threads() {
    HALE_ASSIGN(control_thread_, LoopThread::create("hale-control"));
    HALE_ASSIGN(api_thread_, LoopThread::create("hale-api"));
    const auto cores = static_cast<unsigned>(os::usable_cores());
    const unsigned checkers = settings_.checkers != 0 ? settings_.checkers : auto_checkers(*document_, cores);
    const unsigned workers = settings_.workers != 0 ? settings_.workers : cores;
    checkers_.resize(checkers);
    workers_.resize(workers);
    for (unsigned i = 0; i < checkers; ++i) {
        HALE_ASSIGN(checkers_[i].thread, LoopThread::create(fmt::format("hale-check-{}", i), true));
        HALE_ASSIGN(checkers_[i].resolver, os::AresResolver::create(checkers_[i].thread->loop(), {}));
    }
    for (unsigned i = 0; i < workers; ++i) {
        HALE_ASSIGN(workers_[i].thread, LoopThread::create(fmt::format("hale-work-{}", i)));
        if (settings_.access_log != "none") {
            HALE_ASSIGN(workers_[i].log, LogFile::open(settings_.access_log));
        }
    }
    HALE_TRY(create_tls());
    HALE_ASSIGN(control_resolver_, os::AresResolver::create(control_thread_->loop(), {}));
    HALE_ASSIGN(api_resolver_, os::AresResolver::create(api_thread_->loop(), {}));
    HALE_ASSIGN(spawner_, os::Spawner::attach(control_thread_->loop(), spawn_helper_));
    return {};
}

Result<> Daemon::create_tls() {
    for (auto& one : workers_) {
        one.client_tls = std::make_unique<tls::Doors>(one.thread->loop());
        if (settings_.https || sockets_.activated("https")) {
            HALE_ASSIGN(one.server_tls, tls::ServerContext::create({.tls12 = settings_.tls12}));
        }
    }
    if (settings_.admin_certificate) {
        const auto& file = *settings_.admin_certificate;
        HALE_ASSIGN(admin_tls_, tls::ServerContext::create({}));
        HALE_ASSIGN(auto credentials, tls::Credentials::parse(file.chain_pem, file.key_pem, file.chain, os::wall_now()));
        admin_tls_->set_credentials({std::move(credentials)});
    }
    return {};
}

// On control's thread, whenever a document came into force.
void Daemon::show_certificates(const config::Document& document) {
    certificates_->set_files(document.settings.certificates);
    std::vector<std::string> paths;
    for (const auto& file : document.settings.certificates) paths.push_back(file.chain), paths.push_back(file.key);
    reloading_->watch_too(paths);
    issuing_->configured(document.settings.acme);
}

Result<> Daemon::open_state() {
    HALE_ASSIGN(auto opened, store::StateStore::open(control_thread_->loop(), {.directory = settings_.state, .now = os::wall_now()}));
    store_ = std::move(opened.store);
    restored_ = std::move(opened.restored);
    return {};
}

Result<> Daemon::start_threads() {
    HALE_TRY(pool_.start(pool_threads));
    io::Loop& control_loop = control_thread_->loop();
    store_->start();
    state_ = std::make_unique<StateDoor>(control_loop);
    state_->open(std::move(store_));
    checker_wires_ = std::make_unique<CheckerWires>(control_loop, checkers_);
    worker_wires_ = std::make_unique<WorkerWires>(control_loop, workers_);
    audience_ = std::make_unique<AudienceWires>(control_loop, api_thread_->loop(), [this](std::vector<catalog::Delta> deltas) {
        if (server_) server_->tell(std::move(deltas));
    });
    control_ = std::make_unique<catalog::Control>(catalog::Control::Parts{.loop = control_loop,
                                                                          .resolver = *control_resolver_,
                                                                          .journal = *state_,
                                                                          .checking = *checker_wires_,
                                                                          .routing = *worker_wires_,
                                                                          .audience = *audience_,
                                                                          .own = own_,
                                                                          .ledger = ledger_,
                                                                          .seed = os::secret_seed()});
    backend_ = std::make_unique<Backend>(Backend::Parts{.api = api_thread_->loop(),
                                                        .control_loop = control_loop,
                                                        .control = *control_,
                                                        .checkers = checkers_,
                                                        .workers = workers_,
                                                        .state = *state_,
                                                        .pool = pool_});
    reloading_ = std::make_unique<Reloading>(control_thread_->loop(), pool_, *control_, document_->source);
    backend_->set_reloading(*reloading_);
    certificates_ = std::make_unique<Certificates>(control_loop, workers_);
    issuing_ = std::make_unique<Issuing>(Issuing::Parts{.api = api_thread_->loop(),
                                                        .net = api_thread_->net(),
                                                        .resolver = *api_resolver_,
                                                        .control = control_loop,
                                                        .certificates = *certificates_,
                                                        .workers = workers_,
                                                        .pool = pool_,
                                                        .spawner = *spawner_,
                                                        .state = settings_.state,
                                                        .version = std::string(version),
                                                        .exec_user = settings_.exec_user,
                                                        .seed = os::secret_seed()});
    backend_->set_certificates(*certificates_, *issuing_);
    HALE_ASSIGN(deployments_, Deployments::create({.control_loop = control_loop, .control = *control_, .checkers = checkers_, .workers = workers_, .spawner = *spawner_, .exec_user = settings_.exec_user, .engine = settings_.docker_host, .home = settings_.state, .version = std::string(version)}));
    backend_->set_deployments(*deployments_);
    fleet_ = std::make_unique<FleetDoor>(FleetDoor::Parts{.control_loop = control_loop, .control = *control_, .deployments = *deployments_, .home = settings_.state, .seed = os::secret_seed()});
    deployments_->when_asked([this] { fleet_->look(); });
    endings_ = std::make_unique<Endings>(control_loop, *certificates_, [this](catalog::EndingCertificates ending) { control_->set_ending_certificates(std::move(ending)); });
    certificates_->when_changed([this] { endings_->changed(); });
    worker_wires_->when_published([this](const catalog::Snapshot& snapshot) {
        certificates_->published(snapshot);
        issuing_->published(snapshot);
        endings_->published(snapshot);
    });
    reloading_->when_applied([this](const config::Document& document) {
        show_certificates(document);
        fleet_->look();
    });
    backend_->set_upgrade(options_.upgrade);
    started_ = true;
    HALE_TRY(control_thread_->start());
    HALE_TRY(api_thread_->start());
    HALE_TRY(deployments_->start());
    for (auto& checker : checkers_) HALE_TRY(checker.thread->start());
    for (auto& worker : workers_) HALE_TRY(worker.thread->start());

    const std::string node = node_name();
    api_thread_->run_and_wait([&] {
        server_ = std::make_unique<api::Server>(api_thread_->loop(), api_thread_->net(), *backend_, own_,
                                                api::ServerOptions{.node = node,
                                                                   .version = version,
                                                                   .insecure = settings_.admin_insecure,
                                                                   .daemon_uid = static_cast<std::uint32_t>(geteuid()),
                                                                   .operators_gid = operators_gid(),
                                                                   .seed = os::secret_seed(),
                                                                   .secret_bytes = os::secret_bytes});
        tokens_ = restored_.tokens;
        server_->set_tokens(tokens_);
    });
    for (unsigned i = 0; i < checkers_.size(); ++i) {
        CheckerThread& one = checkers_[i];
        one.thread->run_and_wait([&, i] {
            probe::CheckerOptions options;
            options.number = i;
            options.node = node;
            options.of = static_cast<unsigned>(checkers_.size());
            options.engine.pool.most_kept = descriptor_limit() / 2 / checkers_.size();
            one.tls = std::make_unique<tls::Doors>(one.thread->loop());
            options.engine.tls = one.tls.get();
            options.engine.exec_user = settings_.exec_user;
            options.engine.secret_bytes = os::secret_bytes;
            options.last_known_max_age = settings_.last_known_max_age;
            one.checker = std::make_unique<probe::Checker>(one.thread->loop(), one.thread->net(), *one.resolver, spawner_.get(), std::move(options),
                                                           [this](catalog::CheckReport report) {
                                                               control_thread_->loop().post([this, report = std::move(report)]() mutable {
                                                                   control_->on_report(std::move(report));
                                                               });
                                                           });
            one.checker->start();
        });
    }
    for (unsigned i = 0; i < workers_.size(); ++i) {
        WorkerThread& one = workers_[i];
        one.thread->run_and_wait([&, i] {
            proxy::WorkerOptions options;
            options.index = i;
            options.seed = os::secret_seed();
            one.worker = std::make_unique<proxy::Worker>(one.thread->loop(), one.thread->net(), options,
                                                         proxy::WorkerDoors{.server_tls = one.server_tls.get(),
                                                                            .client_tls = one.client_tls.get(),
                                                                            .passive = [this](std::vector<catalog::Passive> signals) {
                                                                                checker_wires_->passive(std::move(signals));
                                                                            },
                                                                            .log = one.log.get(),
                                                                            .health = &own_});
        });
    }
    return {};
}

Result<> Daemon::put_in_force() {
    std::promise<catalog::MutationResult> promise;
    auto future = promise.get_future();
    control_thread_->loop().post([this, &promise] {
        deployed_ = restored_.deployments;
        control_->start(std::move(restored_), document_, [&promise](catalog::MutationResult result) { promise.set_value(std::move(result)); });
    });
    // Control answers within its own adoption timeout; the patience is for a disk that does not.
    if (future.wait_for(start_patience) != std::future_status::ready)
        hale::check_failed("the stored state was not in force within a minute: the disk does not answer");
    const auto result = future.get();
    if (!result) return std::unexpected(result.error().error);
    control_thread_->run_and_wait([this] {
        certificates_->start();
        show_certificates(*document_);
    });
    return {};
}

Result<> Daemon::mutate_and_wait(catalog::Mutation mutation) {
    std::promise<catalog::MutationResult> promise;
    auto future = promise.get_future();
    control_thread_->loop().post([this, &promise, &mutation] {
        control_->mutate(std::move(mutation), [&promise](catalog::MutationResult result) { promise.set_value(std::move(result)); });
    });
    if (future.wait_for(start_patience) != std::future_status::ready) hale::check_failed("a mutation was not answered within a minute");
    const auto result = future.get();
    if (!result) return std::unexpected(result.error().error);
    return {};
}

void Daemon::witness(std::string actor, std::string action, std::string object, std::string_view outcome, std::string_view why) {
    catalog::Mutation mutation{.change = catalog::Witness{},
                               .actor = std::move(actor),
                               .action = std::move(action),
                               .object = std::move(object),
                               .detail = why.empty() ? fmt::format(R"({{"outcome":{}}})", api::json_quoted(outcome))
                                                     : fmt::format(R"({{"outcome":{},"why":{}}})", api::json_quoted(outcome), api::json_quoted(escaped(why, 1'000)))};
    control_thread_->loop().post([this, mutation = std::move(mutation)]() mutable {
        const std::string what = fmt::format("{} of {} by {}", mutation.action, mutation.object, mutation.actor);
        control_->mutate(std::move(mutation), [what](catalog::MutationResult result) {
            if (!result) log(LogLevel::error, fmt::format("{} is not in the audit: {}", what, result.error().error.text));
        });
    });
}

// The bare token, for the CLI on this host. A file that lost its token (or a store that lost it) gets a new one.
Result<> Daemon::write_admin_token() {
    const std::string path = fmt::format("{}/{}", settings_.state, token_file);
    if (const auto present = os::read_file(path, 4096); present) {
        const std::string hash = config::sha256_hex(*present);
        if (std::ranges::any_of(tokens_, [&](const auto& token) { return token.sha256 == hash; })) return {};
    }
    const auto made = guard::make_token(std::string{first_token}, guard::Role::admin, os::secret_bytes(guard::token_random_bytes), os::wall_now());
    HALE_TRY(mutate_and_wait({.change = catalog::PutApiToken{made.stored}, .actor = "hale", .action = "create", .object = "token admin"}));
    std::erase_if(tokens_, [](const auto& token) { return token.name == first_token; });
    tokens_.push_back(made.stored);
    api_thread_->run_and_wait([this] { server_->set_tokens(tokens_); });
    return os::write_file_durably(path, made.secret, 0600);
}

std::string Daemon::socket_path() const {
    if (!settings_.socket.empty()) return settings_.socket;
    return settings_.state == "/var/lib/hale" ? "/run/hale/hale.sock" : settings_.state + "/hale.sock";
}

// On the api thread. `own`: everywhere that the API is reached, as far as we can know.
Result<> Daemon::bind_admin(std::string& content, std::vector<SocketAddress>& own) {
    const auto note = [&](std::string_view key, const SocketAddress& address) { content += fmt::format(",\"{}\":\"{}\"", key, address.text()); };
    SocketAddress where;
    if (settings_.admin || sockets_.activated("admin")) {
        HALE_TRY(open_admin("admin", settings_.admin, 0600, where));
        note("admin", where);
        own.push_back(where);
        if (where.ip.is_unspecified())
            for (const Ip& ip : os::local_addresses()) own.push_back({.ip = ip, .port = where.port});
    }
    if (settings_.health || sockets_.activated("health")) {
        HALE_TRY(open_admin("health", settings_.health, 0600, where));
        note("health", where);
    }
    const bool activated = sockets_.activated("socket");
    SocketAddress socket{.path = socket_path()};
    if (const auto directory = socket.path.view().substr(0, socket.path.view().rfind('/')); directory == "/run/hale") mkdir("/run/hale", 0755);
    const auto group = operators_gid();
    HALE_TRY(open_admin("socket", socket, group == no_group ? 0600 : 0660, socket));
    own.push_back(socket);
    const std::string path = socket.path.str();
    if (activated) log(LogLevel::info, fmt::format("{} was opened by the service manager, which says who may use it", path));
    else if (group == no_group) log(LogLevel::info, fmt::format("{} is for this user alone: there is no group \"hale\"", path));
    else if (chown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
        log(LogLevel::warning, fmt::format("giving {} to group hale failed: {}", path, system_text(errno)));
    std::string quoted;
    for (const char c : path) quoted += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
    content += fmt::format(",\"socket\":\"{}\"", quoted);
    return {};
}

Result<> Daemon::open_listeners() {
    Result<> failed;
    std::string content = fmt::format("{{\"pid\":{}", getpid());

    // The admin listeners wait at their gate until everything else is done.
    std::promise<void> admin_gate;
    const std::shared_future<void> admin_opened = admin_gate.get_future().share();
    std::string admin_content;
    std::vector<SocketAddress> own;
    {
        std::promise<Result<>> bound;
        auto result = bound.get_future();
        api_thread_->loop().post([this, &bound, &admin_content, &own, admin_opened] {
            bound.set_value(bind_admin(admin_content, own));
            admin_opened.wait();
        });
        failed = result.get();
    }
    // Before the first request: no target of the API is an admin listener.
    if (failed) {
        std::promise<void> held;
        auto done = held.get_future();
        control_thread_->loop().post([this, &held, &own] {
            control_->set_own_addresses(std::move(own), [&held] { held.set_value(); });
        });
        done.wait();
    }
    // Every worker binds and then waits at the gate, inside its own turn, until listen.json is there.
    std::promise<void> gate;
    const std::shared_future<void> opened = gate.get_future().share();
    if (failed) failed = open_traffic(content, opened);
    if (failed) failed = os::write_file_durably(settings_.state + "/listen.json", content + admin_content + "}\n", 0600);
    gate.set_value();
    // Traffic first, admin last.
    for (auto& one : workers_) one.thread->run_and_wait([] {});
    if (failed) own_.ready.store(true);
    if (failed && options_.before_admin) options_.before_admin();
    admin_gate.set_value();
    if (!failed) return failed;
    control_thread_->run_and_wait([this] {
        reloading_->watch();
        backup_timer_ = std::make_unique<io::Timer>(control_thread_->loop(), io::member_fire<&Daemon::back_up>, this);
        // Right after the start too: a daemon that is started daily would never see its first day end.
        backup_timer_->arm(control_thread_->loop().now());
        settled_timer_ = std::make_unique<io::Timer>(control_thread_->loop(), io::member_fire<&Daemon::give_back>, this);
        settled_timer_->arm(control_thread_->loop().now() + settled_after);
    });
    return {};
}

void Daemon::back_up() noexcept {
    backup_timer_->arm(control_thread_->loop().now() + backup_look_interval);
    const Utc now = control_thread_->loop().utc();
    const auto queued = pool_.run(
        control_thread_->loop(),
        [this, now] {
            if (const auto made = state_->backup_when_due(now); !made) log(LogLevel::error, fmt::format("backing up state.db: {}", made.error().text));
        },
        [] {});
    if (!queued) log(LogLevel::warning, fmt::format("backing up state.db: {}", queued.error().text));
}

// A start tells everybody of everything at once, and first probes make much that is soon let go of. Some milliseconds
// for each hundred megabytes, in which others who allocate may wait: so once, and not on a thread of theirs.
void Daemon::give_back() noexcept {
    if (!pool_.run(control_thread_->loop(), [] { malloc_trim(0); }, [] {})) settled_timer_->arm(control_thread_->loop().now() + settled_after);
}

void Daemon::reload(io::Task done) {
    control_thread_->loop().post([this, done = std::move(done)]() mutable {
        reloading_->reload("signal", [done = std::move(done)](catalog::MutationResult) mutable { done(); });
    });
}

void Daemon::reopen_logs() {
    for (auto& one : workers_)
        one.thread->loop().post([&one] {
            if (one.worker) one.worker->reopen_log();
        });
}

void Daemon::hurry() {
    for (auto& one : workers_)
        one.thread->loop().post([&one] {
            if (one.worker) one.worker->stop();
        });
}

void Daemon::stop() {
    // What was handed on is served, though not by us: nobody is to hear otherwise.
    if (!handed_on_) own_.ready.store(false), own_.stopping.store(true);
    release_checkers(false);
    if (started_) {
        // Whoever took over goes on with the containers from here, with what is half done as well.
        if (handed_on_) fleet_->stop();
        // As the last reload said.
        Duration most = settings_.drain_timeout;
        control_thread_->run_and_wait([this, &most] {
            if (const auto document = control_->document()) most = document->settings.drain_timeout;
        });
        std::vector<std::future<void>> drained;
        for (auto& one : workers_) {
            auto done = std::make_shared<std::promise<void>>();
            drained.push_back(done->get_future());
            one.thread->loop().post([&one, done, most] {
                if (!one.worker) return done->set_value();
                one.worker->drain(most, [done] { done->set_value(); });
            });
        }
        for (auto& one : drained) one.wait_for(most + 5s);
        for (auto& one : workers_) one.thread->run_and_wait([&one] {
            if (one.worker) one.worker->stop();
            one.worker.reset();
        });
        for (auto& one : checkers_) one.thread->run_and_wait([&one] {
            if (one.checker) one.checker->stop();
        });
        fleet_->stop();
        deployments_->stop();
        std::promise<void> remembered;
        auto done = remembered.get_future();
        control_thread_->loop().post([this, &remembered] {
            reloading_->stop();
            backup_timer_.reset();
            settled_timer_.reset();
            control_->stop([&remembered] { remembered.set_value(); });
        });
        done.wait_for(start_patience);
        api_thread_->run_and_wait([this] {
            if (server_) server_->stop();
        });
        // Nobody listens there any more, and whoever takes those ports next is not to be mistaken for this daemon.
        if (!handed_on_) unlink((settings_.state + "/listen.json").c_str());
    }
    if (started_ && issuing_) {
        // Proofs are taken back while there are workers' threads and a disk.
        std::promise<void> withdrawn;
        auto done = withdrawn.get_future();
        api_thread_->loop().post([this, &withdrawn] { issuing_->stop([&withdrawn] { withdrawn.set_value(); }); });
        done.wait();
    }
    if (store_) store_->stop();
    if (state_) state_->shut();
    pool_.stop();
    if (!started_) return;
    // Each organ ends on its own thread, then the threads end.
    for (auto& one : checkers_) one.thread->run_and_wait([&one] {
        one.checker.reset();
        one.tls.reset();
        one.resolver.reset();
    });
    api_thread_->run_and_wait([this] {
        server_.reset();
        api_resolver_.reset();
    });
    control_thread_->run_and_wait([this] {
        endings_.reset();
        certificates_.reset();
        control_.reset();
        spawner_.reset();
        control_resolver_.reset();
    });
    for (auto& one : workers_) one.thread->stop_and_join();
    for (auto& one : checkers_) one.thread->stop_and_join();
    api_thread_->stop_and_join();
    control_thread_->stop_and_join();
    deployments_->join();
    issuing_.reset();
    started_ = false;
}

}  // namespace hale::app
