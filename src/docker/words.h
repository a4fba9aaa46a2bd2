// What a Docker Engine tells, as values: read by docker/answers.h, handed out by docker/engine.h. Every text was checked for
// control characters and cut at a named limit; times that the engine writes as year 1 ("never") are nothing.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace hale::docker {

struct ApiVersion {
    std::uint32_t major = 0, minor = 0;

    std::string text() const;  // "1.41"
    auto operator<=>(const ApiVersion&) const = default;
};

struct EngineVersion {
    ApiVersion api;         // The newest that it speaks,
    ApiVersion oldest_api;  // and the oldest; 0.0 when it does not say.
    std::string engine;     // "20.10.24"
    std::string os, architecture;
};

struct EngineInfo {
    std::string name;
    std::string engine;
    std::uint64_t memory_bytes = 0;
    std::uint32_t processors = 0;
    std::uint32_t containers = 0, running = 0;
    std::string storage_driver;
    std::string root;  // Where it keeps images and containers, on its machine.
    std::optional<std::uint64_t> free_disk_bytes;  // Only some storage drivers tell; overlay2 does not.
};

// HEALTHCHECK of an image, or what overrides it. Zero: the engine's own default (30 s, 30 s, 0 s, 3).
struct HealthCheck {
    std::vector<std::string> test;  // {"CMD", ...}, {"CMD-SHELL", "..."}; {"NONE"}: switched off. Empty: inherited.
    Duration interval{}, timeout{}, start_period{};
    std::uint32_t retries = 0;

    bool off() const { return !test.empty() && test.front() == "NONE"; }
    bool operator==(const HealthCheck&) const = default;
};

struct Port {
    std::uint16_t number = 0;
    std::string protocol = "tcp";  // tcp, udp, sctp

    auto operator<=>(const Port&) const = default;
};

struct ImageFacts {
    std::string id;                    // "sha256:..."
    std::vector<std::string> tags;     // "busybox:1.36"
    std::vector<std::string> digests;  // "busybox@sha256:..."
    std::optional<HealthCheck> health_check;
    std::vector<Port> exposed;
    std::string stop_signal;  // "": SIGTERM
    std::string user;
    std::vector<std::string> entrypoint, command;
    std::map<std::string, std::string> labels;
    std::string os, architecture;
    std::uint64_t bytes = 0;
};

enum class ContainerState : std::uint8_t { unknown, created, running, paused, restarting, removing, exited, dead };
std::string_view text(ContainerState state);

enum class HealthStatus : std::uint8_t { none, starting, healthy, unhealthy };
std::string_view text(HealthStatus status);

struct HealthLogEntry {
    std::optional<Utc> began, ended;
    std::int64_t exit_code = 0;
    std::string output;
};

struct Health {
    HealthStatus status = HealthStatus::none;
    std::uint32_t failing_streak = 0;
    std::vector<HealthLogEntry> log;  // The oldest first.
};

struct Attachment {
    std::string network, network_id;
    std::optional<Ip> ip, ip6;  // Nothing while it is not running.
    std::optional<Ip> gateway;
    std::vector<std::string> aliases;
};

struct Published {
    Port port;            // Inside.
    std::string host_ip;  // "0.0.0.0"
    std::uint16_t host_port = 0;

    bool operator==(const Published&) const = default;
};

struct Inspected {
    std::string id;
    std::string name;      // Without the slash in front.
    std::string image;     // As it was asked for: "web:2".
    std::string image_id;  // "sha256:..."
    std::optional<Utc> created, started, finished;
    ContainerState state = ContainerState::unknown;
    std::int64_t exit_code = 0;  // Of the last end; meaningless before.
    bool oom_killed = false;
    std::string error;  // Why it could not be started.
    std::uint32_t restart_count = 0;
    std::uint64_t pid = 0;
    std::optional<Health> health;  // Only with a health check.
    std::optional<HealthCheck> health_check;
    std::vector<Attachment> attachments;
    std::string network_mode;
    std::vector<Published> published;
    std::vector<Port> exposed;
    std::map<std::string, std::string> labels;
    bool tty = false;  // Its output is one raw stream: see LogsPlan::tty.
    std::string stop_signal;
    std::optional<Duration> stop_timeout;
};

struct Listed {
    std::string id;
    std::vector<std::string> names;  // Without slashes in front.
    std::string image, image_id;
    ContainerState state = ContainerState::unknown;
    std::string status;  // For people: "Up 2 hours (healthy)".
    std::map<std::string, std::string> labels;
    std::optional<Utc> created;
    std::vector<Published> published;
};

struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

struct PullProgress {
    std::string layer;   // Of which layer (its short id, or the tag); "": of the pull.
    std::string status;  // "Downloading", "Pull complete", "Already exists" ...
    std::uint64_t done = 0, total = 0;  // Bytes; total 0: not told.
};

struct Pulled {
    std::string digest;  // "sha256:..."; "" when the engine told none.
    std::string status;  // "Status: Image is up to date for ..."
};

enum class Source : std::uint8_t { output, errors };  // With a tty all of it is output.

struct ExecDone {
    std::int64_t exit_code = 0;
    std::string output, errors;
    bool truncated = false;  // There was more than the limit.
};

struct Exited {
    std::int64_t exit_code = 0;
    std::string error;
};

struct NetworkMember {
    std::string container_id, name;
    std::optional<Ip> ip;
};

struct NetworkFacts {
    std::string id, name, driver;
    bool internal = false;
    std::map<std::string, std::string> labels;
    std::vector<NetworkMember> members;
};

enum class EventKind : std::uint8_t {
    other,
    create,
    start,
    restart,
    die,
    oom,
    health_status,
    stop,
    kill,
    pause,
    unpause,
    rename,
    update,
    destroy,
};
std::string_view text(EventKind kind);

// Something happened to a container.
struct Event {
    EventKind kind = EventKind::other;
    std::string action;  // As the engine says it.
    std::string id;
    std::string name, image;
    std::map<std::string, std::string> labels;  // Attributes that are not the event's own.
    std::optional<std::int64_t> exit_code;      // die
    HealthStatus health = HealthStatus::none;   // health_status
    std::string signal;                         // kill
    std::string old_name;                       // rename
    std::optional<Utc> at;
};

}  // namespace hale::docker
