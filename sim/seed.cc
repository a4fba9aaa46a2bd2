#include "sim/seed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/text.h"

// Only in programs with a sanitizer.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace hale::sim {

namespace {

// The seed to print if the process dies, if one is being tried: atomics because a signal handler reads them.
std::atomic<std::uint64_t> running{0};
std::atomic<bool> trying{false};

void print_running() {
    if (!trying) return;
    char line[40] = "HALE_SEED=";
    std::size_t size = 10;
    char digits[20];
    std::size_t count = 0;
    for (std::uint64_t n = running.load(); n != 0 || count == 0; n /= 10)
        digits[count++] = static_cast<char>('0' + n % 10);
    while (count > 0) line[size++] = digits[--count];
    line[size++] = '\n';
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, size);
}

void on_abort(int) {
    print_running();
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

void watch(std::uint64_t seed) {
    running = seed;
    trying = true;
    static const bool once = [] {
        std::signal(SIGABRT, on_abort);
        if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(print_running);
        return true;
    }();
    (void)once;
}

std::optional<std::uint64_t> number(const char* variable) {
    const char* const text = std::getenv(variable);
    return text ? parse_unsigned(text) : std::nullopt;
}

// Prints the seed of a failed test once, when the test has ended.
class Printer final : public ::testing::EmptyTestEventListener {
public:
    std::optional<std::uint64_t> seed;

private:
    void OnTestEnd(const ::testing::TestInfo& info) override {
        if (seed && info.result()->Failed())
            fmt::print(stderr, "HALE_SEED={} {}.{}\n", *seed, info.test_suite_name(), info.name());
        seed.reset();
        trying = false;
    }
};

}  // namespace

std::uint64_t seed_from_environment(std::uint64_t otherwise) {
    const std::uint64_t seed = number("HALE_SEED").value_or(otherwise);
    watch(seed);
    static Printer* const printer = [] {
        auto* made = new Printer;  // GoogleTest owns its listeners.
        ::testing::UnitTest::GetInstance()->listeners().Append(made);
        return made;
    }();
    printer->seed = seed;
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    return seed;
}

void for_each_seed(std::uint64_t count, const std::function<void(std::uint64_t seed)>& body, std::uint64_t first) {
    const auto only = number("HALE_SEED");
    if (only) first = *only;
    count = only ? 1 : number("HALE_SEEDS").value_or(count);
    for (std::uint64_t seed = first; seed < first + count && !::testing::Test::HasFailure(); ++seed) {
        watch(seed);
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, fmt::format("HALE_SEED={}", seed));
        body(seed);
    }
    trying = false;
}

}  // namespace hale::sim
