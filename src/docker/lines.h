// A stream of lines, one JSON document each, out of bytes split anywhere. Empty lines are passed over.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hale::docker {

class Lines {
public:
    explicit Lines(std::size_t most) : most_(most) {}

    enum class Step : std::uint8_t { more, line, too_long };
    // Takes from the front of `bytes` until a line is whole, which then points into `bytes` or into this until the next call.
    // Call again until `more`. After `too_long` no more.
    Step next(std::string_view& bytes, std::string_view& line);
    // At the end of the stream: the last line when it had no end of its own; often "".
    std::string_view rest() const;

private:
    std::size_t most_;
    std::string begun_;
    bool told_ = false;  // What is in begun_ was handed out.
};

}  // namespace hale::docker
