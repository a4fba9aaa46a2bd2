// Why a container does not run: from how it ended, and from what Hale did. Pure.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "docker/words.h"

namespace hale::api {

struct Stopped {
    std::string_view code;  // oom, error, by_hale, killed, terminated, signal, failed, ended, created
    std::string text;
};

struct AsInstance {
    bool known = false;     // The catalog has it.
    bool draining = false;  // And gives it no new requests.
    bool replaced = false;  // A later deployment of what it belongs to is done.
};

// Nothing: it runs, or is about to.
std::optional<Stopped> stopped_of(const docker::Inspected& container, AsInstance instance);

}  // namespace hale::api
