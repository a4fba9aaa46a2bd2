// A compose file as the containers of one application. A documented subset of what compose knows (docs/guide/compose.md):
// what is said in it means what it means there, and what is beyond it is refused with its place, never ignored.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "config/deploy_spec.h"
#include "config/load.h"

namespace hale::config {

inline constexpr std::size_t max_compose_containers = 256;
inline constexpr std::size_t max_compose_bytes = 1 << 20;

enum class WaitFor : std::uint8_t { started, healthy, completed };

struct ComposeDependency {
    std::string container;
    WaitFor until = WaitFor::started;
    bool operator==(const ComposeDependency&) const = default;
};

struct ComposeContainer {
    std::string name;
    DeploySpec deploy;  // Its network is always named, and so are its volumes, as compose names them.
    std::vector<ComposeDependency> depends_on;
    bool one_shot = false;  // Runs to its end; exit 0 is its pass.
    CheckList checks;       // Of kind none: declared so, with its reason. Empty: nothing is said.
    std::string check_json;  // The same as it was written, for a service of the API.
    std::vector<RouteSpec> routes;
    Mark mark;
};

struct ComposeApplication {
    std::string project;
    DeploySpec strategy;  // Hooks, baking and what was wrong before: of all of it. Nothing else is said there.
    std::vector<ComposeContainer> containers;  // In file order; nobody waits for themselves, through others neither.
};

struct ComposeRequest {
    SourceText file;
    std::string project;  // Where the file says no name.
    // Whose environment and files are looked at. Null: nobody's, for the text came through the API; it can have no
    // directories of the host and no exec checks then, and no variables but these.
    const LoadRequest* world = nullptr;
    const Variables* variables = nullptr;
    const Document* document = nullptr;  // Its `defaults:` hold for the checks. May be null.
};
// Names of the variables that a text may ask for, each once: whoever sends it elsewhere sends them with it.
std::vector<std::string> compose_variables(std::string_view text);

std::expected<ComposeApplication, Problems> load_compose(const ComposeRequest& request);

}  // namespace hale::config
