// What it takes to make a container once more, the same in everything but its id, its address and what it wrote. Pure.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hale::docker {

// Holds the container's secrets: never logged, never shown.
struct Recreation {
    std::string body;  // Of the request that makes it.
};

// From the engine's answer about the container. Of the same image, even if its name means another one by now. Code::invalid for
// one in several networks, which no one request makes.
Result<Recreation> read_recreation(std::string_view inspected);

}  // namespace hale::docker
