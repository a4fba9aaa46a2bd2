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
inline constexpr std::size_t most_inspections_at_once = 4;

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
    // That one container can't be read; the others go on.
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
    void listed(Result<std::vector<Listed>> all);
    void heard(const Event& event);
    void look_at(const std::string& id);
    void look_on();
    void inspected(const std::string& id, Result<Inspected> it);
    void forget(const std::string& id);
    void settle();
    void beat() noexcept;
    void broke(Error why);
    void tidy() noexcept;

    Engine& engine_;
    const std::vector<std::string> labels_;
    WatchListener& listener_;
    Random random_;
    io::Timer retry_, beat_, tidy_;
    Call events_, asking_, ping_;
    std::vector<Call> over_;  // Ended within their own callback: gone in the next turn.
    std::map<std::string, Inspection> inspections_;
    std::deque<std::string> waiting_;  // Ids to look at,
    std::set<std::string> queued_;     // the same.
    std::set<std::string> known_;
    Duration pause_{};
    bool listing_ = false, up_ = false, said_down_ = false;
    bool* gone_ = nullptr;
};

}  // namespace hale::docker
