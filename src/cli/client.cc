#include "cli/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/ares_resolver.h"
#include "os/child_stream.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "tls/client_context.h"
#include "wire/http1.h"
#include "wire/http1_body.h"
#include "wire/http1_write.h"

namespace hale::cli {

namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr std::size_t most_head_bytes = 64 * 1024;
constexpr int most_interim_answers = 8;

std::string request_bytes(const Place& place, const Question& question) {
    std::string out;
    wire::HeadWriter writer(out);
    writer.request(question.method, question.target).field("Host", place.authority).field("User-Agent", "hale-cli");
    for (const auto& [name, value] : question.fields) writer.field(name, value);
    const bool has_body = !question.body.empty();
    if (has_body) writer.field("Content-Type", "application/json");
    if (has_body || question.method == "POST" || question.method == "PUT")
        writer.field("Content-Length", question.body.size());
    if (!writer.end()) return {};
    out += question.body;
    return out;
}

}  // namespace

// One question over one stream, until its answer is whole or the stream fails.
class Client::Conversation final : public io::StreamHandler {
public:
    enum class End : std::uint8_t { open, answered, stopped, broken };

    Conversation(io::Stream& stream, std::string request, wire::Method method, const Piece* piece)
        : stream_(stream), method_(method), piece_(piece), unsent_(std::move(request)), buffer_(read_size, '\0') {
        stream_.set_handler(this);
    }
    ~Conversation() override { stream_.set_handler(nullptr); }

    void begin() { advance(); }
    void on_ready(io::Stream&, io::Readiness) noexcept override { advance(); }

    End end() const { return end_; }
    bool any_byte() const { return any_byte_; }
    bool head_came() const { return head_came_; }
    std::size_t bytes() const { return bytes_; }
    bool in_step() const { return end_ == End::answered && keep_alive_ && in_.empty(); }
    const std::string& why() const { return why_; }
    Reply take_reply() { return std::move(reply_); }

private:
    void broken(std::string why) {
        if (end_ != End::open) return;
        end_ = End::broken;
        why_ = std::move(why);
    }

    void advance() {
        if (end_ != End::open) return;
        send();
        receive();
    }

    void send() {
        while (!unsent_.empty()) {
            const io::IoResult sent = stream_.write(unsent_);
            if (sent.status != io::IoStatus::ok) return;  // A failure shows in the read, which may hold an answer.
            unsent_.erase(0, sent.bytes);
        }
    }

    void receive() {
        while (end_ == End::open) {
            const io::IoResult got = stream_.read(buffer_);
            if (got.status == io::IoStatus::would_block) return;
            if (got.status == io::IoStatus::failed) return broken(system_text(got.error));
            if (got.status == io::IoStatus::end) return ended();
            any_byte_ = true;
            bytes_ += got.bytes;
            in_.append(buffer_.data(), got.bytes);
            take();
        }
    }

    void ended() {
        if (head_came_ && reader_.end_of_stream().status == wire::BodyStatus::done) {
            keep_alive_ = false;
            end_ = End::answered;
            return;
        }
        broken(any_byte_ ? "the connection ended within the answer" : "the connection ended without an answer");
    }

    void take() {
        while (!head_came_ && end_ == End::open) {
            const auto result = wire::parse_response_head(in_, limits_, method_, scan_, head_);
            if (result.status == wire::ParseStatus::need_more) return;
            if (result.status == wire::ParseStatus::bad)
                return broken(fmt::format("what came is no HTTP/1.1: {}", result.why));
            const bool interim = head_.interim;
            if (!interim) {
                reply_.status = head_.status;
                reply_.type = head_.fields.value(wire::Known::content_type);
                keep_alive_ = head_.keep_alive;
                reader_ = wire::BodyReader(head_.framing);
                head_came_ = true;
            } else if (++interim_ > most_interim_answers) {
                return broken("too many interim answers");
            }
            in_.erase(0, result.consumed);
            scan_ = {};
        }
        take_body();
    }

