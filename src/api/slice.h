// How much of a long answer is made before others get a turn.

#pragma once

#include <cstddef>
#include <string>

#include "io/loop.h"

namespace hale::api {

inline constexpr Duration longest_slice = 250us;
inline constexpr std::size_t most_rows_per_slice = 512;  // Looked at, told or not; the clock is asked every 16.

class Slice {
public:
    Slice(const io::Loop& loop, const std::string& out, std::size_t most) : loop_(loop), out_(out), most_(most), until_(loop.fresh_now() + longest_slice) {}
    // Ask before each row.
    bool over() {
        if (out_.size() >= most_ || ++rows_ > most_rows_per_slice) return true;
        return rows_ % 16 == 0 && loop_.fresh_now() >= until_;
    }

private:
    const io::Loop& loop_;
    const std::string& out_;
    std::size_t most_;
    std::size_t rows_ = 0;
    Instant until_;
};

}  // namespace hale::api
