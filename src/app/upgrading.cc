#include "app/upgrading.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace hale::app {

Upgrading::Upgrading(os::EpollLoop& loop, Daemon& daemon, const os::Supervisor& supervisor, Options options)
    : loop_(loop), daemon_(daemon), supervisor_(supervisor), options_(std::move(options)), late_(loop, io::member_fire<&Upgrading::late>, this) {}

void Upgrading::ask(std::string actor, Reply reply) {
    if (getpid() == 1) {
        const std::string why = "this daemon is the first process of its container, which ends with it: start a container of the new image beside this one instead";
        log(LogLevel::error, fmt::format("not upgraded: {}", why));
        if (reply) reply(fail(Code::unavailable, why));
        return;
    }
    if (machine_.phase() == HandoverPhase::idle) {
        log(LogLevel::info, fmt::format("upgrading to {}, asked by {}", options_.program, actor));
        // While mutations are still taken; the new process witnesses the end, or this one that there was none.
        daemon_.witness(actor, "upgrade", options_.program, "begun");
        actor_ = std::move(actor);
        reply_ = std::move(reply);
        since_ = loop_.now();
        why_.clear();
        happened(HandoverEvent::asked);
    } else {
        const std::string why = machine_.phase() == HandoverPhase::gone ? "this daemon has handed over already and only finishes its requests"
                                                                       : fmt::format("an upgrade is under way for {} already; wait for how it ends", human(loop_.now() - since_));
        if (reply) reply(fail(Code::conflict, why));
        else log(LogLevel::warning, fmt::format("not upgraded: {}", why));
    }
}

void Upgrading::happened(HandoverEvent event) {
    for (const HandoverDeed deed : machine_.on(event)) carry_out(deed);
}

void Upgrading::failed(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    happened(HandoverEvent::failed);
}

void Upgrading::carry_out(HandoverDeed deed) {
    switch (deed) {
        case HandoverDeed::refuse: break;  // ask() says more than the machine knows.
        case HandoverDeed::start:
            late_.arm(loop_.now() + step_patience);
            if (const auto done = start(); !done) {
                why_ = done.error().text;
                look_for_ends();
            }
            break;
        case HandoverDeed::offer:
            if (const auto done = offer(); !done) failed(done.error().text);
            break;
        case HandoverDeed::hold:
            late_.disarm();
            daemon_.hold(loop_, [this] { happened(HandoverEvent::held); });
            break;
        case HandoverDeed::take:
            late_.arm(loop_.now() + step_patience);
            say("take");
            break;
        case HandoverDeed::leave: leave(); break;
        case HandoverDeed::kill: kill(); break;
        case HandoverDeed::go_on:
            if (const auto done = daemon_.go_on(); !done) {
                log(LogLevel::error, fmt::format("mutations are refused from now on: {}", done.error().text));
                why_ += fmt::format("; and state.db could not be opened again, so mutations are refused: {}", done.error().text);
            }
            break;
        case HandoverDeed::tell_failed: tell_failed(); break;
        case HandoverDeed::stop: options_.stop(); break;
    }
}

Result<> Upgrading::start() {
    static_cast<void>(supervisor_.tell("STATUS=hands over to a new process"));
    callers_ = 0;
    const std::string path = daemon_.settings().state + "/takeover.sock";
    HALE_ASSIGN(auto listener, os::HandingListener::open(path));
    listener_.emplace(std::move(listener));
    HALE_ASSIGN(on_listener_, os::Readable::watch_descriptor(loop_, listener_->get(), [this] { loop_.post([this] { accept(); }); }));
    HALE_ASSIGN(started_, os::Successor::start(options_.program, {"serve", "--config", options_.config, "--takeover", path}));
    HALE_ASSIGN(on_started_, os::Readable::watch_descriptor(loop_, started_->get(), [this] { loop_.post([this] { look_for_ends(); }); }));
    return {};
}

void Upgrading::accept() {
    while (listener_ && !peer_ && callers_ < most_callers) {
        auto socket = listener_->accept_now();
        if (!socket) return;
        ++callers_;
        const auto peer = socket->peer();
        if (!peer || (peer->user != geteuid() && peer->user != 0)) {
            log(LogLevel::warning, fmt::format("uid {} may not take over", peer ? fmt::format("{}", peer->user) : "unknown"));
            continue;
        }
        if (started_ && peer->process != started_->process()) {
            auto caller = os::Successor::of(peer->process);
            if (!caller) continue;
            caller_ = std::move(*caller);
            auto watch = os::Readable::watch_descriptor(loop_, caller_->get(), [this] { loop_.post([this] { look_for_ends(); }); });
            if (!watch) return failed(watch.error().text);
            on_caller_ = std::move(*watch);
        }
        peer_ = std::move(*socket);
        auto watch = os::Readable::watch_descriptor(loop_, peer_.get(), [this] { loop_.post([this] { hear(); }); });
        if (!watch) return failed(watch.error().text);
        on_peer_ = std::move(*watch);
    }
}

