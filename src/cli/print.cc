#include "cli/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.h"
#include "cli/exits.h"

namespace hale::cli {

namespace {

struct Paint {
    std::string_view name, code;
};
constexpr std::array paints{Paint{"green", "32"}, Paint{"yellow", "33"}, Paint{"red", "31"},
                            Paint{"blue", "34"},  Paint{"grey", "90"},   Paint{"bold", "1"}};

struct Look {
    std::string_view state, shape, paint;
    int exit;
};
// Shape, word and colour say the same thing three times, so that any one of them is enough.
constexpr std::array looks{
    Look{"healthy", "●", "green", exits::ok},         Look{"degraded", "◆", "yellow", exits::warning},
    Look{"unhealthy", "▲", "red", exits::critical},   Look{"pending", "◌", "grey", exits::unknown},
    Look{"maintenance", "▭", "blue", exits::warning}, Look{"unknown", "○", "grey", exits::unknown},
};
const Look& look_of(std::string_view state) {
    const auto found = std::ranges::find(looks, state, &Look::state);
    return found == looks.end() ? looks.back() : *found;
}

bool plain_yaml(std::string_view text) {
    if (text.empty() || text != trim(text)) return false;
    const char first = text.front();
    const bool word = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '/' || first == '_';
    if (!word || text.find(": ") != text.npos || text.find(" #") != text.npos || text.ends_with(':')) return false;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    }
    constexpr std::array taken{"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    return std::ranges::none_of(taken,
                                [&](std::string_view word_taken) { return equal_ignoring_case(word_taken, text); });
}

// A quoted YAML scalar is JSON's.
std::string yaml_scalar(const Json& value) {
    if (!value.is_string()) return dumped(value);
    const std::string& text = *value.get_ptr<const Json::string_t*>();
    return plain_yaml(text) ? text : dumped(value);
}

void write_yaml(std::string& out, const Json& value, std::size_t indent) {
    const std::string margin(indent, ' ');
    bool first = true;
    // The first line of what stands in a list item is on the line of its dash.
    const auto begin_line = [&] {
        if (!first || out.empty() || out.back() == '\n') out += margin;
        first = false;
    };
    if (value.is_object() && !value.empty()) {
        for (const auto& [key, member] : value.items()) {
            begin_line();
            out += yaml_scalar(Json(key)) + ":";
            if (member.is_structured() && !member.empty()) {
                out += '\n';
                write_yaml(out, member, indent + 2);
            } else {
                out += ' ' + yaml_scalar(member) + '\n';
            }
        }
    } else if (value.is_array() && !value.empty()) {
        for (const Json& item : value) {
            begin_line();
            out += "- ";
            if (item.is_structured() && !item.empty()) {
                write_yaml(out, item, indent + 2);
            } else {
                out += yaml_scalar(item) + '\n';
            }
        }
    } else {
        out += yaml_scalar(value) + '\n';
    }
}

}  // namespace

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string tame(std::string_view text) {
    const bool harmless =
        std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    return harmless ? std::string(text) : escaped(text, text.size());
}

std::string painted(std::string_view text, std::string_view paint, bool colour) {
    const auto found = std::ranges::find(paints, paint, &Paint::name);
    if (!colour || found == paints.end() || text.empty()) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", found->code, text);
}

bool colourful(const Invocation& asked, const Surroundings& around) {
    if (!around.terminal || asked.no_color) return false;
    const auto no_color = around.environment("NO_COLOR");
    return (!no_color || no_color->empty()) && around.environment("TERM") != "dumb";
}

std::string aligned(const Table& table, bool colour) {
    std::vector<std::size_t> widths;
    for (const std::string& head : table.heads) widths.push_back(width(head));
    for (const auto& row : table.rows) {
        if (widths.size() < row.size()) widths.resize(row.size());
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i].text));
    }
    std::string out;
    const auto line = [&](const auto& cells, const auto& text_of, const auto& paint_of) {
        std::size_t last = cells.size();
        while (last > 0 && text_of(cells[last - 1]).empty()) --last;
        for (std::size_t i = 0; i < last; ++i) {
            const std::string& text = text_of(cells[i]);
            out += painted(text, paint_of(cells[i]), colour);
            if (i + 1 < last) out.append(widths[i] - width(text) + 2, ' ');
        }
        out += '\n';
    };
    if (!table.heads.empty()) {
        line(
            table.heads, [](const std::string& text) -> const std::string& { return text; },
            [](const std::string&) { return std::string_view("bold"); });
    }
    for (const auto& row : table.rows) {
        line(
            row, [](const Cell& cell) -> const std::string& { return cell.text; },
            [](const Cell& cell) { return cell.paint; });
    }
    return out;
}

std::string csv(const Table& table) {
    std::string out;
    const auto field = [&](std::string_view text, bool first) {
        if (!first) out += ',';
        if (text.find_first_of(",\"\r\n") == text.npos) {
            out += text;
            return;
        }
        out += '"';
        for (const char c : text) {
            if (c == '"') out += '"';
            out += c;
        }
        out += '"';
    };
    for (std::size_t i = 0; i < table.heads.size(); ++i) field(lower(table.heads[i]), i == 0);
    out += "\r\n";
    for (const auto& row : table.rows) {
        for (std::size_t i = 0; i < table.heads.size(); ++i)
            field(i < row.size() ? row[i].text : std::string(), i == 0);
        out += "\r\n";
    }
    return out;
}

std::string yaml(const Json& value) {
    std::string out;
    write_yaml(out, value, 0);
    return out;
}

void print(const Invocation& asked, Surroundings& around, const Json& data, const Table& table) {
    switch (asked.format) {
        case Format::json:
            return around.out(dumped(data, 2) + "\n");
        case Format::yaml:
            return around.out(yaml(data));
        case Format::csv:
            return around.out(csv(table));
        case Format::jsonl: {
            const Json& items = data.is_array() ? data : at(data, "items");
            if (!items.is_array()) return around.out(dumped(data) + "\n");
            std::string out;
            for (const Json& item : items) out += dumped(item) + "\n";
            return around.out(out);
        }
        case Format::table:
        case Format::wide:
        case Format::nagios:
            return around.out(aligned(table, colourful(asked, around)));
    }
}

Cell state_cell(std::string_view state, std::string_view layer) {
    if (layer.empty()) return {fmt::format("{} {}", look_of(state).shape, state), look_of(state).paint};
    if (layer == "maintenance")
        return {fmt::format("{} maintenance ({})", look_of(layer).shape, state), look_of(layer).paint};
    return {fmt::format("{} {} (set {})", look_of(state).shape, state, layer), look_of(state).paint};
}

std::string_view shape_of(std::string_view state) { return look_of(state).shape; }

int nagios_exit(std::string_view state, std::string_view layer) {
    return look_of(layer == "maintenance" ? layer : state).exit;
}

std::string_view nagios_word(int exit) {
    constexpr std::array<std::string_view, 4> words{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    return words[static_cast<std::size_t>(exit)];
}

std::string nagios_line(int exit, std::string_view text, std::string_view performance) {
    std::string line = fmt::format("HALE {} - {}", nagios_word(exit), tame(text));
    std::ranges::replace(line, '|', '/');
    if (!performance.empty()) fmt::format_to(std::back_inserter(line), " | {}", performance);
    return line + "\n";
}

}  // namespace hale::cli
