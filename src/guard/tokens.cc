#include "guard/tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/check.h"

namespace hale::guard {

namespace {
void append_hex(std::string& out, std::span<const unsigned char> bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    for (const unsigned char byte : bytes) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}
}  // namespace

std::string sha256_hex(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HALE_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    std::string out;
    append_hex(out, {digest.data(), size});
    return out;
}

bool equal_secrets(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

NewToken make_token(std::string name, Role role, std::string_view random, Utc created,
                    std::optional<Utc> expires) {
    NewToken made;
    made.secret = "hale_";
    HALE_CHECK(random.size() == token_random_bytes);
    append_hex(made.secret, {reinterpret_cast<const unsigned char*>(random.data()), random.size()});
    made.stored = {std::move(name), sha256_hex(made.secret), std::string(to_text(role)), created, expires};
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
    const std::string hash = sha256_hex(secret);
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