void Upgrading::hear() {
    while (peer_) {
        auto got = peer_.receive_now();
        if (got && !*got) return;
        const auto word = got ? parse_takeover((*got)->text) : std::unexpected(got.error());
        if (word) {
            obey(*word);
            continue;
        }
        on_peer_.reset();
        peer_.close();
        if (got) return failed(word.error().text);
        return happened(HandoverEvent::lost);  // Why, its end will tell.
    }
}

void Upgrading::obey(const TakeoverWord& word) {
    if (word.word == "hello") {
        version_ = escaped(word.first(), 40);
        return happened(HandoverEvent::hello);
    }
    if (word.word == "ready") return happened(HandoverEvent::ready);
    if (word.word == "serving") return happened(HandoverEvent::serving);
    failed(word.word == "failed" ? std::string(word.first()) : fmt::format("the new process says \"{}\", which nobody understands", word.word));
}

Result<> Upgrading::offer() {
    HALE_ASSIGN(auto sockets, daemon_.sockets_in_use());
    for (std::size_t begin = 0; begin < sockets.size(); begin += os::HandingSocket::most_descriptors) {
        TakeoverWord word{"sockets", {}};
        std::vector<os::Descriptor> descriptors;
        for (std::size_t i = begin; i < std::min(begin + os::HandingSocket::most_descriptors, sockets.size()); ++i) {
            word.lines.push_back({sockets[i].role, sockets[i].declared});
            descriptors.push_back(std::move(sockets[i].listening.socket));
        }
        HALE_TRY(peer_.send(takeover_text(word), descriptors));
    }
    return peer_.send(takeover_text({"offer", {{daemon_.settings().state, actor_}}}));
}

void Upgrading::say(std::string word) {
    if (const auto done = peer_.send(takeover_text({std::move(word), {}})); !done) failed(done.error().text);
}

void Upgrading::look_for_ends() {
    const auto ended = [this](std::optional<os::Successor>& one, std::unique_ptr<os::Readable>& watch) {
        if (!one) return;
        const auto how = one->ended();
        if (!how) return;
        if (why_.empty() && machine_.under_way()) {
            // What it said before it ended is heard first.
            hear();
            if (why_.empty()) why_ = fmt::format("{} {} before it served; what it said is in this daemon's log", options_.program, *how);
        }
        watch.reset();
        one.reset();
    };
    ended(started_, on_started_);
    ended(caller_, on_caller_);
    if (!started_ && !caller_) happened(HandoverEvent::died);
}

void Upgrading::kill() {
    late_.disarm();
    if (why_.empty() && peer_) hear();
    if (started_) started_->kill();
    if (caller_) caller_->kill();
}

void Upgrading::late() noexcept {
    if (why_.empty())
        why_ = machine_.holds() ? fmt::format("the new process did not serve within {} of taking over", human(step_patience))
                                : fmt::format("the new process was not ready within {}", human(step_patience));
    happened(HandoverEvent::late);
}

void Upgrading::tell_failed() {
    late_.disarm();
    on_peer_.reset();
    peer_.close();
    on_listener_.reset();
    listener_.reset();
    if (why_.empty()) why_ = "the daemon is to stop";
    log(LogLevel::error, fmt::format("not upgraded, this process goes on: {}", why_));
    daemon_.witness(actor_, "upgrade", options_.program, "failed", why_);
    static_cast<void>(supervisor_.tell(fmt::format("STATUS={}; an upgrade failed: {}", daemon_.says(), escaped(why_))));
    if (reply_) std::exchange(reply_, {})(fail(Code::unavailable, fmt::format("not upgraded, the old process goes on: {}", why_)));
}

void Upgrading::leave() {
    late_.disarm();
    const pid_t process = caller_ ? caller_->process() : started_ ? started_->process() : -1;
    const Duration took = loop_.now() - since_;
    log(LogLevel::info, fmt::format("process {} (version {}) has taken over after {}; requests here may finish", process, version_, human(took)));
    // Said by us, whom the service manager knows; then the new one speaks for itself.
    static_cast<void>(supervisor_.tell(fmt::format("MAINPID={}", process)));
    if (reply_) std::exchange(reply_, {})(api::Upgraded{.process = static_cast<std::uint64_t>(process), .version = version_, .took = took});
    daemon_.leave();
    // Only now does the new one answer for the API: no reader hears from us what it has changed since.
    static_cast<void>(peer_.send(takeover_text({"go", {}})));
    on_peer_.reset();
    peer_.close();
    on_listener_.reset();
    listener_.reset();
    on_started_.reset();
    on_caller_.reset();
    options_.leave();
}

}  // namespace hale::app
