#include "api/stopped.h"

#include <fmt/format.h>

namespace hale::api {

namespace {

constexpr std::int64_t of_signals = 128;  // A shell's way to tell which signal ended a program.

std::string ended_with(std::int64_t code) {
    switch (code) {
        case 126: return "exit code 126: its program can't be run";
        case 127: return "exit code 127: its program is not there";
        case 137: return "exit code 137: killed (SIGKILL)";
        case 139: return "exit code 139: it crashed (SIGSEGV)";
        case 143: return "exit code 143: terminated (SIGTERM)";
        default: break;
    }
    if (code > of_signals && code <= of_signals + 64) return fmt::format("exit code {}: ended by signal {}", code, code - of_signals);
    return fmt::format("exit code {}", code);
}

std::string_view code_of(std::int64_t code) {
    if (code == 0) return "ended";
    if (code == 137) return "killed";
    if (code == 143) return "terminated";
    return code > of_signals && code <= of_signals + 64 ? "signal" : "failed";
}

}  // namespace

std::optional<Stopped> stopped_of(const docker::Inspected& container, AsInstance instance) {
    using enum docker::ContainerState;
    if (container.state != exited && container.state != dead && container.state != created) return std::nullopt;
    if (!container.error.empty()) return Stopped{"error", fmt::format("the engine says: {}", container.error)};
    if (container.state == created) return Stopped{"created", "it was never started"};
    if (container.oom_killed) return Stopped{"oom", fmt::format("it ran out of memory ({})", ended_with(container.exit_code))};
    if (!instance.known && instance.replaced) return Stopped{"by_hale", fmt::format("stopped by hale: a newer version took its place, and it is kept for the way back ({})", ended_with(container.exit_code))};
    if (instance.draining) return Stopped{"by_hale", fmt::format("stopped by hale: hale instance start {} brings it back ({})", container.name, ended_with(container.exit_code))};
    return Stopped{code_of(container.exit_code), ended_with(container.exit_code)};
}

}  // namespace hale::api
