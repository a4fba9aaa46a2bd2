// What a Docker Engine is asked for, as values; docker/requests.h writes them down.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "docker/words.h"

namespace hale::docker {

struct RegistryAuth {
    std::string user, password;  // Secrets: never part of a message.
    std::string server;          // "registry.example:5000"; "": Docker Hub.
    std::string identity_token;  // Instead of user and password.

    bool empty() const { return user.empty() && password.empty() && identity_token.empty(); }
};

struct PullPlan {
    std::string image;     // "web", "registry:5000/team/web:2", "web@sha256:..."; without tag and digest it is latest.
    std::string platform;  // "linux/arm64"; "": the engine's.
    RegistryAuth auth;
};

struct Mount {
    enum class Kind : std::uint8_t { bind, volume, tmpfs };
    Kind kind = Kind::volume;
    std::string source;  // A path of the engine's machine, or a volume's name; none for tmpfs.
    std::string target;
    bool read_only = false;
};

struct Publish {
    Port port;             // Inside.
    std::string host_ip;   // "": every address.
    std::uint16_t host_port = 0;  // 0: any free one.
};

struct RestartPolicy {
    enum class Kind : std::uint8_t { no, always, unless_stopped, on_failure };
    Kind kind = Kind::no;
    std::uint32_t most_retries = 0;  // on_failure; 0: no limit.
};

struct ContainerPlan {
    std::string name;  // "": the engine makes one up.
    std::string image;
    std::map<std::string, std::string> environment;
    std::map<std::string, std::string> labels;
    std::optional<std::vector<std::string>> command, entrypoint;  // Nothing: the image's.
    std::string user, working_folder, host_name;
    std::vector<Mount> mounts;
    std::vector<Publish> ports;
    std::string network;  // Name or id, "host", "none"; "": the engine's default bridge.
    std::vector<std::string> aliases;  // In that network; needs one of its own, not the default bridge.
    std::vector<std::string> extra_hosts;  // "name:10.0.0.1"
    std::uint64_t memory_bytes = 0;  // 0: no limit.
    double processors = 0;           // 1.5; 0: no limit.
    RestartPolicy restart;
    std::string stop_signal;  // "": the image's.
    std::optional<Duration> stop_timeout;
    std::optional<HealthCheck> health_check;  // Nothing: the image's.
    bool init = false;  // A small init as first process.
    bool tty = false;
    bool read_only = false;
};

struct RemovePlan {
    bool force = false;    // Kills what runs.
    bool volumes = false;  // Anonymous ones go with it.
};

struct LogsPlan {
    std::uint32_t tail = 100;
    bool follow = false;
    bool timestamps = false;
    bool tty = false;  // As Inspected::tty says: whether the answer is framed depends on it.
    std::optional<Utc> since;
};

struct ExecPlan {
    std::vector<std::string> command;
    std::map<std::string, std::string> environment;
    std::string user, working_folder;
};

struct NetworkPlan {
    std::string name;
    std::string driver = "bridge";
    bool internal = false;
    std::map<std::string, std::string> labels;
};

// Labels all must hold: "key" or "key=value".
struct EventsPlan {
    std::vector<std::string> labels;
    std::optional<Utc> since;  // What happened since and is still remembered (256 events) is told first.
};

}  // namespace hale::docker
