#include "http/server_connection.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/reached.h"
#include "wire/http1_write.h"

namespace hale::http {

namespace {
constexpr std::size_t read_piece = 16 * 1024;
}

void ServerExchange::answer(int status, const ServerFields& fields, std::string body) {
    if (answered_) {
        bug("a request was answered twice");
        return;
    }
    answered_ = true;
    if (connection_ == nullptr) return;
    const auto connection = connection_->shared_from_this();
    if (!connection->begin_answer(status, fields, body.size())) return;
    if (!connection->no_body_) connection->out_ += body;
    connection->send();
}

void ServerExchange::stream(int status, const ServerFields& fields, std::unique_ptr<BodyProducer> producer) {
    if (answered_) {
        bug("a request was answered twice");
        return;
    }
    answered_ = true;
    if (connection_ == nullptr) return;
    const auto connection = connection_->shared_from_this();
    if (!connection->begin_answer(status, fields, std::nullopt)) return;
    if (!connection->no_body_) connection->producer_ = std::move(producer);
    connection->send();
}

void ServerExchange::wake() {
    if (connection_ == nullptr || !connection_->waiting_) return;
    connection_->waiting_ = false;
    connection_->produce_later();
}

ServerConnection::ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const ServerLimits& limits,
                                   const Handle& handle, const RefusalBody& refusal, Closed closed)
    : loop_(loop),
      stream_(std::move(stream)),
      limits_(limits),
      handle_(handle),
      refusal_(refusal),
      closed_(std::move(closed)),
      deadline_(loop, io::member_fire<&ServerConnection::expired>, this) {}

ServerConnection::~ServerConnection() {
    if (exchange_) exchange_->connection_ = nullptr;
}

void ServerConnection::start() {
    enter(Stage::idle);
    stream_->set_handler(this);
}

void ServerConnection::enter(Stage stage) {
    stage_ = stage;
    switch (stage) {
        case Stage::idle: deadline_.arm(loop_.now() + limits_.idle); break;
        case Stage::head: deadline_.arm(loop_.now() + limits_.head_time); break;
        case Stage::body: deadline_.arm(loop_.now() + limits_.body_time); break;
        case Stage::handling: deadline_.disarm(); break;
        case Stage::answering: deadline_.arm(loop_.now() + limits_.write_stall); break;
        case Stage::lingering: deadline_.arm(loop_.now() + limits_.linger); break;
        case Stage::closed: deadline_.disarm(); break;
    }
}

void ServerConnection::close() {
    if (stage_ == Stage::closed) return;
    const auto alive = shared_from_this();
    enter(Stage::closed);
    stream_.reset();
    producer_.reset();
    if (auto exchange = std::exchange(exchange_, nullptr)) {
        exchange->connection_ = nullptr;
        if (auto task = std::move(exchange->when_gone_)) task();
    }
    if (auto closed = std::move(closed_)) closed(*this);
}

void ServerConnection::close_soon() {
    last_ = true;
    if (stage_ == Stage::idle || stage_ == Stage::head || stage_ == Stage::body || (stage_ == Stage::answering && waiting_)) close();
}

void ServerConnection::finish_soon(Duration grace) {
    last_ = true;
    if (stage_ == Stage::answering && waiting_) close();
    else if (stage_ == Stage::idle || stage_ == Stage::head || stage_ == Stage::body) deadline_.arm(loop_.now() + grace);
}

void ServerConnection::on_ready(io::Stream&, io::Readiness ready) noexcept {
    const auto alive = shared_from_this();
    if (ready.readable) {
        readable_ = true;
        read_more();
    }
    if (stage_ == Stage::closed) return;
    if (ready.writable && stage_ == Stage::answering) send();
}

