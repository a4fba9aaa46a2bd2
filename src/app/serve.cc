#include "app/serve.h"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "app/daemon.h"
#include "app/reloading.h"
#include "base/log.h"
#include "os/clock.h"
#include "os/epoll_loop.h"
#include "os/signals.h"
#include "os/spawn_helper.h"
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

}  // namespace

int serve(const ServeOptions& options) {
    os::block_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
    auto spawn_helper = os::SpawnHelper::start();  // Before any thread, and before the log has one.
    if (!spawn_helper) {
        fmt::print(stderr, "hale: {}\n", spawn_helper.error().text);
        return 1;
    }
    log_to_spdlog();
    raise_descriptor_limit();

    auto loaded = load_to_serve(options.config);
    if (!loaded) {
        fmt::print(stderr, "{}hale: {} has problems; nothing was started. Try: hale config check {}\n", config::text(loaded.error()), options.config,
                   options.config);
        return 2;
    }
    malloc_trim(0);  // What the YAML parser took and freed goes back to the machine.
    auto document = std::make_shared<const config::Document>(std::move(*loaded));
    for (const auto& warning : document->warnings) log(LogLevel::warning, warning);

    if (options.restore) {
        if (const auto done = store::restore(document->settings.state, *options.restore, os::wall_now()); !done) {
            fmt::print(stderr, "hale: {}\n", done.error().text);
            return 1;
        }
        log(LogLevel::info, fmt::format("state.db was restored from {}", *options.restore));
    }

    auto loop = os::EpollLoop::create();
    if (!loop) {
        fmt::print(stderr, "hale: {}\n", loop.error().text);
        return 1;
    }
    Daemon daemon(document, *spawn_helper);
    // Starting ends with a signal too, but only once it is complete: what was begun is then ended in order.
    if (const auto started = daemon.start(); !started) {
        fmt::print(stderr, "hale: {}\n", started.error().text);
        return 1;
    }
    log(LogLevel::info, fmt::format("hale {} serves {} services from {}; state in {}", version, document->services.size(), options.config,
                                    document->settings.state));

    // A second asking while requests finish stops waiting for them.
    os::Thread stopper;
    bool stopping = false;
    auto signals = os::Signals::listen(**loop, {SIGTERM, SIGINT, SIGHUP, SIGUSR1}, [&](int signal) {
        if (signal == SIGHUP) return daemon.reload();
        if (signal == SIGUSR1) return daemon.reopen_logs();
        if (std::exchange(stopping, true)) return daemon.hurry();
        log(LogLevel::info, "stopping: requests may finish; ask again to end them now");
        const auto begun = stopper.start("hale-stop", [&] {
            daemon.stop();
            (*loop)->stop();
        });
        if (!begun) (*loop)->stop();
    });
    if (!signals) {
        fmt::print(stderr, "hale: {}\n", signals.error().text);
        daemon.stop();
        return 1;
    }
    (*loop)->run();
    if (stopper.started()) stopper.join();
    else daemon.stop();
    log(LogLevel::info, "stopped");
    spdlog::shutdown();
    return 0;
}

}  // namespace hale::app
