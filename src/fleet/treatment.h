// Restarting or replacing one container, step by step. On the engine's loop; destroying it ends what is under way unheard.
//
//   restart   still wanted? ▶ stop ▶ still there? ▶ start
//   replace   how was it made ▶ still wanted? ▶ stop ▶ still there? ▶ another name ▶ make it again ▶ start ▶ remove the old one
//             (whatever fails after the old one stopped: the new one goes, the old one gets its name and is started again)
//
// A process that ends on the way leaves what cut_off.h knows again; the next one goes on with that.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "config/service_spec.h"
#include "docker/engine.h"
#include "fleet/cut_off.h"

namespace hale::fleet {

inline constexpr Duration usual_grace = 10s;    // Of a container that says none.
inline constexpr Duration stop_patience = 20s;  // Beyond its grace: for the engine itself.

class Treatment {
public:
    using Done = std::move_only_function<void(Result<>)>;
    // Asked before each step that changes something: a deployment or somebody may have come first. Tells why it must not be
    // done; "": it may.
    enum class Step : std::uint8_t { stop, start };
    using MayI = std::function<void(Step step, std::move_only_function<void(std::string why_not)>)>;
    Treatment(docker::Engine& engine, std::string id, std::string name, Duration grace) : engine_(engine), id_(std::move(id)), name_(std::move(name)), grace_(grace) {}

    // `done` comes once, in a later turn, and may destroy this.
    void begin(config::HealPolicy what, MayI may_i, Done done);
    // With what an earlier process left: `left.id` is this one's.
    void go_on(const CutOff& left, Done done);

private:
    void ask(Step step, io::Task then);
    void stop(io::Task then);
    void start(const std::string& container);
    void replace();
    void make_again();
    void take_over();
    void remove_old();
    void undo(const Error& why);
    void go_back(const Error& why);
    void put_back(Done then);
    void end(Result<> how);

    docker::Engine& engine_;
    const std::string id_, name_;
    const Duration grace_;
    std::string aside_;  // The old one's name meanwhile.
    std::string made_;   // The id of what was made in its place.
    docker::Recreation as_;
    docker::Call call_;
    MayI may_i_;
    Done done_;
    std::shared_ptr<Treatment*> self_ = std::make_shared<Treatment*>(this);
};

}  // namespace hale::fleet
