#include "app/serve.h"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "app/daemon.h"
#include "app/reloading.h"
#include "app/taking_over.h"
#include "app/upgrading.h"
#include "base/log.h"
#include "os/clock.h"
#include "os/epoll_loop.h"
#include "os/listening.h"
#include "os/signals.h"
#include "os/spawn_helper.h"
#include "os/successor.h"
#include "os/supervisor.h"
#include "os/threads.h"
#include "store/backup.h"

namespace hale::app {

namespace {

void log_to_spdlog() {
    auto logger = spdlog::stderr_logger_mt("hale");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::info);
    set_log_sink([logger](LogLevel level, std::string_view sentence) {
        static constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err,
                                                               spdlog::level::critical};
        logger->log(levels[static_cast<std::size_t>(level)], spdlog::string_view_t(sentence.data(), sentence.size()));
    });
}

// A proxy and a prober live on descriptors: take what the machine allows.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// Listening sockets under the names that the service manager gave them.
Result<std::vector<RoleSocket>> activated() {
    HALE_ASSIGN(auto passed, os::activated_sockets(std::getenv("LISTEN_PID"), std::getenv("LISTEN_FDS"), std::getenv("LISTEN_FDNAMES")));
    std::vector<RoleSocket> sockets;
    for (auto& one : passed) sockets.push_back({std::move(one.name), "", std::move(one.listening)});
    HALE_TRY(Sockets::check(sockets));
    return sockets;
}

// When the file, or the last of a folder's, was written. Compared, never shown.
std::filesystem::file_time_type written(const std::string& source) {
    std::error_code none;
    auto last = std::filesystem::last_write_time(source, none);
    for (const auto& one : std::filesystem::directory_iterator(source, none)) last = std::max(last, one.last_write_time(none));
    return last;
}

int cannot_start(const Error& error, std::optional<TakingOver>& taking, int code = 1) {
    fmt::print(stderr, "hale: {}\n", error.text);
    if (taking) taking->failed(error.text);
    return code;
}

}  // namespace

