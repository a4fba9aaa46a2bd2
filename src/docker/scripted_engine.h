// A Docker Engine of the simulated world that answers as a test says, in pieces and in its own time, and remembers what it was
// asked. For tests only.

#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/stream.h"
#include "sim/net.h"
#include "sim/world.h"
#include "wire/http1.h"

namespace hale::docker {

class ScriptedEngine final : private io::AcceptHandler {
public:
    struct Seen {
        std::string method, target, body, registry, host;
    };
    enum class Then : std::uint8_t { close, hold, reset };
    struct Reply {
        std::vector<std::string> pieces;
        Then then = Then::close;
        Duration after = 1ms, between = 1ms;
    };
    using Answer = std::function<Reply(const Seen&)>;

    ScriptedEngine(sim::World& world, sim::Network& network, std::string host, SocketAddress at)
        : loop_(world.make_loop("engine at " + host)), net_(network.net(host, loop_)), at_(std::move(at)) {
        start();
    }
    ~ScriptedEngine() { stop(); }

    void start() {
        loop_.run([&] { listener_ = net_.listen({.address = at_}, *this).value(); });
    }
    // As at the beginning of an orderly end: who is connected is served on, and who comes is refused.
    void stop_listening() {
        loop_.run([&] { listener_.reset(); });
    }
    // As a crash: whoever was connected is cut off, and whoever comes is refused.
    void stop() {
        loop_.run([&] {
            listener_.reset();
            for (auto& one : connections_)
                if (one->stream) one->stream->reset();
            connections_.clear();
        });
    }
    // Said on each connection that was asked for something with `part` in its target and is held.
    std::size_t say(std::string_view part, std::string bytes) {
        return say_where([&](std::string_view target) { return target.find(part) != target.npos; }, std::move(bytes));
    }
    std::size_t say_where(const std::function<bool(std::string_view target)>& which, std::string bytes) {
        std::size_t heard = 0;
        loop_.run([&] {
            for (auto& one : connections_) {
                if (!one->asked || one->ended || !which(one->target)) continue;
                if (one->said < one->reply.pieces.size()) {
                    one->reply.pieces.push_back(bytes);  // In its turn.
                } else {
                    one->out += bytes;
                    one->push();
                }
                ++heard;
            }
        });
        return heard;
    }
    // Those that ended take no room any more. Needs: not from within an answer.
    void forget_ended() {
        std::erase_if(connections_, [](const auto& one) { return one->closed; });
        seen.clear();
    }
    sim::Loop& loop() { return loop_; }
    std::size_t asked(std::string_view part) const {
        std::size_t count = 0;
        for (const Seen& one : seen) count += one.target.find(part) != std::string::npos;
        return count;
    }

    Answer answer;  // For each request.
    std::vector<Seen> seen;
    int accepted = 0;

    // Whole answers.
    static std::string with_length(int status, std::string_view body, std::string_view more = {}) {
        return fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{}", status, more, body.size(), body);
    }
    static std::string chunked(int status, std::string_view body, std::size_t chunk = 7) {
        std::string out = fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", status);
        for (std::size_t at = 0; at < body.size(); at += chunk) {
            const std::string_view some = body.substr(at, chunk);
            out += fmt::format("{:x}\r\n{}\r\n", some.size(), some);
        }
        return out + "0\r\n\r\n";
    }
    static std::string one_chunk(std::string_view body) { return fmt::format("{:x}\r\n{}\r\n", body.size(), body); }
    static std::string stream_head() { return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"; }

private:
    struct Connection final : io::StreamHandler {
        Connection(ScriptedEngine& the_engine, std::unique_ptr<io::Stream> made)
            : engine(the_engine), stream(std::move(made)), timer(engine.loop_, io::member_fire<&Connection::say>, this) {
            stream->set_handler(this);
        }
        void on_ready(io::Stream&, io::Readiness) noexcept override {
            char buffer[4096];
            for (;;) {
                const auto read = stream->read(buffer);
                if (read.status != io::IoStatus::ok) break;
                got.append(buffer, read.bytes);
            }
            if (!asked) hear();
            push();
        }
        void hear() {
            wire::RequestHead head;
            wire::HeadScan scan;
            const auto parsed = wire::parse_request_head(got, {}, scan, head);
            if (parsed.status != wire::ParseStatus::done || got.size() < parsed.consumed + head.framing.length) return;
            asked = true;
            target = head.target;
            const wire::Field* registry = head.fields.find("x-registry-auth");
            Seen heard{.method = std::string(head.method_name), .target = target, .body = got.substr(parsed.consumed), .registry = registry != nullptr ? std::string(registry->value) : "", .host = std::string(head.authority)};
            reply = engine.answer(heard);
            engine.seen.push_back(std::move(heard));
            timer.arm(engine.loop_.now() + reply.after);
        }
        void say() noexcept {
            if (said < reply.pieces.size()) {
                out += reply.pieces[said++];
                push();
                if (said < reply.pieces.size()) return timer.arm(engine.loop_.now() + reply.between);
            }
            if (reply.then == Then::hold) return;
            ended = true;
            push();
        }
        void push() {
            while (!out.empty()) {
                const auto wrote = stream->write(out);
                if (wrote.status != io::IoStatus::ok) return;
                out.erase(0, wrote.bytes);
            }
            if (!ended || closed) return;
            closed = true;
            if (reply.then == Then::reset) stream->reset();
            else stream->shutdown_write();
        }

        ScriptedEngine& engine;
        std::unique_ptr<io::Stream> stream;
        io::Timer timer;
        std::string got, out, target;
        Reply reply;
        std::size_t said = 0;
        bool asked = false, ended = false, closed = false;
    };

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        ++accepted;
        connections_.push_back(std::make_unique<Connection>(*this, std::move(stream)));
    }

    sim::Loop& loop_;
    sim::Net& net_;
    SocketAddress at_;
    std::unique_ptr<io::Listener> listener_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace hale::docker
