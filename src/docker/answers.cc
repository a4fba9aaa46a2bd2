#include "docker/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "docker/document.h"
#include "wire/http1_write.h"

namespace hale::docker {

namespace {

// "1.41"; 0.0 when it is something else.
ApiVersion version_of(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == text.npos) return {};
    const auto major = parse_unsigned(text.substr(0, dot)), minor = parse_unsigned(text.substr(dot + 1));
    if (!major || !minor || *major > 1000 || *minor > 1000) return {};
    return {static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor)};
}

// "95.2 GB" of a storage driver.
std::optional<std::uint64_t> human_bytes(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit = trim(text.substr(static_cast<std::size_t>(end - text.data())));
    if (error != std::errc{} || !(value >= 0) || value > 1e6) return std::nullopt;
    constexpr std::array<std::string_view, 6> decimal{"B", "kB", "MB", "GB", "TB", "PB"}, binary{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double ten = 1, two = 1;
    for (std::size_t i = 0; i < decimal.size(); ++i, ten *= 1000, two *= 1024) {
        if (unit == decimal[i]) return static_cast<std::uint64_t>(value * ten);
        if (unit == binary[i]) return static_cast<std::uint64_t>(value * two);
    }
    return std::nullopt;
}

std::vector<std::string> without_slashes(std::vector<std::string> names) {
    for (std::string& name : names)
        if (name.starts_with('/')) name.erase(0, 1);
    return names;
}

// [{"IP":"0.0.0.0","PrivatePort":3000,"PublicPort":8080,"Type":"tcp"}]; without a public one it is exposed alone.
std::vector<Published> published_of(const Json& of) {
    std::vector<Published> out;
    const Json& all = member(of, "Ports");
    if (!all.is_array()) return out;
    for (const Json& one : all) {
        const std::int64_t host = number(one, "PublicPort"), inside = number(one, "PrivatePort");
        if (out.size() == most_items || host <= 0 || host > 65535 || inside <= 0 || inside > 65535) continue;
        out.push_back({.port = {static_cast<std::uint16_t>(inside), word(one, "Type")}, .host_ip = word(one, "IP"), .host_port = static_cast<std::uint16_t>(host)});
    }
    return out;
}

HealthStatus health_status_of(std::string_view text) {
    for (const HealthStatus one : {HealthStatus::starting, HealthStatus::healthy, HealthStatus::unhealthy})
        if (text == docker::text(one)) return one;
    return HealthStatus::none;
}

}  // namespace

Result<EngineVersion> read_version(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the engine's version", body));
    EngineVersion out{.api = version_of(word(document, "ApiVersion")),
                      .oldest_api = version_of(word(document, "MinAPIVersion")),
                      .engine = word(document, "Version"),
                      .os = word(document, "Os"),
                      .architecture = word(document, "Arch")};
    if (out.api == ApiVersion{}) return unreadable("the engine's version", "it has no ApiVersion; is that a Docker Engine?");
    return out;
}

Result<EngineInfo> read_info(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the engine's information", body));
    EngineInfo out{.name = word(document, "Name"),
                   .engine = word(document, "ServerVersion"),
                   .memory_bytes = size_of(document, "MemTotal"),
                   .processors = count_of(document, "NCPU"),
                   .containers = count_of(document, "Containers"),
                   .running = count_of(document, "ContainersRunning"),
                   .storage_driver = word(document, "Driver"),
                   .root = word(document, "DockerRootDir"),
                   .free_disk_bytes = std::nullopt};
    if (const Json& status = member(document, "DriverStatus"); status.is_array())
        for (const Json& pair : status)
            if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string() && pair[0].get_ref<const std::string&>() == "Data Space Available")
                out.free_disk_bytes = human_bytes(pair[1].get_ref<const std::string&>());
    return out;
}

Result<Created> read_created(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about the new container", body));
    Created out{.id = word(document, "Id"), .warnings = words(document, "Warnings")};
    if (out.id.empty()) return unreadable("the answer about the new container", "it has no Id");
    return out;
}

