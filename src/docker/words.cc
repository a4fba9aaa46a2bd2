#include "docker/words.h"

#include <fmt/format.h>

namespace hale::docker {

std::string ApiVersion::text() const { return fmt::format("{}.{}", major, minor); }

std::string_view text(ContainerState state) {
    switch (state) {
        case ContainerState::unknown: return "unknown";
        case ContainerState::created: return "created";
        case ContainerState::running: return "running";
        case ContainerState::paused: return "paused";
        case ContainerState::restarting: return "restarting";
        case ContainerState::removing: return "removing";
        case ContainerState::exited: return "exited";
        case ContainerState::dead: return "dead";
    }
    return "";
}

std::string_view text(HealthStatus status) {
    switch (status) {
        case HealthStatus::none: return "none";
        case HealthStatus::starting: return "starting";
        case HealthStatus::healthy: return "healthy";
        case HealthStatus::unhealthy: return "unhealthy";
    }
    return "";
}

std::string_view text(EventKind kind) {
    switch (kind) {
        case EventKind::other: return "other";
        case EventKind::create: return "create";
        case EventKind::start: return "start";
        case EventKind::restart: return "restart";
        case EventKind::die: return "die";
        case EventKind::oom: return "oom";
        case EventKind::health_status: return "health_status";
        case EventKind::stop: return "stop";
        case EventKind::kill: return "kill";
        case EventKind::pause: return "pause";
        case EventKind::unpause: return "unpause";
        case EventKind::rename: return "rename";
        case EventKind::update: return "update";
        case EventKind::destroy: return "destroy";
    }
    return "";
}

}  // namespace hale::docker
