// What the daemon and its spawn helper say to each other: frames of a 32-bit length and fields in the
// machine's own byte order, because both ends are one program.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/blocking.h"

namespace hale::os {

inline constexpr std::size_t spawn_frame_limit = 1024 * 1024;

struct SpawnOrder {
    std::uint64_t id = 0;
    io::SpawnRequest request;
    bool converses = false;  // With the first of its bytes comes a descriptor: the child's input and output.
};

struct SpawnReport {
    std::uint64_t id = 0;
    Result<io::SpawnResult> result;
};

// Nothing when it would be longer than a frame may be.
std::optional<std::string> frame(const SpawnOrder& order);
std::string frame(const SpawnReport& report);

std::optional<SpawnOrder> read_order(std::string_view body);
std::optional<SpawnReport> read_report(std::string_view body);

enum class FrameState { whole, partial, broken };
// Takes the next whole frame's body off the front of `buffer`.
FrameState take_frame(std::string& buffer, std::string& body);

}  // namespace hale::os
