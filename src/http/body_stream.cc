#include "http/body_stream.h"

#include <cerrno>
#include <span>

namespace hale::http {

using io::IoStatus;

namespace {
Trouble trouble_of(int error) { return error == ECONNRESET || error == EPIPE ? Trouble::reset : Trouble::broken; }
}  // namespace

void BodyStream::begin(std::string request, wire::Method method) {
    unsent_ = std::move(request);
    sent_ = 0;
    head_.clear();
    rest_ = payload_ = why_ = {};
    method_ = method;
    scan_ = {};
    interim_bytes_ = 0;
    error_ = interim_ = 0;
    stage_ = Stage::send;
    trouble_ = Trouble::none;
    head_came_ = false;
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(piece_bytes);
}

BodyStream::Step BodyStream::advance(io::Stream& stream) {
    payload_ = {};
    for (;;) {
        switch (stage_) {
            case Stage::send: {
                const io::IoResult wrote = stream.write(std::string_view(unsent_).substr(sent_));
                if (wrote.status == IoStatus::would_block) return Step::waiting;
                if (wrote.status != IoStatus::ok) return failed(trouble_of(wrote.error), {}, wrote.error);
                sent_ += wrote.bytes;
                if (sent_ < unsent_.size()) continue;
                std::string{}.swap(unsent_);
                stage_ = Stage::head;
                continue;
            }
            case Stage::head: {
                Step step;
                if (!read(stream, step)) return step;
                head_.append(rest_);
                rest_ = {};
                step = take_head();
                if (step != Step::waiting) return step;
                continue;
            }
            case Stage::body: {
                if (reader_.done()) {
                    stage_ = Stage::over;
                    return Step::ended;
                }
                if (rest_.empty()) {
                    if (!head_.empty()) std::string{}.swap(head_);
                    Step step;
                    if (!read(stream, step)) return step;
                }
                const wire::BodyReader::Step got = reader_.read(rest_);
                if (got.status == wire::BodyStatus::bad) return failed(Trouble::malformed, got.why);
                rest_.remove_prefix(got.consumed);
                payload_ = got.payload;
                if (!payload_.empty()) return Step::payload;
                continue;
            }
            case Stage::over: return trouble_ == Trouble::none ? Step::ended : Step::failed;
        }
    }
}

bool BodyStream::read(io::Stream& stream, Step& step) {
    step = Step::waiting;
    const io::IoResult got = stream.read(std::span(buffer_.get(), piece_bytes));
    switch (got.status) {
        case IoStatus::ok:
            rest_ = {buffer_.get(), got.bytes};
            return true;
        case IoStatus::would_block: return false;
        case IoStatus::failed: step = failed(trouble_of(got.error), {}, got.error); return false;
        case IoStatus::end: break;
    }
    if (stage_ == Stage::body) {
        const wire::BodyReader::Step end = reader_.end_of_stream();
        if (end.status == wire::BodyStatus::done) {
            stage_ = Stage::over;
            step = Step::ended;
        } else {
            step = failed(Trouble::closed, "the connection was closed inside the body");
        }
    } else {
        step = failed(Trouble::closed, head_.empty() ? "the connection was closed without an answer" : "the connection was closed inside the head");
    }
    return false;
}

BodyStream::Step BodyStream::take_head() {
    wire::HeadLimits limits;
    limits.max_head_bytes = head_limit;
    for (;;) {
        const std::string_view bytes = std::string_view(head_).substr(interim_bytes_);
        const wire::HeadResult parsed = wire::parse_response_head(bytes, limits, method_, scan_, scratch_.head);
        if (parsed.status == wire::ParseStatus::bad) return failed(Trouble::malformed, parsed.why);
        if (parsed.status == wire::ParseStatus::need_more) return Step::waiting;
        scan_ = {};
        if (scratch_.head.interim) {
            if (++interim_ > most_interim_answers) return failed(Trouble::malformed, "too many interim (1xx) answers");
            interim_bytes_ += parsed.consumed;
            continue;
        }
        if (scratch_.head.tunnel) return failed(Trouble::malformed, "the connection was turned into something else than HTTP");
        rest_ = bytes.substr(parsed.consumed);
        reader_ = wire::BodyReader(scratch_.head.framing);
        stage_ = Stage::body;
        head_came_ = true;
        return Step::head;
    }
}

BodyStream::Step BodyStream::failed(Trouble trouble, std::string_view why, int error) {
    stage_ = Stage::over;
    trouble_ = trouble;
    why_ = why;
    error_ = error;
    return Step::failed;
}

}  // namespace hale::http
