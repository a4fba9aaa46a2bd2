// What is said to the service manager that started us (sd_notify(3)), and what it said: our own few lines of its
// protocol, so that no library of systemd is needed. Without one everything here does nothing.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace hale::os {

class Supervisor {
public:
    // `address`: NOTIFY_SOCKET: a path, or "@" and an abstract name; null or empty: nobody listens.
    explicit Supervisor(const char* address);

    bool there() const { return !address_.empty(); }
    // "READY=1\nSTATUS=serves 3 services", one datagram. Never waits. Lost when nobody takes it: told by the Result.
    Result<> tell(std::string_view state) const;

private:
    std::string address_;
};

// How often it wants a sign of life (WATCHDOG_USEC); nothing: never, or another process is meant.
std::optional<Duration> watchdog_interval(const char* usec, const char* pid);

}  // namespace hale::os
