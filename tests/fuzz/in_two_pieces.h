// Readers that take what comes piece by piece, tried with the pieces cut anywhere.

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace hale::fuzz {

template <class Item>
struct ReadOut {
    std::vector<Item> items;
    std::string_view why;
    bool operator==(const ReadOut&) const = default;
};

// What `reader` makes of the text, given up to `cut` first and then the rest. `Status`: its enum, with bad and more.
template <class Status, class Reader>
auto read_in_two_pieces(Reader reader, std::string_view text, std::size_t cut) {
    ReadOut<decltype(reader.take())> out;
    for (std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
        while (!piece.empty()) {
            const auto step = reader.read(piece);
            HALE_CHECK(step.consumed > 0 && step.consumed <= piece.size());
            piece.remove_prefix(step.consumed);
            if (step.status == Status::bad) return out.why = step.why, out;
            if (step.status == Status::more) break;
            out.items.push_back(reader.take());
        }
    }
    return out;
}

}  // namespace hale::fuzz
