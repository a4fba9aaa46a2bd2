// Reading one JSON object that came through the API. Private to this folder.

#pragma once

#include <string_view>

#include "config/keys.h"

namespace hale::config {

// Too long or no JSON: `reading` is not ok, and `root` is nothing. `defaults`: of the document; may be null.
struct ObjectReading {
    Reading reading;
    Node root;
    const Node* defaults = nullptr;

    ObjectReading(std::string_view json, const Document& document);

    // Takes a key that only says again what the caller knows; another value is refused.
    void drop(std::string_view key, std::string_view known);
};

}  // namespace hale::config
