#include "cli/progress_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/ages.h"
#include "cli/print.h"

namespace hale::cli {

namespace {

constexpr std::size_t fewest_columns = 20;
constexpr std::array ways_out{"rolling_back", "done", "rolled_back", "superseded", "failed"};

bool way_out(const std::string& phase) { return std::ranges::find(ways_out, phase) != ways_out.end(); }

// At most so many columns, and not inside a character.
std::string cut(std::string_view text, std::size_t columns) {
    if (width(text) <= columns) return std::string(text);
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
        const std::string_view one = text.substr(at, end - at);
        if (width(out) + width(one) + 1 > columns) break;
        out += one;
        at = end;
    }
    return out + "…";
}

std::optional<Utc> time_at(const Json& from, std::string_view key) { return parse_rfc3339(text_at(from, key)); }

std::string elapsed_text(double s) { return s < 10 ? fmt::format("{:.1f} s", s) : age_text(s); }

std::string last_of(const Json& list) {
    if (!list.is_array() || list.empty() || !list.back().is_string()) return {};
    const std::string text = tame(list.back().get<std::string>());
    // When it was is beside the point here.
    const auto blank = text.find(' ');
    return parse_rfc3339(text.substr(0, blank)) ? text.substr(blank == text.npos ? text.size() : blank + 1) : text;
}

std::string instance_line(const Json& one) {
    std::string out = fmt::format("  {} {}", tame(text_at(one, "instance")), tame(text_at(one, "target")));
    if (flag_at(one, "kept")) return out + "   serves already";
    if (const std::string own = text_at(one, "container"); !own.empty()) out += fmt::format("   itself: {}", own);
    if (const std::string direct = text_at(one, "direct"); !direct.empty()) out += fmt::format("   directly: {}", direct);
    if (const std::string seen = last_of(at(one, "observations")); !seen.empty()) out += "   " + seen;
    return out;
}

struct Line {
    std::string text;
    std::string_view paint = {};
    bool instance = false;
};

Line phase_line(const Json& phase, const Json* next, const Json& record, Utc now) {
    const std::string name = text_at(phase, "phase");
    const auto entered = time_at(phase, "entered"), deadline = time_at(phase, "deadline");
    const auto until = next != nullptr ? time_at(*next, "entered") : flag_at(record, "over") ? entered : std::optional(now);
    std::string took;
    if (entered && until) took = elapsed_text(std::max(0.0, seconds(*until - *entered)));
    if (next == nullptr && !flag_at(record, "over") && entered && deadline) took += fmt::format(" of {}", age_text(seconds(*deadline - *entered)));
    const bool past = next != nullptr && !way_out(name);
    const std::string_view mark = past ? "●" : mark_of(name);
    const std::string doing = next == nullptr ? text_at(record, "doing") : "";
    if (!doing.empty()) took += "   " + tame(doing);
    return {.text = fmt::format("{} {:<12} {}", mark, name, took), .paint = past || name == "done" ? "green" : name == "rolling_back" || name == "rolled_back" || name == "failed" ? "red" : "yellow"};
}

}  // namespace

std::string_view mark_of(const std::string& phase) {
    if (phase == "done") return "●";
    if (phase == "rolled_back" || phase == "failed") return "▲";
    if (phase == "superseded") return "■";
    return "◌";
}

std::vector<std::string> progress_lines(const Json& record, Utc now, std::size_t columns, std::size_t rows, bool colour) {
    std::vector<Line> lines;
    const Json& told = at(record, "phases");
    std::vector<std::string> entered;
    for (std::size_t i = 0; i < told.size(); ++i) {
        entered.push_back(text_at(told[i], "phase"));
        lines.push_back(phase_line(told[i], i + 1 < told.size() ? &told[i + 1] : nullptr, record, now));
    }
    for (const Json& one : at(record, "instances")) lines.push_back({.text = instance_line(one), .instance = true});
    // What is still to come, as long as it goes forth.
    if (!entered.empty() && !way_out(entered.back()))
        for (const auto& [phase, limit] : at(record, "deadlines").items())
            if (limit.is_number() && limit.get<double>() > 0 && phase != "rolling_back" && std::ranges::find(entered, phase) == entered.end())
                lines.push_back({.text = fmt::format("· {:<12} {} at most", phase, age_text(limit.get<double>())), .paint = "grey"});
    // Instances make way first: there may be many.
    const auto instances = static_cast<std::size_t>(std::ranges::count_if(lines, &Line::instance));
    const std::size_t most = std::max<std::size_t>(rows, 2) - 1;
    if (lines.size() > most && instances > 1) {
        const std::size_t too_many = std::min(lines.size() - most + 1, instances);
        const auto first = std::ranges::find_if(lines, &Line::instance) + static_cast<std::ptrdiff_t>(instances - too_many);
        const auto rest = lines.erase(first, first + static_cast<std::ptrdiff_t>(too_many));
        lines.insert(rest, {.text = fmt::format("  … and {} more", too_many), .instance = true});
    }
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
    std::vector<std::string> out;
    for (const Line& line : lines) out.push_back(painted(cut(line.text, std::max(columns, fewest_columns)), line.paint, colour));
    return out;
}

void LiveLines::draw(const std::vector<std::string>& lines) {
    if (lines == shown_) return;
    std::string out;
    if (!shown_.empty()) out += fmt::format("\x1b[{}A", shown_.size());
    for (const auto& line : lines) out += "\r" + line + "\x1b[K\n";
    // What was there and is not any more.
    for (std::size_t i = lines.size(); i < shown_.size(); ++i) out += "\x1b[K\n";
    if (lines.size() < shown_.size()) out += fmt::format("\x1b[{}A", shown_.size() - lines.size());
    around_.err(out);
    shown_ = lines;
}

void LiveLines::wipe() {
    if (shown_.empty()) return;
    around_.err(fmt::format("\x1b[{}A\r\x1b[J", shown_.size()));
    shown_.clear();
}

bool draws_live(const Invocation& asked, const Surroundings& around) {
    if (!around.errors_on_terminal || asked.no_color || (asked.format != Format::table && asked.format != Format::wide)) return false;
    const auto set = [&](const char* name) { return around.environment(name).value_or(""); };
    return set("NO_COLOR").empty() && !set("TERM").empty() && set("TERM") != "dumb";
}

}  // namespace hale::cli
