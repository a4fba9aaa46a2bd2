// An answer's body as JSON, parsed once; hostile bodies are errors with a word, never more. simdjson stays
// behind this header.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "expect/number.h"
#include "expect/program.h"

namespace hale::expect {

inline constexpr std::size_t max_json_depth = 256;

class JsonBody {
public:
    struct Field {
        enum class Kind : std::uint8_t { missing, null, boolean, number, text, array, object };
        Kind kind = Kind::missing;
        bool boolean = false;
        Number number;
        std::string_view text;  // Of a text; lives as long as the body.
        std::size_t count = 0;  // Of an array's elements.
        std::string packed;     // Of an array or object: JSON without blanks.
    };

    explicit JsonBody(std::string_view text);
    JsonBody(JsonBody&&) noexcept;
    ~JsonBody();

    std::string_view error() const { return error_; }  // Empty: it is JSON.
    Field at(std::span<const Step> path) const;        // Missing too when it is not JSON.

private:
    struct Parsed;
    std::unique_ptr<Parsed> parsed_;
    std::string_view error_;
};

}  // namespace hale::expect
