// A command run inside a container: made, started with its output attached, and asked how it ended. Only engine.cc uses it.
//
//   creating ──▶ running (output comes) ──▶ asking ──▶ done
//                                             ▲ │ it is still said to run: a moment later
//                                             └─┘

#pragma once

#include <memory>
#include <string>

#include "docker/answers.h"
#include "docker/conversation.h"
#include "docker/frames.h"

namespace hale::docker {

// The output's end is seen before the engine has noted the exit.
inline constexpr Duration settle_pause = 50ms;
inline constexpr int most_settle_pauses = 60;

class Exec final : public Ongoing {
public:
    Exec(std::shared_ptr<Passage> passage, Instant by, Then<ExecDone> then);

    void start(Request create);

private:
    void run(std::string id);
    Result<> take(std::string_view bytes);
    void ask() noexcept;
    void asked(Result<ExecState> state);
    void end(Result<ExecDone> result);

    std::shared_ptr<Passage> passage_;
    const Instant by_;
    Then<ExecDone> then_;
    std::string id_, about_;
    Frames frames_;
    ExecDone done_;
    int pauses_ = 0;
    // Each is replaced only after it told its end.
    std::unique_ptr<Conversation> creating_, running_, asking_;
    io::Timer pause_;
};

}  // namespace hale::docker
