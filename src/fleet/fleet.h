// Keeps control told of the engine's containers: which of them are instances by their labels, how each instance that is a
// container does, and what is done about a sick one. On the engine's loop.
//
//   engine's events ──▶ evidence ──▶ control, at once
//        ├────────────▶ claims ──▶ compared with what is in force ──▶ one change a service
//        └────────────▶ of a former Hale's deployments ──▶ instances again
//   every second ──▶ how instances stand ──▶ healing ──▶ an audit entry ──▶ treatment
//
// The engine away changes nothing: what it said last holds, and what it would say now is compared once it is there again.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/discovering.h"
#include "docker/engine.h"
#include "docker/watch.h"
#include "fleet/cut_off.h"
#include "fleet/discovery.h"
#include "fleet/evidence.h"
#include "fleet/former.h"
#include "fleet/healing.h"
#include "fleet/labels.h"
#include "fleet/treatment.h"
#include "io/loop.h"

namespace hale::fleet {

inline constexpr Duration settle_time = 20ms;  // What happens within it is compared together.
inline constexpr Duration look_every = 1s;
inline constexpr unsigned looks_for_first = 5;  // After something was asked for, until there is a container to look at.
inline constexpr Duration try_again_first = 10s;  // Doubles
inline constexpr Duration try_again_most = 5min;  // up to that.
inline constexpr std::size_t most_told_refusals = 1'000;

class Fleet final : docker::WatchListener {
public:
    struct Parts {
        io::Loop& loop;
        docker::Engine& engine;
        catalog::Discovering& catalog;
        std::string home = {};  // Where the state is: containers of deployments say so, and another Hale's are left alone.
        std::uint64_t seed = 0;
    };
    explicit Fleet(Parts parts);
    ~Fleet() override;

    // Looks whether there is anything to look at: the engine is not asked before. Again whenever that may have changed, and
    // after another document came into force.
    void look();

    bool following() const { return made_ != nullptr && made_->up(); }
    std::size_t residents() const { return residents_.size(); }

private:
    using Key = std::pair<std::string, std::string>;  // Service and instance.
    struct Resident {
        docker::Inspected now;
        Evidence evidence;
        bool claims = false;
        bool served = false;  // It was an instance while we looked.
        std::optional<Claim> claim;  // The last that could be made of it.
        std::string wrong;           // Why none can be.
        Key key;
    };

    // Of the other watch, for those whose service only compose's labels tell.
    class Composed final : public docker::WatchListener {
    public:
        explicit Composed(Fleet& fleet) : fleet_(fleet) {}
        void on_container(const docker::Inspected& container) override;
        void on_gone(const std::string& id) override { fleet_.on_gone(id); }
        void on_engine(bool up, const std::string& text) override;
        void on_event(const docker::Event& event) override { fleet_.on_event(event); }
        void on_unreadable(const std::string& id, const Error& why) override { fleet_.on_unreadable(id, why); }

    private:
        Fleet& fleet_;
    };

    void on_container(const docker::Inspected& container) override;
    void on_gone(const std::string& id) override;
    void on_engine(bool up, const std::string& text) override;
    void on_event(const docker::Event& event) override;
    void on_unreadable(const std::string& id, const Error& why) override;

    void settle_key(Resident& resident, Key key);
    void began_to_see(bool& whole);
    void tell(const Resident& resident);
    void tell(const Key& key, std::shared_ptr<const catalog::ContainerWord> word);
    bool stands(const Resident& resident) const;

    void look_whether();
    // ---- What labels say ----
    void compare_soon();
    void compare() noexcept;
    void compare_with(catalog::Housing housing);
    void send_next();
    void answered(const catalog::MutationResult& result);
    void say_refused();

    // ---- Looking after them ----
    void tick() noexcept;
    void look_after(const catalog::Housing& housing);
    // An instance of a deployment is at this address from now on. `then` is not told while the same is under way.
    void put_instance(const Key& key, const config::ServiceSpec& service, const std::string& address, const std::string& deployment, std::string action, const config::Document& document,
                      std::move_only_function<void(Result<>)> then);
    void follow_address(const catalog::HousedInstance& housed, const Resident& resident, const config::Document& document);
    void treat(const Order& order, const catalog::HousedInstance& housed);
    void treated(const Order& order, const Result<>& how);
    // ---- What processes before this one left (leftovers.cc) ----
    void take_up_former(const catalog::Housing& housing);
    void take_up_of(const std::string& service, const catalog::Vacant& vacant, const config::Document& document);
    void go_on_with_cut_off(const catalog::Housing& housing);
    void go_on(const CutOff& left, const Key& key);
    // Each container once, and after what failed again later and later.
    bool may_try(const std::string& id);
    void try_again(const std::string& id);
    const Resident* resident_of(const Key& key) const;

    // Runs it only as long as this is there.
    template <class Method>
    auto mine(Method method) {
        return [here = std::weak_ptr(self_), method = std::move(method)](auto&&... answer) mutable {
            if (!here.expired()) method(std::forward<decltype(answer)>(answer)...);
        };
    }

    Parts parts_;
    Composed composed_listener_{*this};
    std::unique_ptr<docker::Watch> made_, composed_;
    bool made_whole_ = false, composed_whole_ = false;  // Since this began: what is not told does not exist.
    bool discover_ = false, asked_ = false, again_ = false;
    unsigned looks_left_ = 0;
    io::Timer settle_, tick_;
    std::map<std::string, Resident> residents_;  // By container id.
    std::map<Key, std::set<std::string>> ids_;   // Of those who are, or were, this instance.
    std::map<Key, std::shared_ptr<const catalog::ContainerWord>> told_;
    bool comparing_ = false, compare_again_ = false;
    std::deque<Wanted> to_send_;
    std::shared_ptr<const config::Document> document_;
    std::map<std::string, std::shared_ptr<const config::ServiceSpec>> others_;
    std::set<Refusal> refused_, refused_now_;
    std::set<Refusal> left_;  // Of a former Hale, and no instance here.
    Healing healing_;
    std::string held_said_;
    std::map<Key, std::unique_ptr<Treatment>> treatments_;
    struct Try {
        Instant not_before = Instant::min();
        Duration pause = try_again_first;
    };
    std::map<std::string, Try> tries_;        // By container id.
    std::map<std::string, std::string> unfit_;  // Who can't be taken up and why, by name.
    std::map<Key, Resident> treated_;  // As it was before: it stays an instance meanwhile.
    std::set<Key> moving_;             // Where they are is being told.
    std::shared_ptr<Fleet*> self_ = std::make_shared<Fleet*>(this);
};

}  // namespace hale::fleet
