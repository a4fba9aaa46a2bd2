// What this folder needs from outside, each as an interface that `app` implements: where proofs are shown, where
// certificates go, and the disk. Everything is called on the issuer's loop, and answers come there, never inside the call.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hale::acme {

enum class ChallengeKind : std::uint8_t { http_01, tls_alpn_01, dns_01 };
std::string_view text(ChallengeKind kind);  // "http-01"

// A proof that a host is ours, as the authority asked for it (RFC 8555 §8, RFC 8737).
struct Challenge {
    ChallengeKind kind = ChallengeKind::http_01;
    std::string host;               // Without "*.".
    std::string token;
    std::string key_authorization;  // http-01: the body of /.well-known/acme-challenge/TOKEN.
    std::string certificate_pem, key_pem;  // tls-alpn-01: shown to clients that speak acme-tls/1.
    std::string dns_value;          // dns-01: the TXT record of _acme-challenge.HOST.
};

using Done = std::move_only_function<void(Result<>)>;

// Shows proofs. `done` of present: whoever asks from now on sees it.
class Challenges {
public:
    virtual ~Challenges() = default;
    virtual void present(const Challenge& challenge, Done done) = 0;
    virtual void withdraw(const Challenge& challenge, Done done) = 0;
};

struct Credentials {
    std::string chain_pem, key_pem;
};

// Takes what was issued, also what was on the shelf at start; each newer one replaces the host's former.
class Issued {
public:
    virtual ~Issued() = default;
    virtual void issued(const std::string& host, const Credentials& credentials) = 0;
    virtual void gone(const std::string& host) = 0;  // No longer wanted.
};

// A directory of small files, private to Hale (0700, files 0600). A write is whole and durable once it is done; a crash
// leaves the former content or the new. Of several processes only the one that holds the lock writes.
class Disk {
public:
    using Files = std::vector<std::pair<std::string, std::string>>;  // Name and content.
    virtual ~Disk() = default;
    virtual void read_all(std::move_only_function<void(Result<Files>)> done) = 0;
    // False: another process holds it. Held until this process ends, or unlock().
    virtual void lock(std::move_only_function<void(Result<bool>)> done) = 0;
    virtual void unlock() = 0;
    virtual void write(std::string name, std::string content, Done done) = 0;
};

}  // namespace hale::acme