    void take_body() {
        std::string_view rest = in_;
        while (end_ == End::open) {
            if (reader_.done()) {
                end_ = End::answered;
                break;
            }
            if (rest.empty()) break;
            const auto step = reader_.read(rest);
            rest.remove_prefix(step.consumed);
            if (step.status == wire::BodyStatus::bad) return broken(fmt::format("a malformed body: {}", step.why));
            if (step.payload.empty()) continue;
            if (piece_ != nullptr && reply_.status == 200) {
                if (!(*piece_)(step.payload)) end_ = End::stopped;
            } else if (reply_.body.size() + step.payload.size() > most_answer_bytes) {
                return broken(fmt::format("an answer of more than {} MiB", most_answer_bytes >> 20));
            } else {
                reply_.body += step.payload;
            }
        }
        in_.erase(0, in_.size() - rest.size());
    }

    static constexpr wire::HeadLimits limits_{.max_head_bytes = most_head_bytes};
    io::Stream& stream_;
    wire::Method method_;
    const Piece* piece_;
    std::string unsent_;
    std::string buffer_;
    std::string in_;
    wire::HeadScan scan_;
    wire::ResponseHead head_;
    wire::BodyReader reader_;
    Reply reply_;
    std::string why_;
    std::size_t bytes_ = 0;
    int interim_ = 0;
    bool head_came_ = false;
    bool any_byte_ = false;
    bool keep_alive_ = false;
    End end_ = End::open;
};

