// One probe under way: what was ordered, where it stands, and the observation it becomes. The engine starts
// and ends flights; the kinds (http, tcp, exec) say what happens between.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "io/loop.h"
#include "probe/destination.h"
#include "probe/flight_queue.h"
#include "probe/plan.h"
#include "verdict/observation.h"

namespace hale::probe {

class Engine;
struct Lane;

// Who asked. Told once per probe, from the loop, never inside Engine::start or Engine::cancel; may start the
// next probe at once.
class ProbeSink {
public:
    virtual void on_probed(verdict::Observation&& seen) noexcept = 0;

protected:
    ~ProbeSink() = default;
};

// Behind Hale's own listener: an instance, and the path it is asked for there.
struct Behind {
    Destination to;
    std::string path;  // Empty: the check's.
};

// The plan must outlive the probe.
struct Order {
    const Plan* plan = nullptr;
    Destination to;
    std::shared_ptr<const Behind> behind = nullptr;  // Of checks via: proxy.
    std::string path = {};  // Asked for instead of the check's.
    verdict::Trigger trigger = verdict::Trigger::scheduled;
    bool fresh = false;          // On a connection of its own.
    bool first_contact = false;  // Never passed before: a missing path is then said to be one.
    std::uint16_t generation = 0;
};

class Flight {
public:
    explicit Flight(Engine& engine);
    virtual ~Flight() = default;
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

    const Order& order() const { return order_; }
    bool launched() const { return launched_; }
    // The same question under other settings: the probe goes on, and its deadline as it was.
    void set_plan(const Plan& plan) { order_.plan = &plan; }

protected:
    friend class Engine;
    friend class FlightQueue;
    // Where it stands when time runs out.
    enum class Stage : std::uint8_t { waiting, resolving, connecting, securing, sending, receiving, running };

    // Begins for real: room was found. seen_.started is set and the deadline is armed.
    virtual void launch() = 0;
    // A last look before a late timer is blamed on us: did the answer come meanwhile? True: it ended.
    virtual bool last_look() { return false; }
    // Time is over; `stage_` says in what.
    virtual void run_out() = 0;
    // Lets go of everything it holds, after its end or instead of one.
    virtual void drop() noexcept = 0;

    const Plan& plan() const { return *order_.plan; }
    // "GET http://10.0.0.4:3000/up: " and what came of it.
    std::string sentence(std::string_view what) const;
    Duration since_start() const;
    Instant due() const { return due_; }
    // For a probe whose time is kept by somebody else: when even they must have said something.
    void set_due(Instant due);

    // The ends. Each calls the sink through the engine; nothing of this object may be touched afterwards.
    void end_pass();
    void end(verdict::Outcome outcome, verdict::Reason reason, verdict::Phase phase, std::string text,
             std::string evidence = {});
    // Our own fault.
    void end_error(verdict::Phase phase, std::string what);

    bool over() const { return over_; }

    Engine& engine_;
    Order order_;
    ProbeSink* sink_ = nullptr;
    verdict::Observation seen_;
    Stage stage_ = Stage::waiting;
    bool launched_ = false;
    Lane* lane() { return lane_; }

private:
    void on_deadline() noexcept;

    io::Timer deadline_;
    Instant due_{};
    QueueHook hook_;
    Lane* lane_ = nullptr;     // Whose place it holds.
    bool holds_exec_ = false;  // Likewise of the exec limit.
    bool launching_ = false;
    bool over_ = false;  // Ended inside start(): the sink is told in the next turn.
};

}  // namespace hale::probe
