// One instance stopped, started or started anew by hand, so that no request is lost:
//
//   look ──▶ drain ──▶ (requests under way end) ──▶ stop the container ─┬─▶ stopped
//     └──────────────────── start ──────────────────────────────────────▼
//                             start the container ──▶ (it moved: its address is put) ──▶ verify ──▶ back in traffic
//
// What can't be stopped gets its traffic back; what does not come up stays without, and says why. All of it by one deadline.
// Everything on the deployer's loop.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "catalog/deploying.h"
#include "deploy/by_hand.h"
#include "deploy/calls.h"
#include "io/loop.h"

namespace hale::deploy {

inline constexpr Duration look_for_idle_every = 50ms;
inline constexpr Duration verify_again_after = 250ms;
inline constexpr Duration usual_stop_grace = 30s;      // Where neither the container nor the declaration says another.
class HandTurn {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        docker::Engine& engine;
    };
    // `over` runs in a later turn, once, and may destroy this.
    HandTurn(Parts parts, HandRequest request, HandReply reply, std::move_only_function<void()> over);

    void begin();
    const HandRequest& request() const { return request_; }
    const std::string& application() const { return application_; }  // Whose part its service is; empty: nobody's.

private:
    using Change = std::function<catalog::Change()>;
    void inspect(std::move_only_function<void(const docker::Inspected&)> then);
    void look(std::move_only_function<void(const catalog::ServiceNow&, const catalog::InstanceNow&)> then);
    void mutate(Change change, std::move_only_function<void(Result<>)> then);
    void looked(const catalog::ServiceNow& now, const catalog::InstanceNow& instance);
    bool others_serve(const catalog::ServiceNow& now) const;
    Error last_of_all() const;
    void drain();
    void wait_until_idle();
    void stop();
    void stopped();
    void start();
    void started(const docker::Inspected& container);
    void put_address(const std::string& address);
    void verify();
    void wait_for_health(const std::string& why);
    void resume();
    void give_back(Error why);
    void later(Duration after, io::Task task);
    void wake() noexcept;
    void end(Result<HandDone> how);
    bool late() const;
    template <class Fn>
    auto mine(Fn fn) {
        return [here = std::weak_ptr(self_), fn = std::move(fn)](auto&&... what) mutable {
            if (!here.expired()) fn(std::forward<decltype(what)>(what)...);
        };
    }

    const Parts parts_;
    const HandRequest request_;
    HandReply reply_;
    std::move_only_function<void()> over_;
    Calls calls_;
    Instant began_{}, by_{}, idle_by_{};
    std::string id_, declared_, deployment_, application_, network_;
    std::uint16_t port_ = 0;
    Duration grace_ = usual_stop_grace;
    bool was_draining_ = false, was_eligible_ = false;
    std::shared_ptr<const config::ServiceSpec> spec_;
    std::shared_ptr<const config::Document> document_;
    HandDone done_;
    io::Task next_;
    io::Timer wait_;
    std::shared_ptr<HandTurn*> self_ = std::make_shared<HandTurn*>(this);
};

}  // namespace hale::deploy
