// What the engine's machine has to have before containers are made, and what of it is not there: told before anything is
// touched, instead of by an engine halfway through. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/deploy_spec.h"
#include "docker/words.h"

namespace hale::deploy {

inline constexpr std::uint64_t least_free_disk = 64u << 20;  // Less is no room for logs, whatever the image takes.

struct Room {
    std::uint64_t memory_bytes = 0;                // Of the machine, in all; 0: it does not tell.
    std::string disk;                              // Where images and containers are kept,
    std::optional<std::uint64_t> free_disk_bytes;  // and what is free there; nothing: nobody here can tell.
    std::vector<docker::Listed> containers;        // All there are.
    std::vector<config::PublishedPort> taken;      // Of this machine, by somebody who listens there.
};

// Of one container.
struct Need {
    std::uint64_t memory = 0;  // 0: no limit is said.
    std::vector<config::PublishedPort> ports;
};

// One sentence for each; empty: nothing is missing.
std::vector<std::string> missing_room(const std::vector<Need>& containers, const Room& room);

}  // namespace hale::deploy
