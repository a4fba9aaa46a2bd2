#include "cli/configured.h"

#include "os/clock.h"
#include "tls/credentials.h"

namespace hale::cli {

std::expected<config::Document, config::Problems> load_configuration(const std::string& path, bool effective) {
    return config::load_path(path, {}, effective,
                             {.pair = [](std::string_view chain, std::string_view key, const std::string& what) { return tls::works(chain, key, what, os::wall_now()); },
                              .authorities = tls::authorities_work});
}

}  // namespace hale::cli
