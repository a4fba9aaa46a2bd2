#include "cli/probe_here.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/text.h"
#include "cli/check_url.h"
#include "cli/json.h"
#include "config/check_spec.h"
#include "config/load.h"
#include "expect/condition.h"
#include "expect/conditions.h"
#include "os/ares_resolver.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "os/secret_bytes.h"
#include "probe/engine.h"
#include "probe/words.h"
#include "tls/credentials.h"
#include "tls/doors.h"

namespace hale::cli {

namespace {

constexpr Duration usual_timeout = 10s;   // A person waits; a check has its own.
constexpr Duration end_of_patience = 5s;  // Beyond the probe's own deadline: never met by a sound engine.

// What the secret's reference stands for. Never the secret itself: arguments are everybody's to see.
Result<std::string> referred_to(const std::string& reference, const Surroundings& around) {
    if (reference.starts_with("file:")) return config::read_secret_file(reference.substr(5));
    if (!reference.starts_with("env:"))
        return fail(Code::invalid, "--password: not a reference; a password among the arguments is seen by everybody who lists processes; write file:PATH or env:NAME");
    const std::string name = reference.substr(4);
    const auto value = around.environment ? around.environment(name) : std::nullopt;
    if (!value) return fail(Code::invalid, fmt::format("--password: variable {} is not set", escaped(name, 60)));
    return *value;
}

// What was said of the target beside its URL.
Result<> complete(Subject& subject, config::CheckSpec& spec, const Invocation& asked, const Surroundings& around) {
    if (!asked.password.empty()) {
        if (!subject.takes_password()) return fail(Code::invalid, "--password is for redis, rediss and postgres");
        HALE_ASSIGN(auto password, referred_to(asked.password, around));
        if (password.empty() || password.contains('\0')) return fail(Code::invalid, "--password: what it refers to is empty, or holds a NUL");
        set_password(subject, std::move(password));
    }
    if (asked.tls_ca.empty()) return {};
    if (!subject.speaks_tls()) return fail(Code::invalid, "--tls-ca: this target is not asked over TLS");
    io::TlsSpec tls;
    HALE_ASSIGN(tls.ca_pem, config::read_certificate_file(asked.tls_ca));
    HALE_TRY(tls::authorities_work(tls.ca_pem, asked.tls_ca));
    spec.tls = std::make_shared<const io::TlsSpec>(std::move(tls));
    return {};
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

Result<std::string> probe_here(const Invocation& asked, const Surroundings& around) {
    HALE_ASSIGN(Subject subject, subject_of(asked.target));
    auto spec = std::make_shared<config::CheckSpec>();
    HALE_TRY(complete(subject, *spec, asked, around));
    spec->what = std::move(subject.what);
    spec->timing.timeout = asked.timeout.value_or(usual_timeout);
    spec->connection = config::ConnectionMode::fresh;
    HALE_ASSIGN(spec->expect, conditions_of(asked.expect, std::holds_alternative<config::HttpCheck>(spec->what)));

    HALE_ASSIGN(const auto loop, os::EpollLoop::create());
    os::EpollNet net(*loop);
    HALE_ASSIGN(const auto resolver, os::AresResolver::create(*loop, {}));
    tls::Doors doors(*loop);
    probe::Engine engine(*loop, net, *resolver, nullptr, {.tls = &doors, .secret_bytes = os::secret_bytes});
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
    if (!ended) return fail(Code::internal, fmt::format("the probe of {} did not end in its time", redacted_url(asked.target)));
    return dumped(json_of(*sink.seen, plan, to));
}

}  // namespace hale::cli
