// Keeps a picture of the containers with certain labels: by the engine's events, not by asking again and again. What an event
// names is inspected once however often it was named meanwhile. After a break (the engine restarted, the way is cut) it
// connects again, a little later each time, and compares the whole picture: nothing that happened meanwhile is missed.
//
//        ┌────────────────────────── break: wait ◀───────────────────────────┐
//        ▼                                                                   │
//   ping (its clock) ──▶ events since then ──▶ list ──▶ inspect each ──▶ following
//
// Belongs to the engine's loop. Starts at start(); destroying it ends it unheard. The listener may destroy it.

#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "docker/engine.h"

namespace hale::docker {

inline constexpr Duration first_pause = 250ms;  // Before connecting again; doubles up to
inline constexpr Duration longest_pause = 30s;  // and each is drawn between its half and its whole.
inline constexpr Duration ping_every = 30s;     // A way that was cut in silence is noticed by this, per engine, not per container.
inline constexpr Duration ping_patience = 15s;
// A connection to another machine may be dead while new ones work (that machine lost its power): no ping tells. So there the
// events are asked for anew, and everything is compared, once in so long. A unix socket has no such trouble.
inline constexpr Duration renew_every = 10min;
inline constexpr std::size_t most_inspections_at_once = 4;
inline constexpr std::size_t most_queued = 10'000;  // Containers to look at; more breaks the following.

class WatchListener {
public:
    virtual ~WatchListener() = default;
    // It is new, or something happened to it.
    virtual void on_container(const Inspected& container) = 0;
    // It was told before, and does not exist any more.
    virtual void on_gone(const std::string& id) = 0;
    // True: the picture is whole, every container there is was told before. False: once for each break, with what happened; what
    // was told before may be out of date.
    virtual void on_engine(bool up, const std::string& text) = 0;
    // Something happened to one; what it is now is told after it. Not told: what nobody heard while the engine was away.
    virtual void on_event(const Event& event) { (void)event; }
    // That one container can't be read now; the others go on, and it is tried again with the next ping.
    virtual void on_unreadable(const std::string& id, const Error& why) = 0;
};

class Watch {
public:
    // `seed` draws the pauses. Each label is "key" or "key=value"; a container must have all.
    Watch(Engine& engine, std::vector<std::string> labels, std::uint64_t seed, WatchListener& listener);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    void start();
    bool up() const { return up_; }
    std::size_t known() const { return known_.size(); }

private:
    struct Inspection {
        Call call;
        bool again = false;  // Something happened to it meanwhile.
    };

    void connect() noexcept;
    void subscribe(std::optional<Utc> since);
    void list();
    void listed(const std::vector<Listed>& all);
    void heard(const Event& event);
    void look_at(const std::string& id);
    void look_on();
    void inspected(std::string id, Result<Inspected> it);
    bool forget(const std::string& id);
    void settle(const std::string& id);
    void beat() noexcept;
    void broke(const Error& why);
    template <class Telling>
    bool tell(Telling telling);  // False: the listener destroyed this.

    Engine& engine_;
    const std::vector<std::string> labels_;
    WatchListener& listener_;
    Random random_;
    io::Timer retry_, beat_;
    Call events_, asking_, ping_;
    std::map<std::string, Inspection> inspections_;
    std::deque<std::string> waiting_;  // Ids to look at, in order; those not in queued_ any more are passed over.
    std::set<std::string> queued_;
    std::set<std::string> known_;    // Told, and not told to be gone.
    std::set<std::string> pending_;  // Until these were looked at, the picture is not whole.
    std::set<std::string> stale_;    // Could not be read: looked at again with the next ping.
    Duration pause_{};
    Instant up_since_{}, followed_since_{};
    bool listed_ = false, up_ = false, said_down_ = false;
    bool* gone_ = nullptr;
};

}  // namespace hale::docker
