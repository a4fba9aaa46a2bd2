#include "api/json_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/text.h"

namespace hale::api {

void JsonWriter::comma() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
}

void JsonWriter::quote(std::string_view value) {
    out_ += '"';
    append_json_escaped(out_, value);
    out_ += '"';
}

void JsonWriter::name(std::string_view key) {
    comma();
    quote(key);
    out_ += ':';
}

JsonWriter& JsonWriter::open(char bracket) {
    comma();
    out_ += bracket;
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::open(std::string_view key, char bracket) {
    name(key);
    out_ += bracket;
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
    out_ += bracket;
    fresh_ = false;
    return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
    comma();
    quote(value);
    return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    comma();
    out_ += json;
    return *this;
}

JsonWriter& JsonWriter::text(std::string_view key, std::string_view value) {
    name(key);
    quote(value);
    return *this;
}

JsonWriter& JsonWriter::number(std::string_view key, std::uint64_t value) {
    name(key);
    fmt::format_to(std::back_inserter(out_), "{}", value);
    return *this;
}

JsonWriter& JsonWriter::decimal(std::string_view key, double value) {
    name(key);
    if (std::isfinite(value)) fmt::format_to(std::back_inserter(out_), "{:.9g}", value);
    else out_ += "null";
    return *this;
}

JsonWriter& JsonWriter::boolean(std::string_view key, bool value) {
    name(key);
    out_ += value ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::null(std::string_view key) {
    name(key);
    out_ += "null";
    return *this;
}

JsonWriter& JsonWriter::raw(std::string_view key, std::string_view json) {
    name(key);
    out_ += json;
    return *this;
}

JsonWriter& JsonWriter::time(std::string_view key, Utc value) {
    return value == Utc{} ? null(key) : text(key, rfc3339(value));
}

JsonWriter& JsonWriter::time(std::string_view key, const std::optional<Utc>& value) {
    return value ? time(key, *value) : null(key);
}

}  // namespace hale::api
