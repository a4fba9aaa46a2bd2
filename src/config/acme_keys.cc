// The keys of `acme:`. What can only work with something else beside it is refused without it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "wire/url.h"

namespace hale::config {

namespace {

constexpr std::string_view production = "https://acme-v02.api.letsencrypt.org/directory";
constexpr std::string_view staging = "https://acme-staging-v02.api.letsencrypt.org/directory";
constexpr std::size_t max_directories = 8;
constexpr std::size_t max_hook_arguments = 64;
constexpr std::size_t longest_secret = 4096;
constexpr Duration day = 24h;

struct AcmeDraft {
    AcmeSpec spec;
    bool agree_tos = false;
};

bool read_url(Reading& reading, const Node& node, std::string& into, bool plain) {
    std::string url;
    if (!reading.text(node, url, 2048)) return false;
    const auto parsed = wire::parse_url(url);
    if (!parsed || (parsed->scheme != "https" && !(plain && parsed->scheme == "http")) || !parsed->userinfo.empty())
        return reading.refuse(node, fmt::format("\"{}\" is no such URL", escaped(url, 80))), false;
    into = std::move(url);
    return true;
}

void read_directories(Reading& reading, const Node& node, std::vector<std::string>& into) {
    std::vector<std::string> read;
    if (node.is_scalar()) {
        std::string one;
        if (!read_url(reading, node, one, false)) return;
        read.push_back(std::move(one));
    } else {
        if (!reading.list(node)) return;
        if (node.items.empty() || node.items.size() > max_directories) return reading.refuse(node, fmt::format("not 1 to {} entries", max_directories));
        for (std::size_t i = 0; i < node.items.size(); ++i) {
            const Reading::Step step(reading, i);
            std::string one;
            if (!read_url(reading, node.items[i], one, false)) return;
            if (std::ranges::find(read, one) != read.end()) return reading.refuse(node.items[i], "is named twice");
            read.push_back(std::move(one));
        }
    }
    into = std::move(read);
}

constexpr std::array eab_keys{
    Key{"key_id", Type::text, "", "a text", "The identifier that the authority gave.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) { r.text(n, a.eab_key_id, 512); })},
    Key{"hmac", Type::secret, "", "base 64 for URLs, file:PATH or env:NAME", "The key that the authority gave with it.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) {
            std::string secret;
            r.secret(n, secret, longest_secret);
            const std::string_view said = trim(secret);
            const bool fits = std::ranges::all_of(said, [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+' || c == '/' || c == '=';
            });
            if (!fits) return r.refuse(n, "is not in base 64");
            a.eab_hmac = said;
        })},
};

constexpr std::array dns_hook_keys{
    Key{"exec", Type::texts, "", "a list of texts, the first an absolute path", "Run with present or withdraw, the record's name and its value; ends once everybody sees it.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) {
            std::vector<std::string> said;
            r.texts(n, said, max_hook_arguments);
            if (said.empty() || !said.front().starts_with('/')) return r.refuse(n, "begins with no absolute path");
            a.dns_exec = std::move(said);
        })},
    Key{"url", Type::text, "", "an http or https URL", "Asked by POST to set the record and by DELETE to take it away, as JSON with name, type and value.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) { read_url(r, n, a.dns_url, true); })},
};

