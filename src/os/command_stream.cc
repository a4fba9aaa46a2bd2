#include "os/command_stream.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace hale::os {

namespace {
constexpr std::size_t most_words_bytes = 600;

std::string one_line(std::string_view text) {
    std::string out;
    for (const auto line : split(text, '\n')) {
        const auto plain = trim(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
        if (!plain.empty()) out += (out.empty() ? "" : "; ") + std::string(plain);
    }
    return escaped(out, most_words_bytes);
}
}  // namespace

CommandStream::CommandStream(std::unique_ptr<io::Stream> inner, std::shared_ptr<Ending> ending) : inner_(std::move(inner)), ending_(std::move(ending)) { ending_->stream = this; }

CommandStream::~CommandStream() {
    ending_->stream = nullptr;
    inner_->set_handler(nullptr);
}

void CommandStream::ended(const std::shared_ptr<Ending>& ending, const std::string& program, Result<io::SpawnResult> how) {
    ending->known = true;
    if (!how) ending->words = how.error().text;
    else if (how->timed_out) ending->words = fmt::format("{} took too long and was ended", program);
    else if (how->exit_code != 0)
        ending->words = how->output.empty() ? how->signal != 0 ? fmt::format("{} was ended by signal {}", program, how->signal) : fmt::format("{} ended with exit code {}", program, how->exit_code)
                                            : one_line(how->output);
    CommandStream* const stream = ending->stream;
    if (stream != nullptr && std::exchange(stream->held_, false) && stream->handler_ != nullptr) stream->handler_->on_ready(*stream, {.readable = true, .writable = true});
}

void CommandStream::set_handler(io::StreamHandler* handler) {
    handler_ = handler;
    inner_->set_handler(handler == nullptr ? nullptr : this);
}

io::IoResult CommandStream::read(std::span<char> into) {
    const auto got = inner_->read(into);
    if ((got.status != io::IoStatus::end && got.status != io::IoStatus::failed) || ending_->known) return got;
    held_ = true;
    return {.status = io::IoStatus::would_block};
}

void CommandStream::on_ready(io::Stream&, io::Readiness ready) noexcept {
    if (handler_ != nullptr) handler_->on_ready(*this, ready);
}

}  // namespace hale::os
