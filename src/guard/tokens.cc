#include "guard/tokens.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hex.h"
#include "config/digest.h"

namespace hale::guard {

bool equal_secrets(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

NewToken make_token(std::string name, Role role, std::string_view random, Utc created,
                    std::optional<Utc> expires) {
    NewToken made;
    made.secret = "hale_";
    HALE_CHECK(random.size() == token_random_bytes);
    made.secret += hex({reinterpret_cast<const unsigned char*>(random.data()), random.size()});
    made.stored = {std::move(name), config::sha256_hex(made.secret), std::string(to_text(role)), created, expires};
    return made;
}

void Tokens::put(config::StoredToken token) {
    remove(token.name);
    tokens_.push_back(std::move(token));
}

void Tokens::remove(std::string_view name) {
    std::erase_if(tokens_, [&](const auto& token) { return token.name == name; });
}

const config::StoredToken* Tokens::find(std::string_view secret, Utc now) const {
    if (secret.empty() || secret.size() > most_secret_bytes) return nullptr;
    const std::string hash = config::sha256_hex(secret);
    const config::StoredToken* found = nullptr;
    for (const auto& token : tokens_)  // All of them, so that the time says nothing about which.
        if (equal_secrets(token.sha256, hash)) found = &token;
    if (found != nullptr && found->expires && *found->expires <= now) return nullptr;
    return found;
}

const config::StoredToken* Tokens::named(std::string_view name) const {
    const auto found = std::ranges::find(tokens_, name, &config::StoredToken::name);
    return found == tokens_.end() ? nullptr : &*found;
}

}  // namespace hale::guard
