// Exit codes (semantics §9). Two conventions: verbs that report health speak as Nagios plugins do, all others say
// how the command itself ended.

#pragma once

namespace hale::cli::exits {

inline constexpr int ok = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int no_such = 3;  // No such object, or nobody knows how it ended.
inline constexpr int not_allowed = 4;
inline constexpr int timed_out = 5;
inline constexpr int unreachable = 6;
inline constexpr int interrupted = 130;

inline constexpr int warning = 1;
inline constexpr int critical = 2;
inline constexpr int unknown = 3;

// 2 over 3 over 1 over 0.
constexpr int worse(int a, int b) {
    constexpr int rank[] = {0, 1, 3, 2};
    return rank[a] >= rank[b] ? a : b;
}

}  // namespace hale::cli::exits
