// Salted passwords: a server's salt stays the same from login to login, and salting takes milliseconds. Belongs to one
// engine.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "wire/scram.h"

namespace hale::probe {

class SaltedPasswords {
public:
    static constexpr std::size_t most_kept = 512;  // Then all are forgotten.

    Result<wire::ScramKeys> keys(std::string_view password, const wire::Scram::Challenge& challenge);

private:
    std::unordered_map<std::string, wire::ScramKeys> kept_;
};

}  // namespace hale::probe