Result<std::string> read_id(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer", body));
    std::string id = word(document, "Id");
    if (id.empty()) return unreadable("the answer", "it has no Id");
    return id;
}

Result<std::vector<Listed>> read_listed(std::string_view body) {
    constexpr std::string_view what = "the list of containers";
    HALE_ASSIGN(const Json document, parse_document(what, body));
    if (!document.is_array()) return unreadable(what, "it is no JSON array");
    if (document.size() > most_containers) return fail(Code::exhausted, fmt::format("there are more than {} containers", most_containers));
    std::vector<Listed> out;
    for (const Json& one : document) {
        Listed listed{.id = word(one, "Id"),
                      .names = without_slashes(words(one, "Names")),
                      .image = word(one, "Image"),
                      .image_id = word(one, "ImageID"),
                      .state = ContainerState::unknown,
                      .status = word(one, "Status"),
                      .labels = labels_of(one, "Labels"),
                      .created = std::nullopt,
                      .published = published_of(one)};
        if (listed.id.empty()) return unreadable(what, "one of them has no Id");
        const std::string state = word(one, "State");
        for (int i = 0; i <= static_cast<int>(ContainerState::dead); ++i)
            if (state == text(static_cast<ContainerState>(i))) listed.state = static_cast<ContainerState>(i);
        constexpr std::int64_t last = 9'000'000'000;
        if (const std::int64_t at = number(one, "Created"); at > 0 && at < last) listed.created = Utc{std::chrono::seconds(at)};
        out.push_back(std::move(listed));
    }
    return out;
}

Result<Exited> read_exited(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about the container's end", body));
    const Json& code = member(document, "StatusCode");
    if (!code.is_number_integer()) return unreadable("the answer about the container's end", "it has no StatusCode");
    return Exited{.exit_code = whole_number(code), .error = sentence(member(document, "Error"), "Message")};
}

Result<NetworkFacts> read_network(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about a network", body));
    NetworkFacts out{.id = word(document, "Id"),
                     .name = word(document, "Name"),
                     .driver = word(document, "Driver"),
                     .internal = truth(document, "Internal"),
                     .labels = labels_of(document, "Labels"),
                     .members = {}};
    if (out.id.empty()) return unreadable("the answer about a network", "it has no Id");
    if (const Json& members = member(document, "Containers"); members.is_object()) {
        for (const auto& [id, one] : members.items()) {
            if (out.members.size() == most_items) break;
            const std::string block = word(one, "IPv4Address");  // "172.18.0.2/16"
            out.members.push_back({.container_id = plain(id, most_name_bytes), .name = word(one, "Name"), .ip = Ip::parse(block.substr(0, block.find('/')))});
        }
    }
    return out;
}

Result<ExecState> read_exec(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about a command", body));
    ExecState out{.running = truth(document, "Running"), .exit_code = std::nullopt};
    if (const Json& code = member(document, "ExitCode"); code.is_number_integer()) out.exit_code = whole_number(code);
    return out;
}

