#include "cli/interrupt.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace hale::cli {

namespace {
std::array<char, most_said_when_interrupted> said;
std::atomic<unsigned> said_size{0};
}  // namespace

void say_interrupted(std::string_view text) {
    said_size.store(0);
    const auto size = std::min<std::size_t>(text.size(), said.size());
    std::copy_n(text.begin(), size, said.begin());
    said_size.store(static_cast<unsigned>(size));
}

void tell_interrupted() noexcept {
    if (const unsigned size = said_size.load(); size != 0) [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, said.data(), size);
}

}  // namespace hale::cli
