// What all probes of one check share: the bytes of its request but for Host, made once. One list per
// configuration's check list, shared by every instance that has it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/check_spec.h"
#include "verdict/policy.h"
#include "wire/http1.h"

namespace hale::probe {

struct Plan {
    std::shared_ptr<const config::CheckSpec> spec;
    verdict::JudgePolicy timing;  // The spec's; for heartbeats the interval is `every` and the timeout `grace`.
    wire::Method method = wire::Method::other;
    std::string before_host;      // "GET /up HTTP/1.1\r\nHost: "
    std::string after_host;       // "\r\nUser-Agent: …\r\n\r\n" and the body, for connections that are kept,
    std::string after_host_last;  // and for those that are not ("Connection: close").
    std::string shown_path;       // For sentences, secrets hidden.
    // Of a check via: proxy, the same question to an instance itself.
    std::shared_ptr<const Plan> directly = nullptr;
    std::string fault;            // Why no request can be made of it; empty: it can.

    const config::HttpCheck* http() const { return std::get_if<config::HttpCheck>(&spec->what); }
    const config::TcpCheck* tcp() const { return std::get_if<config::TcpCheck>(&spec->what); }
    const config::RedisCheck* redis() const { return std::get_if<config::RedisCheck>(&spec->what); }
    const config::PostgresCheck* postgres() const { return std::get_if<config::PostgresCheck>(&spec->what); }
    const config::SmtpCheck* smtp() const { return std::get_if<config::SmtpCheck>(&spec->what); }
    const config::DnsCheck* dns() const { return std::get_if<config::DnsCheck>(&spec->what); }
    const config::ExecCheck* exec() const { return std::get_if<config::ExecCheck>(&spec->what); }
    const config::HeartbeatCheck* heartbeat() const { return std::get_if<config::HeartbeatCheck>(&spec->what); }
    const config::CompositeCheck* composite() const { return std::get_if<config::CompositeCheck>(&spec->what); }
    bool container() const { return std::holds_alternative<config::ContainerCheck>(spec->what); }
    // Judged by what is known already, without asking anybody.
    bool from_memory() const { return heartbeat() || composite() || container(); }
};

using PlanList = std::vector<Plan>;

Plan make_plan(std::shared_ptr<const config::CheckSpec> spec);
// `none` has nothing to probe and gets no plan.
std::shared_ptr<const PlanList> make_plans(const config::CheckList& checks);

// A request for another path of the same check (a redirect on the same host).
std::string request_for(const Plan& plan, std::string_view path, std::string_view host, bool keep);

}  // namespace hale::probe