Client::Client(std::unique_ptr<os::EpollLoop> loop) : loop_(std::move(loop)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::create() {
    HALE_ASSIGN(auto loop, os::EpollLoop::create());
    return std::unique_ptr<Client>(new Client(std::move(loop)));
}

Instant Client::now() const { return loop_->fresh_now(); }
Utc Client::utc() const { return loop_->utc(); }

void Client::wait(Duration d) {
    loop_->run_until([] { return false; }, d);
}

Result<SocketAddress> Client::resolve(const Place& place, Duration within) {
    HALE_ASSIGN(auto resolver, os::AresResolver::create(*loop_, {}));
    std::optional<Result<io::Resolution>> answer;
    const auto question = resolver->resolve(place.name, loop_->fresh_now() + within,
                                            [&](Result<io::Resolution> result) { answer = std::move(result); });
    loop_->run_until([&] { return answer.has_value(); }, within);
    if (!answer || !*answer) {
        return fail(Code::unavailable, fmt::format("{}: the name {} has no address{}", place.shown, place.name,
                                                   answer ? ": " + answer->error().text : " within its time"));
    }
    return SocketAddress{.ip = (*answer)->addresses.front(), .port = place.port};
}

Result<std::unique_ptr<io::Stream>> Client::shaken_hands(const Place& place, std::unique_ptr<io::SecureStream> stream, Instant began) {
    struct Over final : io::StreamHandler {
        bool told = false;
        void on_ready(io::Stream&, io::Readiness) noexcept override { told = true; }
    } over;
    stream->set_handler(&over);
    const Duration left = std::max(connect_limit - (loop_->fresh_now() - began), Duration(1ms));
    if (!loop_->run_until([&] { return over.told; }, left))
        return fail(Code::unavailable, fmt::format("{}: no TLS connection within {}", place.shown, human(connect_limit)), ETIMEDOUT);
    if (const int error = stream->connect_error(); error != 0) {
        const bool stranger = stream->failure().starts_with("certificate verify failed");
        return fail(Code::unavailable, fmt::format("{}: {}{}", place.shown, stream->failure(), stranger ? "; HALE_CA=FILE names whom to believe" : ""), error);
    }
    stream->set_handler(nullptr);
    return stream;
}

Result<std::unique_ptr<io::Stream>> Client::connect(const Place& place) {
    if (!place.command.empty()) return os::connect_child(*loop_, place.command);
    SocketAddress to;
    const Instant began = loop_->fresh_now();
    if (place.address) {
        to = *place.address;
    } else {
        HALE_ASSIGN(to, resolve(place, connect_limit));
    }
    os::EpollNet net(*loop_);
    auto stream = net.connect(to);
    if (!stream)
        return fail(Code::unavailable, fmt::format("{}: {}", place.shown, stream.error().text), stream.error().system);

    if (place.tls) {
        HALE_ASSIGN(const auto tls, tls::ClientContext::create({.alpn = {}, .ca_pem = place.ca_pem, .own = nullptr}));
        auto secure = tls->secure(*loop_, std::move(*stream), place.address ? place.address->ip.text() : place.name);
        if (!secure) return fail(Code::exhausted, "no memory for a TLS session");
        return shaken_hands(place, std::move(secure), began);
    }
    struct Connected final : io::StreamHandler {
        bool told = false;
        void on_ready(io::Stream&, io::Readiness) noexcept override { told = true; }
    } connected;
    (*stream)->set_handler(&connected);
    const Duration left = std::max(connect_limit - (loop_->fresh_now() - began), Duration(1ms));
    if (!loop_->run_until([&] { return connected.told; }, left)) {
        return fail(Code::unavailable, fmt::format("{}: no connection within {}", place.shown, human(connect_limit)),
                    ETIMEDOUT);
    }
    if (const int error = (*stream)->connect_error(); error != 0) {
        return fail(Code::unavailable, fmt::format("{}: {}", place.shown, system_text(error)), error);
    }
    (*stream)->set_handler(nullptr);
    return std::move(*stream);
}

Result<Reply> Client::ask(const Place& place, const Question& question) {
    const std::string request = request_bytes(place, question);
    if (request.empty()) return fail(Code::invalid, "the request can't be written: a control character in a value");
    for (bool again = kept_ != nullptr && kept_to_ == place.shown;; again = false) {
        std::unique_ptr<io::Stream> stream = again ? std::move(kept_) : nullptr;
        if (!stream) {
            HALE_ASSIGN(stream, connect(place));
        }
        Conversation talk(*stream, request, wire::method_of(question.method), nullptr);
        talk.begin();
        const Instant began = loop_->fresh_now();
        const Duration more = place.command.empty() || again ? Duration{0} : ssh_connect_limit;
        while (talk.end() == Conversation::End::open) {
            const Duration waited = loop_->fresh_now() - began;
            const Duration within = more + (talk.any_byte() ? question.within : std::min(question.within, question.first_byte));
            if (waited >= within) {
                return fail(Code::timed_out, fmt::format("{}: {} {} was not answered within {}", place.shown,
                                                         question.method, question.target, human(within)));
            }
            loop_->run_until([&] { return talk.end() != Conversation::End::open; },
                             std::min<Duration>(1s, within - waited));
            if (while_waiting && talk.end() == Conversation::End::open) while_waiting(loop_->fresh_now() - began);
        }
        if (talk.end() == Conversation::End::broken) {
            if (again && !talk.any_byte()) continue;  // Closed while it was idle: nothing was done with the question.
            return fail(Code::unavailable, fmt::format("{}: {}", place.shown, talk.why()));
        }
        if (talk.in_step()) {
            // The conversation lets go of its stream before somebody else holds it.
            Reply reply = talk.take_reply();
            stream->set_handler(nullptr);
            kept_to_ = place.shown;
            kept_ = std::move(stream);
            return reply;
        }
        return talk.take_reply();
    }
}

Result<Reply> Client::follow(const Place& place, const Question& question, Duration silence,
                             std::optional<Duration> most, const Piece& piece) {
    const std::string request = request_bytes(place, question);
    if (request.empty()) return fail(Code::invalid, "the request can't be written: a control character in a value");
    HALE_ASSIGN(auto stream, connect(place));
    Conversation talk(*stream, request, wire::method_of(question.method), &piece);
    talk.begin();
    const Instant began = loop_->fresh_now();
    const Instant until = most ? began + *most : never;
    Instant heard = began;
    std::size_t bytes = 0;
    while (talk.end() == Conversation::End::open) {
        const Instant now = loop_->fresh_now();
        if (now >= until) return talk.take_reply();
        if (talk.bytes() != bytes) bytes = talk.bytes(), heard = now;
        const Duration begin = std::min(question.within, question.first_byte) + (place.command.empty() ? Duration{0} : ssh_connect_limit);
        const Duration limit = talk.head_came() ? silence : talk.any_byte() ? question.within : begin;
        if (now - heard >= limit) {
            return fail(Code::timed_out, fmt::format("{}: nothing came for {}", place.shown, human(limit)));
        }
        Duration left = std::min(limit - (now - heard), until - now);
        if (!talk.head_came()) left = std::min<Duration>(left, 1s);  // From then on silence is no wait for an answer.
        loop_->run_until([&] { return talk.end() != Conversation::End::open || talk.bytes() != bytes; }, left);
        if (while_waiting && talk.end() == Conversation::End::open && !talk.head_came())
            while_waiting(loop_->fresh_now() - began);
    }
    if (talk.end() == Conversation::End::broken)
        return fail(Code::unavailable, fmt::format("{}: {}", place.shown, talk.why()));
    return talk.take_reply();
}

}  // namespace hale::cli
