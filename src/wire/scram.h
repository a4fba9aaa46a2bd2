// SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), as a pure machine: the nonce is handed in, no socket is
// touched. The server proves that it knows the password too.
//
//   first() ──▶ server-first ──▶ final() ──▶ server-final ──▶ confirm()
//
// Passwords are taken as they are, without SASLprep: PostgreSQL does the same with what SASLprep refuses, and for ASCII
// there is no difference.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hale::wire {

using Sha256 = std::array<unsigned char, 32>;

// What the password becomes with the server's salt. Worth keeping: it costs thousands of hashes.
struct ScramKeys {
    Sha256 client{}, stored{}, server{};
    bool operator==(const ScramKeys&) const = default;
};

// Needs: iterations at least 1. Fails when the library refuses.
Result<ScramKeys> scram_keys(std::string_view password, std::string_view salt, std::uint32_t iterations);

class Scram {
public:
    // PostgreSQL's own default is 4096. A server that asks for more than this would have us work for it.
    static constexpr std::uint32_t most_iterations = 200'000;
    static constexpr std::size_t most_salt_bytes = 1024;
    static constexpr std::size_t most_message_bytes = 4096;

    // `nonce`: printable ASCII without a comma, unguessable, new each time. PostgreSQL ignores `user` here: it knows
    // the name from the startup.
    Scram(std::string_view user, std::string_view nonce);

    // "n,,n=,r=…": no channel binding.
    std::string first() const { return "n,," + first_bare_; }

    struct Challenge {
        std::string nonce;  // Both parts.
        std::string salt;   // Raw.
        std::uint32_t iterations = 0;
    };
    Result<Challenge> challenge(std::string_view server_first);
    // Needs: challenge() succeeded; `keys` are of its salt and iterations.
    Result<std::string> final(const ScramKeys& keys);
    // Does the server know the password? A server's own error ("e=…") is told in its words.
    Result<> confirm(std::string_view server_final) const;

private:
    std::string nonce_;
    std::string first_bare_;
    std::string server_first_;
    std::string whole_nonce_;
    Sha256 expected_{};
};

// "md5" and 32 hex digits: PostgreSQL's older way. Fails where MD5 is switched off.
Result<std::string> postgres_md5(std::string_view user, std::string_view password, std::string_view salt);

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace hale::wire
