// The keys of TLS: certificates that are shown, whom to believe, as whom to come. Texts of files are read here and
// kept, so that a loaded configuration needs no disk.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

namespace {

constexpr std::size_t max_certificates = 10'000;
constexpr std::size_t max_alpn = 8;
constexpr std::size_t pin_digits = 64;

constexpr std::string_view path_words = "an absolute path of a PEM file";
constexpr std::string_view authority_words = "an absolute path of a PEM file, or the PEM itself";

bool read_path(Reading& reading, const Node& node, std::string& into) {
    std::string path;
    if (!reading.text(node, path)) return false;
    if (reading.api) return reading.problem(node, "files are for the configuration file alone"), false;
    if (!path.starts_with('/')) return reading.refuse(node, fmt::format("\"{}\" is not an absolute path", escaped(path, 60))), false;
    into = std::move(path);
    return true;
}

void read_certificates(Reading& reading, const Node& node, std::vector<CertificateFile>& into) {
    if (!reading.list(node)) return;
    if (node.items.size() > max_certificates) return reading.problem(node, fmt::format("more than {} certificates", max_certificates));
    into.clear();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        CertificateFile one;
        if (read_certificate(reading, node.items[i], one)) into.push_back(std::move(one));
    }
}

constexpr std::array upstream_keys{
    Key{"verify", Type::boolean, "true", "true, false", "False: whatever certificate is shown is taken; its expiry is still told.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_tls_verify(r, n, t.tls); })},
    Key{"ca", Type::text, "\"\"", authority_words, "Whose certificates are believed; empty: those this machine believes.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_authorities(r, n, t.tls.ca_pem); })},
    Key{"name", Type::text, "\"\"", "a host name", "Asked for by SNI and looked for in the certificate; empty is the target's own.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_tls_name(r, n, t.tls.name); })},
    Key{"alpn", Type::texts, "[]", "a list of protocol names", "Offered by ALPN; empty: none is.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_alpn(r, n, t.tls.alpn); })},
    Key{"pin", Type::text, "\"\"", "64 hexadecimal digits", "SHA-256 of the public key that must be shown.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_pin(r, n, t.tls.key_pin); })},
    Key{"certificate", Type::text, "\"\"", path_words, "Shown when a client certificate is asked for; with key.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_own_certificate(r, n, t); })},
    Key{"key", Type::text, "\"\"", path_words, "The private key of certificate, readable by its owner alone.",
        into<TlsDraft>([](Reading& r, const Node& n, TlsDraft& t) { read_own_key(r, n, t); })},
};

constexpr std::array tls_keys{
    Key{"certificates", Type::list, "[]", "a list of maps", "Certificates from files, shown for the names in them.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) { read_certificates(r, n, s.certificates); }), Section::certificate},
    Key{"min_version", Type::word, "1.2", "1.2, 1.3", "The oldest TLS that clients may speak.",
        into<Settings>([](Reading& r, const Node& n, Settings& s) {
            constexpr std::array<std::string_view, 2> words{"1.2", "1.3"};
            std::size_t at = 0;
            if (r.choice(n, words, at)) s.tls12 = at == 0;
        }), Section::none, 0, true},
};

constexpr std::array certificate_keys{
    Key{"chain", Type::text, "", path_words, "The certificate and those between it and its authority.",
        into<CertificateFile>([](Reading& r, const Node& n, CertificateFile& c) {
            if (read_path(r, n, c.chain) && !r.file(n, c.chain, c.chain_pem)) c.chain.clear();
        })},
    Key{"key", Type::text, "", path_words, "Its private key, readable by its owner alone.",
        into<CertificateFile>([](Reading& r, const Node& n, CertificateFile& c) {
            if (read_path(r, n, c.key) && !r.key_file(n, c.key, c.key_pem)) c.key.clear();
        })},
};

constexpr std::array route_tls_keys{
    Key{"redirect", Type::integer, "308", "308, 301, none", "How requests without TLS are sent to https.",
        into<RouteTls>([](Reading& r, const Node& n, RouteTls& t) {
            r.one_of(n, {std::pair{std::string_view("308"), std::uint16_t{308}}, std::pair{std::string_view("301"), std::uint16_t{301}},
                         std::pair{std::string_view("none"), std::uint16_t{0}}}, t.redirect);
        })},
    Key{"hsts", Type::duration, "0", "0 to 1095d", "Strict-Transport-Security: for so long browsers come by https alone (RFC 6797); 0: it is not sent.",
        into<RouteTls>([](Reading& r, const Node& n, RouteTls& t) { r.duration(n, t.hsts, 0s, 24h * 1095); })},
    Key{"client_certificates", Type::word, "none", "none, require", "Whether clients must show a certificate of client_ca.",
        into<RouteTls>([](Reading& r, const Node& n, RouteTls& t) {
            r.one_of(n, {std::pair{std::string_view("none"), false}, std::pair{std::string_view("require"), true}}, t.client_required);
        })},
    Key{"client_ca", Type::text, "\"\"", authority_words, "Who signs the certificates of clients.",
        into<RouteTls>([](Reading& r, const Node& n, RouteTls& t) { read_authorities(r, n, t.client_ca_pem); })},
};

}  // namespace

bool read_certificate(Reading& reading, const Node& node, CertificateFile& into) {
    into.mark = reading.mark(node.place);
    const bool effective = std::exchange(reading.effective, false);
    read_section(reading, Section::certificate, &node, &into);
    reading.effective = effective;
    if (!node.is_map()) return false;
    for (const std::string_view key : {"chain", "key"})
        if (node.find(key) == nullptr) return reading.problem(node, fmt::format("no {}", key), fmt::format("{}: {}", key, path_words)), false;
    if (into.chain.empty() || into.key.empty()) return false;
    const auto works = reading.certificate_works(into.chain_pem, into.key_pem, into.chain, into.key);
    if (!works) reading.problem(node, works.error().text);
    return works.has_value();
}

void read_authorities(Reading& reading, const Node& node, std::string& into) {
    constexpr std::size_t longest = 1 << 20;
    std::string said, pem;
    if (!reading.text(node, said, longest)) return;
    if (said.empty()) return into.clear();
    if (said.starts_with("-----BEGIN ")) pem = said;
    else if (std::string path; !read_path(reading, node, path) || !reading.file(node, path, pem)) return;
    if (const auto fine = reading.authorities_work(pem, said.starts_with('/') ? said : "the text"); !fine) return reading.problem(node, fine.error().text);
    into = std::move(pem);
}

void read_tls_verify(Reading& reading, const Node& node, io::TlsSpec& into) {
    reading.boolean(node, into.verify);
    if (!into.verify) reading.warn(node.place, "certificates are not verified: whoever answers at the address is believed");
}

void read_tls_name(Reading& reading, const Node& node, std::string& into) {
    std::string name;
    if (!reading.text(node, name, 253)) return;
    const bool clean = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127 && !std::string_view("/?#@\\\"").contains(c); });
    if (!clean) return reading.refuse(node, fmt::format("\"{}\" is no name", escaped(name, 60)));
    into = lower(name);
}

void read_alpn(Reading& reading, const Node& node, std::vector<std::string>& into) {
    reading.texts(node, into, max_alpn);
    for (std::size_t i = 0; i < into.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        if (into[i].empty() || into[i].size() > 255) reading.refuse(node.items[i], "a protocol's name has 1 to 255 bytes");
    }
}

void read_pin(Reading& reading, const Node& node, std::string& into) {
    std::string pin;
    if (!reading.text(node, pin, 128)) return;
    pin = lower(pin);
    const bool fits = pin.empty() || (pin.size() == pin_digits && std::ranges::all_of(pin, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }));
    if (!fits) return reading.refuse(node, fmt::format("\"{}\" is no SHA-256", escaped(pin, 80)));
    into = std::move(pin);
}

void read_own_certificate(Reading& reading, const Node& node, TlsDraft& draft) {
    draft.certificate = &node;
    if (node.is_scalar() && node.text.empty()) return draft.tls.certificate_pem.clear(), draft.certificate_path.clear();
    if (read_path(reading, node, draft.certificate_path)) reading.file(node, draft.certificate_path, draft.tls.certificate_pem);
}

void read_own_key(Reading& reading, const Node& node, TlsDraft& draft) {
    draft.key = &node;
    if (node.is_scalar() && node.text.empty()) return draft.tls.key_pem.clear(), draft.key_path.clear();
    if (read_path(reading, node, draft.key_path)) reading.key_file(node, draft.key_path, draft.tls.key_pem);
}

std::shared_ptr<const io::TlsSpec> settled(Reading& reading, TlsDraft& draft, const std::shared_ptr<const io::TlsSpec>& usual) {
    const bool shows = !draft.tls.certificate_pem.empty(), has_key = !draft.tls.key_pem.empty();
    if (draft.certificate != nullptr && shows && !has_key && draft.key == nullptr) reading.problem(*draft.certificate, "a client certificate without its key", "both, or neither");
    if (draft.key != nullptr && has_key && !shows && draft.certificate == nullptr) reading.problem(*draft.key, "a key without its client certificate", "both, or neither");
    if (shows && has_key && (draft.certificate != nullptr || draft.key != nullptr))
        if (const auto fine = reading.certificate_works(draft.tls.certificate_pem, draft.tls.key_pem, draft.certificate_path, draft.key_path); !fine)
            reading.problem(draft.certificate != nullptr ? *draft.certificate : *draft.key, fine.error().text);
    if (usual && draft.tls == *usual) return usual;
    if (draft.tls == io::TlsSpec{}) return nullptr;
    return std::make_shared<const io::TlsSpec>(std::move(draft.tls));
}

void read_upstream_tls(Reading& reading, const Node& node, std::shared_ptr<const io::TlsSpec>& into) {
    TlsDraft draft;
    const bool effective = std::exchange(reading.effective, false);
    read_section(reading, Section::upstream_tls, &node, &draft);
    reading.effective = effective;
    into = settled(reading, draft, nullptr);
}

void read_route_tls(Reading& reading, const Node& node, std::shared_ptr<const RouteTls>& into) {
    if (node.is_scalar()) {
        bool on = false;
        if (reading.boolean(node, on)) into = on ? std::make_shared<const RouteTls>() : nullptr;
        return;
    }
    if (!node.is_map()) return reading.refuse(node, "neither true nor false nor a map");
    RouteTls tls;
    const bool effective = std::exchange(reading.effective, false);
    read_section(reading, Section::route_tls, &node, &tls);
    reading.effective = effective;
    if (tls.client_required && tls.client_ca_pem.empty() && node.find("client_ca") == nullptr)
        reading.problem(node, "client certificates are required, and nobody is named who signs them", "client_ca: an absolute path of a PEM file");
    if (!tls.client_required && !tls.client_ca_pem.empty())
        reading.problem(*node.find("client_ca"), "client_ca has an effect only with client_certificates: require");
    into = std::make_shared<const RouteTls>(std::move(tls));
}

std::span<const Key> tls_section_keys(Section section) {
    switch (section) {
        case Section::tls: return tls_keys;
        case Section::certificate: return certificate_keys;
        case Section::route_tls: return route_tls_keys;
        case Section::upstream_tls: return upstream_keys;
        default: return {};
    }
}

}  // namespace hale::config
