#include "http/client_exchange.h"

#include <algorithm>
#include <cerrno>

namespace hale::http {

using io::IoStatus;

namespace {

constexpr std::size_t kept_beyond_use = 4 * 1024;  // Larger buffers are given back after their answer.

void forget(std::string& text) {
    if (text.capacity() > kept_beyond_use) {
        std::string{}.swap(text);
    } else {
        text.clear();
    }
}

}  // namespace

void ClientExchange::begin(std::span<const io::Slice> request, const AnswerPlan& plan) {
    release();
    plan_ = plan;
    request_ = request;
    view_ = head_in_scratch_ = raw_ = why_ = {};
    scan_ = {};
    body_bytes_ = 0;
    error_ = interim_ = 0;
    stage_ = Stage::send;
    trouble_ = Trouble::none;
    head_parsed_now_ = keep_alive_ = truncated_ = in_step_ = any_byte_ = false;
}

void ClientExchange::release() {
    forget(unsent_);
    forget(kept_);
    forget(body_);
}

Progress ClientExchange::advance(io::Stream& stream, bool unread) {
    head_parsed_now_ = false;
    if (stage_ == Stage::send) {
        if (unread && unsent_.empty()) {
            // A server that speaks first is not answering us.
            const io::IoResult early = stream.read(scratch_.bytes);
            if (early.status == IoStatus::ok) {
                raw_ = {scratch_.bytes.data(), early.bytes};
                return failed(Trouble::early, "bytes came before the request was sent");
            }
            if (early.status == IoStatus::end) return ended();
        }
        const bool in_pieces = !unsent_.empty();
        if (const Progress progress = send(stream); progress == Progress::failed || stage_ == Stage::send)
            return progress;
        // What was asked this moment is not answered yet; but a notice for the rest of it may have meant more.
        if (!unread && !in_pieces) return Progress::waiting;
    }
    return receive(stream);
}

Progress ClientExchange::send(io::Stream& stream) {
    io::IoResult result;
    if (unsent_.empty()) {
        result = stream.write(request_);
        std::size_t whole = 0;
        for (const io::Slice& slice : request_) whole += slice.size;
        const std::size_t done = result.status == IoStatus::ok ? result.bytes : 0;
        if (result.status != IoStatus::failed && done < whole) {
            unsent_.reserve(whole - done);
            std::size_t skip = done;
            for (const io::Slice& slice : request_) {
                const std::size_t skipped = std::min(skip, slice.size);
                unsent_.append(slice.data + skipped, slice.size - skipped);
                skip -= skipped;
            }
            request_ = {};
            if (result.status == IoStatus::ok) return send(stream);
            return Progress::waiting;
        }
    } else {
        while (!unsent_.empty()) {
            result = stream.write(unsent_);
            if (result.status != IoStatus::ok) break;
            unsent_.erase(0, result.bytes);
        }
        if (result.status == IoStatus::would_block) return Progress::waiting;
    }
    request_ = {};
    if (result.status == IoStatus::failed) {
        const bool reset = result.error == ECONNRESET || result.error == EPIPE;
        return failed(reset ? Trouble::reset : Trouble::broken, {}, result.error);
    }
    stage_ = Stage::head;
    return Progress::waiting;
}

Progress ClientExchange::receive(io::Stream& stream) {
    for (;;) {
        const io::IoResult result = stream.read(scratch_.bytes);
        switch (result.status) {
            case IoStatus::would_block:
                return Progress::waiting;
            case IoStatus::end:
                return ended();
            case IoStatus::failed: {
                const bool reset = result.error == ECONNRESET || result.error == EPIPE;
                return failed(reset ? Trouble::reset : Trouble::broken, {}, result.error);
            }
            case IoStatus::ok:
                break;
        }
        any_byte_ = true;
        if (const Progress progress = take({scratch_.bytes.data(), result.bytes}); progress != Progress::waiting) {
            // After a full read more may wait unseen, and no notice would tell of it.
            if (result.bytes == scratch_.bytes.size()) in_step_ = false;
            return progress;
        }
        keep_for_later();
        // A short read means that nothing more is there; a full one may have left something.
        if (result.bytes < scratch_.bytes.size()) return Progress::waiting;
    }
}

Progress ClientExchange::take(std::string_view bytes) {
    if (stage_ == Stage::head) {
        std::string_view rest;
        if (const Progress progress = take_head(bytes, rest); progress != Progress::waiting) return progress;
        if (stage_ == Stage::head) return Progress::waiting;
        bytes = rest;
    }
    return take_body(bytes);
}

Progress ClientExchange::take_head(std::string_view bytes, std::string_view& rest) {
    wire::HeadLimits limits;
    limits.max_head_bytes = plan_.head_limit;
    const bool pieces = !kept_.empty();
    if (pieces) {
        kept_.append(bytes);
        bytes = kept_;
    }
    for (;;) {
        const wire::HeadResult parsed = wire::parse_response_head(bytes, limits, plan_.method, scan_, scratch_.head);
        if (parsed.status == wire::ParseStatus::bad) {
            raw_ = bytes;
            return failed(Trouble::malformed, parsed.why);
        }
        if (parsed.status == wire::ParseStatus::need_more) {
            if (pieces) {
                kept_.erase(0, kept_.size() - bytes.size());
            } else {
                kept_.assign(bytes);
            }
            return Progress::waiting;
        }
        scan_ = {};
        if (!scratch_.head.interim) {
            rest = bytes.substr(parsed.consumed);
            head_in_scratch_ = bytes.substr(0, parsed.consumed);
            break;
        }
        if (++interim_ > most_interim_answers) return failed(Trouble::malformed, "too many interim (1xx) answers");
        bytes.remove_prefix(parsed.consumed);
    }
    head_parsed_now_ = true;
    stage_ = Stage::body;
    const wire::ResponseHead& head = scratch_.head;
    keep_alive_ = head.keep_alive && !head.tunnel;
    reader_ = wire::BodyReader(head.framing);
    if (head.tunnel) return answered(false);
    if (plan_.head_only) {
        const bool whole = head.framing.kind == wire::BodyKind::none
                               ? rest.empty()
                               : head.framing.kind == wire::BodyKind::length && rest.size() == head.framing.length;
        return answered(whole);
    }
    if (pieces) {
        // The head stays in kept_; what follows it came with the last read, so it fits back into the scratch.
        const auto before = static_cast<std::size_t>(head_in_scratch_.data() - kept_.data());
        const std::size_t head_size = head_in_scratch_.size();
        std::ranges::copy(rest, scratch_.bytes.begin());
        rest = std::string_view(scratch_.bytes.data(), rest.size());
        kept_.resize(before + head_size);
        kept_.erase(0, before);
        head_in_scratch_ = {};
        head_parsed_now_ = false;
    }
    return Progress::waiting;
}

Progress ClientExchange::take_body(std::string_view bytes) {
    for (;;) {
        if (reader_.done()) return answered(bytes.empty());
        if (bytes.empty()) return Progress::waiting;
        const wire::BodyReader::Step step = reader_.read(bytes);
        if (step.status == wire::BodyStatus::bad) {
            raw_ = bytes;
            return failed(Trouble::malformed, step.why);
        }
        std::string_view payload = step.payload;
        body_bytes_ += payload.size();
        const bool over = body_bytes_ > plan_.body_limit;
        if (over) payload.remove_suffix(std::min<std::size_t>(payload.size(), body_bytes_ - plan_.body_limit));
        if (plan_.keep_body && !payload.empty()) {
            if (view_.empty() && body_.empty()) {
                view_ = payload;
            } else {
                if (body_.empty()) body_.assign(view_);
                view_ = {};
                body_.append(payload);
            }
        }
        if (over) {
            truncated_ = true;
            return answered(false);
        }
        bytes.remove_prefix(step.consumed);
        if (step.status == wire::BodyStatus::done) return answered(bytes.empty());
    }
}

Progress ClientExchange::ended() {
    if (stage_ == Stage::body) {
        const wire::BodyReader::Step step = reader_.end_of_stream();
        if (step.status == wire::BodyStatus::done) return answered(false);
        return failed(Trouble::closed, "the connection was closed inside the body");
    }
    if (any_byte_) return failed(Trouble::closed, "the connection was closed inside the head");
    return failed(Trouble::closed, "the connection was closed without an answer");
}

// The scratch belongs to others until the next notice: what this exchange needs of it moves out.
void ClientExchange::keep_for_later() {
    if (stage_ == Stage::body) {
        if (!head_in_scratch_.empty()) kept_.assign(head_in_scratch_);
        head_in_scratch_ = {};
        if (!view_.empty()) body_.assign(view_);
        view_ = {};
    }
    head_parsed_now_ = false;
}

Progress ClientExchange::answered(bool in_step) {
    stage_ = Stage::over;
    in_step_ = in_step && keep_alive_ && unsent_.empty();
    if (!head_parsed_now_) {
        // Came in pieces: others may have used the scratch since. It parsed once, so it parses again.
        wire::HeadScan scan;
        wire::HeadLimits limits;
        limits.max_head_bytes = plan_.head_limit;
        if (wire::parse_response_head(kept_, limits, plan_.method, scan, scratch_.head).status !=
            wire::ParseStatus::done)
            return failed(Trouble::malformed, "the head changed while it was read");
    }
    return Progress::answered;
}

Progress ClientExchange::failed(Trouble trouble, std::string_view why, int error) {
    stage_ = Stage::over;
    trouble_ = trouble;
    why_ = why;
    error_ = error;
    in_step_ = false;
    return Progress::failed;
}

}  // namespace hale::http
