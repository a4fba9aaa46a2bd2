#include "cli/cli.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "cli/arguments.h"
#include "cli/exits.h"
#include "cli/interrupt.h"

namespace hale::cli {

namespace {

// Unbuffered: what was said is out when a signal ends us. Who does not want to read on (`| head`) ends us too.
void write_to(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t wrote = write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) _exit(exits::failed);
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
}

void interrupted(int) {
    tell_interrupted();
    _exit(exits::interrupted);
}

}  // namespace

int run(std::vector<std::string> arguments, Surroundings& around) {
    const auto asked = parse_arguments(std::move(arguments));
    if (asked) return asked->verb(*asked, around);
    if (!asked.error().out.empty()) around.out(asked.error().out);
    if (!asked.error().err.empty()) around.err(asked.error().err);
    return asked.error().exit;
}

Surroundings process_surroundings() {
    signal(SIGINT, interrupted);
    signal(SIGTERM, interrupted);
    signal(SIGPIPE, SIG_DFL);
    Surroundings out;
    out.environment = [](const std::string& name) -> std::optional<std::string> {
        const char* value = getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    out.out = [](std::string_view text) { write_to(STDOUT_FILENO, text); };
    out.err = [](std::string_view text) { write_to(STDERR_FILENO, text); };
    out.terminal = isatty(STDOUT_FILENO) == 1;
    out.errors_on_terminal = isatty(STDERR_FILENO) == 1;
    out.window = [] {
        winsize size{};
        Surroundings::Window window;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) window = {size.ws_col, size.ws_row};
        return window;
    };
    return out;
}

}  // namespace hale::cli
