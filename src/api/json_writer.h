// Writes JSON by appending to a buffer: for lists and events, where a tree would be built only to be thrown
// away. Knows when a comma is due; whether members have keys is up to the caller.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hale::api {

class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& open(char bracket);
    JsonWriter& open(std::string_view key, char bracket);
    JsonWriter& close(char bracket);

    // Items of an array.
    JsonWriter& text(std::string_view value);
    JsonWriter& raw(std::string_view json);

    // Members of an object.
    JsonWriter& text(std::string_view key, std::string_view value);
    JsonWriter& number(std::string_view key, std::uint64_t value);
    JsonWriter& decimal(std::string_view key, double value);
    JsonWriter& boolean(std::string_view key, bool value);
    JsonWriter& null(std::string_view key);
    JsonWriter& raw(std::string_view key, std::string_view json);
    JsonWriter& time(std::string_view key, Utc value);  // The epoch means never: null.
    JsonWriter& time(std::string_view key, const std::optional<Utc>& value);

private:
    void comma();
    void quote(std::string_view value);
    void name(std::string_view key);

    std::string& out_;
    bool fresh_ = true;
};

}  // namespace hale::api
