#include "acme/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/reached.h"
#include "base/text.h"
#include "wire/http1_write.h"

namespace hale::acme {

Fetch::Fetch(Ways& ways)
    : ways_(ways), exchange_(ways.scratch), deadline_(ways.loop, io::member_fire<&Fetch::run_out>, this), later_(ways.loop, io::member_fire<&Fetch::tell>, this) {}

Fetch::~Fetch() {
    if (stream_) stream_->set_handler(nullptr);
}

std::string Fetch::on_way(std::string_view what) const { return fmt::format("{} {}: {}", request_.method, url_.text(), what); }

void Fetch::start(FetchRequest request, Answered answered) {
    request_ = std::move(request);
    answered_ = std::move(answered);
    auto url = wire::parse_url(request_.url);
    if (!url) return end(fail(Code::invalid, fmt::format("\"{}\" is no URL: {}", escaped(request_.url, 200), url.error().text)));
    url_ = std::move(*url);
    if (url_.scheme != "https" && url_.scheme != "http") return end(fail(Code::invalid, on_way("neither http nor https")));
    wire::HeadWriter head(text_);
    head.request(request_.method, url_.origin_form()).field("Host", url_.authority()).field("User-Agent", ways_.user_agent).field("Connection", "close");
    if (!request_.accept.empty()) head.field("Accept", request_.accept);
    if (!request_.body.empty()) head.field("Content-Type", request_.content_type).field("Content-Length", request_.body.size());
    else if (request_.method == "POST") head.field("Content-Length", std::uint64_t{0});
    if (!head.end()) return end(fail(Code::invalid, on_way("the URL can't be asked for over HTTP")));
    text_ += request_.body;
    deadline_.arm(ways_.loop.now() + request_.patience);
    if (const auto ip = Ip::parse(url_.bare_host())) {
        addresses_.push_back({.ip = *ip, .port = url_.effective_port()});
        return connect_next();
    }
    stage_ = Stage::resolving;
    question_ = ways_.resolver.resolve(url_.host, deadline_.at(), [this](Result<io::Resolution> result) {
        if (!result) return end(fail(result.error().code, on_way(result.error().text)));
        for (const Ip& ip : result->addresses) {
            if (addresses_.size() == most_addresses_tried) break;
            addresses_.push_back({.ip = ip, .port = url_.effective_port()});
        }
        std::ranges::reverse(addresses_);
        connect_next();
    });
}

void Fetch::connect_next() {
    stage_ = Stage::connecting;
    while (!addresses_.empty()) {
        const SocketAddress to = addresses_.back();
        addresses_.pop_back();
        auto stream = ways_.net.connect(to);
        if (!stream) {
            why_ = fmt::format("connect to {}: {}", to.text(), stream.error().text);
            continue;
        }
        stream_ = std::move(*stream);
        stream_->set_handler(this);
        return;
    }
    end(fail(Code::unavailable, on_way(why_.empty() ? "the name has no address" : why_)));
}

void Fetch::try_next(std::string why) {
    why_ = std::move(why);
    if (!addresses_.empty()) HALE_REACHED("acme: the name's next address");
    stream_->set_handler(nullptr);
    secured_ = nullptr;
    stream_.reset();
    connect_next();
}

void Fetch::secure() {
    const auto client = ways_.tls.client(request_.tls);
    if (!client) return end(fail(client.error().code, on_way(client.error().text)));
    stage_ = Stage::securing;
    stream_->set_handler(nullptr);
    auto secured = (*client)->secure(ways_.loop, std::move(stream_), std::string(url_.bare_host()));
    if (!secured) return end(fail(Code::exhausted, on_way("no memory for a TLS session")));
    secured_ = secured.get();
    stream_ = std::move(secured);
    stream_->set_handler(this);
    secured_->begin();
}

void Fetch::ask() {
    stage_ = Stage::asking;
    http::AnswerPlan plan;
    plan.method = wire::method_of(request_.method);
    plan.body_limit = most_answer_bytes;
    const io::Slice whole{text_.data(), text_.size()};
    exchange_.begin(std::span(&whole, 1), plan);
    advance(false);
}

void Fetch::advance(bool unread) {
    switch (exchange_.advance(*stream_, unread)) {
        case http::Progress::waiting: return;
        case http::Progress::answered:
            if (exchange_.body_truncated()) return end(fail(Code::exhausted, on_way(fmt::format("the answer is longer than {} bytes", most_answer_bytes))));
            return end(taken());
        case http::Progress::failed: break;
    }
    const std::string tls = secured_ != nullptr && !secured_->failure().empty() ? secured_->failure() : std::string{};
    const std::string why = !tls.empty()                ? tls
                            : !exchange_.why().empty()  ? std::string(exchange_.why())
                            : exchange_.error() != 0    ? system_text(exchange_.error())
                                                        : "the connection broke";
    end(fail(Code::unavailable, on_way(why)));
}

Answer Fetch::taken() const {
    const wire::ResponseHead& head = exchange_.head();
    Answer answer{.status = head.status, .body = std::string(exchange_.body())};
    for (const wire::Field& field : head.fields) {
        if (equal_ignoring_case(field.name, "location")) {
            // RFC 8555 has absolute ones; a relative one is of this very URL.
            const auto to = wire::resolve_url(url_, field.value);
            if (to) answer.location = to->text();
        } else if (equal_ignoring_case(field.name, "replay-nonce")) {
            answer.nonce = field.value;
        } else if (equal_ignoring_case(field.name, "retry-after")) {
            answer.retry_after = read_retry_after(field.value, ways_.loop.utc());
        }
    }
    return answer;
}

void Fetch::on_ready(io::Stream& stream, io::Readiness ready) noexcept {
    switch (stage_) {
        case Stage::connecting: {
            if (const int error = stream.connect_error(); error != 0)
                return try_next(fmt::format("connect to {}: {}", stream.peer().text(), system_text(error)));
            if (!ready.writable) return;
            return url_.scheme == "https" ? secure() : ask();
        }
        case Stage::securing: {
            if (const int error = stream.connect_error(); error != 0) {
                const std::string& failure = secured_->failure();
                return try_next(fmt::format("TLS with {}: {}", stream.peer().text(), failure.empty() ? system_text(error) : failure));
            }
            if (secured_->established()) ask();
            return;
        }
        case Stage::asking: return advance(ready.readable);
        default: return;
    }
}

void Fetch::run_out() noexcept {
    const std::string_view doing = stage_ == Stage::resolving    ? "the name did not resolve"
                                   : stage_ == Stage::connecting ? "no connection"
                                   : stage_ == Stage::securing   ? "the TLS handshake was not over"
                                                                 : "no whole answer";
    end(fail(Code::timed_out, on_way(fmt::format("{} within {}", doing, human(request_.patience)))));
}

void Fetch::end(Result<Answer> result) {
    if (stage_ == Stage::over) return;
    stage_ = Stage::over;
    deadline_.disarm();
    result_ = std::move(result);
    later_.arm(ways_.loop.now());
}

void Fetch::tell() noexcept {
    question_.reset();
    if (stream_) {
        stream_->set_handler(nullptr);
        stream_.reset();
    }
    auto answered = std::move(answered_);
    auto result = std::move(result_);
    answered(std::move(result));
}

}  // namespace hale::acme
