#include "deploy/pulling.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::deploy {

void Pulling::hear(const std::string& image, const docker::PullProgress& told) {
    const std::string& status = told.status;
    // "Pulling from team/web" comes with the tag where others have their layer.
    if (told.layer.empty() || status.starts_with("Pulling from")) return;
    auto& layers = images_[image];
    if (layers.size() >= most_layers_told && !layers.contains(told.layer)) return;
    Layer& layer = layers[told.layer];
    if (status == "Pull complete" || status == "Already exists") layer.here = true;
    // Unpacking counts the same bytes once more.
    if (status == "Downloading") layer.total = std::max(layer.total, told.total), layer.done = std::max(layer.done, told.done);
    if (layer.here || status == "Download complete" || status == "Extracting") layer.done = layer.total;
}

std::string Pulling::text() const {
    constexpr double mebibyte = 1024.0 * 1024.0;
    std::string out;
    for (const auto& [image, layers] : images_) {
        std::size_t here = 0;
        std::uint64_t done = 0, total = 0;
        for (const auto& [id, layer] : layers) here += layer.here, done += layer.done, total += layer.total;
        out += fmt::format("{}{}: {} of {} layers", out.empty() ? "" : "; ", image, here, layers.size());
        if (total > 0) out += fmt::format(", {:.1f} of {:.1f} MiB", static_cast<double>(std::min(done, total)) / mebibyte, static_cast<double>(total) / mebibyte);
    }
    return out;
}

}  // namespace hale::deploy
