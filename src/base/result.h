// Results and errors. House code never throws: what can fail returns Result<T>, and whoever can act on
// the failure branches on the code or shows the sentence.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace hale {

// A code exists only where some caller branches on it; the sentence carries everything else.
enum class Code : std::uint8_t {
    invalid,       // The caller's input is wrong; the sentence says where and what is allowed.
    not_found,     // No such object.
    conflict,      // It exists already, or is owned by somebody else.
    outdated,      // The caller goes by a revision that is not the object's any more.
    denied,        // Not authenticated or not allowed.
    timed_out,     // A deadline passed.
    unavailable,   // A peer, a store or a resource is not there now; trying later may help.
    corrupt,       // Stored state can't be trusted.
    exhausted,     // One of our own limits was reached.
    upgrading,     // A new process takes over right now; trying again in a moment helps.
    internal,      // Our fault.
};

// `text` is one sentence for the operator: what was attempted, on what, what happened, what to try.
struct Error {
    Code code = Code::internal;
    std::string text;
    int system = 0;  // errno where there was one, else 0.
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string text, int system = 0) {
    return std::unexpected(Error{code, std::move(text), system});
}

// "connect refused" rather than "Connection refused (111)": lower case, no number.
std::string system_text(int error_number);

}  // namespace hale

#define HALE_JOIN_(a, b) a##b
#define HALE_JOIN(a, b) HALE_JOIN_(a, b)

// HALE_TRY(expr): returns the error of a Result<void>.
#define HALE_TRY(expr)                                                          \
    if (auto hale_result_ = (expr); !hale_result_) return std::unexpected(std::move(hale_result_.error()))

// HALE_ASSIGN(auto x, expr): declares or assigns x from a Result, or returns its error.
#define HALE_ASSIGN(target, expr)                                                                                  \
    auto HALE_JOIN(hale_result_, __LINE__) = (expr);                                                               \
    if (!HALE_JOIN(hale_result_, __LINE__)) return std::unexpected(std::move(HALE_JOIN(hale_result_, __LINE__).error())); \
    target = std::move(*HALE_JOIN(hale_result_, __LINE__))
