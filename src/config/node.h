// A text of YAML or JSON as a tree with a place for every value. Private to this folder: the libraries that
// parse stay behind it, and so do their exceptions.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace hale::config {

struct Place {
    std::uint32_t file = 0;  // Index into the loader's list of names.
    int line = 0;            // From 1; 0: nowhere.
    int column = 0;
    bool operator==(const Place&) const = default;
};

struct Entry;

struct Node {
    enum class Shape : std::uint8_t { null, scalar, list, map };

    Shape shape = Shape::null;
    bool quoted = false;      // A string whatever it looks like.
    bool literal = false;     // In the source the text stands as it is, so columns inside it can be counted.
    bool secret = false;      // Came through `file:` or `env:`.
    Place place;
    std::string text;         // Of a scalar.
    std::string origin;       // Of a scalar: the variable or file it came from.
    std::vector<Node> items;  // Of a list.
    std::vector<Entry> entries;  // Of a map, in order. Keys are unique.

    bool is_map() const { return shape == Shape::map; }
    bool is_list() const { return shape == Shape::list; }
    bool is_scalar() const { return shape == Shape::scalar; }
    bool is_null() const { return shape == Shape::null; }
    const Node* find(std::string_view key) const;
    bool operator==(const Node& other) const;  // Of what is said, not of where.
};

// As JSON that reads back as the same: quoted scalars as texts, others as YAML takes them.
std::string json_of(const Node& node);

struct Entry {
    std::string key;
    Place place;
    Node value;
};

// Something wrong with the text itself.
struct TextProblem {
    Place place;
    std::string key;
    std::string pointer;
    std::string what;
    std::string allowed;
};

struct Parsed {
    Node root;
    std::vector<TextProblem> problems;  // Duplicate keys do not stop the reading; the first one stands.
};

Parsed parse_yaml(std::string_view text, std::uint32_t file);
// RFC 8259. Values have no line: API clients are told pointers.
Parsed parse_json(std::string_view text, std::uint32_t file);

// "a.b[2]" → "/a/b/2", with "~" and "/" in keys escaped.
std::string pointer_step(std::string_view key);

}  // namespace hale::config
