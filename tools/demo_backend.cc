// A backend to play with: answers health checks and requests, and can be made ill in every way that matters.
//
//   demo_backend [--listen 127.0.0.1:0] [--name a]      prints its address as the first line
//
//   GET  /              who answered            GET  /up            200 "up"
//   GET  /health        health+json             GET  /api/health    {"status":…,"services":…}
//   GET  /bytes?n=N     N bytes                 GET  /stream?seconds=S   a line every 100 ms
//   POST /_demo?mode=M&ms=N&path=P   from now on, everywhere or below that path only; always answered, except
//                                    while refusing
//
//   ok      as it should be                     sick    500, and health answers say so with 503
//   slow    every answer N ms later (1000)      silent  reads requests, answers nothing
//   hang    half an answer, then nothing        reset   a reset instead of an answer
//   refuse  the port is closed for N ms (10000), then ok again

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "os/signals.h"
#include "wire/health_body.h"
#include "wire/http1.h"
#include "wire/http1_body.h"
#include "wire/http1_write.h"

namespace hale::demo {

namespace {

constexpr std::size_t most_visitors = 4096;
constexpr std::size_t most_head_bytes = 64 * 1024;
constexpr std::uint64_t most_bytes = 1 << 30;  // Of /bytes.
constexpr std::size_t piece = 64 * 1024;
constexpr Duration stream_interval = 100ms;

enum class Mode : std::uint8_t { ok, sick, slow, silent, hang, reset, refuse };
constexpr std::array<std::string_view, 7> mode_names{"ok", "sick", "slow", "silent", "hang", "reset", "refuse"};

std::string query_value(std::string_view query, std::string_view key) {
    for (const std::string_view pair : split(query, '&')) {
        const std::size_t equals = pair.find('=');
        if (equals != pair.npos && pair.substr(0, equals) == key) return std::string(pair.substr(equals + 1));
    }
    return {};
}

class Backend;

// One connection: requests one after the other.
class Visitor final : public io::StreamHandler {
public:
    Visitor(Backend& backend, std::unique_ptr<io::Stream> stream);
    ~Visitor() override { stream_->set_handler(nullptr); }

    void on_ready(io::Stream&, io::Readiness) noexcept override { go_on(); }

private:
    enum class Stage : std::uint8_t { head, body, waiting, answering, stuck };

    // False: the visitor is gone.
    bool go_on();
    bool read();
    bool take();
    bool respond();
    bool answer(int status, std::string_view type, std::string body);
    bool flush();
    bool leave();
    void refill();
    bool finish();
    void later() noexcept;
    std::string command();

    Backend& backend_;
    std::unique_ptr<io::Stream> stream_;
    io::Timer timer_;
    std::string in_, out_;
    wire::HeadScan scan_;
    wire::BodyReader body_;
    std::string method_, path_, query_;
    Stage stage_ = Stage::head;
    bool keep_alive_ = false;
    bool ended_ = false;
    std::uint64_t bytes_left_ = 0;  // Of /bytes, not yet in out_.
    std::uint64_t lines_left_ = 0;  // Of /stream.
    bool streaming_ = false;
};

class Backend final : public io::AcceptHandler {
public:
    Backend(os::EpollLoop& loop, os::EpollNet& net, std::string name)
        : loop_(loop), name_(std::move(name)), net_(net), reopen_(loop, io::member_fire<&Backend::reopen>, this) {}

    Result<SocketAddress> open(const SocketAddress& at) {
        HALE_ASSIGN(listener_, net_.listen({.address = at}, *this));
        return at_ = listener_->local();
    }

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        if (visitors_.size() >= most_visitors) return;
        auto visitor = std::make_unique<Visitor>(*this, std::move(stream));
        visitors_.emplace(visitor.get(), std::move(visitor));
    }
    void forget(Visitor* visitor) { visitors_.erase(visitor); }

    void set(Mode mode, std::optional<std::uint64_t> ms, std::string only) {
        mode_ = mode;
        only_ = std::move(only);
        delay_ = std::chrono::milliseconds(ms.value_or(mode == Mode::refuse ? 10'000 : 1'000));
        reopen_.disarm();
        if (mode != Mode::refuse) return;
        // Only after this turn, when the answer has gone out. Connections that stand are refused as well.
        loop_.post([this] {
            listener_.reset();
            visitors_.clear();
        });
        reopen_.arm(loop_.now() + delay_);
    }

    Mode mode_at(std::string_view path) const { return path.starts_with(only_) ? mode_ : Mode::ok; }
    Duration delay() const { return delay_; }
    os::EpollLoop& loop() { return loop_; }
    const std::string& name() const { return name_; }
    std::uint64_t count() { return ++served_; }

