#include "wire/scram.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/hex.h"
#include "base/text.h"

namespace hale::wire {

namespace {

constexpr std::size_t least_nonce = 8;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
std::string_view view(const Sha256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

std::unexpected<Error> library_refuses(std::string_view what) {
    return fail(Code::internal, fmt::format("the TLS library can't compute {} here", what));
}

Result<Sha256> hmac(std::string_view key, std::string_view text) {
    Sha256 out{};
    unsigned length = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(), out.data(), &length) == nullptr || length != out.size())
        return library_refuses("HMAC-SHA-256");
    return out;
}

Result<Sha256> sha256(std::string_view text) {
    Sha256 out{};
    unsigned length = 0;
    if (EVP_Digest(text.data(), text.size(), out.data(), &length, EVP_sha256(), nullptr) != 1 || length != out.size())
        return library_refuses("SHA-256");
    return out;
}

Result<std::string> md5_hex(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_md5(), nullptr) != 1) return library_refuses("MD5");
    return hex({digest.data(), length});
}

// '=' and ',' have a meaning (RFC 5802 section 5.1).
std::string as_name(std::string_view user) {
    std::string out;
    for (const char c : user) {
        if (c == '=') out += "=3D";
        else if (c == ',') out += "=2C";
        else out += c;
    }
    return out;
}

// The attribute `name` at the head of `rest`, up to the comma that ends it.
std::optional<std::string_view> attribute(std::string_view& rest, char name) {
    if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
    const std::string_view value = rest.substr(2, rest.find(',') == std::string_view::npos ? std::string_view::npos : rest.find(',') - 2);
    rest.remove_prefix(std::min(rest.size(), 2 + value.size() + 1));
    return value;
}

std::unexpected<Error> no_scram(std::string_view why) { return fail(Code::corrupt, fmt::format("the server's SCRAM message {}", why)); }

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(bytes), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(length));
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0 || text.size() > Scram::most_message_bytes) return std::nullopt;
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/'; };
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    if (!std::ranges::all_of(text.substr(0, text.size() - padding), letter)) return std::nullopt;
    std::string out(text.size() / 4 * 3, '\0');
    if (text.empty()) return out;
    if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(text), static_cast<int>(text.size())) < 0) return std::nullopt;
    out.resize(out.size() - padding);
    return out;
}

Result<ScramKeys> scram_keys(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    Sha256 salted{};
    if (iterations > std::numeric_limits<int>::max() ||
        PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt), static_cast<int>(salt.size()),
                          static_cast<int>(iterations), EVP_sha256(), static_cast<int>(salted.size()), salted.data()) != 1)
        return library_refuses("PBKDF2");
    ScramKeys keys;
    HALE_ASSIGN(keys.client, hmac(view(salted), "Client Key"));
    HALE_ASSIGN(keys.stored, sha256(view(keys.client)));
    HALE_ASSIGN(keys.server, hmac(view(salted), "Server Key"));
    return keys;
}

Scram::Scram(std::string_view user, std::string_view nonce) : nonce_(nonce), first_bare_(fmt::format("n={},r={}", as_name(user), nonce)) {}

Result<Scram::Challenge> Scram::challenge(std::string_view server_first) {
    if (server_first.size() > most_message_bytes) return no_scram("is too long");
    std::string_view rest = server_first;
    const auto nonce = attribute(rest, 'r');
    const auto salt = attribute(rest, 's');
    const auto iterations = attribute(rest, 'i');
    if (!nonce || !salt || !iterations) return no_scram("has no nonce, salt and iterations");
    // Else an answer to somebody else could be played to us.
    if (!nonce->starts_with(nonce_) || nonce->size() < nonce_.size() + least_nonce) return no_scram("does not continue our nonce");
    const bool printable = std::ranges::all_of(*nonce, [](char c) { return c > ' ' && c < 127; });
    if (!printable) return no_scram("has a nonce that is not printable");
    auto raw_salt = from_base64(*salt);
    if (!raw_salt || raw_salt->empty() || raw_salt->size() > most_salt_bytes) return no_scram("has no salt");
    const auto count = parse_unsigned(*iterations);
    if (!count || *count == 0) return no_scram("has no iterations");
    if (*count > most_iterations) return no_scram(fmt::format("asks for {} iterations, more than {}", *count, most_iterations));
    server_first_ = server_first;
    whole_nonce_ = *nonce;
    return Challenge{whole_nonce_, std::move(*raw_salt), static_cast<std::uint32_t>(*count)};
}

Result<std::string> Scram::final(const ScramKeys& keys) {
    const std::string without_proof = fmt::format("c=biws,r={}", whole_nonce_);  // base64 of "n,,"
    const std::string signed_text = fmt::format("{},{},{}", first_bare_, server_first_, without_proof);
    HALE_ASSIGN(const Sha256 signature, hmac(view(keys.stored), signed_text));
    HALE_ASSIGN(expected_, hmac(view(keys.server), signed_text));
    Sha256 proof{};
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<unsigned char>(keys.client[i] ^ signature[i]);
    return fmt::format("{},p={}", without_proof, base64(view(proof)));
}

Result<> Scram::confirm(std::string_view server_final) const {
    if (server_final.size() > most_message_bytes) return no_scram("is too long");
    std::string_view rest = server_final;
    if (const auto error = attribute(rest, 'e')) return fail(Code::denied, escaped(*error, 100));
    const auto verifier = attribute(rest, 'v');
    const auto proof = verifier ? from_base64(*verifier) : std::nullopt;
    if (!proof) return no_scram("has no proof");
    if (*proof != view(expected_)) return fail(Code::denied, "the server does not know the password itself");
    return {};
}

Result<std::string> postgres_md5(std::string_view user, std::string_view password, std::string_view salt) {
    HALE_ASSIGN(const std::string inner, md5_hex(fmt::format("{}{}", password, user)));
    HALE_ASSIGN(const std::string outer, md5_hex(fmt::format("{}{}", inner, salt)));
    return "md5" + outer;
}

}  // namespace hale::wire
