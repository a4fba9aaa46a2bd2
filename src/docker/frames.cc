#include "docker/frames.h"

#include <algorithm>

namespace hale::docker {

Frames::Piece Frames::next(std::string_view& bytes) {
    while (!bytes.empty()) {
        if (left_ > 0) {
            const std::string_view some = bytes.substr(0, left_);
            bytes.remove_prefix(some.size());
            left_ -= static_cast<std::uint32_t>(some.size());
            return {.step = kind_ == 3 ? Step::engine : Step::piece, .source = kind_ == 2 ? Source::errors : Source::output, .bytes = some};
        }
        header_[had_++] = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        // Input that is echoed (0), output, errors, the engine; then three zeros.
        if (had_ == 1 && header_[0] > 3) return {.step = Step::bad};
        if (had_ > 1 && had_ <= 4 && header_[had_ - 1] != 0) return {.step = Step::bad};
        if (had_ < header_.size()) continue;
        had_ = 0;
        kind_ = header_[0];
        left_ = std::uint32_t{header_[4]} << 24 | std::uint32_t{header_[5]} << 16 | std::uint32_t{header_[6]} << 8 | header_[7];
    }
    return {};
}

}  // namespace hale::docker
