// The folded copy that every read is answered from. Lives on the api thread; changes only by apply().
// It may be behind the router, never ahead: control posts a delta after the word was written.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_index.h"
#include "catalog/facts.h"

namespace hale::catalog {

// The parts of the last finished probe that lists show, in 64 bytes or so: there is one per instance.
struct LastProbe {
    bool any = false;
    std::uint8_t check = 0;
    verdict::Outcome outcome = verdict::Outcome::error;
    verdict::Reason reason = verdict::Reason::never_checked;
    verdict::Phase phase = verdict::Phase::none;
    verdict::Trigger trigger = verdict::Trigger::scheduled;
    verdict::Vehicle vehicle = verdict::Vehicle::none;
    std::uint16_t status = 0;
    std::uint16_t run_length = 0;  // Of that check now; the record's is as of its last change.
    std::uint16_t run_needed = 0;
    verdict::Outcome run_outcome = verdict::Outcome::error;
    std::uint32_t certificate_until = 0;  // Seconds since 1970, UTC; 0: none was shown.
    std::int32_t dns_us = -1, connect_us = -1, tls_us = -1, first_byte_us = -1, total_us = -1;
    Utc at{};
};

struct InstanceView {
    std::shared_ptr<const InstanceFacts> facts;
    std::shared_ptr<const InstanceRecord> record;  // Null until its checker spoke.
    std::shared_ptr<const verdict::Observation> detail;  // Of the last probe that was not a plain pass, if that is the last.
    LastProbe last;
    Utc observed{};    // Last counted observation; epoch: never.
    Utc next_probe{};
    std::uint64_t revision = 0;  // Last visible change.
    bool eligible = false;
    std::uint8_t rule = 0;

    verdict::State state() const { return record ? record->word.state : verdict::State::pending; }
};

struct ServiceView {
    std::shared_ptr<const ServiceFacts> facts;
    ServiceStanding standing;
    std::vector<Slot> instances;  // In the order they appeared.
    std::uint64_t revision = 0;
};

class View {
public:
    void apply(const Delta& delta);

    std::uint64_t revision() const { return revision_; }

    // By slot; null when there is none now.
    const InstanceView* instance(Slot slot) const;
    const ServiceView* service(Slot slot) const;
    // By name. An instance is found by id or by name.
    const ServiceView* service(std::string_view name) const;
    const InstanceView* instance(std::string_view id_or_name) const;
    // The most specific route for a host; `path` narrows it.
    const RouteFacts* route(std::string_view host, std::string_view path = "/") const;

    // Instances in slot order, for resumable walks: pages go on at the next slot, whatever vanished meanwhile.
    Slot instance_slots() const { return static_cast<Slot>(instances_.size()); }
    const std::map<std::string, Slot, std::less<>>& service_names() const { return services_by_name_; }
    const std::vector<RouteFacts>& routes() const { return *routes_; }
    const config::Document* document() const { return document_.get(); }
    const ReloadState& reload() const { return reload_; }
    const std::vector<std::string>& shadowed() const { return shadowed_; }
    // What went wrong, by name.
    const std::map<std::string, std::string, std::less<>>& failed_lookups() const { return failed_lookups_; }
    // By id.
    const std::map<std::string, std::shared_ptr<const config::StoredDeployment>, std::less<>>& deployments() const { return deployments_; }
    // When one of them last changed.
    // Those that ended since this process began, by the phase that they ended in.
    const std::map<std::string, std::uint64_t>& ended_deployments() const { return ended_deployments_; }
    std::uint64_t deployments_revision() const { return deployments_revision_; }
    std::size_t instance_count() const { return instances_by_id_.size(); }

private:
    using BySlot = TextIndex<Slot, ~Slot{0}>;  // Keys are in the facts that the slot keeps alive.

    void put(const ServicePut& put, const Delta& delta);
    void put(const InstancePut& put, const Delta& delta);
    void gone(const InstanceGone& gone);
    void gone(const ServiceGone& gone);
    auto id_of() const {
        return [this](Slot slot) { return instances_[slot].facts->id.view(); };
    }
    auto name_of() const {
        return [this](Slot slot) { return instances_[slot].facts->name.view(); };
    }

    std::uint64_t revision_ = 0;
    std::vector<InstanceView> instances_;
    std::vector<ServiceView> services_;
    std::map<std::string, Slot, std::less<>> services_by_name_;
    BySlot instances_by_id_;
    BySlot instances_by_name_;
    std::shared_ptr<const std::vector<RouteFacts>> routes_ = std::make_shared<const std::vector<RouteFacts>>();
    std::shared_ptr<const config::Document> document_;
    ReloadState reload_;
    std::map<std::string, std::shared_ptr<const config::StoredDeployment>, std::less<>> deployments_;
    std::uint64_t deployments_revision_ = 0;
    std::map<std::string, std::uint64_t> ended_deployments_;
    std::vector<std::string> shadowed_;
    std::map<std::string, std::string, std::less<>> failed_lookups_;
};

}  // namespace hale::catalog
