// `acme:` as read: from whom certificates are got, and how hosts are proved.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace hale::config {

enum class AcmeChallenge : std::uint8_t { http_01, tls_alpn_01, dns_01 };

struct AcmeSpec {
    std::string email;
    std::vector<std::string> directories;  // Best first; never empty.
    bool staging = false;                  // They are Let's Encrypt's for trying out.
    std::string ca_pem;                    // Who signs the authorities' own listeners; empty: whom this machine believes.
    std::string eab_key_id, eab_hmac;      // The HMAC key as its owner was given it: base 64 for URLs.
    AcmeChallenge challenge = AcmeChallenge::http_01;
    std::vector<std::string> dns_exec;
    std::string dns_url;
    std::string ask_url;                   // Of on_demand; empty: only declared hosts get certificates.
    unsigned ask_per_hour = 10;
    std::optional<Duration> renew_before;  // Else 30 days or a third of the lifetime, whichever is less.
    bool operator==(const AcmeSpec&) const = default;
};

}  // namespace hale::config
