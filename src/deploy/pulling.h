// How far the images of a deployment are, from what the engine tells layer by layer. Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"
#include "docker/words.h"

namespace hale::deploy {

inline constexpr std::size_t most_layers_told = 512;  // Of one image; further ones are not counted.
inline constexpr Duration told_every = 1s;            // The record has a newer word of it at most so often.

class Pulling {
public:
    void hear(const std::string& image, const docker::PullProgress& told);
    // "web:2: 1 of 3 layers, 12.3 of 40.1 MiB", of several images one after the other; "": no layer was told of yet.
    std::string text() const;

private:
    struct Layer {
        bool here = false;
        std::uint64_t done = 0, total = 0;
    };
    std::map<std::string, std::map<std::string, Layer>> images_;
};

}  // namespace hale::deploy
