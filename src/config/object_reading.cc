#include "config/object_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace hale::config {

ObjectReading::ObjectReading(std::string_view json, const Document& document) {
    reading.api = true;
    // Marks in `defaults:` keep the names of their files; the object itself comes after them.
    if (document.defaults) reading.files = document.defaults->files;
    const auto file = static_cast<std::uint32_t>(reading.files.size());
    reading.files.emplace_back("api");
    if (json.size() > max_object_bytes) {
        reading.take({{"api", 0, 0}, {}, {}, fmt::format("an object of {}", size_text(json.size())), fmt::format("at most {}", size_text(max_object_bytes))});
    } else {
        Parsed parsed = parse_json(json, file);
        root = std::move(parsed.root);
        reading.take(std::move(parsed.problems));
    }
    if (!reading.ok()) return;
    reading.substitute(root);
    if (document.defaults) defaults = &document.defaults->node;
}

void ObjectReading::drop(std::string_view key, std::string_view known) {
    const auto found = std::ranges::find(root.entries, key, &Entry::key);
    if (found == root.entries.end()) return;
    if (!found->value.is_scalar() || found->value.text != known) {
        const Reading::Step step(reading, found->key);
        reading.problem(found->value, "is not what the object is addressed by", std::string(known));
    }
    root.entries.erase(found);
}

}  // namespace hale::config
