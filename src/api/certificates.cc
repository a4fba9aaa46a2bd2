// Certificates: which are shown, which are being got, and why one is missing.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/desk.h"
#include "api/handlers.h"
#include "base/log.h"
#include "base/text.h"

namespace hale::api {

namespace {

void write(JsonWriter& json, const CertificateFacts& one) {
    json.text("host", one.host).text("state", one.state);
    one.reason.empty() ? json.null("reason") : json.text("reason", one.reason);
    json.text("source", one.source).time("not_before", one.not_before).time("not_after", one.not_after);
    json.text("issuer", one.issuer).text("fingerprint", one.fingerprint);
    one.authority.empty() ? json.null("authority") : json.text("authority", one.authority);
    json.time("next_attempt", one.next_attempt).number("failures", one.failures);
}

}  // namespace

void list_certificates(Desk& desk, const CallPtr& call) {
    const std::string state(call->query.value("state"));
    constexpr std::array<std::string_view, 6> states{"pending", "acquiring", "active", "renewing", "failed", "expired"};
    if (!state.empty() && std::ranges::find(states, state) == states.end())
        return answer_problem(call, {400, "invalid", fmt::format("state: allowed: {}", fmt::join(states, ", "))});
    desk.backend.certificates([&desk, call, state](std::vector<CertificateFacts> all) {
        std::string body;
        JsonWriter json(body);
        json.open('{').number("revision", desk.view.revision()).open("items", '[');
        for (const auto& one : all) {
            if (!state.empty() && one.state != state) continue;
            json.open('{');
            write(json, one);
            json.close('}');
        }
        json.close(']').null("next").close('}');
        answer_json(call, 200, std::move(body));
    });
}

void get_certificate(Desk& desk, const CallPtr& call) {
    desk.backend.certificates([call, host = lower(call->param("host"))](std::vector<CertificateFacts> all) {
        const auto found = std::ranges::find(all, host, &CertificateFacts::host);
        if (found == all.end()) return answer_error(call, Error{Code::not_found, fmt::format("no certificate is known for \"{}\"", escaped(host))});
        std::string body;
        JsonWriter json(body);
        json.open('{');
        write(json, *found);
        json.close('}');
        answer_json(call, 200, std::move(body));
    });
}

void renew_certificate(Desk& desk, const CallPtr& call) {
    const std::string host = lower(call->param("host"));
    desk.backend.renew_certificate(host, [&desk, call, host](Result<> asked) {
        if (!asked) return answer_error(call, asked.error());
        log(LogLevel::info, fmt::format("{} asked for a new certificate of {}", call->caller.name, host));
        // How it ends is the certificate's own story; the audit has who began it.
        mutate(desk, call, catalog::Witness{},
               {.object = host, .detail = R"({"outcome":"accepted"})", .status = 202, .members = [](JsonWriter& json) { json.boolean("accepted", true); }});
    });
}

}  // namespace hale::api
