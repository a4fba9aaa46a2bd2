// `deploy:` as read: how the containers of a service are made, how long each phase of a deployment may take, and what is
// asked of a new version before it stays. Whoever carries deployments out reads this and nothing of the file.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace hale::config {

enum class Pull : std::uint8_t { missing, always, never };
enum class Restart : std::uint8_t { no, always, unless_stopped, on_failure };
enum class PreExisting : std::uint8_t { fail, accept };
std::string_view to_text(Pull pull);
std::string_view to_text(Restart restart);
std::string_view to_text(PreExisting pre_existing);

// A variable of the containers' environment.
struct EnvValue {
    std::string name, value;
    bool secret = false;  // Never shown: one of `secrets`, or its name looks it, or a variable that does is in it.
    bool operator==(const EnvValue&) const = default;
};

// A volume of the engine, or a directory of the host, as a directory of the container.
struct Mount {
    std::string source;  // The volume's name, or an absolute path of the host.
    std::string path;    // Inside the container, absolute.
    bool read_only = false;
    bool of_host() const { return source.starts_with('/'); }
    std::string text() const;  // "data:/var/lib/data:ro"
    bool operator==(const Mount&) const = default;
};

// A port of the host that leads to one of the container.
struct PublishedPort {
    std::string ip;  // Of the host; empty: all of them.
    std::uint16_t host = 0;
    std::uint16_t container = 0;
    bool udp = false;
    std::string text() const;  // "127.0.0.1:8080:80/udp"
    bool operator==(const PublishedPort&) const = default;
};

// The HEALTHCHECK that containers run inside themselves.
struct ContainerHealth {
    enum class From : std::uint8_t { image, none, command };  // As the image says; switched off; or the command below.
    From from = From::image;
    std::vector<std::string> command;
    bool shell = false;  // One text, for the container's shell.
    Duration interval = 30s;
    Duration timeout = 30s;
    Duration start_period{};
    std::uint32_t retries = 3;
    bool operator==(const ContainerHealth&) const = default;
};

// How long each phase may take.
struct DeployDeadlines {
    Duration pulling = 5min;
    Duration creating = 30s;
    Duration starting = 60s;
    std::optional<Duration> verifying;  // Not set: computed from the checks.
    std::optional<Duration> draining;   // Not set: Settings::drain_timeout.
    bool operator==(const DeployDeadlines&) const = default;
};

// How long the new version is watched with all the traffic before the old one is retired.
struct Bake {
    Duration duration{};  // 0: it is not.
    double max_error_ratio = 0.05;
    std::uint32_t min_requests = 20;  // Fewer than these prove nothing.
    Duration max_p95{};               // 0: it is not looked at.
    bool operator==(const Bake&) const = default;
};

struct HookHeader {
    std::string name, value;
    bool secret = false;
    bool operator==(const HookHeader&) const = default;
};

// Asked or run before anything is made, or after the switch. Either `url` or `exec`.
struct DeployHook {
    std::string url;
    std::vector<std::string> exec;
    Duration timeout = 30s;
    std::string_view method = "POST";  // POST, PUT or GET.
    std::vector<HookHeader> headers;
    std::uint16_t status = 0;  // The one that is yes; 0: 2xx.
    bool operator==(const DeployHook&) const = default;
};

struct DeploySpec {
    static constexpr std::uint32_t most_replicas = 64;
    static constexpr std::uint32_t most_retained = 20;
    static constexpr std::size_t most_hooks = 8;
    static constexpr std::size_t most_needs = 32;

    std::string image;  // Empty: each deployment says its own.
    Pull pull = Pull::missing;
    std::uint32_t replicas = 1;
    std::uint16_t port = 0;  // Inside the container, of traffic and checks; 0: the only one its image exposes.
    std::vector<std::string> command;     // Empty: the image's.
    std::vector<std::string> entrypoint;  // Likewise.
    std::vector<EnvValue> env;
    std::vector<EnvValue> secrets;          // Variables too, of other names than those in `env`.
    std::vector<std::string> required_env;  // Must be set, here or by the image, and not empty.
    std::vector<std::string> needs;         // Services, and addresses as instances have them: there before anything is made.
    std::vector<Mount> volumes;
    std::vector<PublishedPort> ports;
    std::string network;  // Empty: see network_of.
    std::vector<std::string> aliases;  // Names on that network.
    std::uint64_t memory = 0;  // Bytes; 0: no limit.
    double cpus = 0;           // 0: no limit.
    Restart restart = Restart::unless_stopped;
    std::string stop_signal;  // "SIGTERM"; empty: the image's.
    Duration stop_timeout = 30s;
    std::string user;  // Empty: the image's.
    std::vector<std::pair<std::string, std::string>> labels;  // None begins with "hale.".
    ContainerHealth health;
    std::uint32_t retain = 5;  // Old versions that stay, stopped, for an instant way back.
    DeployDeadlines deadlines;
    Bake bake;
    PreExisting pre_existing = PreExisting::fail;
    std::vector<DeployHook> before;  // Anything is made.
    std::vector<DeployHook> after;   // The switch.
    std::uint32_t max_healthy_percent = 200;
    std::uint32_t min_healthy_percent = 100;
    std::uint32_t breaker = 0;  // So many containers may fail; 0: the first failure is the end,
    bool breaker_auto = false;  // or as many as rollout::automatic_breaker says.
    bool operator==(const DeploySpec&) const = default;

    std::string network_of(std::string_view service) const;  // What it says, else "<service>-network".
};

// Who one comes to a registry as.
struct RegistryLogin {
    std::string host;  // "registry.example", "ghcr.io", "localhost:5000"
    std::string username, password;
    bool operator==(const RegistryLogin&) const = default;
};

}  // namespace hale::config
