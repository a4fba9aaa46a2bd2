// What people ask about containers by hand, and what they are told: the values that go between api and deploy/at_hand.h.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "docker/words.h"

namespace hale::deploy {

// ---- Seeing ----

struct ContainerNow {
    docker::Inspected container;
    std::string digest;  // Of its image, as a registry knows it; empty when none does.
};
using ContainersReply = std::move_only_function<void(Result<std::vector<ContainerNow>>)>;

// ---- A command inside ----

inline constexpr Duration usual_command_time = 60s, longest_command_time = 10min;

struct CommandRequest {
    std::string container;
    std::vector<std::string> command;
    std::string user, folder;  // Empty: the container's.
    Duration within = usual_command_time;
};
using CommandReply = std::move_only_function<void(Result<docker::ExecDone>)>;

// ---- Stopping and starting ----

inline constexpr Duration shortest_turn = 5s, usual_turn = 2min, longest_turn = 1h;

enum class HandVerb : std::uint8_t { stop, start, restart };
std::string_view text(HandVerb verb);

struct HandRequest {
    HandVerb verb = HandVerb::restart;
    std::string service, instance;  // Names.
    bool force = false;             // The last eligible one, too.
    Duration within = usual_turn;
    std::string actor, action;      // For the audit.
};

struct HandDone {
    std::string instance;
    std::string state;    // Of the container: "running", "exited".
    std::string address;  // Where it answers; empty when it is stopped.
    bool moved = false;   // It came up at another address.
    bool eligible = false;
    std::int64_t exit_code = 0;  // Of a stopped one.
    double seconds = 0;
};
using HandReply = std::move_only_function<void(Result<HandDone>)>;

// ---- What they write ----

inline constexpr std::uint32_t most_tail = 100'000;

struct LogsRequest {
    std::string service, container;  // One of them.
    std::uint32_t tail = 100;        // Of each.
    bool follow = false;
    std::optional<Utc> since;
};

struct LogsHearing {
    // The containers that are read; an error: nothing more is told.
    std::move_only_function<void(Result<std::vector<std::string>>)> begun;
    // Lines of JSON: {"container","source","at","line"}, or {"container","error"} where one can't be read any more.
    std::move_only_function<void(std::string)> more;
    std::move_only_function<void()> ended;
};

// Destroying it ends the reading.
class LogsReader {
public:
    virtual ~LogsReader() = default;
    // So much of what was told has been taken: until then the engine waits once there is too much.
    virtual void taken(std::size_t bytes) = 0;
};

}  // namespace hale::deploy
