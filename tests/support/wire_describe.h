// Everything a codec of wire said about some bytes, as one comparable text. For the unit tests, the fuzz targets
// and the differential test, which all ask the same: does it say the same however the bytes come?

#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::wire {

// A copy that ends where its allocation ends, so that AddressSanitizer sees a read one byte beyond.
class Exact {
public:
    explicit Exact(std::string_view text) : size_(text.size()), bytes_(new char[text.size()]) {
        text.copy(bytes_.get(), size_);
    }
    std::string_view view() const { return {bytes_.get(), size_}; }

private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
};

inline std::string describe(const Fields& fields) {
    std::string out;
    for (const Field& field : fields)
        out += fmt::format("\n  {}={} #{}{}", field.name, field.value, static_cast<int>(field.id),
                           hop_by_hop(field, fields) ? " hop" : "");
    return out;
}

inline std::string describe(const HeadResult& result) {
    if (result.status == ParseStatus::need_more) return "need_more";
    if (result.status == ParseStatus::bad) return fmt::format("bad {} {}", result.answer, result.why);
    return fmt::format("done {}", result.consumed);
}

inline std::string describe(const HeadResult& result, const RequestHead& head) {
    if (result.status != ParseStatus::done) return describe(result);
    return fmt::format(
        "{} {} {} {} 1.{} form {} path {} authority {} host {} port {} framing {} {} keep {} expect {} upgrade {}{}",
        describe(result), head.method_name, static_cast<int>(head.method), head.target, head.minor,
        static_cast<int>(head.form), head.path_and_query, head.authority, head.host,
        head.port ? static_cast<int>(*head.port) : -1, static_cast<int>(head.framing.kind), head.framing.length,
        head.keep_alive, head.expect_continue, head.upgrade, describe(head.fields));
}

inline std::string describe(const HeadResult& result, const ResponseHead& head) {
    if (result.status != ParseStatus::done) return describe(result);
    return fmt::format("{} {} '{}' 1.{} framing {} {} length {} keep {} interim {} tunnel {}{}", describe(result),
                       head.status, head.reason, head.minor, static_cast<int>(head.framing.kind), head.framing.length,
                       head.content_length ? static_cast<long long>(*head.content_length) : -1, head.keep_alive,
                       head.interim, head.tunnel, describe(head.fields));
}

// Feeds `text` in pieces that end at `cuts` (ascending) and then as a whole; stops at the first verdict.
inline std::string request_in_pieces(std::string_view text, const std::vector<std::size_t>& cuts,
                                     const HeadLimits& limits) {
    HeadScan scan;
    RequestHead head;
    for (const std::size_t cut : cuts) {
        const Exact part(text.substr(0, cut));
        const HeadResult result = parse_request_head(part.view(), limits, scan, head);
        if (result.status != ParseStatus::need_more) return describe(result, head);
    }
    const Exact all(text);
    const HeadResult result = parse_request_head(all.view(), limits, scan, head);
    return describe(result, head);
}

inline std::string response_in_pieces(std::string_view text, const std::vector<std::size_t>& cuts,
                                      const HeadLimits& limits, Method request) {
    HeadScan scan;
    ResponseHead head;
    for (const std::size_t cut : cuts) {
        const Exact part(text.substr(0, cut));
        const HeadResult result = parse_response_head(part.view(), limits, request, scan, head);
        if (result.status != ParseStatus::need_more) return describe(result, head);
    }
    const Exact all(text);
    const HeadResult result = parse_response_head(all.view(), limits, request, scan, head);
    return describe(result, head);
}

struct BodySeen {
    BodyStatus status = BodyStatus::more;
    std::size_t consumed = 0;
    std::string payload, trailers, why;
    bool stuck = false;  // A call with bytes consumed none and decided nothing.

    // Of a bad body only the verdict and the payload before the fault are promised, not how far it was consumed.
    std::string text() const {
        if (stuck) return "stuck";
        if (status == BodyStatus::bad) return fmt::format("bad {} after [{}]", why, payload);
        return fmt::format("{} {} [{}] trailers [{}]", status == BodyStatus::done ? "done" : "more", consumed, payload,
                           trailers);
    }
};

inline void feed(BodyReader& reader, std::string_view text, BodySeen& seen) {
    const Exact copy(text);
    std::string_view left = copy.view();
    while (!left.empty() && seen.status == BodyStatus::more && !seen.stuck) {
        const BodyReader::Step step = reader.read(left);
        seen.status = step.status;
        seen.payload += step.payload;
        seen.why = step.why;
        seen.consumed += step.consumed;
        seen.stuck = step.consumed == 0 && step.status == BodyStatus::more;
        left.remove_prefix(step.consumed);
    }
}

inline BodySeen body_in_pieces(std::string_view text, const std::vector<std::size_t>& cuts, Framing framing,
                               const BodyLimits& limits) {
    BodyReader reader(framing, limits);
    BodySeen seen;
    if (reader.done()) seen.status = BodyStatus::done;
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
        feed(reader, text.substr(from, cut - from), seen);
        from = cut;
    }
    feed(reader, text.substr(from), seen);
    if (seen.status == BodyStatus::done) seen.trailers = reader.trailers();
    return seen;
}

inline std::vector<std::size_t> every_byte(std::string_view text) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < text.size(); ++i) cuts.push_back(i);
    return cuts;
}

}  // namespace hale::wire
