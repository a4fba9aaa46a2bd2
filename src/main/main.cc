// `hale`: the daemon and its command line in one program.

#include <string>
#include <vector>

#include "app/serve.h"
#include "cli/cli.h"

int main(int argc, char** argv) {
    hale::cli::Surroundings around = hale::cli::process_surroundings();
    around.version = hale::app::version;
    around.serve = [&](const std::string& config, const std::optional<std::string>& restore, const std::optional<std::string>& takeover) {
        return hale::app::serve({.config = config, .restore = restore, .takeover = takeover, .program = argv[0]});
    };
    return hale::cli::run(std::vector<std::string>(argv + 1, argv + argc), around);
}
