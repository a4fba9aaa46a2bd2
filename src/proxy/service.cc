#include "proxy/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proxy/core.h"
#include "proxy/upstream.h"

namespace hale::proxy {

Backend::Backend(Service& of, const catalog::Endpoint& endpoint)
    : service(of),
      row_id(endpoint.row_id),
      generation(endpoint.generation),
      trusted(endpoint.trusted),
      row(endpoint.row),
      address(endpoint.address),
      tls(endpoint.tls),
      id(endpoint.id),
      name(endpoint.name),
      address_text(endpoint.address_text),
      authority(endpoint.authority),
      tls_name(endpoint.tls_name) {}

bool Backend::is(const catalog::Endpoint& endpoint) const {
    return row_id == endpoint.row_id && generation == endpoint.generation && row == endpoint.row && address == endpoint.address &&
           trusted == endpoint.trusted && tls == endpoint.tls && tls_name == endpoint.tls_name.view() && id == endpoint.id;
}

void Backend::enter() {
    ++active;
    ++service.exchanges;
    if (row != nullptr) row->in_flight.fetch_add(1, std::memory_order_relaxed);
}

void Backend::leave() {
    --active;
    --service.exchanges;
    if (row != nullptr) row->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void Backend::answered(bool well, Duration took, std::size_t bucket) {
    if (!well) return lost();
    if (tally == nullptr) tally = std::make_unique<InstanceTally>();
    ++tally->requests;
    tally->durations.add(took, bucket);
}

void Backend::lost() {
    if (tally == nullptr) tally = std::make_unique<InstanceTally>();
    ++tally->requests;
    ++tally->failed;
}

void Backend::detach() {
    if (row != nullptr) row->in_flight.fetch_sub(active, std::memory_order_relaxed);
    row = nullptr;
    wanted = false;
}

namespace {

balance::Method method_of(config::BalanceKind kind) {
    switch (kind) {
        case config::BalanceKind::round_robin: return balance::Method::round_robin;
        case config::BalanceKind::least_requests: return balance::Method::least_requests;
        case config::BalanceKind::hash_header:
        case config::BalanceKind::hash_cookie:
        case config::BalanceKind::hash_address: return balance::Method::hash;
    }
    return balance::Method::round_robin;
}

}  // namespace

Service::Service(Core& core, const catalog::RoutedService& routed)
    : core_(core), method_(method_of(routed.balance.kind)), picker_(method_, core.random().next()) {
    stats.service = routed.name;
    adopt(routed);
}

Service::~Service() = default;

void Service::adopt(const catalog::RoutedService& routed) {
    if (routed_ == &routed) return;
    routed_ = &routed;
    timeouts = routed.timeouts;
    retry = routed.retry;
    // What was agreed on under the old word holds for no new request.
    if (!config::same_behind(upstream_tls, routed.upstream_tls))
        for (const auto& backend : backends_)
            if (backend->tls) core_.close_idle(*backend);
    upstream_tls = routed.upstream_tls;
    listed_ = false;
    if (const auto method = method_of(routed.balance.kind); method != method_) {
        method_ = method;
        picker_ = balance::Picker(method, core_.random().next());
    }

    // By row, so that thousands of instances are matched in one walk.
    struct Known {
        verdict::RowId row;
        std::unique_ptr<Backend> backend;
    };
    std::vector<Known> before;
    before.reserve(backends_.size());
    for (auto& backend : backends_) before.push_back({backend->row_id, std::move(backend)});
    std::ranges::sort(before, {}, &Known::row);
    backends_.clear();
    backends_.reserve(routed.endpoints.size());
    for (const auto& endpoint : routed.endpoints) {
        const auto known = std::ranges::lower_bound(before, endpoint.row_id, {}, &Known::row);
        if (known == before.end() || known->backend == nullptr || !known->backend->is(endpoint)) {
            auto& fresh = backends_.emplace_back(std::make_unique<Backend>(*this, endpoint));
            fresh->refused = core_.refusal(*fresh).has_value();
            continue;
        }
        auto& backend = backends_.emplace_back(std::move(known->backend));
        backend->name = endpoint.name;
        backend->address_text = endpoint.address_text;
        backend->authority = endpoint.authority;
    }
    for (auto& [row, backend] : before)
        if (backend != nullptr) let_go(std::move(backend));
}

void Service::test_targets() {
    for (auto& backend : backends_) {
        backend->refused = core_.refusal(*backend).has_value();
        if (backend->refused) core_.close_idle(*backend);
    }
}

void Service::let_go(std::unique_ptr<Backend> backend) {
    backend->detach();
    core_.close_idle(*backend);
    if (backend->in_use()) left_.push_back(std::move(backend));
}

std::vector<InstanceTally> Service::tallies() const {
    std::vector<InstanceTally> out;
    for (const auto& backend : backends_) {
        if (backend->tally == nullptr) continue;
        out.push_back(*backend->tally);
        out.back().name = backend->name;
    }
    return out;
}

void Service::retire() {
    routed_ = nullptr;
    listed_ = false;
    for (auto& backend : backends_) let_go(std::move(backend));
    backends_.clear();
}

bool Service::in_use() const {
    return exchanges != 0 || std::ranges::any_of(left_, [](const auto& b) { return b->in_use(); });
}

void Service::refresh() {
    if (routed_ == nullptr) return;
    // Read before the words: a checker writes the word first and bumps the epoch after it.
    const std::uint32_t epoch = routed_->epoch != nullptr ? routed_->epoch->count.load(std::memory_order_acquire) : 0;
    if (listed_ && epoch == epoch_) [[likely]] return;
    epoch_ = epoch;
    listed_ = true;
    rebuild();
}

void Service::rebuild() {
    // Weights are whole numbers to the picker; a thousandth is fine enough for a degraded instance's share.
    constexpr double weight_scale = 1'000;
    constexpr double most_weight = 4e9;
    list_.rebuild(*routed_);
    stats.panic = panic();
    for (auto& backend : backends_) backend->wanted = false;
    weighed_.clear();
    for (const auto& candidate : list_.candidates()) {
        Backend& backend = *backends_[candidate.endpoint];
        backend.wanted = true;
        backend.version = candidate.version;
        weighed_.push_back({.id = candidate.endpoint,
                            .weight = static_cast<std::uint32_t>(std::clamp(candidate.weight * weight_scale, 1.0, most_weight)),
                            .key = hash64(backend.id),
                            .in_flight = &backend.row->in_flight});
    }
    for (auto& backend : backends_)
        if (!backend->wanted) core_.close_idle(*backend);
    picker_.rebuild(weighed_);
}

Backend* Service::choose(std::uint64_t hash, std::span<Backend* const> tried) {
    if (routed_ == nullptr || list_.candidates().empty()) return nullptr;
    std::array<std::uint32_t, Worker::max_tries> tried_ids{};
    std::size_t count = 0;
    for (const Backend* const backend : tried) {
        const auto at = std::ranges::find(backends_, backend, [](const auto& b) { return b.get(); });
        if (at != backends_.end()) tried_ids[count++] = static_cast<std::uint32_t>(at - backends_.begin());
    }
    const auto chosen = picker_.pick(hash, {tried_ids.data(), count});
    return chosen ? backends_[*chosen].get() : nullptr;
}

Backend* Service::choose_candidate() {
    if (routed_ == nullptr) return nullptr;
    const auto count = backends_.size();
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (next_candidate_ + i) % count;
        if (routed_->endpoints[at].lifecycle != verdict::Lifecycle::starting || backends_[at]->row == nullptr) continue;
        next_candidate_ = at + 1;
        return backends_[at].get();
    }
    return nullptr;
}

void Service::sweep(Instant idle_since_before) {
    for (auto& backend : backends_)
        if (!backend->idle.empty()) core_.close_idle_since(*backend, idle_since_before);
    std::erase_if(left_, [](const auto& backend) { return !backend->in_use(); });
}

}  // namespace hale::proxy