void ServerConnection::read_more() {
    while (readable_ && stage_ != Stage::closed) {
        // While a request is handled, what follows waits in the socket; an end is seen all the same.
        if ((stage_ == Stage::handling || stage_ == Stage::answering) && in_.size() >= limits_.head.max_head_bytes) return;
        std::array<char, read_piece> piece;
        const io::IoResult result = stream_->read(piece);
        if (result.status == io::IoStatus::would_block) {
            readable_ = false;
            return;
        }
        if (result.status == io::IoStatus::failed) return close();
        if (result.status == io::IoStatus::end) {
            readable_ = false;
            ended_ = true;
            if (stage_ == Stage::handling || (stage_ == Stage::answering && !waiting_)) {
                HALE_REACHED("http server: the client said goodbye before its answer");
                last_ = true;  // It may have closed one direction only: the answer is still sent.
                return;
            }
            return close();
        }
        if (stage_ == Stage::lingering) continue;
        in_.append(piece.data(), result.bytes);
        advance();
    }
}

// Takes what can be taken of the bytes that came.
void ServerConnection::advance() {
    const auto alive = shared_from_this();
    for (;;) {
        if (stage_ == Stage::idle) {
            if (in_.empty()) return;
            enter(Stage::head);
        }
        if (stage_ == Stage::head && !take_head()) return;
        if (stage_ == Stage::body && !take_body()) return;
        if (stage_ != Stage::idle) return;
    }
}

bool ServerConnection::take_head() {
    if (!exchange_) exchange_ = std::make_shared<ServerExchange>();
    ServerRequest& request = exchange_->request;
    const wire::HeadResult result = wire::parse_request_head(in_, limits_.head, scan_, request.head);
    if (result.status == wire::ParseStatus::need_more) return false;
    if (result.status == wire::ParseStatus::bad) {
        refuse(result.answer, result.why);
        return false;
    }
    // The request outlives the buffer: the same head again, over bytes of its own.
    request.bytes.assign(in_, 0, result.consumed);
    in_.erase(0, result.consumed);
    scan_ = {};
    wire::HeadScan again;
    if (HALE_BUG_IF(wire::parse_request_head(request.bytes, limits_.head, again, request.head).status != wire::ParseStatus::done)) {
        close();
        return false;
    }
    keep_alive_ = request.head.keep_alive;
    if (request.head.method == wire::Method::connect) {
        refuse(501, "CONNECT is not offered here");
        return false;
    }
    if (request.head.framing.kind == wire::BodyKind::length && request.head.framing.length > limits_.max_body) {
        refuse(413, "the body is larger than 1 MiB");
        return false;
    }
    body_ = wire::BodyReader(request.head.framing);
    enter(Stage::body);
    if (request.head.expect_continue && in_.empty()) {
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        if (!flush()) return false;
    }
    return true;
}

bool ServerConnection::take_body() {
    std::size_t taken = 0;
    while (!body_.done()) {
        const std::string_view rest = std::string_view(in_).substr(taken);
        if (rest.empty()) {
            in_.clear();
            return false;
        }
        const auto step = body_.read(rest);
        if (step.status == wire::BodyStatus::bad) {
            refuse(400, step.why);
            return false;
        }
        if (exchange_->request.body.size() + step.payload.size() > limits_.max_body) {
            refuse(413, "the body is larger than 1 MiB");
            return false;
        }
        exchange_->request.body += step.payload;
        taken += step.consumed;
    }
    in_.erase(0, taken);
    begin_handling();
    return true;
}

void ServerConnection::begin_handling() {
    enter(Stage::handling);
    exchange_->connection_ = this;
    exchange_->request.peer = stream_->peer();
    exchange_->request.credentials = stream_->credentials();
    handle_(exchange_);
}

void ServerConnection::refuse(int status, std::string_view why) {
    HALE_REACHED("http server: refused a request by itself");
    if (!exchange_) exchange_ = std::make_shared<ServerExchange>();
    last_ = true;
    keep_alive_ = false;
    exchange_->connection_ = this;
    enter(Stage::handling);
    exchange_->answer(status, {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}},
                      refusal_ ? refusal_(status, why) : std::string{});
}

