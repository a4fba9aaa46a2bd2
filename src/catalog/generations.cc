// Where instances move to: next generations beside the current ones, what look-ups answer, and who may go now.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "catalog/membership.h"

namespace hale::catalog {

// Make before break: the next generation is probed beside the current one, which goes on serving.
void Membership::move_to(Instance& instance, std::optional<SocketAddress> address, Moment at, Effects& effects) {
    if (instance.next && instance.next->address == address) return;
    if (instance.next) close(*instance.next, effects), instance.next.reset();
    if (instance.current.address == address && address) return;  // Back where it was.
    if (!address && needs_lookup(*instance.spec) && instance.service->routed) {
        // The new name is not resolved yet: the old address serves until it is.
        if (const auto answer = last_answers_.find(instance.spec->target.host); answer != last_answers_.end())
            address = SocketAddress{answer->second.front(), instance.spec->target.port, {}};
        else return;
    }
    auto next = std::make_unique<Generation>();
    next->number = ++instance.newest;
    next->address = address;
    next->started = at.now;
    instance.next = std::move(next);
    open(*instance.next, instance);
    instance.replace_by = at.now + instance.service->spec->replace_timeout;
    assign(instance, *instance.next, at, effects);
    touch(instance, effects);
}

void Membership::replace(Instance& instance, Moment at, Effects& effects) {
    if (!instance.next) return;
    (void)at;
    close(instance.current, effects);
    instance.current = std::move(*instance.next);
    instance.next.reset();
    instance.replace_by = never;
    instance.eligible = false;  // Folding decides it anew from the new word,
    instance.rule = 0;          // and tells it whatever it is: the record is another generation's.
    instance.last_eligible = false;  // Nor was its checker told of this generation that it is the last.
    touch(instance, effects);
}

void Membership::resolved(std::string_view name, const std::vector<Ip>& addresses, Moment at, Effects& effects) {
    if (addresses.empty()) return;
    last_answers_.insert_or_assign(std::string{name}, addresses);
    for (const auto& [service_name, service] : services_) {
        for (std::size_t i = 0; i < service->spec->instances.size(); ++i) {
            const auto& spec = service->spec->instances[i];
            if (!needs_lookup(spec) || spec.target.host != name) continue;
            if (service->spec->resolve == config::Resolve::first) continue;
            // One instance per address; an address that vanished drains at once.
            const auto at_ip = [&](const Ip& ip) {
                return std::ranges::find_if(service->instances, [&](const auto& one) {
                    return one->each && !one->leaving && one->spec->target.declared == spec.target.declared &&
                           one->current.address && one->current.address->ip == ip;
                });
            };
            for (const auto& one : service->instances)
                if (one->each && !one->leaving && one->spec->target.declared == spec.target.declared && one->current.address &&
                    std::ranges::find(addresses, one->current.address->ip) == addresses.end())
                    leave(*one, at, effects);
            const std::string base = spec.name.empty() ? fmt::format("{}-{}", service->name, i + 1) : spec.name.str();
            for (const Ip& ip : addresses)
                if (at_ip(ip) == service->instances.end())
                    add(*service, {service->spec, &spec}, fmt::format("{}@{}", base, ip.text()), at, effects,
                        SocketAddress{ip, spec.target.port, {}});
        }
        if (!service->routed) continue;  // The others are resolved per connection.
        for (const auto& instance : service->instances) {
            if (instance->each || instance->leaving || !needs_lookup(*instance->spec) || instance->spec->target.host != name) continue;
            auto& current = instance->current;
            const auto keeps = [&](const std::optional<SocketAddress>& address) {
                return address && address->port == instance->spec->target.port &&
                       std::ranges::find(addresses, address->ip) != addresses.end();
            };
            const SocketAddress first{addresses.front(), instance->spec->target.port, {}};
            if (!current.address) {
                // It was never routed: nothing to keep beside it.
                current.address = first;
                assign(*instance, current, at, effects);
                touch(*instance, effects);
            } else if (instance->next ? !keeps(instance->next->address) : !keeps(current.address)) {
                move_to(*instance, first, at, effects);
            } else if (instance->next && keeps(current.address)) {
                move_to(*instance, current.address, at, effects);
                touch(*instance, effects);
            }
        }
    }
}

Instant Membership::sweep(Moment at, Effects& effects) {
    Instant again = never;
    for (const auto& [name, place] : services_) {
        Service* const service = place.get();
        std::erase_if(service->instances, [&, service](const auto& one) {
            Instance& instance = *one;
            if (instance.leaving) {
                const bool idle = instance.current.cell->in_flight.load(std::memory_order_relaxed) == 0;
                if (!idle && at.now < instance.leave_by) {
                    again = std::min(again, at.now + 100ms);
                    return false;
                }
                bury(*service, instance, effects);
                return true;
            }
            if (!instance.next) return false;
            if (at.now < instance.replace_by) {
                again = std::min(again, instance.replace_by);
                return false;
            }
            log(LogLevel::warning, fmt::format("instance {}: its new address {} did not become eligible within {}; it replaces the old one "
                                               "all the same",
                                               instance.name, instance.next->address ? instance.next->address->text() : "",
                                               human(service->spec->replace_timeout)));
            replace(instance, at, effects);
            return false;
        });
    }
    return again;
}

}  // namespace hale::catalog