int serve(const ServeOptions& options) {
    os::block_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2});
    const std::string program = os::program_path(options.program);
    auto spawn_helper = os::SpawnHelper::start();  // Before any thread, and before the log has one.
    std::optional<TakingOver> taking;
    if (!spawn_helper) return cannot_start(spawn_helper.error(), taking);
    log_to_spdlog();
    raise_descriptor_limit();
    auto sockets = activated();
    if (!sockets) return cannot_start(sockets.error(), taking);
    if (options.takeover) {
        auto begun = TakingOver::begin(*options.takeover, version);
        if (!begun) {
            begun.error().text += "; --takeover is said by `hale upgrade` alone";
            return cannot_start(begun.error(), taking);
        }
        taking = std::move(*begun);
        sockets = taking->take_sockets();
    }

    const auto read_as_of = written(options.config);
    auto loaded = load_to_serve(options.config);
    if (!loaded) {
        const std::string problems = config::text(loaded.error());
        fmt::print(stderr, "{}hale: {} has problems; nothing was started. Try: hale config check {}\n", problems, options.config, options.config);
        if (taking) taking->failed(fmt::format("{} has problems: {}", options.config, problems));
        return 2;
    }
    malloc_trim(0);  // What the YAML parser took and freed goes back to the machine.
    auto document = std::make_shared<const config::Document>(std::move(*loaded));
    for (const auto& warning : document->warnings) log(LogLevel::warning, warning);
    const config::Settings& settings = document->settings;

    if (options.restore) {
        if (const auto done = store::restore(settings.state, *options.restore, os::wall_now()); !done) return cannot_start(done.error(), taking);
        log(LogLevel::info, fmt::format("state.db was restored from {}", *options.restore));
    }

    auto loop = os::EpollLoop::create();
    if (!loop) return cannot_start(loop.error(), taking);
    const os::Supervisor supervisor(std::getenv("NOTIFY_SOCKET"));
    std::optional<Upgrading> upgrading;
    const auto before_state = [&]() -> Result<> {
        if (taking->state() != settings.state)
            return fail(Code::invalid, fmt::format("state: {} in {}, but the running daemon has it in {}: stop the one and start the other to move it", settings.state,
                                                   options.config, taking->state()));
        HALE_TRY(store::could_open(settings.state));
        return taking->ready();
    };
    Daemon daemon(document, *spawn_helper,
                  {.sockets = std::move(*sockets),
                   .before_state = taking ? std::function<Result<>()>(before_state) : nullptr,
                   .before_admin = taking ? std::function<void()>([&] { taking->serving(); }) : nullptr,
                   .upgrade = [&](std::string actor, api::Backend::UpgradeReply reply) {
                       (*loop)->post([&upgrading, actor = std::move(actor), reply = std::move(reply)]() mutable {
                           if (upgrading) upgrading->ask(std::move(actor), std::move(reply));
                       });
                   }});
    // Starting ends with a signal too, but only once it is complete: what was begun is then ended in order.
    if (const auto started = daemon.start(); !started) return cannot_start(started.error(), taking);
    log(LogLevel::info, fmt::format("hale {} {}", version, daemon.says()));
    if (taking) daemon.witness(taking->actor().empty() ? "hale" : taking->actor(), "upgrade", fmt::format("hale {}", version), "done");

    // A second asking while requests finish stops waiting for them.
    os::Thread stopper;
    std::optional<LifeSigns> life;
    const auto end = [&] {
        if (stopper.started()) return;
        if (life) life->stop();
        const auto begun = stopper.start("hale-stop", [&] {
            daemon.stop();
            (*loop)->stop();
        });
        if (!begun) (*loop)->stop();
    };
    const auto say = [&](const std::string& state) {
        if (const auto told = supervisor.tell(state); !told) log(LogLevel::warning, told.error().text);
    };
    upgrading.emplace(**loop, daemon, supervisor,
                      Upgrading::Options{.program = program,
                                         .config = options.config,
                                         .stop =
                                             [&] {
                                                 say("STOPPING=1\nSTATUS=requests may finish");
                                                 end();
                                             },
                                         .leave = end});
    bool stopping = false;
    auto signals = os::Signals::listen(**loop, {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}, [&](int signal) {
        if (signal == SIGHUP) {
            if (!supervisor.there()) return daemon.reload();
            say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", (*loop)->fresh_now().time_since_epoch() / std::chrono::microseconds(1)));
            return daemon.reload([&] { (*loop)->post([&] { say("READY=1"); }); });
        }
        if (signal == SIGUSR1) return daemon.reopen_logs();
        if (signal == SIGUSR2) return upgrading->ask("signal", {});
        if (std::exchange(stopping, true)) return daemon.hurry();
        if (stopper.started()) return daemon.hurry();  // Left behind by an upgrade: it ends anyway.
        log(LogLevel::info, "stopping: requests may finish; ask again to end them now");
        upgrading->stop();
    });
    if (!signals) {
        fmt::print(stderr, "hale: {}\n", signals.error().text);
        daemon.stop();
        return 1;
    }
    say(fmt::format("READY=1\nSTATUS={}", daemon.says()));
    // What was written while the other process watched the file is read by nobody else.
    if (taking && written(options.config) != read_as_of) daemon.reload();
    if (const auto every = os::watchdog_interval(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID")); every && supervisor.there()) {
        life.emplace(**loop, *every, daemon.threads(), [&] { say("WATCHDOG=1"); }, [&] { return upgrading->holds(); });
        life->start();
    }
    (*loop)->run();
    if (stopper.started()) stopper.join();
    else daemon.stop();
    upgrading.reset();
    log(LogLevel::info, "stopped");
    spdlog::shutdown();
    return 0;
}

}  // namespace hale::app
