#include "probe/plan.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/http1_write.h"

namespace hale::probe {

namespace {

constexpr std::string_view user_agent = "hale";
// Stands for Host while the head is written as a whole; a byte that no header value may hold would be
// refused, so the place is found by its field name.
constexpr std::string_view host_field = "Host: ";
constexpr std::string_view host_place = "hale.invalid";

// The whole head and body, or empty when something in it can't be sent.
std::string request_text(const config::HttpCheck& check, std::string_view path, std::string_view host, bool keep) {
    std::string out;
    wire::HeadWriter head(out);
    head.request(check.method, path);
    head.field("Host", host);
    bool agent = false;
    bool accept = false;
    bool length = false;
    for (const auto& [name, value] : check.headers) {
        agent = agent || equal_ignoring_case(name, "user-agent");
        accept = accept || equal_ignoring_case(name, "accept");
        length = length || equal_ignoring_case(name, "content-length");
    }
    if (!agent) head.field("User-Agent", user_agent);
    if (!accept) head.field("Accept", "*/*");
    for (const auto& [name, value] : check.headers) head.field(name, value);
    if (!length && (!check.body.empty() || check.method == "POST" || check.method == "PUT"))
        head.field("Content-Length", std::uint64_t{check.body.size()});
    if (!keep) head.field("Connection", "close");
    if (!head.end()) return {};
    return out + check.body;
}

void write_request(Plan& plan, const config::HttpCheck& check) {
    plan.method = wire::method_of(check.method);
    plan.shown_path = redacted_url(check.path);
    for (const bool keep : {true, false}) {
        const std::string whole = request_text(check, check.path, host_place, keep);
        const auto at = whole.find(host_field);
        if (whole.empty() || at == std::string::npos) {
            plan.fault = "the request holds what HTTP can't carry; look at method, path and headers";
            return;
        }
        plan.before_host = whole.substr(0, at + host_field.size());
        (keep ? plan.after_host : plan.after_host_last) = whole.substr(at + host_field.size() + host_place.size());
    }
}

}  // namespace

Plan make_plan(std::shared_ptr<const config::CheckSpec> spec) {
    Plan plan;
    plan.timing = spec->timing;
    plan.spec = std::move(spec);
    if (const auto* http = plan.http()) write_request(plan, *http);
    if (plan.spec->through_proxy()) {
        auto direct = std::make_shared<config::CheckSpec>(*plan.spec);
        std::get<config::HttpCheck>(direct->what).via = config::Via::direct;
        direct->tls = direct->tls_behind;
        plan.directly = std::make_shared<const Plan>(make_plan(std::move(direct)));
    }
    if (const auto* heartbeat = plan.heartbeat()) {
        plan.timing.interval = heartbeat->every;
        plan.timing.timeout = heartbeat->grace;
    }
    return plan;
}

std::shared_ptr<const PlanList> make_plans(const config::CheckList& checks) {
    auto plans = std::make_shared<PlanList>();
    for (const auto& spec : checks)
        if (!std::holds_alternative<config::Unchecked>(spec->what)) plans->push_back(make_plan(spec));
    return plans;
}

std::string request_for(const Plan& plan, std::string_view path, std::string_view host, bool keep) {
    return request_text(*plan.http(), path, host, keep);
}

}  // namespace hale::probe
