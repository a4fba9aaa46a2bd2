// Every configuration key, once. Parsing, the refusal of unknown keys, the JSON Schema, the reference page and
// `show --effective` are all made from this table, so none of them can drift.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hale::config {

struct KeyFacts {
    std::string path;           // "services.*.checks.*.interval"; "[]" is a list's item.
    std::string_view type;      // "duration", "list of addresses", …
    std::string_view fallback;  // As it would be written; empty: none, the key is needed or says nothing.
    std::string_view allowed;
    std::string_view says;      // One sentence.
    std::string kinds;          // "http tcp": only for checks of these kinds; empty: for all.
    bool restart = false;       // A change is reported at reload and takes effect at the next start.
    bool supported = true;      // False: refused with "not supported by this version".
};

// In the order of the reference page.
const std::vector<KeyFacts>& all_keys();

std::string json_schema();     // JSON Schema 2020-12 of a whole file.
std::string reference_page();  // Markdown.

}  // namespace hale::config
