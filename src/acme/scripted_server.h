// A server of the simulated world that answers every request with the same pieces, each in its own time, over TCP or TLS,
// and remembers what it was asked. For this folder's tests only.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "io/secure.h"
#include "io/stream.h"
#include "sim/net.h"
#include "sim/world.h"
#include "wire/http1.h"

namespace hale::acme {

class ScriptedServer final : private io::AcceptHandler {
public:
    enum class Then : std::uint8_t { close, hold, reset };

    // On that host's `port`, at all of its addresses, or at `at` alone.
    ScriptedServer(sim::World& world, sim::Network& network, const std::string& host, std::uint16_t port, Ip at = {})
        : loop_(world.make_loop("server of " + host)) {
        loop_.run([&] { listener_ = network.net(host, loop_).listen({.address = {.ip = at, .port = port}}, *this).value(); });
    }
    ~ScriptedServer() {
        loop_.run([&] {
            connections_.clear();
            listener_.reset();
        });
    }

    std::vector<std::string> pieces;
    Duration between = 10ms;
    Then then = Then::close;
    io::ServerTls* tls = nullptr;
    bool answers = true;
    bool resets_at_accept = false;

    std::vector<std::string> requests;  // Whole ones: head and body.
    int accepted = 0;

private:
    struct Connection final : io::StreamHandler {
        Connection(ScriptedServer& the_server, std::unique_ptr<io::Stream> made)
            : server(the_server), stream(std::move(made)), timer(server.loop_, io::member_fire<&Connection::say>, this) {
            stream->set_handler(this);
        }
        void on_ready(io::Stream&, io::Readiness) noexcept override {
            char buffer[4096];
            for (;;) {
                const auto read = stream->read(buffer);
                if (read.status != io::IoStatus::ok) break;
                got.append(buffer, read.bytes);
            }
            wire::RequestHead head;
            wire::HeadScan scan;
            const auto parsed = wire::parse_request_head(got, {}, scan, head);
            if (!asked && parsed.status == wire::ParseStatus::done && got.size() >= parsed.consumed + head.framing.length) {
                asked = true;
                server.requests.push_back(got);
                if (server.answers) timer.arm(server.loop_.now());
            }
            push();
        }
        void say() noexcept {
            if (said < server.pieces.size()) {
                out += server.pieces[said++];
                push();
                return timer.arm(server.loop_.now() + server.between);
            }
            ended = true;
            push();
        }
        void push() {
            while (!out.empty()) {
                const auto wrote = stream->write(out);
                if (wrote.status != io::IoStatus::ok) return;
                out.erase(0, wrote.bytes);
            }
            if (!ended || server.then == Then::hold) return;
            if (server.then == Then::reset) stream->reset();
            else stream->shutdown_write();
            ended = false;
        }

        ScriptedServer& server;
        std::unique_ptr<io::Stream> stream;
        io::Timer timer;
        std::string got, out;
        std::size_t said = 0;
        bool asked = false, ended = false;
    };

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        ++accepted;
        if (resets_at_accept) return stream->reset();
        if (tls != nullptr) stream = tls->accept(loop_, std::move(stream));
        connections_.push_back(std::make_unique<Connection>(*this, std::move(stream)));
    }

    sim::Loop& loop_;
    std::unique_ptr<io::Listener> listener_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace hale::acme
