// A deployment on a terminal, redrawn in place: its phases, and beneath them each instance with what is believed of it.
//
//   ● pulling     1.2 s
//   ◌ verifying   3.4 s of 30 s
//     web-12-1 10.0.0.7:3000   itself: pass   directly: none   GET http://10.0.0.7:3000/up: connect refused
//   · switching   10 s at most

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/surroundings.h"

namespace hale::cli {

inline constexpr Duration redraw_every = 250ms;

std::string_view mark_of(const std::string& phase);

// The lines for a record as it is at `now`, none wider than `columns` and not more than `rows`. Pure.
std::vector<std::string> progress_lines(const Json& record, Utc now, std::size_t columns, std::size_t rows, bool colour);

// Draws lines over those that it drew before.
class LiveLines {
public:
    explicit LiveLines(Surroundings& around) : around_(around) {}
    void draw(const std::vector<std::string>& lines);
    // Nothing is left of them.
    void wipe();

private:
    Surroundings& around_;
    std::vector<std::string> shown_;
};

// Is it a terminal that can do that?
bool draws_live(const Invocation& asked, const Surroundings& around);

}  // namespace hale::cli
