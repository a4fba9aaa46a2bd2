// The part of the daemon that lets another process take over: what it holds meanwhile, and how it goes on when the
// other one failed.

#include <fmt/format.h>

#include <utility>

#include "app/daemon.h"
#include "base/check.h"
#include "base/log.h"
#include "os/clock.h"

namespace hale::app {

Result<std::vector<RoleSocket>> Daemon::sockets_in_use() {
    std::vector<RoleSocket> all;
    Result<> failed;
    const auto ask = [&](LoopThread& thread) {
        Result<std::vector<os::Listening>> listening;
        thread.run_and_wait([&] { listening = thread.net().listening(); });
        if (!listening) return failed = std::unexpected(listening.error()), void();
        for (auto& one : sockets_.named(std::move(*listening))) all.push_back(std::move(one));
    };
    ask(*api_thread_);
    for (auto& one : workers_) ask(*one.thread);
    HALE_TRY(failed);
    if (all.size() > most_handed_sockets) return fail(Code::exhausted, fmt::format("{} sockets listen: more than {} are not handed over", all.size(), most_handed_sockets));
    return all;
}

void Daemon::hold(io::Loop& home, io::Task held) {
    // No step begins before the one before it is true: mutations end while checkers still acknowledge, checkers stand
    // still before their last reports are folded, and those are stored before the state is closed.
    control_thread_->loop().post([this, &home, held = std::move(held)]() mutable {
        control_->hold([this, &home, held = std::move(held)]() mutable {
            home.post([this, &home, held = std::move(held)]() mutable {
                stand_still(home, [this, &home, held = std::move(held)]() mutable {
                    control_thread_->loop().post([this, &home, held = std::move(held)]() mutable {
                        control_->settle([this, &home, held = std::move(held)]() mutable {
                            home.post([this, held = std::move(held)]() mutable {
                                state_->shut();
                                held();
                            });
                        });
                    });
                });
            });
        });
    });
}

// Each checker's thread waits inside a turn of its own: nothing is begun, judged or written. It waits for the length of
// a start; what comes late then is known to be our own trouble.
void Daemon::stand_still(io::Loop& home, io::Task still) {
    standstill_ = std::make_shared<std::promise<bool>>();
    const std::shared_future<bool> goes_on = standstill_->get_future().share();
    auto waiting = std::make_shared<std::pair<std::size_t, io::Task>>(checkers_.size(), std::move(still));
    for (auto& one : checkers_)
        one.thread->loop().post([&one, &home, goes_on, waiting] {
            home.post([waiting] {
                if (--waiting->first == 0) waiting->second();
            });
            if (!goes_on.get() && one.checker) one.checker->stop();
        });
}

void Daemon::release_checkers(bool go_on) {
    if (auto standstill = std::exchange(standstill_, nullptr)) standstill->set_value(go_on);
}

Result<> Daemon::go_on() {
    auto opened = store::StateStore::open(control_thread_->loop(), {.directory = settings_.state, .now = os::wall_now()});
    if (opened) {
        opened->store->start();
        state_->open(std::move(opened->store));
    }
    release_checkers(true);
    control_thread_->loop().post([this] { control_->let_go(); });
    if (!opened) return std::unexpected(opened.error());
    return {};
}

void Daemon::leave() {
    handed_on_ = true;
    for (auto& one : workers_) one.thread->run_and_wait([&one] { one.thread->net().leave_files(); });
    api_thread_->run_and_wait([this] {
        api_thread_->net().leave_files();
        server_->leave();
        // Certificates are the new process's to get from now on; what is under way here lets go of their lock.
        if (issuing_) issuing_->stop([] {});
    });
}

std::vector<LifeSigns::Member> Daemon::threads() {
    std::vector<LifeSigns::Member> all;
    const auto add = [&](LoopThread& thread, bool checker = false) {
        all.push_back({thread.name(), [&loop = thread.loop()](io::Task back) { loop.post(std::move(back)); }, checker});
    };
    add(*control_thread_);
    add(*api_thread_);
    for (auto& one : checkers_) add(*one.thread, true);
    for (auto& one : workers_) add(*one.thread);
    // It answers after all that was given to it before; while the door is shut, the door does.
    all.push_back({"hale-store", [this](io::Task back) { state_->commit({}, false, [back = std::move(back)](Result<>) mutable { back(); }); }});
    return all;
}

std::string Daemon::says() const { return fmt::format("serves {} services from {}; state in {}", document_->services.size(), document_->source, settings_.state); }

}  // namespace hale::app
