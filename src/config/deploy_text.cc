// What is said of deployments, spelled as a file has it.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

namespace {

bool is_alphanumeric(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

// Inside a container, or of the host: no steps up, nothing that means more to the engine.
bool is_directory(std::string_view path) {
    if (!path.starts_with('/') || path.size() > 4096 || path.contains(':')) return false;
    if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; })) return false;
    return std::ranges::none_of(split(path.substr(1), '/'), [](std::string_view segment) { return segment == "." || segment == ".."; });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto port = parse_unsigned(text);
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

// Of an image: lower case letters and digits, with separators between them.
bool is_image_part(std::string_view part) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !part.empty() && plain(part.front()) && plain(part.back()) && std::ranges::all_of(part, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_registry(std::string_view host) {
    const auto colon = host.rfind(':');
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end != std::string_view::npos && Ip::parse(host.substr(1, end - 1)) && (end + 1 == host.size() || (host[end + 1] == ':' && parse_port(host.substr(end + 2))));
    }
    if (colon != std::string_view::npos && !parse_port(host.substr(colon + 1))) return false;
    return is_image_part(lower(host.substr(0, colon)));
}

bool is_tag(std::string_view tag) {
    return !tag.empty() && tag.size() <= 128 && tag.front() != '.' && tag.front() != '-' &&
           std::ranges::all_of(tag, [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_digest(std::string_view digest) {
    constexpr std::string_view algorithm = "sha256:";
    constexpr std::size_t digits = 64;
    return digest.starts_with(algorithm) && digest.size() == algorithm.size() + digits &&
           std::ranges::all_of(digest.substr(algorithm.size()), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

bool is_image(std::string_view text) {
    constexpr std::size_t longest_name = 255;
    if (const auto at = text.find('@'); at != std::string_view::npos) {
        if (!is_digest(text.substr(at + 1))) return false;
        text = text.substr(0, at);
    }
    const auto slash = text.rfind('/');
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        if (!is_tag(text.substr(colon + 1))) return false;
        text = text.substr(0, colon);
    }
    if (text.size() > longest_name) return false;
    auto parts = split(text, '/');
    const bool registry = parts.size() > 1 && (parts.front().contains('.') || parts.front().contains(':') || parts.front() == "localhost");
    if (registry && !is_registry(parts.front())) return false;
    return std::ranges::all_of(parts.begin() + (registry ? 1 : 0), parts.end(), is_image_part);
}

bool is_engine_name(std::string_view text) {
    return !text.empty() && text.size() <= 255 && is_alphanumeric(text.front()) &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_env_name(std::string_view text) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return !text.empty() && text.size() <= 256 && !digit(text.front()) &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

std::optional<Mount> parse_mount(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
    if (parts.size() == 3 && parts[2] != "ro" && parts[2] != "rw") return std::nullopt;
    const bool source = parts[0].starts_with('/') ? is_directory(parts[0]) : is_engine_name(parts[0]);
    if (!source || !is_directory(parts[1]) || parts[1] == "/") return std::nullopt;
    return Mount{std::string(parts[0]), std::string(parts[1]), parts.size() == 3 && parts[2] == "ro"};
}

std::optional<PublishedPort> parse_published(std::string_view text) {
    PublishedPort out;
    if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
        const std::string_view protocol = text.substr(slash + 1);
        if (protocol != "tcp" && protocol != "udp") return std::nullopt;
        out.udp = protocol == "udp";
        text = text.substr(0, slash);
    }
    const auto inner = text.rfind(':');
    if (inner == std::string_view::npos) return std::nullopt;
    const auto container = parse_port(text.substr(inner + 1));
    text = text.substr(0, inner);
    const auto outer = text.rfind(':');
    const auto host = parse_port(outer == std::string_view::npos ? text : text.substr(outer + 1));
    if (!container || !host) return std::nullopt;
    if (outer != std::string_view::npos) {
        std::string_view ip = text.substr(0, outer);
        if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
        else if (ip.contains(':')) return std::nullopt;
        const auto parsed = Ip::parse(ip);
        if (!parsed) return std::nullopt;
        out.ip = parsed->text();
    }
    out.host = *host;
    out.container = *container;
    return out;
}

std::vector<std::string> shown_arguments(const std::vector<std::string>& arguments) {
    std::vector<std::string> out;
    bool hidden = false;
    for (const std::string& argument : arguments) {
        out.emplace_back(hidden ? hidden_text : argument);
        hidden |= argument == "--";
    }
    return out;
}

std::string_view to_text(Pull pull) {
    constexpr std::string_view words[] = {"missing", "always", "never"};
    return words[std::to_underlying(pull)];
}

std::string_view to_text(Restart restart) {
    constexpr std::string_view words[] = {"no", "always", "unless-stopped", "on-failure"};
    return words[std::to_underlying(restart)];
}

std::string_view to_text(PreExisting pre_existing) { return pre_existing == PreExisting::accept ? "accept" : "fail"; }

std::string Mount::text() const { return fmt::format("{}:{}{}", source, path, read_only ? ":ro" : ""); }

std::string PublishedPort::text() const {
    const std::string at = ip.contains(':') ? fmt::format("[{}]:", ip) : ip.empty() ? std::string{} : fmt::format("{}:", ip);
    return fmt::format("{}{}:{}{}", at, host, container, udp ? "/udp" : "");
}

std::string DeploySpec::network_of(std::string_view service) const { return network.empty() ? fmt::format("{}-network", service) : network; }

}  // namespace hale::config
