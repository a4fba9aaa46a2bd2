#include "wire/http1_body.h"

#include <algorithm>
#include <cstring>

#include "wire/chars.h"

namespace hale::wire {

namespace {
constexpr std::uint8_t max_size_digits = 15;  // 60 bits: no sum with anything overflows.
}

BodyReader::BodyReader(Framing framing, BodyLimits limits) : limits_(limits) {
    switch (framing.kind) {
        case BodyKind::none:
            break;
        case BodyKind::length:
            left_ = framing.length;
            state_ = left_ == 0 ? State::done : State::fixed;
            break;
        case BodyKind::chunked:
            state_ = State::chunk_size;
            break;
        case BodyKind::until_close:
            state_ = State::until_close;
            break;
    }
}

BodyReader::Step BodyReader::refuse(std::string_view why, std::size_t consumed) {
    state_ = State::bad;
    why_ = why;
    return {BodyStatus::bad, consumed, {}, why};
}

BodyReader::Step BodyReader::read(std::string_view bytes) {
    switch (state_) {
        case State::done:
            return {BodyStatus::done, 0, {}, {}};
        case State::bad:
            return {BodyStatus::bad, 0, {}, why_};
        case State::until_close:
            return {BodyStatus::more, bytes.size(), bytes, {}};
        case State::fixed: {
            const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
            left_ -= take;
            if (left_ == 0) state_ = State::done;
            return {left_ == 0 ? BodyStatus::done : BodyStatus::more, take, bytes.substr(0, take), {}};
        }
        default:
            return read_chunked(bytes);
    }
}

BodyReader::Step BodyReader::end_of_stream() {
    switch (state_) {
        case State::done:
        case State::until_close:
            state_ = State::done;
            return {BodyStatus::done, 0, {}, {}};
        case State::bad:
            return {BodyStatus::bad, 0, {}, why_};
        default:
            return refuse("the connection closed before the end of the body", 0);
    }
}

BodyReader::Step BodyReader::read_chunked(std::string_view bytes) {
    std::string_view payload;
    std::size_t at = 0;
    while (at < bytes.size()) {
        std::string_view wrong;
        if (state_ == State::chunk_data) {
            if (!payload.empty()) break;  // One slice a call.
            payload = bytes.substr(at, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at)));
            at += payload.size();
            left_ -= payload.size();
            if (left_ == 0) state_ = State::chunk_data_cr;
            continue;
        }
        if (state_ == State::trailer)
            wrong = take_trailer(bytes, at);
        else
            wrong = take_framing_byte(bytes[at++]);
        if (!wrong.empty()) {
            Step step = refuse(wrong, at);
            step.payload = payload;  // What came before the fault is still payload.
            return step;
        }
        if (state_ == State::done) return {BodyStatus::done, at, payload, {}};
    }
    return {BodyStatus::more, at, payload, {}};
}

// chunk-size [ BWS ";" extensions ] CR LF, and the CR LF behind the bytes of a chunk.
std::string_view BodyReader::take_framing_byte(char c) {
    if (state_ == State::chunk_data_cr) {
        state_ = State::chunk_data_lf;
        return c == '\r' ? "" : "a chunk is longer than its size says";
    }
    if (state_ == State::chunk_data_lf) {
        state_ = State::chunk_size;
        return c == '\n' ? "" : "a chunk does not end in CR LF";
    }
    if (++line_bytes_ > limits_.max_chunk_line) return "a chunk-size line longer than the limit";
    if (state_ == State::chunk_lf) return c == '\n' ? end_chunk_line() : "a bare CR in a chunk-size line";
    if (state_ == State::chunk_size) {
        if (const int value = chars::hex_value(c); value >= 0) {
            if (++digits_ > max_size_digits) return "a chunk size with too many digits";
            left_ = left_ << 4 | static_cast<std::uint64_t>(value);
            return "";
        }
        if (digits_ == 0) return "a chunk does not begin with its size in hexadecimal";
    } else if (state_ == State::chunk_extension && c != '\r') {
        if (++extension_bytes_ > limits_.max_extension_bytes) return "more chunk extensions than the limit";
        return chars::is(c, chars::value) ? "" : "a control character in a chunk extension";
    }
    // Behind the digits, or at the end of an extension.
    if (c == '\r' && state_ != State::chunk_blank)
        state_ = State::chunk_lf;
    else if (c == ';')
        state_ = State::chunk_extension;
    else if (c == ' ' || c == '\t')
        state_ = State::chunk_blank;
    else
        return "a character in a chunk-size line that is not allowed there";
    return "";
}

std::string_view BodyReader::end_chunk_line() {
    state_ = left_ == 0 ? State::trailer : State::chunk_data;
    line_bytes_ = 0;
    digits_ = 0;
    return "";
}

std::string_view BodyReader::take_trailer(std::string_view bytes, std::size_t& at) {
    const char* from = bytes.data() + at;
    const auto* lf = static_cast<const char*>(std::memchr(from, '\n', bytes.size() - at));
    const std::size_t take = lf == nullptr ? bytes.size() - at : static_cast<std::size_t>(lf + 1 - from);
    if (trailers_.size() + take > limits_.max_trailer_bytes) return "trailers larger than the limit";
    trailers_.append(from, take);
    line_bytes_ += take;
    at += take;
    if (lf == nullptr) return "";
    if (!trailers_.ends_with("\r\n")) return "a trailer line ends in a bare line feed instead of CR LF";
    const bool empty_line = line_bytes_ == 2;
    line_bytes_ = 0;
    return empty_line ? check_trailers() : "";
}

std::string_view BodyReader::check_trailers() {
    trailers_.resize(trailers_.size() - 2);
    state_ = State::done;
    if (trailers_.empty()) return "";
    Fields fields;
    if (const HeadResult read = parse_field_lines(trailers_, limits_.max_trailer_fields, fields);
        read.status != ParseStatus::done)
        return read.why;
    for (const Known id :
         {Known::transfer_encoding, Known::content_length, Known::host, Known::connection, Known::expect})
        if (fields.has(id)) return "a trailer field that decides framing or routing";
    return "";
}

}  // namespace hale::wire
