// What a run of `hale` finds around it: environment, the two outputs, and the daemon it may become. Handed in, so
// that tests run every verb inside their own process.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hale::cli {

struct Surroundings {
    std::function<std::optional<std::string>(const std::string& name)> environment;
    std::function<void(std::string_view)> out;  // Data.
    std::function<void(std::string_view)> err;  // Messages.
    bool terminal = false;                      // `out` is one: colour and progress are welcome.
    bool errors_on_terminal = false;            // `err` is one: what goes on is redrawn in place.
    struct Window {
        unsigned columns = 80, rows = 24;
    };
    std::function<Window()> window;             // Of that terminal, now; empty: the usual.
    std::string version;
    std::string program = "hale";  // As a shell would find it, for completion and suggestions.
    // `takeover`: the socket of the daemon that hands over.
    std::function<int(const std::string& config, const std::optional<std::string>& restore, const std::optional<std::string>& takeover)> serve;
};

}  // namespace hale::cli
