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
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catalog/deploying.h"
#include "deploy/baking.h"
#include "deploy/containers.h"
#include "deploy/hooks.h"
#include "deploy/pulling.h"
#include "deploy/record.h"
#include "docker/watch.h"
#include "io/loop.h"
#include "rollout/machine.h"

namespace hale::deploy {

inline constexpr Duration ask_again_after = 250ms;  // After an answer that was no pass.
inline constexpr Duration heard_before = 500ms;     // The deadline: a question's own end.
inline constexpr Duration look_again_after = 250ms;  // Where another process takes over, or the store is in trouble.
inline constexpr Duration look_again_at_most = 5s;  // The pause doubles up to it.
inline constexpr Duration watch_every = 500ms;  // While it bakes.
inline constexpr std::size_t most_events_waiting = 4'096;

class Run final : private docker::WatchListener {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        std::string key;  // Of its candidate: nobody can guess it.
        docker::Engine* engine = nullptr;  // Where containers are made; null: there is none.
        std::uint64_t seed = 0;
        io::Spawner* spawner = nullptr;  // Of hooks that are programs,
        std::string exec_user;           // who run as this one.
        std::string home = {};           // Deployer::Parts::home.
        std::function<bool(const std::string& deployment)> on_record = {};  // Was it here when this process began? Empty: none was.
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
    void preflight_targets();
    // ---- Containers (run_containers.cc) ----
    void watch_containers();
    // What each candidate is to be, and what is asked of it.
    struct Specs {
        std::vector<config::DeploySpec> of;
        std::vector<std::shared_ptr<const config::CheckList>> checks;
        std::shared_ptr<const config::Document> document;
    };
    using Images = std::map<std::string, Result<docker::ImageFacts>>;
    Label label() const;
    // All that carry it and that this Hale made, or discovered: never what another one made on the same engine.
    void ours(std::move_only_function<void(Result<std::vector<docker::Listed>>)> then);
    void with_specs(rollout::Fault otherwise, std::move_only_function<void(Specs)> then);
    void with_images(std::shared_ptr<Specs> specs, std::move_only_function<void(Images)> then);
    Result<docker::ContainerPlan> plan_of(std::size_t container, const Specs& specs, const docker::ImageFacts& image) const;
    void engine_failed(rollout::Fault otherwise, const Error& why, std::size_t container = rollout::nobody);
    void preflight_containers();
    void look_for_images(std::shared_ptr<Specs> specs);
    void settle_plan(const Specs& specs, const Images& images, rollout::Fault otherwise, io::Task then);
    void hear_those_who_stay();
    void pull_images();
    void pull_told(const std::string& image, const docker::PullProgress& told);
    void pulled(std::shared_ptr<Specs> specs);
    void create_container(std::size_t container);
    void start_container(std::size_t container);
    void retire_containers();
    void take_containers_away(io::Task then);
    void take_those_away(io::Task then, Duration pause);
    void on_container(const docker::Inspected& container) override;
    void ended(std::size_t candidate, const docker::Inspected& container);
    void on_gone(const std::string& id) override;
    void on_engine(bool up, const std::string& text) override;
    void on_unreadable(const std::string& id, const Error& why) override;

    // Every service that it concerns as it is now, and what is there by its own name.
    using Looked = std::map<std::string, catalog::ServiceNow>;
    void look_at_all(std::move_only_function<void(const Looked&)> then);
    // With what the deployment says of it. Code::not_found: it is not there any more.
    Result<std::shared_ptr<const config::ServiceSpec>> service_as_it_will_be(const Looked& now, const Part& part) const;
    // ---- Strategy (run_strategy.cc) ----
    void with_strategy(rollout::Fault otherwise, std::move_only_function<void(const config::DeploySpec&)> then);
    void run_hooks();
    void bake();
    void watch_users();
    void judge_baking(const catalog::TrafficNow& now);
    void remove_container(std::size_t container);
    void again_if_removing(std::size_t container);
    void erase_container(std::size_t container);
    // ---- Waves (run_waves.cc); `old`: a place in Plan::old ----
    catalog::Turn turn_of_wave() const;
    catalog::Turn turn_back() const;
    void yield_old();
    void stop_old(std::vector<std::string> names);
    void restore_old(std::size_t old);
    void start_old(std::size_t old);
    void put_old(std::size_t old, const std::string& address, const std::string& deployment);
    void await_old(std::size_t old, Instant until);
    void restore_later(std::size_t old, const std::string& why);

    void stage(std::move_only_function<void(Result<>)> then);
    void ask_directly(std::size_t candidate);
    void verify(std::size_t candidate, const std::string& instance);
    void ask_through();
    void answered_through(std::size_t part, Result<verdict::Observation> seen);
    Result<std::vector<catalog::PutApiService>> declarations(const Looked& now, bool back) const;
    void switch_route();
    void drain_old();
    void take_services_away();
    void roll_back();
    void take_away_unless_serving();
    void take_away();
    void out_of_time();

    // Stored with the record as it is when it is carried out, again and again while another process takes over; its error otherwise.
    void mutate(std::function<catalog::Change()> change, std::string_view what, std::move_only_function<void(Result<>)> then, bool (Run::*while_so)() const = nullptr);
    std::vector<catalog::Turn> turns(bool back) const;
    std::vector<catalog::Named> made_instances() const;
    std::vector<std::string> made_services() const;
    void observed(std::size_t candidate, const verdict::Observation& seen);
    std::string last_word_of(std::size_t candidate) const;
    bool asking() const;
    bool wants_candidates() const;
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
    std::vector<std::string> last_words_;  // Of each candidate: what was seen last, and what it usually means.
    std::vector<std::uint32_t> through_passes_;  // Of each part, in a row.
    std::multimap<Instant, io::Task> waiting_;
    io::Timer deadline_, wait_;
    std::map<std::size_t, std::uint32_t> restarts_at_first_;  // Of each that stays, before this deployment.
    std::set<std::string> stopping_;  // Old ones that the engine was asked to stop, and did not say that they are.
    std::map<std::size_t, std::uint32_t> restarts_;  // Of each container, when it was seen last.
    std::unique_ptr<Hooks> hooks_;
    struct Baking {
        config::Bake allowed;
        Baked seen;
    };
    std::optional<Baking> baking_;
    Pulling pulling_;
    Instant tell_again_{};
    bool telling_ = false;  // Of the pull: the former word is not stored yet.
    std::unique_ptr<Containers> containers_;
    std::unique_ptr<docker::Watch> watch_;
    std::shared_ptr<Run*> self_ = std::make_shared<Run*>(this);
};

}  // namespace hale::deploy