    wire::HealthBody health(bool sick) const {
        wire::HealthBody out;
        out.overall = sick ? wire::Health::fail : wire::Health::pass;
        out.version = "1";
        out.service_id = name_;
        out.timestamp = rfc3339(loop_.utc());
        out.components.push_back({.name = "store",
                                  .status = out.overall,
                                  .output = sick ? "told to be sick" : "",
                                  .time = {}});
        return out;
    }

private:
    void reopen() noexcept {
        mode_ = Mode::ok;
        if (auto again = open(at_); !again) fmt::print(stderr, "demo_backend {}: {}\n", name_, again.error().text);
    }

    os::EpollLoop& loop_;
    std::string name_;
    os::EpollNet& net_;
    std::unique_ptr<io::Listener> listener_;
    SocketAddress at_;
    io::Timer reopen_;
    std::map<Visitor*, std::unique_ptr<Visitor>> visitors_;
    Mode mode_ = Mode::ok;
    std::string only_;  // The path it is ill at; empty: everywhere.
    Duration delay_{};
    std::uint64_t served_ = 0;
};

Visitor::Visitor(Backend& backend, std::unique_ptr<io::Stream> stream)
    : backend_(backend), stream_(std::move(stream)), timer_(backend.loop(), io::member_fire<&Visitor::later>, this) {
    stream_->set_handler(this);
}

bool Visitor::leave() {
    backend_.forget(this);
    return false;
}

bool Visitor::go_on() {
    if (stage_ == Stage::answering && !flush()) return false;
    return read();
}

bool Visitor::read() {
    std::array<char, 16 * 1024> buffer;
    for (;;) {
        const io::IoResult got = stream_->read(buffer);
        if (got.status == io::IoStatus::would_block) return true;
        if (got.status == io::IoStatus::failed) return leave();
        if (got.status == io::IoStatus::end) {
            ended_ = true;
            return stage_ == Stage::head || stage_ == Stage::body || stage_ == Stage::stuck ? leave() : true;
        }
        // What comes while an answer is under way waits here, up to a limit.
        if (in_.size() + got.bytes > most_head_bytes && stage_ != Stage::body) return leave();
        in_.append(buffer.data(), got.bytes);
        if (!take()) return false;
    }
}

bool Visitor::take() {
    if (stage_ == Stage::head) {
        wire::RequestHead head;
        const auto result = wire::parse_request_head(in_, {}, scan_, head);
        if (result.status == wire::ParseStatus::need_more) return true;
        if (result.status == wire::ParseStatus::bad) {
            keep_alive_ = false;
            return answer(result.answer, "text/plain", fmt::format("{}\n", result.why));
        }
        method_ = head.method_name;
        const std::string_view target = head.path_and_query;
        path_ = target.substr(0, target.find('?'));
        query_ = target.find('?') == target.npos ? "" : target.substr(target.find('?') + 1);
        keep_alive_ = head.keep_alive;
        body_ = wire::BodyReader(head.framing);
        scan_ = {};
        in_.erase(0, result.consumed);
        stage_ = Stage::body;
    }
    while (stage_ == Stage::body) {
        if (body_.done()) return respond();
        if (in_.empty()) return true;
        const auto step = body_.read(in_);
        in_.erase(0, step.consumed);
        if (step.status == wire::BodyStatus::bad) return leave();
    }
    return true;
}

// What /_demo was told; "" when it was understood.
std::string Visitor::command() {
    const auto found = std::ranges::find(mode_names, query_value(query_, "mode"));
    if (found == mode_names.end()) return fmt::format("mode: allowed: {}\n", fmt::join(mode_names, ", "));
    const std::string ms = query_value(query_, "ms");
    const auto number = parse_unsigned(ms);
    if (!ms.empty() && (!number || *number > 3'600'000)) return "ms: allowed: 0 to 3600000\n";
    backend_.set(static_cast<Mode>(found - mode_names.begin()), number, query_value(query_, "path"));
    return {};
}

bool Visitor::respond() {
    if (path_ == "/_demo") {
        if (method_ != "POST") return answer(405, "text/plain", "POST /_demo?mode=…\n");
        const std::string wrong = command();
        return wrong.empty()
                   ? answer(200, "text/plain", fmt::format("{} is {}\n", backend_.name(), query_value(query_, "mode")))
                   : answer(400, "text/plain", wrong);
    }
    switch (backend_.mode_at(path_)) {
        case Mode::silent:
            stage_ = Stage::stuck;
            return true;
        case Mode::reset:
            stream_->reset();
            return leave();
        case Mode::hang:
            stage_ = Stage::stuck;
            stream_->write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
            return true;
        case Mode::slow:
            stage_ = Stage::waiting;
            timer_.arm(backend_.loop().now() + backend_.delay());
            return true;
        default:
            return finish();
    }
}

// The answer itself.
bool Visitor::finish() {
    const bool sick = backend_.mode_at(path_) == Mode::sick;
    const std::uint64_t number = backend_.count();
    if (path_ == "/up") return answer(sick ? 503 : 200, "text/plain", sick ? "sick\n" : "up\n");
    if (path_ == "/health" || path_ == "/api/health") {
        const auto shape = path_ == "/health" ? wire::HealthShape::health_json : wire::HealthShape::simple;
        auto text = wire::write_health_body(shape, backend_.health(sick));
        return answer(sick ? 503 : 200, text.content_type, std::move(text.body));
    }
    if (sick) return answer(500, "text/plain", fmt::format("{} is sick\n", backend_.name()));
    if (path_ == "/bytes") {
        bytes_left_ = std::min(parse_unsigned(query_value(query_, "n")).value_or(0), most_bytes);
        wire::HeadWriter writer(out_);
        writer.response(200).field("Content-Type", "application/octet-stream").field("Content-Length", bytes_left_);
        stage_ = Stage::answering;
        return writer.end() ? flush() : leave();
    }
    if (path_ == "/stream") {
        lines_left_ = std::min<std::uint64_t>(parse_unsigned(query_value(query_, "seconds")).value_or(1), 3600) * 10;
        streaming_ = true;
        wire::HeadWriter writer(out_);
        writer.response(200).field("Content-Type", "text/plain").field("Transfer-Encoding", "chunked");
        stage_ = Stage::answering;
        timer_.arm(backend_.loop().now());
        return writer.end() ? flush() : leave();
    }
    if (path_ == "/")
        return answer(200, "text/plain", fmt::format("{} answers, request {}\n", backend_.name(), number));
    return answer(404, "text/plain", "no such path\n");
}

bool Visitor::answer(int status, std::string_view type, std::string body) {
    wire::HeadWriter writer(out_);
    writer.response(status)
        .field("Content-Type", type)
        .field("Content-Length", body.size())
        .field("Demo-Backend", backend_.name());
    if (!keep_alive_) writer.field("Connection", "close");
    if (!writer.end()) return leave();
    if (method_ != "HEAD") out_ += body;
    stage_ = Stage::answering;
    return flush();
}

void Visitor::refill() {
    const std::uint64_t some = std::min<std::uint64_t>(bytes_left_, piece);
    out_.append(static_cast<std::size_t>(some), 'x');
    bytes_left_ -= some;
}

bool Visitor::flush() {
    for (;;) {
        if (out_.empty() && bytes_left_ > 0) refill();
        if (out_.empty()) break;
        const io::IoResult sent = stream_->write(out_);
        if (sent.status == io::IoStatus::would_block) return true;
        if (sent.status != io::IoStatus::ok) return leave();
        out_.erase(0, sent.bytes);
    }
    if (streaming_ || stage_ != Stage::answering) return true;
    if (!keep_alive_ || ended_) return leave();
    stage_ = Stage::head;
    return in_.empty() || take();
}

void Visitor::later() noexcept {
    if (stage_ == Stage::waiting) {
        finish();
        return;
    }
    if (!streaming_) return;
    if (lines_left_ > 0) {
        --lines_left_;
        wire::append_chunk(out_, fmt::format("{} {}\n", backend_.name(), lines_left_));
        timer_.arm(backend_.loop().now() + stream_interval);
    } else {
        out_ += wire::last_chunk;
        streaming_ = false;
    }
    flush();
}

int run(const std::string& listen, std::string name) {
    const auto address = SocketAddress::parse(listen);
    if (!address) {
        fmt::print(stderr, "demo_backend: --listen {}: write 127.0.0.1:0\n", listen);
        return 2;
    }
    os::block_signals({SIGINT, SIGTERM});
    auto loop = os::EpollLoop::create();
    if (!loop) return 1;
    os::EpollNet net(**loop);
    Backend backend(**loop, net, std::move(name));
    const auto bound = backend.open(*address);
    if (!bound) {
        fmt::print(stderr, "demo_backend: {}\n", bound.error().text);
        return 1;
    }
    const auto signals = os::Signals::listen(**loop, {SIGINT, SIGTERM}, [&](int) { (*loop)->stop(); });
    if (!signals) return 1;
    fmt::print("{}\n", bound->text());
    std::fflush(stdout);
    (*loop)->run();
    return 0;
}

}  // namespace

}  // namespace hale::demo

int main(int argc, char** argv) {
    std::string listen = "127.0.0.1:0", name = "demo";
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (i + 1 < argc && option == "--listen")
            listen = argv[++i];
        else if (i + 1 < argc && option == "--name")
            name = argv[++i];
        else {
            fmt::print(stderr, "usage: demo_backend [--listen 127.0.0.1:0] [--name a]\n");
            return option == "--help" ? 0 : 2;
        }
    }
    return hale::demo::run(listen, name);
}