bool ServerConnection::begin_answer(int status, const ServerFields& fields, std::optional<std::size_t> length) {
    if (stage_ != Stage::handling) return false;
    const wire::RequestHead& head = exchange_->request.head;
    no_body_ = head.method == wire::Method::head || status == 204 || status == 304;
    chunked_ = !length && head.minor == 1;
    if (last_ || ended_ || (!length && !chunked_)) keep_alive_ = false;
    const auto write = [&](const ServerFields& those) {
        wire::HeadWriter writer(out_);
        writer.response(status);
        for (const auto& [name, value] : those) writer.field(name, value);
        if (length && status != 204 && status != 304) writer.field("Content-Length", *length);
        if (chunked_ && status != 204 && status != 304) writer.field("Transfer-Encoding", "chunked");
        if (!keep_alive_) writer.field("Connection", "close");
        else if (head.minor == 0) writer.field("Connection", "keep-alive");
        return writer.end();
    };
    if (!write(fields)) {
        bug("an answer had a header field that can't be sent");
        keep_alive_ = false;
        no_body_ = true;
        status = 500;
        chunked_ = false;
        length = 0;
        static_cast<void>(write({}));
    }
    enter(Stage::answering);
    return true;
}

// True while the connection lives. Everything that fits is sent.
bool ServerConnection::flush() {
    while (sent_ < out_.size()) {
        const auto result = stream_->write(std::string_view(out_).substr(sent_));
        if (result.status == io::IoStatus::would_block) return true;
        if (result.status != io::IoStatus::ok) {
            close();
            return false;
        }
        sent_ += result.bytes;
        if (stage_ == Stage::answering) deadline_.arm(loop_.now() + limits_.write_stall);
    }
    out_.clear();
    sent_ = 0;
    return true;
}

void ServerConnection::send() {
    if (!flush() || !out_.empty()) return;
    if (!producer_) return finish_answer();
    if (!waiting_) produce_later();
}

void ServerConnection::produce_later() {
    if (std::exchange(posted_, true)) return;
    loop_.post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->posted_ = false;
            if (self->stage_ == Stage::answering && self->producer_ && self->out_.empty()) self->produce();
        }
    });
}

void ServerConnection::produce() {
    deadline_.arm(loop_.now() + limits_.write_stall);
    std::string piece;
    const auto more = producer_->produce(piece, limits_.piece);
    if (stage_ != Stage::answering) return;
    if (chunked_) wire::append_chunk(out_, piece);
    else out_ += piece;
    switch (more) {
        case BodyProducer::More::more: break;
        case BodyProducer::More::wait:
            waiting_ = true;
            break;
        case BodyProducer::More::done:
            if (chunked_) out_ += wire::last_chunk;
            producer_.reset();
            break;
    }
    if (waiting_ && ended_) return close();
    send();
    // Nothing to send and nothing promised: a stream that waits has no deadline of its own.
    if (stage_ == Stage::answering && waiting_ && out_.empty()) deadline_.disarm();
}

void ServerConnection::finish_answer() {
    exchange_->connection_ = nullptr;
    exchange_.reset();
    producer_.reset();
    waiting_ = false;
    if (!keep_alive_ || last_) {
        if (ended_) return close();
        stream_->shutdown_write();
        in_.clear();
        enter(Stage::lingering);
        return read_more();
    }
    enter(Stage::idle);
    // Pipelined requests: in a later turn, so that one client can't keep the thread.
    loop_.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->stage_ != Stage::idle) return;
        self->advance();
        if (self->readable_) self->read_more();
    });
}

void ServerConnection::expired() noexcept {
    const auto alive = shared_from_this();
    if (stage_ == Stage::head || stage_ == Stage::body) {
        HALE_REACHED("http server: a request did not come in time");
        if (!exchange_) exchange_ = std::make_shared<ServerExchange>();
        return refuse(408, "the request did not arrive in time");
    }
    close();
}

}  // namespace hale::http
