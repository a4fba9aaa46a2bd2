#include "docker/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/reached.h"

namespace hale::docker {

Watch::Watch(Engine& engine, std::vector<std::string> labels, std::uint64_t seed, WatchListener& listener)
    : engine_(engine),
      labels_(std::move(labels)),
      listener_(listener),
      random_(seed),
      retry_(engine.loop(), io::member_fire<&Watch::connect>, this),
      beat_(engine.loop(), io::member_fire<&Watch::beat>, this) {}

Watch::~Watch() {
    if (gone_ != nullptr) *gone_ = true;
}

template <class Telling>
bool Watch::tell(Telling telling) {
    bool gone = false;
    bool* const outer = std::exchange(gone_, &gone);
    telling();
    if (gone) {
        if (outer != nullptr) *outer = true;
        return false;
    }
    gone_ = outer;
    return true;
}

void Watch::start() { retry_.arm(engine_.loop().now()); }

// The engine's clock first: what happens between here and the moment it begins to send is remembered there and told.
void Watch::connect() noexcept {
    asking_ = engine_.ping(engine_.loop().now() + ping_patience, [this](Result<std::optional<Utc>> clock) {
        if (!clock) return broke(clock.error());
        subscribe(*clock);
    });
}

void Watch::subscribe(std::optional<Utc> since) {
    followed_since_ = engine_.loop().now();
    events_ = engine_.events({.labels = labels_, .since = since}, engine_.soon(),
                             {.begun = [this] { list(); }, .event = [this](const Event& event) { heard(event); }, .ended = [this](const Error& why) { broke(why); }});
}

void Watch::list() {
    asking_ = engine_.list(labels_, engine_.soon(), [this](Result<std::vector<Listed>> all) {
        if (!all) return broke(all.error());
        listed(*all);
    });
}

void Watch::listed(const std::vector<Listed>& all) {
    listed_ = true;
    for (const Listed& one : all) pending_.insert(one.id);
    // Those that are not listed may be gone, or were made since the engine wrote the list: looking tells.
    for (const std::string& id : known_) pending_.insert(id);
    const std::vector<std::string> ids(pending_.begin(), pending_.end());
    for (const std::string& id : ids)
        if (!tell([&] { look_at(id); }) || !listed_) return;
    if (ids.empty()) settle({});
}

void Watch::heard(const Event& event) {
    if (event.kind == EventKind::other) return;
    const bool ours = known_.contains(event.id) || pending_.contains(event.id) || std::ranges::all_of(labels_, [&](const auto& label) { return label.find('=') != label.npos || event.labels.contains(label); });
    if (!ours) return;
    if (!tell([&] { listener_.on_event(event); })) return;
    if (event.kind != EventKind::destroy) return look_at(event.id);
    inspections_.erase(event.id);
    queued_.erase(event.id);
    if (forget(event.id)) look_on();
}

void Watch::look_at(const std::string& id) {
    if (const auto found = inspections_.find(id); found != inspections_.end()) {
        found->second.again = true;
        return;
    }
    if (queued_.size() >= most_queued) return broke({Code::exhausted, fmt::format("more than {} containers are to be looked at", most_queued)});
    if (queued_.insert(id).second) waiting_.push_back(id);
    look_on();
}

void Watch::look_on() {
    while (inspections_.size() < most_inspections_at_once && !waiting_.empty()) {
        std::string id = std::move(waiting_.front());
        waiting_.pop_front();
        if (queued_.erase(id) == 0) continue;
        auto call = engine_.inspect(id, engine_.soon(), [this, id](Result<Inspected> it) { inspected(id, std::move(it)); });
        inspections_[std::move(id)].call = std::move(call);
    }
}

void Watch::inspected(std::string id, Result<Inspected> it) {
    const bool again = inspections_[id].again;
    inspections_.erase(id);
    stale_.erase(id);
    if (it) {
        known_.insert(id);
        if (!tell([&] { listener_.on_container(*it); })) return;
    } else if (it.error().code == Code::not_found) {
        if (!forget(id)) return;
    } else if (it.error().code == Code::unavailable && it.error().system != 0) {
        // Nobody answered. An engine that ends stops listening long before it ends its streams.
        return broke(it.error());
    } else {
        stale_.insert(id);
        if (!tell([&] { listener_.on_unreadable(id, it.error()); })) return;
    }
    if (again) {
        HALE_REACHED("docker: it changed while it was looked at");
        return look_at(id);
    }
    if (tell([&] { settle(id); })) look_on();
}

// False: the listener destroyed this.
bool Watch::forget(const std::string& id) {
    stale_.erase(id);
    if (known_.erase(id) > 0 && !tell([&] { listener_.on_gone(id); })) return false;
    return tell([&] { settle(id); });
}

void Watch::settle(const std::string& id) {
    pending_.erase(id);
    if (up_ || !listed_ || !pending_.empty()) return;
    up_ = true;
    said_down_ = false;
    up_since_ = engine_.loop().now();
    beat_.arm(up_since_ + ping_every);
    listener_.on_engine(true, fmt::format("following {} containers at {}", known_.size(), engine_.place().shown));
}

void Watch::beat() noexcept {
    ping_ = engine_.ping(engine_.loop().now() + ping_patience, [this](Result<std::optional<Utc>> answer) {
        if (!answer) return broke(answer.error());
        beat_.arm(engine_.loop().now() + ping_every);
        for (const std::string& id : std::exchange(stale_, {}))
            if (!tell([&] { look_at(id); }) || !up_) return;
        if (engine_.place().path.empty() && engine_.loop().now() - followed_since_ >= renew_every) subscribe(*answer);
    });
}

void Watch::broke(const Error& why) {
    const std::string text = why.text;  // It may belong to what ends here.
    events_.reset();
    asking_.reset();
    ping_.reset();
    inspections_.clear();
    waiting_.clear();
    queued_.clear();
    pending_.clear();
    stale_.clear();
    beat_.disarm();
    const Instant now = engine_.loop().now();
    // An engine that comes and goes is not asked the faster for it.
    if (up_ && now - up_since_ >= longest_pause) pause_ = {};
    pause_ = std::clamp(pause_ * 2, first_pause, longest_pause);
    const auto half = static_cast<std::uint64_t>(pause_.count() / 2);
    retry_.arm(now + Duration(static_cast<std::int64_t>(half + random_.below(half + 1))));
    listed_ = up_ = false;
    if (!std::exchange(said_down_, true)) listener_.on_engine(false, text);
}

}  // namespace hale::docker
