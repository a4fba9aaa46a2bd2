#include "app/endings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hale::app {

namespace {

using Shown = std::array<const Certificates::Known*, 3>;  // By kind of key.

Shown naming(std::string_view host, const std::vector<Certificates::Known>& known) {
    Shown shown{};
    for (const auto& one : known) {
        auto& place = shown[static_cast<std::size_t>(one.credentials->key_kind())];
        if (place == nullptr && std::ranges::find(one.credentials->names(), host) != one.credentials->names().end()) place = &one;
    }
    return shown;
}

bool any(const Shown& shown) {
    return std::ranges::any_of(shown, [](const auto* one) { return one != nullptr; });
}

Shown shown_for(std::string_view host, const std::vector<Certificates::Known>& known) {
    const Shown exact = naming(host, known);
    const auto dot = host.find('.');
    if (any(exact) || dot == std::string_view::npos) return exact;
    return naming(fmt::format("*{}", host.substr(dot)), known);
}

Duration warning_of(const Certificates::Known& one) {
    const auto life = std::chrono::duration_cast<Duration>(one.credentials->not_after() - one.credentials->not_before());
    return one.source == "acme" ? std::min<Duration>(certificate_warning, life / 6) : certificate_warning;
}

}  // namespace

catalog::EndingCertificates endings_of(const std::vector<catalog::Route>& routes, const std::vector<Certificates::Known>& known, Utc now) {
    catalog::EndingCertificates out;
    for (const catalog::Route& route : routes) {
        if (route.service == nullptr || route.host == "*") continue;
        for (const auto* one : shown_for(route.host, known)) {
            if (one == nullptr || one->credentials->not_after() - now >= warning_of(*one)) continue;
            const Utc until = one->credentials->not_after();
            auto& worst = out[route.service->name];
            if (!worst.host.empty() && (worst.until < until || (worst.until == until && worst.host <= route.host))) continue;
            worst = {route.host, one->source, until};
        }
    }
    return out;
}

Endings::Endings(io::Loop& control, const Certificates& certificates, std::function<void(catalog::EndingCertificates)> tell)
    : loop_(control), certificates_(certificates), tell_(std::move(tell)), timer_(control, io::member_fire<&Endings::look>, this) {}

void Endings::published(const catalog::Snapshot& snapshot) {
    snapshot_ = snapshot;
    changed();
}

// Not within a mutation that is under way: in the next turn.
void Endings::changed() { timer_.arm(loop_.now()); }

void Endings::look() noexcept {
    timer_.arm(loop_.now() + look_interval);
    if (!snapshot_) return;
    auto found = endings_of(snapshot_->table.all(), certificates_.all(), loop_.utc());
    if (found == told_) return;
    told_ = found;
    tell_(std::move(found));
}

}  // namespace hale::app
