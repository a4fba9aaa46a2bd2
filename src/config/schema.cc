#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "config/keys.h"

namespace hale::config {

namespace {

using Json = nlohmann::ordered_json;

std::string_view type_name(Type type) {
    switch (type) {
        case Type::boolean: return "true or false";
        case Type::integer: return "whole number";
        case Type::number: return "number";
        case Type::percent: return "percentage";
        case Type::duration: return "duration";
        case Type::size: return "size";
        case Type::text: return "text";
        case Type::word: return "word";
        case Type::address: return "address";
        case Type::addresses: return "list of addresses";
        case Type::texts: return "list of texts";
        case Type::text_or_texts: return "text or list of texts";
        case Type::blocks: return "list of address blocks";
        case Type::section: return "map";
        case Type::section_or_word: return "word or map";
        case Type::list: return "list";
        case Type::map: return "map";
        case Type::secret: return "secret";
        case Type::conditions: return "list of conditions";
    }
    return "";
}

void add_section(std::vector<KeyFacts>& out, Section section) {
    for (const Key& key : keys_of(section)) {
        KeyFacts facts;
        const std::string_view prefix = path_of(section);
        facts.path = prefix.empty() ? std::string(key.name) : fmt::format("{}.{}", prefix, key.name);
        facts.type = key.read == nullptr ? std::string_view{} : type_name(key.type);
        facts.fallback = key.fallback;
        facts.allowed = key.allowed;
        facts.says = key.says;
        if (section == Section::check && key.read != nullptr) facts.kinds = kind_names(key.kinds, " ");
        facts.restart = key.restart;
        facts.supported = key.read != nullptr;
        out.push_back(std::move(facts));
        // Keys that stand in more than one place, as a check's do, are listed at the first.
        const bool listed_there = key.child != Section::none && !path_of(key.child).starts_with(out.back().path);
        if (key.child != Section::none && !listed_there && key.read != nullptr && !(key.child == Section::check && key.name != "checks") &&
            section != Section::defaults && section != Section::instance)
            add_section(out, key.child);
    }
}

Json pattern(std::string_view text) { return {{"type", "string"}, {"pattern", text}}; }
Json either(Json a, Json b) { return {{"anyOf", Json::array({std::move(a), std::move(b)})}}; }
Json word(std::string_view text) { return {{"const", text}}; }

// A word that stands where otherwise a quantity does.
Json or_word(const Key& key, Json quantity) {
    return key.fallback == "auto" || key.fallback == "none" ? either(word(key.fallback), std::move(quantity)) : quantity;
}

// The words of "a, b, c" where `allowed` lists them.
Json words(std::string_view allowed) {
    Json out = Json::array();
    while (!allowed.empty()) {
        const auto comma = allowed.find(", ");
        out.push_back(allowed.substr(0, comma));
        allowed = comma == std::string_view::npos ? std::string_view{} : allowed.substr(comma + 2);
    }
    return {{"enum", std::move(out)}};
}

Json object(Section section);

Json reference(std::string_view name) { return {{"$ref", fmt::format("#/$defs/{}", name)}}; }

Json value(const Key& key) {
    // A variable may stand for any scalar.
    const Json variable = pattern("\\$\\{");
    switch (key.type) {
        case Type::boolean: return either({{"type", "boolean"}}, variable);
        case Type::integer: {
            Json number = either({{"type", "integer"}, {"minimum", 0}}, variable);
            return or_word(key, std::move(number));
        }
        case Type::number: return or_word(key, either({{"type", "number"}}, variable));
        case Type::percent: return either(pattern("^[0-9]+%$"), variable);
        case Type::duration: {
            Json duration = either({{"const", 0}}, pattern("^([0-9]+(d|h|m|s|ms|us|ns))+$|^0$|\\$\\{"));
            return or_word(key, std::move(duration));
        }
        case Type::size: return or_word(key, either({{"type", "integer"}}, pattern("^[0-9]+ ?([KMGT]i?)?B?$|\\$\\{")));
        case Type::word: return either(words(key.allowed), variable);
        case Type::text:
        case Type::address:
        case Type::secret: return {{"type", Json::array({"string", "number", "boolean"})}};
        case Type::addresses:
        case Type::texts:
        case Type::blocks: return {{"type", "array"}, {"items", {{"type", Json::array({"string", "number"})}}}};
        case Type::text_or_texts: return either({{"type", "string"}}, {{"type", "array"}, {"items", {{"type", Json::array({"string", "number"})}}}});
        case Type::conditions: {
            const Json text = {{"type", "string"}};
            const auto graded = [&](std::string_view name) {
                return Json{{"type", "object"}, {"properties", {{name, text}}}, {"required", Json::array({name})}, {"additionalProperties", false}};
            };
            return {{"type", "array"}, {"items", {{"anyOf", Json::array({text, graded("warn"), graded("fail")})}}}};
        }
        case Type::section: return key.child == Section::check ? reference("check_keys") : object(key.child);
        case Type::section_or_word: {
            const Json map = key.child == Section::none ? Json{{"type", "object"}} : key.child == Section::check ? reference("check_keys") : object(key.child);
            return either({{"type", "string"}}, map);
        }
        case Type::list: {
            Json item = object(key.child);
            if (key.child != Section::instance) return {{"type", "array"}, {"items", std::move(item)}};
            Json list = {{"type", "array"}, {"items", either({{"type", "string"}}, std::move(item))}};
            Json fixed = {{"type", "object"}, {"properties", {{"fixed", list}}}, {"required", Json::array({"fixed"})}, {"additionalProperties", false}};
            return {{"anyOf", Json::array({std::move(list), word("fixed"), std::move(fixed)})}};
        }
        case Type::map: {
            if (key.child == Section::none) return {{"type", "object"}, {"additionalProperties", {{"type", Json::array({"string", "number", "boolean"})}}}};
            return {{"type", Json::array({"object", "null"})},
                    {"additionalProperties", key.child == Section::check ? reference("check_keys") : key.child == Section::service ? reference("service") : object(key.child)}};
        }
    }
    return {};
}

Json object(Section section) {
    Json properties = Json::object();
    for (const Key& key : keys_of(section)) {
        if (key.read == nullptr) continue;
        Json shape = value(key);
        shape["description"] = key.allowed.empty() ? std::string(key.says) : fmt::format("{} Allowed: {}.", key.says, key.allowed);
        properties[std::string(key.name)] = std::move(shape);
    }
    return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        // No column of its own, and no HTML.
        if (c == '|' || c == '<') out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

const std::vector<KeyFacts>& all_keys() {
    static const std::vector<KeyFacts> keys = [] {
        std::vector<KeyFacts> out;
        add_section(out, Section::root);
        return out;
    }();
    return keys;
}

std::string json_schema() {
    Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "Hale configuration"}};
    const Json root = object(Section::root);
    for (const auto& [key, part] : root.items()) schema[key] = part;
    schema["$defs"] = {{"service", object(Section::service)}, {"check_keys", object(Section::check)}};
    return schema.dump(2) + '\n';
}

std::string reference_page() {
    std::string out =
        "# Configuration reference\n\n"
        "Generated from the table the loader itself uses. Durations: `500ms 5s 1m30s 2h 7d`; sizes: `64KiB 1MB`. "
        "`${NAME}` and `${NAME:-default}` put in variables of the environment, `$${` stands for `${`. "
        "Header values and tokens may be `file:/path` or `env:NAME`. `*` in a key is a name, `[]` an entry of a list.\n\n"
        "Precedence, lowest first: built-in, `defaults.check` (as far as a kind has its keys; `rise` and `fall` not for heartbeat and composite), "
        "`defaults.<kind>`, the service's check, the instance's own.\n";
    // A table for each map, in the order in which the maps are named; all keys of one map in one table.
    std::vector<std::pair<std::string, std::string>> tables;
    std::string missing;
    for (const KeyFacts& key : all_keys()) {
        if (!key.supported) {
            missing += fmt::format("- `{}`: {}\n", key.path, key.says);
            continue;
        }
        const auto dot = key.path.rfind('.');
        const std::string prefix = dot == std::string::npos ? std::string{} : key.path.substr(0, dot);
        auto table = std::ranges::find(tables, prefix, &std::pair<std::string, std::string>::first);
        if (table == tables.end()) table = tables.insert(table, {prefix, {}});
        table->second += fmt::format("| `{}` | {} | {} | {} | {}{}{} |\n", cell(dot == std::string::npos ? key.path : std::string_view(key.path).substr(dot + 1)), key.type,
                                     key.fallback.empty() ? "" : fmt::format("`{}`", cell(key.fallback)), cell(key.allowed), cell(key.says),
                                     key.kinds.empty() ? "" : fmt::format(" For: {}.", key.kinds), key.restart ? " Takes effect at the next start." : "");
    }
    for (const auto& [prefix, rows] : tables)
        out += fmt::format("\n## {}\n\n| Key | Type | Default | Allowed | |\n|---|---|---|---|---|\n{}", prefix.empty() ? "At the top" : fmt::format("`{}`", prefix), rows);
    out += fmt::format("\n## Not supported by this version\n\n{}", missing);
    return out;
}

}  // namespace hale::config
