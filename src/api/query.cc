#include "api/query.h"

#include <algorithm>

#include "base/text.h"

namespace hale::api {

namespace {
int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
}  // namespace

std::optional<std::string> percent_decoded(std::string_view text, bool plus) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus) {
            out += ' ';
        } else if (text[i] == '%') {
            if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
            const int value = hex(text[i + 1]) * 16 + hex(text[i + 2]);
            if (value == 0) return std::nullopt;
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string percent_encoded(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' || c == '@';
        if (plain) {
            out += c;
            continue;
        }
        out += '%';
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::optional<Query> Query::parse(std::string_view text) {
    Query query;
    if (text.empty()) return query;
    for (const auto pair : split(text, '&')) {
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        auto key = percent_decoded(pair.substr(0, equals), true);
        auto value = equals == std::string_view::npos ? std::optional<std::string>("") : percent_decoded(pair.substr(equals + 1), true);
        if (!key || !value || query.pairs_.size() == most_query_pairs) return std::nullopt;
        query.pairs_.emplace_back(std::move(*key), std::move(*value));
    }
    return query;
}

bool Query::has(std::string_view key) const {
    return std::ranges::any_of(pairs_, [&](const auto& pair) { return pair.first == key; });
}

std::string_view Query::value(std::string_view key) const {
    const auto found = std::ranges::find_if(pairs_, [&](const auto& pair) { return pair.first == key; });
    return found == pairs_.end() ? std::string_view{} : std::string_view(found->second);
}

bool Query::is_true(std::string_view key) const {
    const auto text = value(key);
    return has(key) && (text.empty() || text == "1" || text == "true" || text == "yes");
}

}  // namespace hale::api
