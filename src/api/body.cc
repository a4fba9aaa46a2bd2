#include "api/body.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace hale::api {

struct Body::Document {
    nlohmann::json json = nlohmann::json::object();
    const nlohmann::json* find(std::string_view key) const {
        const auto found = json.find(std::string(key));
        return found == json.end() || found->is_null() ? nullptr : &*found;
    }
};

Body::Body(std::string_view text, std::string_view known) : document_(std::make_unique<Document>()) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
    auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (parsed.is_discarded() || !parsed.is_object()) {
        fault("", "the body is no JSON object");
        return;
    }
    document_->json = std::move(parsed);
    const auto names = split(known, ' ');
    for (const auto& [key, value] : document_->json.items())
        if (std::ranges::find(names, key) == names.end()) fault(key, fmt::format("unknown; allowed: {}", known));
}

Body::~Body() = default;

void Body::fault(std::string_view key, std::string detail) {
    unreadable_ = true;
    beyond(key, std::move(detail));
}

void Body::beyond(std::string_view key, std::string detail) {
    faults_.push_back({key.empty() ? "" : fmt::format("/{}", escaped(key)), std::move(detail), "", 0});
}

std::map<std::string, std::string> Body::texts_by_name(std::string_view key) {
    std::map<std::string, std::string> out;
    const auto* value = document_->find(key);
    if (value == nullptr) return out;
    if (!value->is_object()) fault(key, "must be an object of texts");
    else
        for (const auto& [name, text] : value->items()) {
            if (text.is_string()) out.emplace(name, text.get<std::string>());
            else fault(key, fmt::format("{} must be a text", escaped(name, 60)));
        }
    return out;
}

bool Body::has(std::string_view key) const { return document_->find(key) != nullptr; }

std::string Body::text(std::string_view key, bool needed) {
    const auto* value = document_->find(key);
    if (value == nullptr) {
        if (needed) fault(key, "is needed");
        return {};
    }
    if (!value->is_string()) {
        fault(key, "must be a string");
        return {};
    }
    auto out = value->get<std::string>();
    if (needed && trim(out).empty()) fault(key, "may not be empty");
    return out;
}

std::optional<Duration> Body::duration(std::string_view key, bool needed) {
    const auto* value = document_->find(key);
    if (value == nullptr) {
        if (needed) fault(key, "is needed");
        return std::nullopt;
    }
    std::optional<Duration> parsed;
    if (value->is_string()) parsed = parse_duration(value->get<std::string>());
    else if (value->is_number() && value->get<double>() >= 0)
        parsed = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(value->get<double>(), 2 * seconds(longest_duration))));
    if (!parsed) fault(key, "must be a duration; allowed: \"30s\", \"1h30m\", or seconds");
    else if (*parsed > longest_duration) {
        beyond(key, fmt::format("is too long; allowed: at most {}", longest_duration_text));
        return std::nullopt;
    }
    return parsed;
}

std::optional<std::uint64_t> Body::number(std::string_view key, bool needed) {
    const auto* value = document_->find(key);
    if (value == nullptr) {
        if (needed) fault(key, "is needed");
        return std::nullopt;
    }
    if (!value->is_number_unsigned()) {
        fault(key, "must be a whole number, not negative");
        return std::nullopt;
    }
    return value->get<std::uint64_t>();
}

bool Body::boolean(std::string_view key) {
    const auto* value = document_->find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fault(key, "must be true or false");
    return value->is_boolean() && value->get<bool>();
}

std::vector<std::string> Body::texts(std::string_view key, bool needed) {
    const auto* value = document_->find(key);
    std::vector<std::string> out;
    if (value == nullptr) {
        if (needed) fault(key, "is needed");
        return out;
    }
    if (value->is_string()) return {value->get<std::string>()};
    const bool strings = value->is_array() && std::ranges::all_of(*value, [](const auto& item) { return item.is_string(); });
    if (!strings || (needed && value->empty())) {
        fault(key, "must be a list of strings, not empty");
        return out;
    }
    for (const auto& item : *value) out.push_back(item.template get<std::string>());
    return out;
}

std::string Body::without(std::string_view key) const {
    auto copy = document_->json;
    copy.erase(std::string(key));
    return copy.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Body::json(std::string_view key) const {
    const auto* value = document_->find(key);
    return value == nullptr ? "" : value->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Problem Body::problem() const { return unreadable_ ? invalid(400, faults_) : invalid(422, faults_); }

std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    append_json_escaped(out, text);
    return out + '"';
}

}  // namespace hale::api
