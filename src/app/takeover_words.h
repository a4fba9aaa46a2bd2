// What the two processes of an upgrade say to each other: one datagram a word, the protocol's version first, tabs
// between the parts of a line. Both sides may be of different versions of Hale, so nothing is taken on trust.
//
//   hale-takeover 1 sockets
//   http  127.0.0.1:80  ours        (role, as declared, whose file: one line for each descriptor that comes with it)

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/listening.h"

namespace hale::app {

inline constexpr int takeover_version = 1;
inline constexpr std::size_t most_takeover_lines = 250;  // As many descriptors as a datagram carries.
inline constexpr std::size_t most_handed_sockets = 4'096;

struct TakeoverWord {
    std::string word;  // hello, sockets, offer, ready, take, serving, go, failed
    std::vector<std::vector<std::string>> lines;

    // The one part of the first line, or "".
    std::string_view first() const;
    bool operator==(const TakeoverWord&) const = default;
};

std::string takeover_text(const TakeoverWord& word);
// Code::invalid with a sentence that names what came; another version is told apart from garbage.
Result<TakeoverWord> parse_takeover(std::string_view text);

// A listening socket on its way: what it is for, and how the one who opened it had it declared.
struct RoleSocket {
    std::string role;      // As a key of `listen:`.
    std::string declared;  // "127.0.0.1:0", of which `listening.local` is the outcome; empty: a supervisor opened it.
    os::Listening listening;

    bool activated() const { return declared.empty(); }
};

}  // namespace hale::app
