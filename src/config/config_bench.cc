// What a reload costs: 100 services with 100 instances each, unchanged. The budget is 200 ms for loading and
// comparing together.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "config/diff.h"
#include "config/load.h"

namespace hale::config {
namespace {

LoadRequest fleet() {
    std::string text = "listen: {http: \":80\"}\nservices:\n";
    for (int service = 0; service < 100; ++service) {
        text += fmt::format("  s{}:\n    hosts: [s{}.example]\n    check: {{http: /up, interval: 10s, expect: [\"[STATUS] == 200\"]}}\n    instances:\n", service, service);
        for (int instance = 0; instance < 100; ++instance) text += fmt::format("      - \"10.{}.{}.1:8080\"\n", service, instance);
    }
    LoadRequest request;
    request.texts.push_back({"hale.yml", std::move(text)});
    return request;
}

void reload_unchanged(benchmark::State& state) {
    const LoadRequest request = fleet();
    const auto before = load_document(request);
    for (auto _ : state) {
        const auto after = load_document(request);
        const Plan plan = diff(*before, *after);
        if (!plan.empty()) state.SkipWithError("something changed");
    }
}
BENCHMARK(reload_unchanged)->Unit(benchmark::kMillisecond);

void compare_only(benchmark::State& state) {
    const LoadRequest request = fleet();
    const auto before = load_document(request);
    const auto after = load_document(request);
    for (auto _ : state) benchmark::DoNotOptimize(diff(*before, *after));
}
BENCHMARK(compare_only)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hale::config
