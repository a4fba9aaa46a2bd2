// One deployment under way: gives the machine what happens, stores what it says, and then does it. One event at a time:
//
//   event ▶ step ▶ record stored ▶ commands carried out ▶ the next event
//
// What a command finds done already it takes for done, so that it may be given again after a restart. Everything on the
// deployer's loop.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog/deploying.h"
#include "deploy/containers.h"
#include "deploy/record.h"
#include "docker/watch.h"
#include "io/loop.h"
#include "rollout/machine.h"

namespace hale::deploy {

inline constexpr Duration ask_again_after = 250ms;  // After an answer that was no pass.
inline constexpr Duration heard_before = 500ms;     // The deadline: a question's own end.
inline constexpr Duration look_again_after = 250ms;  // Where another process takes over, or the store is in trouble.
inline constexpr std::size_t most_events_waiting = 4'096;

class Run final : private docker::WatchListener {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        std::string key;  // Of its candidate: nobody can guess it.
        docker::Engine* engine = nullptr;  // Where containers are made; null: there is none.
        std::uint64_t seed = 0;
    };
    // `over` runs in a later turn, once, and may destroy this.
    Run(Parts parts, Record record, std::move_only_function<void()> over);

    // From the beginning, or from where a former process left it.
    void start();
    void abort(rollout::Fault why, std::string text);
    const Record& record() const { return record_; }

private:
    void feed(rollout::Event event);
    void work();
    void store(std::vector<rollout::Command> commands);
    void carry_out(const rollout::Command& command);
    void arm_deadline();
    void deadline() noexcept;

    void preflight();
    // ---- Containers (run_containers.cc) ----
    void watch_containers();
    void with_spec(rollout::Fault otherwise, std::move_only_function<void(const config::DeploySpec&, const catalog::ServiceNow&)> then);
    void preflight_containers();
    void settle_image(const config::DeploySpec& spec, const config::ServiceSpec& service, const docker::ImageFacts& image);
    void pull_image();
    void create_container(std::size_t container);
    void start_container(std::size_t container);
    void retire_containers();
    void take_containers_away(io::Task then);
    void on_container(const docker::Inspected& container) override;
    void on_gone(const std::string& id) override;
    void on_engine(bool up, const std::string& text) override;
    void on_unreadable(const std::string& id, const Error& why) override;

    void stage(std::move_only_function<void(Result<>)> then);
    void ask_directly(std::size_t candidate);
    void verify(std::size_t candidate, const std::string& instance);
    void ask_through();
    void answered_through(Result<verdict::Observation> seen);
    void switch_route();
    void drain_old();
    void roll_back();
    void take_away();
    void out_of_time();

    // Stored with the record as it is when it is carried out, again and again while another process takes over; its error otherwise.
    void mutate(std::function<catalog::Change()> change, std::string_view what, std::move_only_function<void(Result<>)> then);
    std::vector<std::string> names_of_candidates(bool kept_too) const;
    void observed(std::size_t candidate, const verdict::Observation& seen);
    bool asking() const;
    void later(Duration after, io::Task task);
    void wake() noexcept;
    // Nothing where this is gone meanwhile.
    template <class Fn>
    auto mine(Fn fn) {
        return [here = std::weak_ptr(self_), fn = std::move(fn)](auto&&... what) mutable {
            if (!here.expired()) fn(std::forward<decltype(what)>(what)...);
        };
    }

    const Parts parts_;
    Record record_;
    std::move_only_function<void()> over_;
    std::deque<rollout::Event> events_;
    bool working_ = false;
    std::uint64_t asked_ = 0;  // Gates were closed so often: what was asked before counts no more.
    std::uint32_t through_passes_ = 0, through_needed_ = 0;
    std::multimap<Instant, io::Task> waiting_;
    io::Timer deadline_, wait_;
    std::unique_ptr<Containers> containers_;
    std::unique_ptr<docker::Watch> watch_;
    std::shared_ptr<Run*> self_ = std::make_shared<Run*>(this);
};

}  // namespace hale::deploy
