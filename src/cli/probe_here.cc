#include "cli/probe_here.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/text.h"
#include "cli/json.h"
#include "config/check_spec.h"
#include "config/target.h"
#include "expect/condition.h"
#include "expect/conditions.h"
#include "os/ares_resolver.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "probe/engine.h"
#include "probe/words.h"
#include "tls/doors.h"
#include "wire/url.h"

namespace hale::cli {

namespace {

constexpr Duration usual_timeout = 10s;   // A person waits; a check has its own.
constexpr Duration end_of_patience = 5s;  // Beyond the probe's own deadline: never met by a sound engine.

struct Subject {
    config::Target target;
    config::CheckKind what;
};

Result<Subject> subject_of(std::string_view text) {
    if (text.starts_with("tcp://")) {
        HALE_ASSIGN(auto target, config::Target::parse(text.substr(6)));
        return Subject{std::move(target), config::TcpCheck{}};
    }
    if (text.starts_with("unix:")) {
        HALE_ASSIGN(auto target, config::Target::parse(text));
        return Subject{std::move(target), config::HttpCheck{}};
    }
    HALE_ASSIGN(const wire::Url url,
                wire::parse_url(text.contains("://") ? std::string(text) : fmt::format("http://{}", text)));
    if (url.scheme != "http" && url.scheme != "https")
        return fail(Code::invalid,
                    fmt::format("{}: only http, https and tcp targets are supported by this version", redacted_url(text)));
    if (!url.userinfo.empty())
        return fail(Code::invalid, "user and password in a URL are not supported by this version");
    HALE_ASSIGN(auto target, config::Target::parse(fmt::format("{}://{}", url.scheme, url.authority())));
    return Subject{std::move(target), config::HttpCheck{.path = url.origin_form()}};
}

Result<std::shared_ptr<const expect::Conditions>> conditions_of(const std::vector<std::string>& texts, bool http) {
    auto out = std::make_shared<expect::Conditions>();
    for (const std::string& text : texts) {
        const bool warn = text.starts_with("warn:");
        auto compiled = expect::compile(trim(warn ? std::string_view(text).substr(5) : text),
                                        warn ? expect::Severity::warn : expect::Severity::fail);
        if (!compiled)
            return fail(Code::invalid, fmt::format("--expect {}: {}", escaped(text), compiled.error().text()));
        HALE_TRY(out->add(std::move(*compiled)));
    }
    if (http && !out->mentions_status()) {
        HALE_TRY(out->add(expect::default_status_condition()));
    }
    return out;
}

std::string vantage() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "this process";
    return fmt::format("{} (this process)", name.data());
}

Json seconds_of(const verdict::Timings& timings) {
    Json out = Json::object();
    const auto put = [&](const char* key, Duration d) {
        if (d >= Duration{0}) out[key] = seconds(d);
    };
    put("dns", timings.dns), put("connect", timings.connect), put("tls", timings.tls);
    put("first_byte", timings.first_byte), put("total", timings.total);
    return out;
}

Json json_of(const verdict::Observation& seen, const probe::Plan& plan, const probe::Destination& to) {
    Json out = Json::object();
    const std::string question = probe::asked(plan, to, seen.address);
    out["target"] = question;
    out["outcome"] = verdict::to_text(seen.outcome);
    out["code"] = verdict::code(seen.reason);
    out["phase"] = seen.phase == verdict::Phase::none ? Json(nullptr) : Json(verdict::to_text(seen.phase));
    out["text"] = probe::told(plan, to, seen);
    if (seen.status != 0) out["status"] = seen.status;
    out["seconds"] = seconds_of(seen.timings);
    out["at"] = rfc3339(seen.at);
    out["address"] = seen.address == SocketAddress{} ? Json(nullptr) : Json(seen.address.text());
    out["from"] = vantage();
    out["connection"] = verdict::to_text(seen.vehicle);
    out["evidence"] = seen.evidence.empty() ? Json(nullptr) : Json(seen.evidence);
    out["conditions"] = Json::array();
    if (plan.spec->expect) {
        for (const auto& condition : plan.spec->expect->list()) {
            out["conditions"].push_back((condition.severity() == expect::Severity::warn ? "warn: " : "") +
                                        std::string(condition.text()));
        }
    }
    return out;
}

}  // namespace

bool is_target_url(std::string_view text) {
    for (const std::string_view forced : {"service:", "instance:", "host:"}) {
        if (text.starts_with(forced)) return false;
    }
    return text.find(':') != text.npos;
}

Result<std::string> probe_here(const Invocation& asked) {
    HALE_ASSIGN(Subject subject, subject_of(asked.target));
    auto spec = std::make_shared<config::CheckSpec>();
    spec->what = std::move(subject.what);
    spec->timing.timeout = asked.timeout.value_or(usual_timeout);
    spec->connection = config::ConnectionMode::fresh;
    HALE_ASSIGN(spec->expect, conditions_of(asked.expect, std::holds_alternative<config::HttpCheck>(spec->what)));

    HALE_ASSIGN(const auto loop, os::EpollLoop::create());
    os::EpollNet net(*loop);
    HALE_ASSIGN(const auto resolver, os::AresResolver::create(*loop, {}));
    tls::Doors doors(*loop);
    probe::Engine engine(*loop, net, *resolver, nullptr, {.tls = &doors});
    const probe::Plan plan = probe::make_plan(spec);
    const probe::Destination to = probe::destination_of(subject.target, subject.target.literal, "", true);

    struct Sink final : probe::ProbeSink {
        std::optional<verdict::Observation> seen;
        void on_probed(verdict::Observation&& one) noexcept override { seen = std::move(one); }
    } sink;
    probe::Flight* flight = engine.start(
        {.plan = &plan, .to = to, .trigger = verdict::Trigger::on_demand, .fresh = true, .first_contact = true}, sink);
    const bool ended = loop->run_until([&] { return sink.seen.has_value(); }, spec->timing.timeout + end_of_patience);
    if (!ended) engine.cancel(flight);
    engine.close();
    if (!ended) return fail(Code::internal, fmt::format("the probe of {} did not end in its time", asked.target));
    return dumped(json_of(*sink.seen, plan, to));
}

}  // namespace hale::cli
