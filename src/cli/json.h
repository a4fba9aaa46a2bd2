// JSON as answers bring it, read without surprises: what is absent or of another type reads as empty. Private to
// this folder, and for .cc files only: the parser is heavy.

#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace hale::cli {

using Json = nlohmann::ordered_json;

inline Json parse_json(std::string_view text) { return Json::parse(text, nullptr, false); }

inline const Json& at(const Json& from, std::string_view key) {
    static const Json nothing;
    if (!from.is_object()) return nothing;
    const auto found = from.find(key);
    return found == from.end() ? nothing : *found;
}

inline std::string text_at(const Json& from, std::string_view key) {
    const Json& value = at(from, key);
    return value.is_string() ? *value.get_ptr<const Json::string_t*>() : std::string();
}

inline std::optional<double> number_at(const Json& from, std::string_view key) {
    const Json& value = at(from, key);
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

inline std::uint64_t count_at(const Json& from, std::string_view key) {
    const Json& value = at(from, key);
    return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

inline bool flag_at(const Json& from, std::string_view key) {
    const Json& value = at(from, key);
    return value.is_boolean() && value.get<bool>();
}

// Invalid UTF-8 is replaced: dump() would throw.
inline std::string dumped(const Json& value, int indent = -1) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hale::cli
