// Goal: whoever scrapes gets the form that was asked for, and each form keeps its own rules. Method: a table of Accept
// fields as scrapers send them; every kind of family written in both forms and compared whole.

#include "api/exposition.h"

#include <gtest/gtest.h>

#include <array>

namespace hale::api {
namespace {

using enum Exposition;

TEST(Exposition, IsWhatWasAskedFor) {
    const std::pair<std::string_view, Exposition> table[] = {
        {"", prometheus},
        {"*/*", prometheus},
        {"text/html,application/xhtml+xml,*/*;q=0.8", prometheus},
        {"text/plain;version=0.0.4", prometheus},
        {"application/openmetrics-text", open_metrics},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", open_metrics},
        {"Application/OpenMetrics-Text; Version=\"1.0.0\"", open_metrics},
        {"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", open_metrics},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         open_metrics},
        {"text/plain, application/openmetrics-text", open_metrics},  // Both as welcome: the one that says more.
        {"text/plain;q=0.9, application/openmetrics-text;q=0.8", prometheus},
        {"text/*;q=0.9, application/openmetrics-text;q=0.8", prometheus},
        {"text/plain;q=0.1, text/*;q=0.9, application/openmetrics-text;q=0.8", open_metrics},
        {"*/*, application/openmetrics-text;q=0.8", prometheus},
        {"application/openmetrics-text;q=0", prometheus},
        {"application/openmetrics-text;q=0.0, */*", prometheus},
        {"application/openmetrics-text;q=much", prometheus},
        {"application/openmetrics-text;version=2.0.0", prometheus},
        {"application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", prometheus},
        {"application/openmetrics-textual", prometheus},
        {",;,=;q", prometheus},
    };
    for (const auto& [accept, form] : table) EXPECT_EQ(exposition_for(accept), form) << accept;
    EXPECT_EQ(content_type(prometheus), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(content_type(open_metrics), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

std::string everything(Exposition form) {
    std::string out;
    head(out, form, "x_build_info", "info", "Who.");
    series(out, "x_build_info", {{"version", "1"}}, std::uint64_t{1});
    head(out, form, "x_sent_bytes_total", "counter", "How much.");
    series(out, "x_sent_bytes_total", {{"a", "q\"b\\s\nl"}, {"b", ""}}, std::uint64_t{18'446'744'073'709'551'615u});
    head(out, form, "x_seconds", "histogram", "How long.");
    const std::array<std::uint32_t, 3> bounds{500, 1'000'000, 2'500'000};
    const std::array<std::uint64_t, 4> counts{1, 0, 2, 3};
    histogram(out, form, "x_seconds", {"s", "web"}, bounds, counts, 12500ms);
    head(out, form, "x_at_timestamp_seconds", "gauge", "When.");
    series(out, "x_at_timestamp_seconds", {}, 1'795'351'234.5);
    head(out, form, "x_nanoseconds", "gauge", "No unit of ours.");
    end(out, form);
    return out;
}

TEST(Exposition, EachFormKeepsItsRules) {
    EXPECT_EQ(everything(prometheus), R"(# HELP x_build_info Who.
# TYPE x_build_info gauge
x_build_info{version="1"} 1
# HELP x_sent_bytes_total How much.
# TYPE x_sent_bytes_total counter
x_sent_bytes_total{a="q\"b\\s\nl",b=""} 18446744073709551615
# HELP x_seconds How long.
# TYPE x_seconds histogram
x_seconds_bucket{s="web",le="0.0005"} 1
x_seconds_bucket{s="web",le="1"} 1
x_seconds_bucket{s="web",le="2.5"} 3
x_seconds_bucket{s="web",le="+Inf"} 6
x_seconds_sum{s="web"} 12.5
x_seconds_count{s="web"} 6
# HELP x_at_timestamp_seconds When.
# TYPE x_at_timestamp_seconds gauge
x_at_timestamp_seconds 1795351234.5
# HELP x_nanoseconds No unit of ours.
# TYPE x_nanoseconds gauge
)");
    EXPECT_EQ(everything(open_metrics), R"(# HELP x_build Who.
# TYPE x_build info
x_build_info{version="1"} 1
# HELP x_sent_bytes How much.
# TYPE x_sent_bytes counter
# UNIT x_sent_bytes bytes
x_sent_bytes_total{a="q\"b\\s\nl",b=""} 18446744073709551615
# HELP x_seconds How long.
# TYPE x_seconds histogram
# UNIT x_seconds seconds
x_seconds_bucket{s="web",le="0.0005"} 1
x_seconds_bucket{s="web",le="1.0"} 1
x_seconds_bucket{s="web",le="2.5"} 3
x_seconds_bucket{s="web",le="+Inf"} 6
x_seconds_sum{s="web"} 12.5
x_seconds_count{s="web"} 6
# HELP x_at_timestamp_seconds When.
# TYPE x_at_timestamp_seconds gauge
# UNIT x_at_timestamp_seconds seconds
x_at_timestamp_seconds 1795351234.5
# HELP x_nanoseconds No unit of ours.
# TYPE x_nanoseconds gauge
# EOF
)");
}

}  // namespace
}  // namespace hale::api
