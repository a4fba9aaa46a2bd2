#include "proxy/answer.h"

#include <fmt/format.h>

#include "base/text.h"
#include "proxy/forward.h"
#include "wire/http1_write.h"

namespace hale::proxy {

namespace {

void append_escaped_html(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '<': out.append("&lt;"); break;
            case '>': out.append("&gt;"); break;
            case '&': out.append("&amp;"); break;
            case '"': out.append("&quot;"); break;
            default: out.push_back(c);
        }
    }
}

std::string problem(const OwnAnswer& answer, std::uint16_t status) {
    std::string body = fmt::format(R"({{"type":"about:blank","title":"{}","status":{},"code":"{}","detail":")",
                                   wire::reason_phrase(status), status, facts(answer.reason).code);
    append_json_escaped(body, facts(answer.reason).sentence);
    if (!answer.why.empty()) body.push_back(' '), append_json_escaped(body, answer.why);
    body.append(R"(","request_id":")").append(answer.request_id).append(1, '"');
    if (!answer.details.empty()) body.append(1, ',').append(answer.details);
    body.append("}\n");
    return body;
}

std::string page(const OwnAnswer& answer, std::uint16_t status) {
    const auto phrase = wire::reason_phrase(status);
    std::string body = fmt::format(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
        "<title>{0} {1}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:12vh auto;padding:0 1em}}"
        "code{{background:#8882;padding:.1em .3em}}</style><h1>{1}</h1><p>",
        status, phrase);
    append_escaped_html(body, facts(answer.reason).sentence);
    body.append("<p><code>").append(facts(answer.reason).code).append("</code> · request <code>");
    body.append(answer.request_id).append("</code>");
    if (!answer.details.empty()) {
        body.append("<pre>{");
        append_escaped_html(body, answer.details);
        body.append("}</pre>");
    }
    body.append("</html>\n");
    return body;
}

void append_message(std::string& out, const OwnAnswer& answer, std::uint16_t status, std::string_view type,
                    std::string_view body, std::uint16_t retry_after) {
    out.append(fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n",
                           status, wire::reason_phrase(status), answer.date, type, body.size()));
    if (const auto code = facts(answer.reason).code; !code.empty()) out.append(fmt::format("Hale-Reason: {}\r\n", code));
    if (retry_after != 0) out.append(fmt::format("Retry-After: {}\r\n", retry_after));
    if (!answer.location.empty()) out.append("Location: ").append(answer.location).append("\r\n");
    if (answer.hsts != 0) append_hsts(out, answer.hsts);
    out.append("X-Request-ID: ").append(answer.request_id).append("\r\n");
    if (!answer.keep_alive) out.append("Connection: close\r\n");
    else if (answer.client_minor == 0) out.append("Connection: keep-alive\r\n");
    out.append("\r\n");
    if (!answer.without_body) out.append(body);
}

std::string health_body(std::string_view shape, std::string_view status, std::string_view& type) {
    type = "application/json";
    const bool up = status != "fail";
    if (shape == "spring") return fmt::format("{{\"status\":\"{}\"}}\n", up ? "UP" : "DOWN");
    if (shape == "microprofile") return fmt::format("{{\"status\":\"{}\",\"checks\":[]}}\n", up ? "UP" : "DOWN");
    if (shape == "simple")
        return fmt::format("{{\"status\":\"{}\"}}\n", status == "pass" ? "healthy" : status == "warn" ? "degraded" : "unhealthy");
    if (shape == "text") {
        type = "text/plain; charset=utf-8";
        return up ? "OK\n" : "UNAVAILABLE\n";
    }
    type = "application/health+json";
    return fmt::format("{{\"status\":\"{}\"}}\n", status);
}

}  // namespace

void append_answer(std::string& out, const OwnAnswer& answer) {
    const auto& why = facts(answer.reason);
    const std::uint16_t status = answer.status != 0 ? answer.status : why.status;
    if (answer.page) append_message(out, answer, status, "text/html; charset=utf-8", page(answer, status), why.retry_after_seconds);
    else append_message(out, answer, status, "application/problem+json", problem(answer, status), why.retry_after_seconds);
}

bool wants_page(const wire::RequestHead& head) {
    for (const auto& field : head.fields)
        if (field.id == wire::Known::accept && field.value.find("text/html") != std::string_view::npos) return true;
    return false;
}

void append_details(std::string& out, const catalog::RoutedService& service) {
    // A stranger's patience and a page's width: the first of many instances tell the story.
    constexpr std::size_t most_instances = 20;
    out.append("\"service\":\"");
    append_json_escaped(out, service.name);
    out.append(fmt::format("\",\"instances_total\":{},\"instances\":[", service.endpoints.size()));
    for (std::size_t i = 0; i < service.endpoints.size() && i < most_instances; ++i) {
        const auto& endpoint = service.endpoints[i];
        const auto word = verdict::read_word(endpoint.row->word.load(std::memory_order_acquire), endpoint.generation);
        const bool eligible = verdict::eligibility({endpoint.lifecycle, endpoint.override, word, endpoint.unchecked}).eligible;
        out.append(i == 0 ? "{\"instance\":\"" : ",{\"instance\":\"");
        append_json_escaped(out, endpoint.name);
        out.append("\",\"address\":\"");
        append_json_escaped(out, endpoint.address_text);
        out.append(fmt::format("\",\"state\":\"{}\",\"lifecycle\":\"{}\",\"eligible\":{},\"override\":", verdict::to_text(word.state),
                               verdict::to_text(endpoint.lifecycle), eligible));
        out.append(endpoint.override ? fmt::format("\"{}\"", verdict::to_text(*endpoint.override)) : "null");
        out.append(fmt::format(",\"version\":{}}}", word.version));
    }
    out.push_back(']');
}

void append_proof(std::string& out, std::string_view proof, const OwnAnswer& answer) {
    append_message(out, answer, 200, "application/octet-stream", proof, 0);
}

void append_health(std::string& out, const catalog::PublicHealth& alias, const catalog::OwnHealth* published,
                   const OwnAnswer& answer, std::uint16_t& status) {
    std::string_view health = "pass";
    if (alias.action != "live") {  // Being alive depends on nothing.
        if (published == nullptr || !published->serving()) health = "fail";
        else if (alias.action == "health" && published->reload_failed.load(std::memory_order_relaxed)) health = "warn";
    }
    status = health == "fail" ? 503 : 200;
    std::string_view type;
    const auto body = health_body(alias.shape, health, type);
    constexpr std::uint16_t retry_after_seconds = 5;
    append_message(out, answer, status, type, body, status == 503 ? retry_after_seconds : 0);
}

}  // namespace hale::proxy
