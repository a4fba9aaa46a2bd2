// What the engine said of one container, and what that means for the instance it is. Pure; belongs to whoever holds it.
//
//   running, no word against it ........ pass: nothing speaks against the instance; its checks judge it
//   it is being stopped ................ container_exited, before it ends: requests that would come too late go elsewhere
//   its own health check fails ......... container_unhealthy, with what that check wrote
//   it ended ........................... container_exited, container_oom; for the third time in five minutes crash_loop
//   it runs after three ends ........... crash_loop, as a warning, until five minutes passed
//   engine away ........................ nothing: what was said last stays said

#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/time.h"
#include "catalog/checking.h"
#include "docker/words.h"

namespace hale::fleet {

inline constexpr std::size_t loop_ends = 3;
inline constexpr Duration loop_window = 5min;
inline constexpr Duration usual_stop_time = 10s;  // Of a container that says none.
inline constexpr Duration stop_time_margin = 5s;  // Who still runs after it did not mean to end.
inline constexpr std::size_t most_evidence_bytes = 200;

class Evidence {
public:
    // Each as it is told: an event first, then how the container is since.
    void heard(const docker::Event& event, Instant now);
    void seen(const docker::Inspected& container, Instant now);
    // It does not exist any more.
    void removed();

    // The word of now; null: it was never started, and nothing is to be said.
    std::shared_ptr<const catalog::ContainerWord> word(Instant now) const;
    // When the word changes by itself; never: it does not.
    Instant changes_at(Instant now) const;

    bool running() const { return state_ == docker::ContainerState::running || state_ == docker::ContainerState::paused; }
    // It was started once: there is something to be said.
    bool begun() const { return state_ != docker::ContainerState::unknown && state_ != docker::ContainerState::created; }
    // The engine starts it again by itself.
    bool restarting() const { return state_ == docker::ContainerState::restarting; }
    // Somebody stopped or paused it by the engine's own commands, and is to start it again.
    bool in_hand() const;
    // Whoever stopped it was we, and could not start it again.
    void not_in_hand() { asked_to_end_ = false; }
    // It ended, nobody had asked for that, and it was no orderly end: somebody should see it.
    bool ended_badly() const;

private:
    std::size_t ends_within(Instant now) const;

    std::string name_;
    docker::ContainerState state_ = docker::ContainerState::unknown;
    docker::HealthStatus health_ = docker::HealthStatus::none;
    std::string health_said_;
    std::deque<Instant> ends_;  // The last few.
    std::int64_t exit_code_ = 0;
    bool out_of_memory_ = false;
    bool asked_to_end_ = false;  // Since it was started.
    std::optional<Utc> started_;
    std::string stop_signal_ = "15";  // As events say it.
    Duration stop_time_ = usual_stop_time;
    Instant ending_until_ = Instant::min();
    bool end_counted_ = false;
    bool removed_ = false;
};

}  // namespace hale::fleet
