#include "deploy/turn.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "config/load.h"
#include "deploy/container_plan.h"

namespace hale::deploy {

namespace {
constexpr Duration upgrade_look = 250ms;  // Where another process takes over.
// Of what is left, for the container's own end: the engine's kill and the way back need some, too.
constexpr Duration kill_margin = 5s;
}  // namespace

std::string_view text(HandVerb verb) {
    switch (verb) {
        case HandVerb::stop: return "stop";
        case HandVerb::start: return "start";
        case HandVerb::restart: return "restart";
    }
    std::unreachable();
}

HandTurn::HandTurn(Parts parts, HandRequest request, HandReply reply, std::move_only_function<void()> over)
    : parts_(parts), request_(std::move(request)), reply_(std::move(reply)), over_(std::move(over)), calls_(parts.engine), wait_(parts.loop, io::member_fire<&HandTurn::wake>, this) {
    done_.instance = request_.instance;
}

void HandTurn::begin() {
    began_ = parts_.loop.now();
    by_ = began_ + request_.within;
    inspect([this](const docker::Inspected& container) {
        if (label(container, service_label) != request_.service)
            return end(fail(Code::denied, fmt::format("container {} is none that Hale made for service \"{}\": it is left alone", container.name, escaped(request_.service, 80))));
        deployment_ = label(container, deployment_label);
        // Found by its labels: it comes and goes as those tell, whoever stops it.
        if (deployment_.empty())
            return end(fail(Code::denied, fmt::format("container {0} was made by somebody else, and service \"{1}\" follows its labels: docker {2} {0} does it, and Hale hears of it", container.name, escaped(request_.service, 80), text(request_.verb))));
        application_ = label(container, application_label);
        port_ = static_cast<std::uint16_t>(parse_unsigned(label(container, port_label)).value_or(0));
        if (!container.attachments.empty()) network_ = container.attachments.front().network;
        if (container.stop_timeout) grace_ = *container.stop_timeout;
        look([this](const catalog::ServiceNow& now, const catalog::InstanceNow& instance) { looked(now, instance); });
    });
}

void HandTurn::inspect(std::move_only_function<void(const docker::Inspected&)> then) {
    const Instant by = std::min(parts_.engine.soon(), std::max(by_, parts_.loop.now() + 1s));
    calls_.ask<docker::Inspected>([&](docker::Engine& engine, auto done) { return engine.inspect(request_.instance, by, std::move(done)); },
                                  [this, then = std::move(then)](Result<docker::Inspected> it) mutable {
                                      if (it) return then(*it);
                                      end(std::unexpected(std::move(it.error())));
                                  });
}

void HandTurn::look(std::move_only_function<void(const catalog::ServiceNow&, const catalog::InstanceNow&)> then) {
    parts_.catalog.look(request_.service, mine([this, then = std::move(then)](catalog::ServiceNow now) mutable {
        const auto found = std::ranges::find(now.instances, request_.instance, &catalog::InstanceNow::name);
        if (found == now.instances.end()) return end(fail(Code::not_found, fmt::format("there is no instance \"{}\" of service \"{}\" any more", escaped(request_.instance, 80), escaped(request_.service, 80))));
        const catalog::InstanceNow instance = *found;
        then(now, instance);
    }));
}

void HandTurn::looked(const catalog::ServiceNow& now, const catalog::InstanceNow& instance) {
    id_ = instance.id;
    declared_ = instance.declared;
    spec_ = now.spec;
    document_ = now.document;
    was_draining_ = instance.draining;
    if (spec_ && spec_->deploy && network_.empty()) network_ = spec_->deploy->network_of(request_.service);
    if (request_.verb == HandVerb::start) return start();
    was_eligible_ = instance.eligible;
    if (was_eligible_ && !request_.force && !others_serve(now)) return end(std::unexpected(last_of_all()));
    idle_by_ = std::min(parts_.loop.now() + now.document->settings.drain_timeout, by_);
    drain();
}

bool HandTurn::others_serve(const catalog::ServiceNow& now) const {
    return std::ranges::any_of(now.instances, [&](const auto& one) { return one.eligible && one.name != request_.instance; });
}

Error HandTurn::last_of_all() const {
    return {Code::conflict, fmt::format("{0} is the last eligible instance of {1}: its users would get 503 meanwhile; bring another one first (hale deploy {1} --replicas 2), or say --force", request_.instance, request_.service)};
}

void HandTurn::mutate(Change change, std::move_only_function<void(Result<>)> then) {
    catalog::Mutation mutation{.change = change(), .actor = request_.actor, .action = request_.action, .object = request_.instance, .detail = fmt::format(R"({{"service":"{}"}})", request_.service)};
    parts_.catalog.mutate(std::move(mutation), mine([this, change = std::move(change), then = std::move(then)](catalog::MutationResult done) mutable {
        if (done) return then({});
        if (done.error().error.code != Code::upgrading || late()) return then(std::unexpected(std::move(done.error().error)));
        later(upgrade_look, [this, change = std::move(change), then = std::move(then)]() mutable { mutate(std::move(change), std::move(then)); });
    }));
}

void HandTurn::drain() {
    if (was_draining_) return wait_until_idle();
    mutate([this] { return catalog::Change{catalog::Drain{request_.service, id_}}; }, [this](Result<> done) {
        if (!done) return end(std::unexpected(std::move(done.error())));
        wait_until_idle();
    });
}

// Every worker has heard that it gets nothing more: what is under way ends, or its time does.
void HandTurn::wait_until_idle() {
    look([this](const catalog::ServiceNow& now, const catalog::InstanceNow& instance) {
        // Whoever served beside it may have fallen meanwhile.
        if (was_eligible_ && !request_.force && !others_serve(now)) return give_back(last_of_all());
        if (instance.in_flight == 0 || parts_.loop.now() >= idle_by_) return stop();
        later(look_for_idle_every, [this] { wait_until_idle(); });
    });
}

void HandTurn::stop() {
    const Duration left = std::max<Duration>(by_ - parts_.loop.now() - kill_margin, 1s);
    const Duration grace = std::min(grace_, left);
    calls_.ask<void>([&](docker::Engine& engine, auto done) { return engine.stop(request_.instance, grace, parts_.loop.now() + grace + kill_margin, std::move(done)); },
                     [this](Result<> done) {
                         if (!done) return give_back(std::move(done.error()));
                         stopped();
                     });
}

void HandTurn::stopped() {
    if (request_.verb == HandVerb::restart) return start();
    inspect([this](const docker::Inspected& container) {
        done_.state = docker::text(container.state);
        done_.exit_code = container.exit_code;
        end(done_);
    });
}

void HandTurn::start() {
    const Instant by = std::min(parts_.engine.soon(), std::max(by_, parts_.loop.now() + 1s));
    calls_.ask<void>([&](docker::Engine& engine, auto done) { return engine.start(request_.instance, by, std::move(done)); },
                     [this](Result<> done) {
                         if (!done) return end(std::unexpected(std::move(done.error())));
                         inspect([this](const docker::Inspected& container) { started(container); });
                     });
}

void HandTurn::started(const docker::Inspected& container) {
    done_.state = docker::text(container.state);
    if (container.state != docker::ContainerState::running) {
        return end(fail(Code::unavailable, fmt::format("container {} ended at once, with exit code {}{}; it stays without traffic: see hale logs {}", container.name, container.exit_code,
                                                       container.error.empty() ? "" : ": " + container.error, container.name)));
    }
    const auto address = address_of(container, parts_.engine.place(), network_, port_);
    if (!address) return end(std::unexpected(address.error()));
    done_.address = *address;
    done_.moved = *address != declared_;
    if (!done_.moved) return verify();
    put_address(*address);
}

// An engine gives addresses anew with each start.
void HandTurn::put_address(const std::string& address) {
    std::string json = fmt::format(R"({{"name":"{}","address":"{}","deployment":"{}"}})", request_.instance, address, deployment_);
    auto instance = config::load_instance(*spec_, json, *document_);
    if (!instance) return end(fail(Code::invalid, config::text(instance.error())));
    const catalog::PutApiInstance put{request_.service, std::move(*instance), std::move(json)};
    mutate([put] { return catalog::Change{put}; }, [this](Result<> done) {
        if (!done) return end(std::unexpected(std::move(done.error())));
        verify();
    });
}

bool HandTurn::late() const { return parts_.loop.now() >= by_; }

// As if it had its traffic; and what the container says of itself.
void HandTurn::verify() {
    const Duration left = std::max<Duration>(by_ - parts_.loop.now(), 1s);
    parts_.catalog.verify({.service = "", .instance = id_, .timeout = left, .as_if_serving = true}, mine([this](catalog::VerifyResult result) {
        std::string why = "nobody could be asked";
        for (const auto& one : result.instances)
            if (!one.outcome.observations.empty()) why = one.outcome.observations.back().text;
        wait_for_health(result.end == catalog::VerifyEnd::eligible || result.end == catalog::VerifyEnd::nothing_to_verify ? "" : why);
    }));
}

void HandTurn::wait_for_health(const std::string& unready) {
    inspect([this, why = unready](const docker::Inspected& container) mutable {
        if (container.state != docker::ContainerState::running)
            return end(fail(Code::unavailable, fmt::format("container {} ended with exit code {}; it stays without traffic: see hale logs {}", container.name, container.exit_code, container.name)));
        const bool judged = container.health && container.health->status != docker::HealthStatus::none;
        if (why.empty() && judged && container.health->status != docker::HealthStatus::healthy) why = fmt::format("the container calls itself {}", docker::text(container.health->status));
        if (why.empty()) return resume();
        if (late())
            return end(fail(Code::timed_out, fmt::format("{0} runs, but did not pass its checks within {1}: {2}; it stays without traffic: hale explain {0}, and hale instance start {0} tries again",
                                                         request_.instance, human(request_.within), why)));
        later(verify_again_after, [this] { verify(); });
    });
}

void HandTurn::resume() {
    mutate([this] { return catalog::Change{catalog::Resume{request_.service, id_}}; }, [this](Result<> done) {
        if (!done) return end(std::unexpected(std::move(done.error())));
        look([this](const catalog::ServiceNow&, const catalog::InstanceNow& instance) {
            done_.eligible = instance.eligible;
            end(done_);
        });
    });
}

// It runs on: so it serves on.
void HandTurn::give_back(Error why) {
    if (was_draining_) return end(std::unexpected(std::move(why)));
    mutate([this] { return catalog::Change{catalog::Resume{request_.service, id_}}; }, [this, why = std::move(why)](Result<> done) mutable {
        if (!done) why.text += fmt::format("; and it stays drained: {}", done.error().text);
        end(std::unexpected(std::move(why)));
    });
}

void HandTurn::later(Duration after, io::Task task) {
    next_ = std::move(task);
    wait_.arm(parts_.loop.now() + after);
}

void HandTurn::wake() noexcept {
    auto next = std::move(next_);
    next();
}

void HandTurn::end(Result<HandDone> how) {
    if (!reply_) return;
    if (how) how->seconds = hale::seconds(parts_.loop.now() - began_);
    auto reply = std::exchange(reply_, {});
    reply(std::move(how));
    parts_.loop.post(mine([this] { std::exchange(over_, {})(); }));
}

}  // namespace hale::deploy
