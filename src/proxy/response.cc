// The second half of an exchange: what the upstream says, on its way to the client; and tunnels.

#include <utility>

#include "proxy/client.h"
#include "proxy/core.h"
#include "wire/http1_write.h"

namespace hale::proxy {

namespace {

// Bodies up to here are copied behind their head: one small write is cheaper than a gathering one.
constexpr std::size_t copied_bytes = 4 * 1024;
constexpr std::uint32_t most_interims = 16;

ClientBody form_for(wire::BodyKind kind, std::uint8_t client_minor) {
    switch (kind) {
        case wire::BodyKind::none: return ClientBody::none;
        case wire::BodyKind::length: return ClientBody::as_is;
        case wire::BodyKind::chunked: return client_minor > 0 ? ClientBody::as_is : ClientBody::bare;
        case wire::BodyKind::until_close: return client_minor > 0 ? ClientBody::chunked : ClientBody::bare;
    }
    return ClientBody::bare;
}

}  // namespace

void Client::read_upstream() {
    while ((state_ == State::exchange || state_ == State::tunnel) && x_.upstream != nullptr && x_.upstream->may_read &&
           out_.size() - out_at_ < core_.options().buffer_bytes) {
        const auto room = core_.scratch();
        const auto got = x_.upstream->stream().read(room);
        switch (got.status) {
            case io::IoStatus::ok:
                x_.upstream->may_read = got.bytes == room.size();
                take_response({room.data(), got.bytes});
                break;
            case io::IoStatus::would_block:
                x_.upstream->may_read = false;
                if (x_.upload_dead && (!x_.begun || state_ == State::tunnel)) upstream_ended(true);
                return;
            case io::IoStatus::end:
            case io::IoStatus::failed:
                x_.upstream->may_read = false;
                upstream_ended(got.status == io::IoStatus::failed);
                return;
        }
    }
}

void Client::take_response(std::string_view bytes) {
    if (state_ == State::tunnel) {
        if (send(bytes)) wait_for_progress();
        return;
    }
    if (x_.begun) {
        core_.out.clear();
        relay_body(bytes);
        return;
    }
    std::string& kept = x_.upstream->in;
    if (!kept.empty()) {
        kept.append(bytes);
        bytes = kept;
    }
    const wire::HeadLimits limits{.max_head_bytes = core_.options().max_response_head_bytes};
    auto& head = core_.response_head;
    for (;;) {
        const auto result = wire::parse_response_head(bytes, limits, x_.method, x_.scan, head);
        if (result.status == wire::ParseStatus::need_more) {
            if (kept.empty()) kept.assign(bytes);
            else kept.erase(0, kept.size() - bytes.size());
            return;
        }
        const bool odd = head.interim && ++x_.interims > most_interims;
        if (result.status == wire::ParseStatus::bad || odd || (head.tunnel && (!x_.upgrade || !x_.request_done))) {
            core_.passive(*x_.backend, verdict::Reason::protocol_error);
            ++x_.service->stats.upstream_resets;
            answer(Answered::upstream_reset, 0, "Its answer is not valid HTTP.");
            return;
        }
        bytes.remove_prefix(result.consumed);
        x_.scan = {};
        if (head.tunnel) {
            start_tunnel(bytes);
            return;
        }
        if (!head.interim) break;
        x_.interim = true;
        if (x_.minor == 0) continue;  // HTTP/1.0 knows no interim responses.
        core_.out.clear();
        append_interim(core_.out, head);
        if (!send(core_.out)) return;
        wait_for_progress();
    }
    begin_response(bytes);
}

void Client::begin_response(std::string_view body) {
    const auto& head = core_.response_head;
    x_.status = head.status;
    x_.upstream_keep_alive = head.keep_alive;
    x_.response_body = wire::BodyReader(head.framing);
    x_.form = form_for(head.framing.kind, x_.minor);
    // An answer to a request that is still arriving: whether its rest ever comes is not known, so the connection
    // ends with this answer.
    const bool keep_alive = x_.keep_alive && x_.request_done && x_.form != ClientBody::bare && !core_.draining() && !close_after_;
    close_after_ = !keep_alive;
    if (head.status >= 502 && head.status <= 504) core_.passive(*x_.backend, verdict::Reason::passive_errors);
    core_.out.clear();
    append_response(core_.out, head,
                    {.body = x_.form,
                     .keep_alive = keep_alive,
                     .client_minor = x_.minor,
                     .panic = x_.panic ? std::string_view(x_.service->name()) : std::string_view{},
                     .date = head.fields.has(wire::Known::date) ? std::string_view{} : core_.date(),
                     .hsts = x_.hsts});
    x_.begun = true;
    relay_body(body);
}

// Sends core_.out and, behind it, what `bytes` hold of the body.
void Client::relay_body(std::string_view bytes) {
    std::string& out = core_.out;
    std::size_t used = 0;
    std::string_view raw, tail;
    bool bad = false;
    const auto walk = [&](auto payload) {
        while (!x_.response_body.done() && used < bytes.size() && !bad) {
            const auto step = x_.response_body.read(bytes.substr(used));
            bad = step.status == wire::BodyStatus::bad;
            if (bad) break;
            used += step.consumed;
            payload(step.payload);
        }
    };
    switch (x_.form) {
        case ClientBody::none: break;
        case ClientBody::as_is:
            walk([](std::string_view) {});
            raw = bytes.substr(0, used);
            break;
        case ClientBody::chunked:
            walk([](std::string_view) {});  // Until the connection ends, everything is payload.
            raw = bytes.substr(0, used);
            if (raw.empty()) break;
            wire::append_chunk_header(out, raw.size());
            tail = wire::chunk_end;
            break;
        case ClientBody::bare:
            walk([&](std::string_view payload) { out.append(payload); });
            break;
    }
    bool alive = true;
    if (raw.size() <= copied_bytes) {
        out.append(raw).append(tail);
        if (!out.empty()) alive = send(out);
    } else {
        const std::array<io::Slice, 3> slices{{{out.data(), out.size()}, {raw.data(), raw.size()}, {tail.data(), tail.size()}}};
        alive = send(slices);
    }
    if (!alive) return;
    if (bad) response_cut();
    else if (x_.response_body.done()) exchange_done(bytes.size() - used);
    else {
        x_.upstream->in.clear();
        wait_for_progress();
    }
}

void Client::upstream_ended(bool failed) {
    if (state_ == State::tunnel) {
        upstream_half_closed_ = true;
        const bool all_sent = out_.size() == out_at_;
        if (failed || (half_closed_ && all_sent)) {
            finish(false);
            close_after_ = unread_request_ = true;
            after_answer();
        } else if (all_sent) {
            stream_->shutdown_write();
        }
        return;
    }
    if (!x_.begun) {
        lost(Loss::closed, failed ? verdict::Reason::connect_reset : verdict::Reason::connection_closed);
        return;
    }
    if (failed || x_.response_body.end_of_stream().status != wire::BodyStatus::done) {
        response_cut();
        return;
    }
    x_.upstream_keep_alive = false;
    if (x_.form == ClientBody::chunked && !send(wire::last_chunk)) return;
    exchange_done(0);
}

// The upstream left in the middle of its answer. The client must be able to tell: no last chunk, fewer bytes than
// announced; and where only the connection's end would say so, a reset.
void Client::response_cut() {
    x_.cut = true;
    ++x_.service->stats.upstream_resets;
    core_.passive(*x_.backend, verdict::Reason::connect_reset);
    const bool by_reset = x_.form == ClientBody::bare || out_.size() > out_at_;
    finish(true);
    close(by_reset);
}

void Client::exchange_done(std::size_t left_over) {
    const bool reusable = x_.upstream_keep_alive && left_over == 0 && x_.request_done && x_.unsent() == 0 && !x_.upload_dead &&
                          !x_.upstream->may_read;
    unread_request_ = unread_request_ || !x_.request_done;
    let_upstream_go(reusable);
    finish(false);
    after_answer();
}

void Client::start_tunnel(std::string_view rest) {
    core_.out.clear();
    append_interim(core_.out, core_.response_head);
    core_.out.append(rest);
    x_.status = 101;
    x_.begun = true;
    x_.upstream->in.clear();
    x_.request.clear();
    x_.sent = 0;
    x_.replayable = false;
    state_ = State::tunnel;
    core_.count_tunnel(1);
    if (!send(core_.out)) return;
    wait_for_progress();
    core_.schedule(*this);  // What the client sent ahead.
}

void Client::tunnel_to_upstream(std::string_view bytes) {
    x_.bytes_in += bytes.size();
    x_.request.append(bytes);
    flush_request();
}

void Client::tunnel_half_closed() {
    if (upstream_half_closed_ && out_.size() == out_at_) {
        finish(false);
        close();
    } else if (x_.unsent() == 0) {
        x_.upstream->stream().shutdown_write();
    }
}

}  // namespace hale::proxy
