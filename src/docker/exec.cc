#include "docker/exec.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::docker {

Exec::Exec(std::shared_ptr<Passage> passage, Instant by, Then<ExecDone> then)
    : passage_(std::move(passage)), by_(by), then_(std::move(then)), pause_(passage_->ways.loop, io::member_fire<&Exec::ask>, this) {}

void Exec::start(Request create) {
    about_ = fmt::format("{} at {}", create.what, passage_->place.shown);
    creating_ = std::make_unique<Conversation>(passage_, std::move(create), by_);
    creating_->start([this](Result<Whole> whole) {
        if (!whole) return end(std::unexpected(std::move(whole.error())));
        auto id = read_id(whole->body);
        if (!id) return end(fail(id.error().code, fmt::format("{}: {}", about_, id.error().text)));
        run(std::move(*id));
    });
}

void Exec::run(std::string id) {
    id_ = std::move(id);
    running_ = std::make_unique<Conversation>(passage_, exec_start_request(id_), by_);
    running_->piece = [this](std::string_view bytes, const bool&) { return take(bytes); };
    running_->start([this](Result<Whole> whole) {
        if (!whole) return end(std::unexpected(std::move(whole.error())));
        if (!frames_.whole()) return end(fail(Code::unavailable, fmt::format("{}: its output ended inside a frame", about_)));
        ask();
    });
}

Result<> Exec::take(std::string_view bytes) {
    for (;;) {
        const Frames::Piece one = frames_.next(bytes);
        if (one.step == Frames::Step::more) return {};
        if (one.step == Frames::Step::bad) return fail(Code::corrupt, "the output is not framed");
        std::string& to = one.step == Frames::Step::engine || one.source == Source::errors ? done_.errors : done_.output;
        const std::size_t room = most_exec_output - to.size();
        to.append(one.bytes.substr(0, room));
        if (one.bytes.size() > room) done_.truncated = true;
    }
}

void Exec::ask() noexcept {
    asking_ = std::make_unique<Conversation>(passage_, exec_inspect_request(id_), by_);
    asking_->start([this](Result<Whole> whole) {
        if (!whole) return end(std::unexpected(std::move(whole.error())));
        asked(read_exec(whole->body));
    });
}

void Exec::asked(Result<ExecState> state) {
    if (!state) return end(fail(state.error().code, fmt::format("{}: {}", about_, state.error().text)));
    if (!state->running && state->exit_code) {
        done_.exit_code = *state->exit_code;
        return end(std::move(done_));
    }
    if (++pauses_ > most_settle_pauses) return end(fail(Code::unavailable, fmt::format("{}: its output ended, but the engine says that it runs on", about_)));
    pause_.arm(std::min(passage_->ways.loop.now() + settle_pause, by_));
}

void Exec::end(Result<ExecDone> result) {
    auto then = std::move(then_);
    then(std::move(result));
}

}  // namespace hale::docker
