// What a proxied request costs in this codec: reading its head, its answer's head, matching host and path,
// writing a head. Build with -DHALE_BENCH=ON in the release preset.

#include "wire/http1.h"

#include <benchmark/benchmark.h>

#include <string>

#include "wire/http1_body.h"
#include "wire/http1_write.h"
#include "wire/url.h"

namespace hale::wire {
namespace {

constexpr std::string_view request =
    "GET /api/v1/items?limit=20&after=1842 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=5a13fe6b1c2d4e5f; theme=dark\r\n"
    "Connection: keep-alive\r\n"
    "Referer: https://shop.example.com/\r\n\r\n";

constexpr std::string_view response =
    "HTTP/1.1 200 OK\r\n"
    "Date: Sat, 21 Nov 2026 14:18:21 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1024\r\n"
    "Cache-Control: no-store\r\n"
    "ETag: \"v1842\"\r\n"
    "Vary: Accept-Encoding\r\n"
    "Connection: keep-alive\r\n\r\n";

void request_head(benchmark::State& state) {
    RequestHead head;
    for (auto _ : state) {
        HeadScan scan;
        HeadResult result = parse_request_head(request, {}, scan, head);
        benchmark::DoNotOptimize(result);
        benchmark::DoNotOptimize(head);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(request.size()));
}
BENCHMARK(request_head);

void smallest_request_head(benchmark::State& state) {
    constexpr std::string_view text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    RequestHead head;
    for (auto _ : state) {
        HeadScan scan;
        HeadResult result = parse_request_head(text, {}, scan, head);
        benchmark::DoNotOptimize(result);
        benchmark::DoNotOptimize(head);
    }
}
BENCHMARK(smallest_request_head);

void response_head(benchmark::State& state) {
    ResponseHead head;
    for (auto _ : state) {
        HeadScan scan;
        HeadResult result = parse_response_head(response, {}, Method::get, scan, head);
        benchmark::DoNotOptimize(result);
        benchmark::DoNotOptimize(head);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(response.size()));
}
BENCHMARK(response_head);

void host_and_path_for_routing(benchmark::State& state) {
    HostScratch host_scratch;
    std::string path_scratch;
    MatchPath path;
    std::string_view host_text = "shop.example.com", target = "/api/v1/items?limit=20&after=1842";
    for (auto _ : state) {
        benchmark::DoNotOptimize(host_text);
        benchmark::DoNotOptimize(target);
        auto host = normal_host(host_text, host_scratch);
        PathFault fault = path_for_match(target, path_scratch, path);
        benchmark::DoNotOptimize(host);
        benchmark::DoNotOptimize(fault);
        benchmark::DoNotOptimize(path);
    }
}
BENCHMARK(host_and_path_for_routing);

void forwarded_head(benchmark::State& state) {
    RequestHead head;
    HeadScan scan;
    parse_request_head(request, {}, scan, head);
    std::string out;
    for (auto _ : state) {
        out.clear();
        HeadWriter writer(out);
        writer.request(head.method_name, head.path_and_query);
        for (const Field& field : head.fields)
            if (!hop_by_hop(field, head.fields)) writer.copy(field);
        writer.field("X-Forwarded-For", "10.0.0.1");
        bool ok = writer.end();
        benchmark::DoNotOptimize(ok);
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(forwarded_head);

void chunked_body_of_4_chunks(benchmark::State& state) {
    std::string text;
    for (int i = 0; i < 4; ++i) append_chunk(text, std::string(1000, 'x'));
    text += last_chunk;
    for (auto _ : state) {
        BodyReader reader({BodyKind::chunked, 0});
        std::string_view left = text;
        std::size_t payload = 0;
        while (!reader.done()) {
            const BodyReader::Step step = reader.read(left);
            left.remove_prefix(step.consumed);
            payload += step.payload.size();
        }
        benchmark::DoNotOptimize(payload);
    }
}
BENCHMARK(chunked_body_of_4_chunks);

}  // namespace
}  // namespace hale::wire

BENCHMARK_MAIN();
