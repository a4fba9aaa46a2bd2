#include "deploy/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "catalog/routing.h"

namespace hale::deploy {

namespace {

// Any host that the route covers.
std::string host_of(const config::RouteSpec& route) {
    if (route.host == "*") return "localhost";
    return route.host.starts_with('*') ? "candidate" + route.host.substr(1) : route.host;
}

// Where users find what is asked at `path` directly; a path that the route does not cover is asked as the route's own.
std::string path_of(const config::RouteSpec& route, const std::string& path) {
    const std::string prefix = route.path.ends_with('/') ? route.path.substr(0, route.path.size() - 1) : route.path;
    if (route.strip) return prefix + path;
    return catalog::covers(route.path, path.substr(0, path.find('?'))) ? path : route.path;
}

auto first_question(const config::ServiceSpec& service) {
    return std::ranges::find_if(*service.checks, [](const auto& check) { return check->critical && !check->through_proxy() && std::holds_alternative<config::HttpCheck>(check->what); });
}

// As checks do that say no host: by the first route with a host of its own.
auto first_exact(const std::vector<config::RouteSpec>& routes) {
    return std::ranges::find_if(routes, [](const auto& route) { return !route.host.starts_with('*'); });
}

}  // namespace

Asked asked_directly(const config::ServiceSpec& service, const std::vector<config::RouteSpec>& routes) {
    const auto asked = first_question(service);
    if (asked == service.checks->end()) return {};
    const auto& http = std::get<config::HttpCheck>((*asked)->what);
    const auto exact = first_exact(routes);
    return {.host = http.host.empty() && exact != routes.end() ? exact->host : http.host, .path = http.path};
}

std::optional<Question> question_through(const config::ServiceSpec& service, const std::vector<config::RouteSpec>& routes, const catalog::Front& front, std::string_view key) {
    const auto asked = first_question(service);
    if (asked == service.checks->end() || routes.empty()) return std::nullopt;
    const auto exact = first_exact(routes);
    const config::RouteSpec& route = exact == routes.end() ? routes.front() : *exact;
    const auto& wanted = route.tls.or_else(service.tls);
    const bool tls = front.https && (wanted != nullptr || !front.http);
    if (wanted && wanted->client_required) return std::nullopt;  // Nobody here has a certificate of theirs.
    const auto& listener = tls ? front.https : front.http;
    if (!listener) return std::nullopt;

    auto check = std::make_shared<config::CheckSpec>(**asked);
    auto& http = std::get<config::HttpCheck>(check->what);
    http.host = host_of(route);
    http.path = path_of(route, http.path);
    http.headers.emplace_back("Hale-Candidate", key);
    http.secret_headers.emplace_back("Hale-Candidate");
    check->connection = config::ConnectionMode::fresh;
    check->port.reset();
    if (tls) {
        // The certificate is this listener's own, and watched for itself: here it is the way that is asked about.
        auto spec = std::make_shared<io::TlsSpec>();
        spec->verify = false;
        spec->name = http.host;
        check->tls = std::move(spec);
    }
    return Question{fmt::format("{}://{}", tls ? "https" : "http", listener->text()), std::move(check)};
}

}  // namespace hale::deploy