Result<std::optional<Event>> read_event(std::string_view line) {
    HALE_ASSIGN(const Json document, parse_object("an event", line));
    if (word(document, "Type") != "container") return std::optional<Event>{};
    const Json& actor = member(document, "Actor");
    Event out{.action = word(document, "Action"), .id = word(actor, "ID"), .labels = labels_of(actor, "Attributes")};
    if (out.id.empty()) out.id = word(document, "id");
    if (out.id.empty()) return unreadable("an event", "it does not say which container");
    // What follows the colon depends on the action: "health_status: healthy", "exec_create: sh -c ...".
    const std::string_view action = std::string_view(out.action).substr(0, out.action.find(':'));
    for (int i = 1; i <= static_cast<int>(EventKind::destroy); ++i)
        if (action == text(static_cast<EventKind>(i))) out.kind = static_cast<EventKind>(i);
    if (action == "died") out.kind = EventKind::die;  // Podman's words.
    if (action == "remove") out.kind = EventKind::destroy;
    const auto take = [&out](const char* name) {
        const auto node = out.labels.extract(name);
        return node.empty() ? std::string{} : std::move(node.mapped());
    };
    out.name = take("name");
    out.image = take("image");
    if (out.kind == EventKind::die) {
        std::string code = take("exitCode");
        if (const std::string podmans = take("containerExitCode"); code.empty()) code = podmans;
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), value);
        if (error == std::errc{} && end == code.data() + code.size() && !code.empty()) out.exit_code = value;
        take("execDuration");
    } else if (out.kind == EventKind::kill) {
        out.signal = take("signal");
    } else if (out.kind == EventKind::rename) {
        out.old_name = take("oldName");
        if (out.old_name.starts_with('/')) out.old_name.erase(0, 1);
    } else if (out.kind == EventKind::health_status) {
        const std::string_view said = std::string_view(out.action).substr(action.size());
        out.health = health_status_of(trim(said.starts_with(':') ? said.substr(1) : said));
    }
    if (const std::int64_t at = number(document, "timeNano"); at > 0) out.at = Utc{Duration(at)};
    else if (const std::int64_t second = number(document, "time"); second > 0 && second < 9'000'000'000) out.at = Utc{std::chrono::seconds(second)};
    return std::optional<Event>(std::move(out));
}

Result<PullLine> read_pull_line(std::string_view line) {
    HALE_ASSIGN(const Json document, parse_object("the progress of a pull", line));
    PullLine out;
    std::string why = sentence(member(document, "errorDetail"), "message");
    if (why.empty()) why = sentence(document, "error");
    if (!why.empty() || member(document, "errorDetail").is_object()) {
        if (why.empty()) why = "the engine does not say why";
        const std::string small = lower(why);
        const auto says = [&small](std::string_view part) { return small.find(part) != std::string::npos; };
        const Code code = says("unauthorized") || says("access denied") || says("authentication required") || says("no basic auth") ? Code::denied
                          : says("not found") || says("manifest unknown") || says("does not exist") || says("no matching manifest") ? Code::not_found
                                                                                                                                    : Code::unavailable;
        out.error = Error{code, std::move(why)};
        return out;
    }
    out.progress.layer = word(document, "id");
    out.progress.status = sentence(document, "status");
    const Json& detail = member(document, "progressDetail");
    out.progress.done = size_of(detail, "current");
    out.progress.total = size_of(detail, "total");
    constexpr std::string_view digest = "Digest: ";
    if (out.progress.layer.empty() && out.progress.status.starts_with(digest)) out.digest = trim(std::string_view(out.progress.status).substr(digest.size()));
    return out;
}

std::string read_message(int status, std::string_view body) {
    if (const auto document = parse_object("", body)) {
        if (std::string said = sentence(*document, "message"); !said.empty()) return said;
        if (std::string said = sentence(*document, "cause"); !said.empty()) return said;
    }
    const std::string_view phrase = wire::reason_phrase(status);
    std::string out = fmt::format("status {}{}{}", status, phrase.empty() ? "" : " ", phrase);
    // Somebody else's page; markup would not help anybody.
    const std::string_view first = trim(body.substr(0, body.find('\n')));
    if (!first.empty() && first.front() != '<' && first.front() != '{') out += fmt::format(": {}", escaped(first, 200));
    return out;
}

Code code_of(int status) {
    switch (status) {
        case 400: return Code::invalid;
        case 401: case 403: return Code::denied;
        case 404: return Code::not_found;
        case 409: return Code::conflict;
        default: return Code::unavailable;
    }
}

std::optional<Utc> read_date(std::string_view said) {
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (said.size() != 29 || !said.ends_with(" GMT")) return std::nullopt;
    const auto month = static_cast<std::size_t>(std::ranges::find(months, said.substr(8, 3)) - months.begin());
    if (month == months.size()) return std::nullopt;
    return parse_rfc3339(fmt::format("{}-{:02}-{}T{}Z", said.substr(12, 4), month + 1, said.substr(5, 2), said.substr(17, 8)));
}

}  // namespace hale::docker
