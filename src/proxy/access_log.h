// The access log of one worker: one JSON object per request, appended to one buffer by hand and handed to the
// sink when 32 KiB are full or a second has passed. No allocation in the steady state, no formatting library:
// a line must stay far below a microsecond.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "proxy/answered.h"

namespace hale::proxy {

// Where finished lines go: a file, standard output. Implemented by `app`; called on the worker's thread.
class LogSink {
public:
    virtual ~LogSink() = default;
    // Whole lines. False: they are lost, and counted by the caller.
    virtual bool write(std::string_view lines) = 0;
    // The file was moved away: open it anew.
    virtual void reopen() = 0;
};

// Everything about a finished exchange. `request` was prepared by start_request while the head was at hand.
struct LogLine {
    Utc time{};  // Of the end.
    std::string_view client;
    std::string_view request;
    std::uint16_t status = 0;  // 0: the client went away before an answer began.
    bool aborted = false;      // The answer did not reach its end.
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    Duration duration{};
    std::string_view service;
    std::string_view route;
    std::string_view instance;
    std::string_view upstream;
    std::uint32_t version = 0;  // Of the verdict that made the instance eligible.
    std::uint64_t revision = 0;
    std::string_view request_id;
    Answered reason = Answered::none;
    std::uint32_t retries = 0;
    bool panic = false;
};

class AccessLog {
public:
    static constexpr std::size_t flush_bytes = 32 * 1024;
    static constexpr std::size_t most_target_bytes = 2 * 1024;  // Of a logged path and query.

    explicit AccessLog(LogSink* sink) : sink_(sink) {}

    bool on() const { return sink_ != nullptr; }
    // `"method":…,"host":…,"path":…` with secret query values hidden.
    static void start_request(std::string& out, std::string_view method, std::string_view host, std::string_view target);
    void add(const LogLine& line);
    void flush();
    void reopen();

    std::uint64_t lines() const { return lines_; }
    std::uint64_t dropped() const { return dropped_; }

private:
    void append_time(Utc at);

    LogSink* sink_;
    std::string buffer_;
    std::uint64_t lines_ = 0;
    std::uint64_t waiting_ = 0;  // Lines in the buffer.
    std::uint64_t dropped_ = 0;
    std::int64_t second_ = -1;  // That time_text_ spells.
    std::string time_text_;
};

}  // namespace hale::proxy
