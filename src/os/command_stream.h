// The daemon's end of a conversation with a child of the spawn helper: bytes as of any stream, and, should it break, the
// child's own words about why. Belongs to one loop's thread.
//
// The end of the bytes comes by another way than the report of the child's end: it is held back until that is here, so that
// whoever is told that it broke can ask why.

#pragma once

#include <memory>
#include <string>

#include "io/blocking.h"
#include "io/stream.h"

namespace hale::os {

class CommandStream final : public io::Stream, private io::StreamHandler {
public:
    // What the report leaves, wherever the stream is by then.
    struct Ending {
        CommandStream* stream = nullptr;
        bool known = false;
        std::string words;  // Empty: it ended in order.
    };

    CommandStream(std::unique_ptr<io::Stream> inner, std::shared_ptr<Ending> ending);
    ~CommandStream() override;

    static void ended(const std::shared_ptr<Ending>& ending, const std::string& program, Result<io::SpawnResult> how);

    void set_handler(io::StreamHandler* handler) override;
    using io::Stream::write;
    io::IoResult read(std::span<char> into) override;
    io::IoResult write(std::span<const io::Slice> slices) override { return inner_->write(slices); }
    int connect_error() override { return inner_->connect_error(); }
    void shutdown_write() override { inner_->shutdown_write(); }
    void reset() override { inner_->reset(); }
    const SocketAddress& peer() const override { return inner_->peer(); }
    SocketAddress local() const override { return inner_->local(); }
    std::string last_words() const override { return ending_->words; }

private:
    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;

    std::unique_ptr<io::Stream> inner_;
    std::shared_ptr<Ending> ending_;
    io::StreamHandler* handler_ = nullptr;
    bool held_ = false;  // It ended, and the reader does not know yet.
};

}  // namespace hale::os
