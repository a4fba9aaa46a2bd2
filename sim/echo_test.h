// The two speakers of the simulator's own tests: one repeats, one asks and compares.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "io/stream.h"

namespace hale::sim {

// Sends back what it reads, and closes at the end; reads until would_block.
struct Echo : io::StreamHandler {
    explicit Echo(std::unique_ptr<io::Stream> on) : stream(std::move(on)) { stream->set_handler(this); }
    void on_ready(io::Stream&, io::Readiness) noexcept override {
        char buffer[7];
        for (;;) {
            if (!waiting.empty()) {
                const auto sent = stream->write(waiting);
                if (sent.status == io::IoStatus::would_block) return;
                if (sent.status != io::IoStatus::ok) return stream.reset();
                waiting.erase(0, sent.bytes);
                continue;
            }
            const auto got = stream->read(buffer);
            if (got.status == io::IoStatus::would_block) return;
            if (got.status != io::IoStatus::ok) return stream.reset();
            waiting.append(buffer, got.bytes);
        }
    }
    std::unique_ptr<io::Stream> stream;
    std::string waiting;
};

// Sends a text and collects what comes back; stops at short reads, as a thrifty reader may.
struct Asker : io::StreamHandler {
    Asker(std::unique_ptr<io::Stream> on, std::string text)
        : stream(std::move(on)), unsent(std::move(text)), wanted(unsent.size()) {
        stream->set_handler(this);
    }
    void on_ready(io::Stream&, io::Readiness) noexcept override {
        if (const int refused = stream->connect_error()) return fail(refused);
        while (!unsent.empty()) {
            const auto sent = stream->write(unsent);
            if (sent.status == io::IoStatus::would_block) break;
            if (sent.status != io::IoStatus::ok) return fail(sent.error);
            unsent.erase(0, sent.bytes);
        }
        char buffer[5];
        for (;;) {
            const auto got = stream->read(buffer);
            if (got.status == io::IoStatus::would_block) return;
            if (got.status != io::IoStatus::ok) return fail(got.error);
            answer.append(buffer, got.bytes);
            if (answer.size() == wanted) return stream.reset();
            if (got.bytes < sizeof(buffer)) return;
        }
    }
    void fail(int why) {
        failed = true;
        error = why;
        stream.reset();
    }
    std::unique_ptr<io::Stream> stream;
    std::string unsent, answer;
    std::size_t wanted;
    bool failed = false;
    int error = 0;  // 0 with failed: the peer ended too early.
};

}  // namespace hale::sim
