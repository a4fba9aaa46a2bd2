// What a Hale left that ended while it replaced a container (treatment.h): the sick one under another name, and in its place
// nothing, or one that was not started, or one that was. The engine may have started the sick one since. Pure.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "docker/words.h"

namespace hale::fleet {

// The name that a sick one has meanwhile. Its id tells it from another that was put aside before.
std::string aside_name(std::string_view name, std::string_view id);

// The name that such a one has otherwise; any other container's own.
std::string_view usual_name(const docker::Inspected& container);
inline bool is_aside(const docker::Inspected& container) { return usual_name(container).size() != container.name.size(); }

struct CutOff {
    std::string id;    // Of the one that was put aside,
    std::string name;  // and what it is called otherwise.
    std::string made;  // The id of who has that name now; empty: nobody has, and it is to be put back.
    bool start = false;  // That one was made, and never started.
    bool operator==(const CutOff&) const = default;
};

// Of what there is, in order of names.
std::vector<CutOff> cut_off(const std::vector<docker::Inspected>& there);

}  // namespace hale::fleet
