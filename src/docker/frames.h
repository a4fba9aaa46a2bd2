// The framing of output without a tty: 8 bytes that say whose bytes follow and how many. Nothing is kept but a header that came
// in part; a frame may be of any size.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "docker/words.h"

namespace hale::docker {

class Frames {
public:
    enum class Step : std::uint8_t {
        more,
        piece,   // Bytes of the container.
        engine,  // Bytes of the engine itself: why the stream is about to break.
        bad,     // That is no framing.
    };
    struct Piece {
        Step step = Step::more;
        Source source = Source::output;
        std::string_view bytes;  // Of the input.
    };

    // Takes from the front of `bytes`. Call again until `more`. After `bad` no more.
    Piece next(std::string_view& bytes);
    // Between two frames: where a stream may end.
    bool whole() const { return had_ == 0 && left_ == 0; }

private:
    std::array<unsigned char, 8> header_{};
    std::size_t had_ = 0;  // Bytes of the header in hand.
    std::uint32_t left_ = 0;
    std::uint8_t kind_ = 0;
};

}  // namespace hale::docker
