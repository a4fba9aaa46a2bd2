// What containers write, as it comes or as it was: of one container, or of all that a service has. Told as JSON, one line for
// each of theirs; a reader who is slow makes the engine wait, and nothing piles up here.
//
//   find the containers ──▶ begun ──▶ more, more … (never more than `most_unread` that was not taken) ──▶ ended
//
// Everything on the engine's loop; destroying it ends it unheard. The hearing may not destroy it while it is told something.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "deploy/by_hand.h"
#include "deploy/calls.h"

namespace hale::deploy {

inline constexpr std::size_t most_unread = 256u << 10;      // Bytes that were told and not taken.
inline constexpr std::size_t most_log_line = 16u << 10;     // What is longer is told as several lines.
inline constexpr std::size_t most_read_at_once = 32;        // Containers.
inline constexpr Duration logs_patience = 10min;            // For output that has an end, with a slow reader too.

// One container's output as lines. Pure.
class LogLines {
public:
    explicit LogLines(std::string container) : container_(std::move(container)) {}

    // Appends the JSON of each line that is whole.
    void take(docker::Source source, std::string_view bytes, std::string& out);
    void end(std::string& out);  // The last line, when it had no end.

private:
    void tell(docker::Source source, std::string_view line, std::string& out) const;

    std::string container_;
    std::string begun_[2];  // Of output and errors.
};
std::string log_trouble(std::string_view container, std::string_view text);

class Logs {
public:
    Logs(docker::Engine& engine, LogsRequest request, LogsHearing hearing);

    void start();
    // So much of what was told has been taken.
    void taken(std::size_t bytes);

private:
    struct Reading {
        explicit Reading(std::string container) : name(container), lines(std::move(container)) {}
        std::string name;
        LogLines lines;
        docker::Call call;
        bool over = false;
    };
    void found(const docker::Inspected& container);
    void look_at_next();
    void begin();
    void read(Reading& reading);
    void over(Reading& reading, Result<> how);
    void tell(std::string text);

    Calls calls_;
    const LogsRequest request_;
    LogsHearing hearing_;
    std::deque<std::string> names_;  // To be looked at.
    struct Known {
        std::string name;
        bool tty = false;
    };
    std::vector<Known> known_;
    std::vector<std::unique_ptr<Reading>> readings_;
    std::size_t next_ = 0;  // Of known_: not read yet.
    std::size_t unread_ = 0;
    bool paused_ = false;
};

}  // namespace hale::deploy
