// `hale cert …`: which certificates are shown, which are being got, and why one is missing.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/ages.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

Cell paint_of(const std::string& state) {
    const bool good = state == "active" || state == "renewing";
    const bool bad = state == "failed" || state == "expired";
    return {fmt::format("{} {}", good ? "●" : bad ? "▲" : "◌", state), good ? "green" : bad ? "red" : "yellow"};
}

// "in 59d 23h", "3d 02h ago"
std::string from_now(const Json& one, std::string_view key, Utc now) {
    const auto at = parse_rfc3339(text_at(one, key));
    if (!at) return "–";
    const Duration left = *at - now;
    return left >= Duration::zero() ? "in " + age_text(seconds(left)) : age_text(seconds(-left)) + " ago";
}

}  // namespace

int run_cert_list(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto all = daemon.all("/api/v1/certificates");
    if (!all) return daemon.fail(all.error());
    const Utc now = daemon.client()->utc();
    Table table{.heads = {"HOST", "STATE", "ENDS", "NEXT", "ISSUER", "SOURCE", "REASON"}, .rows = {}};
    for (const Json& one : at(*all, "items")) {
        const std::string authority = text_at(one, "authority");
        table.rows.push_back({Cell(tame(text_at(one, "host"))), paint_of(text_at(one, "state")), from_now(one, "not_after", now), from_now(one, "next_attempt", now),
                              tame(text_at(one, "issuer")), tame(authority.empty() ? text_at(one, "source") : authority), tame(text_at(one, "reason"))});
    }
    print(asked, around, *all, table);
    return exits::ok;
}

int run_cert_show(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto one = daemon.get("/api/v1/certificates/" + percent_encoded(asked.target));
    if (!one) return daemon.fail(one.error());
    const Utc now = daemon.client()->utc();
    Table table{.heads = {"", ""}, .rows = {}};
    const auto row = [&](const char* name, std::string value) {
        if (!value.empty() && value != "–") table.rows.push_back({Cell(name), Cell(std::move(value))});
    };
    row("host", tame(text_at(*one, "host")));
    table.rows.push_back({Cell("state"), paint_of(text_at(*one, "state"))});
    row("reason", tame(text_at(*one, "reason")));
    row("ends", text_at(*one, "not_after").empty() ? "" : fmt::format("{} ({})", text_at(*one, "not_after"), from_now(*one, "not_after", now)));
    row("valid from", text_at(*one, "not_before"));
    row("next attempt", text_at(*one, "next_attempt").empty() ? "" : fmt::format("{} ({})", text_at(*one, "next_attempt"), from_now(*one, "next_attempt", now)));
    row("issuer", tame(text_at(*one, "issuer")));
    row("authority", tame(text_at(*one, "authority")));
    row("source", tame(text_at(*one, "source")));
    row("sha-256", text_at(*one, "fingerprint"));
    print(asked, around, *one, table);
    return exits::ok;
}

int run_cert_renew(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.post(fmt::format("/api/v1/certificates/{}:renew", percent_encoded(asked.target)), Json::object());
    if (!answer) return daemon.fail(answer.error());
    around.err(fmt::format("the next certificate of {0} is asked for; see hale cert show {0}\n", tame(asked.target)));
    return exits::ok;
}

}  // namespace hale::cli