constexpr std::array on_demand_keys{
    Key{"ask", Type::text, "", "an http or https URL", "Asked with ?domain=HOST; 2xx means that the host may have a certificate.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) { read_url(r, n, a.ask_url, true); })},
    Key{"per_hour", Type::integer, "10", "1 to 10000", "So many hosts are asked about at most.",
        into<AcmeSpec>([](Reading& r, const Node& n, AcmeSpec& a) { r.number(n, a.ask_per_hour, 1, 10'000); })},
};

constexpr std::array acme_keys{
    Key{"agree_tos", Type::boolean, "", "true, false", "You agree to the terms of the authorities; needed.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { r.boolean(n, a.agree_tos); })},
    Key{"email", Type::text, "\"\"", "an address", "Where the authority tells of trouble.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) {
            std::string email;
            if (!r.text(n, email, 254)) return;
            const auto at = email.find('@');
            const bool clean = std::ranges::all_of(email, [](char c) { return c > ' ' && c < 127 && !std::string_view("?,;:\"<>()").contains(c); });
            if (!email.empty() && (!clean || at == 0 || at == std::string::npos || at + 1 == email.size())) return r.refuse(n, fmt::format("\"{}\" is no address", escaped(email, 60)));
            a.spec.email = std::move(email);
        })},
    Key{"directory", Type::text_or_texts, "https://acme-v02.api.letsencrypt.org/directory", "an https URL, or a list of them", "Authorities, best first; the next one is tried after three failures.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { read_directories(r, n, a.spec.directories); })},
    Key{"staging", Type::boolean, "false", "true, false", "Let's Encrypt's authority for trying out, whose certificates nobody believes.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { r.boolean(n, a.spec.staging); })},
    Key{"ca", Type::text, "\"\"", "an absolute path of a PEM file, or the PEM itself", "Who signs the listeners of a private authority; empty: those this machine believes.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { read_authorities(r, n, a.spec.ca_pem); })},
    Key{"eab", Type::section, "", "a map", "An account that the authority knows already (external account binding).",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { read_section(r, Section::acme_eab, &n, &a.spec); }), Section::acme_eab},
    Key{"challenge", Type::word, "http-01", "http-01, tls-alpn-01, dns-01", "How hosts are proved; *. hosts need dns-01.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) {
            r.one_of(n, {std::pair{std::string_view("http-01"), AcmeChallenge::http_01}, std::pair{std::string_view("tls-alpn-01"), AcmeChallenge::tls_alpn_01},
                         std::pair{std::string_view("dns-01"), AcmeChallenge::dns_01}}, a.spec.challenge);
        })},
    Key{"dns_hook", Type::section, "", "a map", "Who sets TXT records, for dns-01.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { read_section(r, Section::acme_dns_hook, &n, &a.spec); }), Section::acme_dns_hook},
    Key{"on_demand", Type::section, "", "a map", "Certificates for hosts that clients ask for and no route names exactly.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) { read_section(r, Section::acme_on_demand, &n, &a.spec); }), Section::acme_on_demand},
    Key{"renew_before", Type::duration, "auto", "auto, or 1h to 366d", "So long before its end a certificate is renewed; auto is 30 days or a third of its lifetime.",
        into<AcmeDraft>([](Reading& r, const Node& n, AcmeDraft& a) {
            if (n.is_scalar() && n.text == "auto") return a.spec.renew_before.reset();
            Duration before{};
            if (r.duration(n, before, 1h, 366 * day)) a.spec.renew_before = before;
        })},
};

}  // namespace

void read_acme(Reading& reading, const Node& node, std::shared_ptr<const AcmeSpec>& into) {
    AcmeDraft draft;
    read_section(reading, Section::acme, &node, &draft);
    if (!node.is_map()) return;
    AcmeSpec& spec = draft.spec;
    const auto place = [&](std::string_view key) -> const Node& {
        const Node* found = node.find(key);
        return found != nullptr ? *found : node;
    };
    if (!draft.agree_tos) reading.problem(place("agree_tos"), "without agreeing to their terms no authority issues certificates", "agree_tos: true");
    if (spec.staging && !spec.directories.empty()) reading.problem(place("staging"), "staging is Let's Encrypt's, and directory names another authority", "one of the two");
    if (spec.directories.empty()) spec.directories.emplace_back(spec.staging ? staging : production);
    if (spec.eab_key_id.empty() != spec.eab_hmac.empty()) reading.problem(place("eab"), "key_id and hmac go together", "both, or neither");
    if (!spec.dns_exec.empty() && !spec.dns_url.empty()) reading.problem(place("dns_hook"), "exec and url at once", "one of the two");
    const bool hooked = !spec.dns_exec.empty() || !spec.dns_url.empty();
    if (spec.challenge == AcmeChallenge::dns_01 && !hooked) reading.problem(place("challenge"), "dns-01 without a hook that sets records", "dns_hook: {exec: [...]} or {url: ...}");
    if (spec.challenge != AcmeChallenge::dns_01 && hooked) reading.problem(place("dns_hook"), "dns_hook has an effect only with challenge: dns-01");
    if (node.find("on_demand") != nullptr && spec.ask_url.empty()) reading.problem(place("on_demand"), "nobody is named to ask", "on_demand: {ask: URL}");
    if (node.find("on_demand") != nullptr && spec.challenge == AcmeChallenge::dns_01)
        reading.problem(place("on_demand"), "hosts on demand are proved by http-01 or tls-alpn-01", "challenge: http-01, tls-alpn-01");
    into = std::make_shared<const AcmeSpec>(std::move(spec));
}

std::span<const Key> acme_section_keys(Section section) {
    switch (section) {
        case Section::acme: return acme_keys;
        case Section::acme_eab: return eab_keys;
        case Section::acme_dns_hook: return dns_hook_keys;
        case Section::acme_on_demand: return on_demand_keys;
        default: return {};
    }
}

}  // namespace hale::config
