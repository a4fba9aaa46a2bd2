#include "api/exposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/text.h"

namespace hale::api {

namespace {

constexpr std::array<std::string_view, 2> units{"seconds", "bytes"};

// One alternative of an Accept field.
struct Wanted {
    std::string type;
    std::string version;
    double quality = 1;
};

Wanted wanted(std::string_view alternative) {
    Wanted out;
    const auto parts = split(alternative, ';');
    out.type = lower(trim(parts.front()));
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto equals = parts[i].find('=');
        if (equals == std::string_view::npos) continue;
        const std::string key = lower(trim(parts[i].substr(0, equals)));
        std::string_view value = trim(parts[i].substr(equals + 1));
        if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
        if (key == "version") out.version = value;
        if (key != "q") continue;
        const auto [rest, fault] = std::from_chars(value.data(), value.data() + value.size(), out.quality, std::chars_format::fixed);
        if (fault != std::errc{} || rest != value.data() + value.size()) out.quality = 0;
    }
    return out;
}

std::string_view without_suffix(std::string_view name, std::string_view suffix) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
    return name;
}

// A float as OpenMetrics spells it: "1.0", never "1".
std::string bound_text(Exposition form, std::uint32_t us) {
    std::string out = fmt::format("{:.9g}", us / 1e6);
    if (form == Exposition::open_metrics && out.find_first_of(".e") == std::string::npos) out += ".0";
    return out;
}

}  // namespace

Exposition exposition_for(std::string_view accept) {
    double open_metrics = 0;
    std::optional<double> text, any_text, anything;  // The most particular one counts.
    for (const std::string_view alternative : split(accept, ',')) {
        const Wanted one = wanted(alternative);
        if (one.type == "application/openmetrics-text") {
            if (one.version.empty() || one.version == "1.0.0") open_metrics = std::max(open_metrics, one.quality);
        } else if (one.type == "text/plain") {
            text = std::max(text.value_or(0), one.quality);
        } else if (one.type == "text/*") {
            any_text = one.quality;
        } else if (one.type == "*/*") {
            anything = one.quality;
        }
    }
    const double prometheus = text.value_or(any_text.value_or(anything.value_or(0)));
    return open_metrics > 0 && open_metrics >= prometheus ? Exposition::open_metrics : Exposition::prometheus;
}

std::string_view content_type(Exposition form) {
    return form == Exposition::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}

void head(std::string& out, Exposition form, std::string_view name, std::string_view type, std::string_view help) {
    std::string_view family = name;
    if (form == Exposition::open_metrics) {
        if (type == "counter") family = without_suffix(name, "_total");
        if (type == "info") family = without_suffix(name, "_info");
    } else if (type == "info") {
        type = "gauge";
    }
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", family, help, family, type);
    if (form == Exposition::prometheus) return;
    for (const std::string_view unit : units)
        if (family.size() > unit.size() && family.ends_with(unit) && family[family.size() - unit.size() - 1] == '_')
            fmt::format_to(std::back_inserter(out), "# UNIT {} {}\n", family, unit);
}

void append_label_value(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (c == '\\') out += "\\\\";
        else if (c == '"') out += "\\\"";
        else if (c == '\n') out += "\\n";
        else out += c;
    }
}

void series(std::string& out, std::string_view name, Labels labels, std::string_view value) {
    out += name;
    char before = '{';
    for (const auto& [key, text] : labels) {
        out += before;
        before = ',';
        out += key;
        out += "=\"";
        append_label_value(out, text);
        out += '"';
    }
    if (before == ',') out += '}';
    out += ' ';
    out += value;
    out += '\n';
}
void series(std::string& out, std::string_view name, Labels labels, std::uint64_t value) { series(out, name, labels, fmt::format("{}", value)); }
// As many digits as the value has: nine would round a time of day to ten seconds.
void series(std::string& out, std::string_view name, Labels labels, double value) { series(out, name, labels, fmt::format("{}", value)); }

void histogram(std::string& out, Exposition form, std::string_view name, std::pair<std::string_view, std::string_view> label,
               std::span<const std::uint32_t> bounds_us, std::span<const std::uint64_t> counts, Duration sum) {
    const std::string bucket = fmt::format("{}_bucket", name);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < bounds_us.size(); ++i) {
        total += counts[i];
        series(out, bucket, {label, {"le", bound_text(form, bounds_us[i])}}, total);
    }
    total += counts[bounds_us.size()];
    series(out, bucket, {label, {"le", "+Inf"}}, total);
    series(out, fmt::format("{}_sum", name), {label}, seconds(sum));
    series(out, fmt::format("{}_count", name), {label}, total);
}

void end(std::string& out, Exposition form) {
    if (form == Exposition::open_metrics) out += "# EOF\n";
}

}  // namespace hale::api
