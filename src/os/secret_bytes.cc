#include "os/secret_bytes.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace hale::os {

void fill_secret(std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t got = getrandom(out.data(), out.size(), 0);
        HALE_CHECK(got > 0 || errno == EINTR);
        if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
    }
}

std::string secret_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    fill_secret(std::as_writable_bytes(std::span(bytes)));
    return bytes;
}

std::uint64_t secret_seed() {
    std::uint64_t seed = 0;
    fill_secret(std::as_writable_bytes(std::span(&seed, 1)));
    return seed;
}

}  // namespace hale::os
