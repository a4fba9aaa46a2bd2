#include "catalog/routing.h"

#include <algorithm>
#include <utility>

namespace hale::catalog {

bool covers(std::string_view prefix, std::string_view path) {
    if (!path.starts_with(prefix)) return false;
    return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
}

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
    for (std::uint32_t i = 0; i < routes_.size(); ++i) {
        const std::string& host = routes_[i].host;
        if (host == "*") any_.push_back(i);
        else if (host.starts_with("*.")) wildcard_[host.substr(2)].push_back(i);
        else exact_[host].push_back(i);
        hides_ = hides_ || (routes_[i].service && routes_[i].service->only_candidates);
    }
    const auto longest_first = [this](Longest& list) {
        std::ranges::stable_sort(list, [this](auto a, auto b) { return routes_[a].path.size() > routes_[b].path.size(); });
    };
    for (auto& [host, list] : exact_) longest_first(list);
    for (auto& [host, list] : wildcard_) longest_first(list);
    longest_first(any_);
}

std::array<const RouteTable::Longest*, 3> RouteTable::lists_of(std::string_view host) const {
    std::array<const Longest*, 3> lists{nullptr, nullptr, &any_};
    if (const auto found = exact_.find(host); found != exact_.end()) lists[0] = &found->second;
    if (const auto dot = host.find('.'); dot != std::string_view::npos && dot > 0)
        if (const auto found = wildcard_.find(host.substr(dot + 1)); found != wildcard_.end()) lists[1] = &found->second;
    return lists;
}

const Route* RouteTable::find_unhidden(std::string_view host, std::string_view path, std::string_view key) const {
    const Route* hidden = nullptr;
    for (const Longest* list : lists_of(host)) {
        if (list == nullptr) continue;
        for (const auto index : *list) {
            const Route& route = routes_[index];
            if (!covers(route.path, path)) continue;
            if (!route.service->only_candidates || (!key.empty() && route.service->candidate_key == key)) return &route;
            if (hidden == nullptr) hidden = &route;
        }
    }
    return hidden;
}

const Route* RouteTable::find(std::string_view host, std::string_view path, std::string_view key) const {
    if (hides_) return find_unhidden(host, path, key);
    const auto first_in = [&](const Longest& list) -> const Route* {
        for (const auto index : list)
            if (covers(routes_[index].path, path)) return &routes_[index];
        return nullptr;
    };
    if (const auto found = exact_.find(host); found != exact_.end())
        if (const Route* route = first_in(found->second)) return route;
    if (!wildcard_.empty())
        if (const auto dot = host.find('.'); dot != std::string_view::npos && dot > 0)
            if (const auto found = wildcard_.find(host.substr(dot + 1)); found != wildcard_.end())
                if (const Route* route = first_in(found->second)) return route;
    return first_in(any_);
}

}  // namespace hale::catalog
