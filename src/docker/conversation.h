// One request to an engine and its answer, from finding the way to the end of the body, by a deadline. Either the body is kept
// and told as a whole, or it is handed on as it comes.
//
//   agreeing ──▶ (resolving) ──▶ connecting, one address after the other ──▶ talking ──▶ over

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "docker/engine.h"
#include "docker/passage.h"
#include "docker/requests.h"
#include "http/body_stream.h"

namespace hale::docker {

inline constexpr std::size_t most_error_body = 64u << 10;
inline constexpr int most_pieces_a_turn = 32;  // Others on the loop have their turn, too.

struct Whole {
    int status = 0;
    std::string body;
    std::optional<Utc> date;  // The engine's clock.
};

class Conversation final : public Ongoing, private io::StreamHandler {
public:
    // What a good answer is about to bring.
    struct Head {
        int status = 0;
        std::string content_type;
    };
    // `gone` turns true when the conversation ended meanwhile: then nothing more is to be told.
    using Begun = std::move_only_function<void(const Head&)>;
    using Piece = std::move_only_function<Result<>(std::string_view bytes, const bool& gone)>;
    using Ended = std::move_only_function<void(Result<Whole>)>;

    Conversation(std::shared_ptr<Passage> passage, Request request, Instant by);
    ~Conversation() override;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    Begun begun;
    Piece piece;           // Without one the body is kept.
    bool endless = false;  // The deadline is for the beginning of the answer.

    // `ended` comes once, in a later turn. It may destroy this.
    void start(Ended ended);

    void pause() override { paused_ = true; }
    void go_on() override;

    // For the passage.
    bool waits_to_agree() const { return stage_ == Stage::agreeing; }
    void agreed(const Error* why_not);
    void abandon();

private:
    enum class Stage : std::uint8_t { idle, agreeing, resolving, connecting, talking, over };

    void open();
    void connect_next();
    void adopt(std::unique_ptr<io::Stream> stream);
    void unreachable(const std::string& why, int error);
    void talk();
    void advance() noexcept;
    bool take_head();
    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    void run_out() noexcept;
    void tell() noexcept;
    void end(Result<Whole> result);
    void broke();
    std::string about(std::string_view what) const;

    std::shared_ptr<Passage> passage_;
    Request request_;
    const Instant by_;
    Instant started_{};
    Stage stage_ = Stage::idle;
    Ended ended_;
    Result<Whole> result_;
    Whole whole_;
    std::unique_ptr<io::Resolver::Question> question_;
    std::vector<SocketAddress> addresses_;  // Not tried yet, last first.
    std::string why_;                       // The last address failed,
    int error_ = 0;                         // and with what.
    std::unique_ptr<io::Stream> stream_;
    http::BodyStream body_;
    io::Timer deadline_, later_, more_;
    bool* gone_ = nullptr;  // Of the callback that is running.
    bool refused_ = false;  // The answer is an error: its body says why.
    bool paused_ = false;
};

}  // namespace hale::docker
