// Bearer tokens: only their SHA-256 is kept. Making one takes randomness that was given (os::secret_bytes).

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/journal.h"
#include "guard/role.h"

namespace hale::guard {

inline constexpr std::size_t token_random_bytes = 32;
inline constexpr std::size_t most_tokens = 10'000;
inline constexpr std::size_t most_secret_bytes = 4 * 1024;

struct NewToken {
    std::string secret;  // "hale_" and 64 hex digits: shown once, stored nowhere.
    config::StoredToken stored;
};
// `random`: token_random_bytes of them, fit for secrets.
NewToken make_token(std::string name, Role role, std::string_view random, Utc created,
                    std::optional<Utc> expires = std::nullopt);

// In a time that does not depend on where they differ.
bool equal_secrets(std::string_view a, std::string_view b);

class Tokens {
public:
    void set(std::vector<config::StoredToken> tokens) { tokens_ = std::move(tokens); }
    void put(config::StoredToken token);
    void remove(std::string_view name);

    // Null: unknown, or expired at `now`.
    const config::StoredToken* find(std::string_view secret, Utc now) const;
    const config::StoredToken* named(std::string_view name) const;
    const std::vector<config::StoredToken>& all() const { return tokens_; }

private:
    std::vector<config::StoredToken> tokens_;
};

}  // namespace hale::guard
