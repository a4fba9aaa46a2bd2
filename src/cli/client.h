// Asks one HTTP/1.1 question after another and waits for each answer: what a command does, a daemon never. Bodies
// are read in pieces, since an event stream has no end; ordinary answers take the same way. (http::ClientExchange
// hands out whole answers, which a stream never becomes.)
//
// Every wait has a deadline: `connect_limit`, `Question::first_byte` and `within` for an answer, `silence` for a stream.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/place.h"
#include "io/secure.h"
#include "io/stream.h"

namespace hale::os {
class EpollLoop;
}

namespace hale::cli {

// Two places may be tried, and a daemon that is down is told of within two seconds.
inline constexpr Duration connect_limit = 900ms;
inline constexpr Duration ssh_connect_limit = 10s;  // A log-in takes longer.
inline constexpr Duration answer_limit = 10s;
inline constexpr Duration first_byte_limit = 2s;  // A daemon that runs begins its answer at once.
inline constexpr std::size_t most_answer_bytes = 64 << 20;  // One page of a list is about 1 MiB.

struct Question {
    std::string method = "GET";
    std::string target;  // "/api/v1/services"
    std::string body;    // JSON.
    std::vector<std::pair<std::string, std::string>> fields;
    Duration within = answer_limit;  // To the end of the answer; of a stream: to its head.
    // To its first byte. What may take long by itself waits `within` for it, and whoever asks first sees that anybody
    // is there.
    Duration first_byte = first_byte_limit;

    // Changes something, which ends on a disk and with every worker, or was given more time than usual.
    bool may_take_long() const { return method != "GET" || within > answer_limit; }
};

struct Reply {
    int status = 0;
    std::string type;  // Content-Type.
    std::string body;
};

class Client {
public:
    static Result<std::unique_ptr<Client>> create();
    ~Client();

    // Code::unavailable: nobody could be spoken to there; Code::timed_out: connected, but no answer in time.
    Result<Reply> ask(const Place& place, const Question& question);

    // `piece` is given each piece of the body as it comes, and says whether to go on. Ends when it does not, when
    // the peer ends the stream, after `silence` without a byte (Code::timed_out), or at `most`. The reply's body
    // is empty unless the answer was no 200.
    using Piece = std::function<bool(std::string_view)>;
    Result<Reply> follow(const Place& place, const Question& question, Duration silence, std::optional<Duration> most,
                         const Piece& piece);

    // Called about once a second while an answer is awaited.
    std::function<void(Duration waited)> while_waiting;

    Instant now() const;
    Utc utc() const;  // As of the last answer.
    void wait(Duration d);

private:
    class Conversation;
    explicit Client(std::unique_ptr<os::EpollLoop> loop);

    Result<std::unique_ptr<io::Stream>> shaken_hands(const Place& place, std::unique_ptr<io::SecureStream> stream, Instant began);
    Result<std::unique_ptr<io::Stream>> connect(const Place& place);
    Result<SocketAddress> resolve(const Place& place, Duration within);

    std::unique_ptr<os::EpollLoop> loop_;
    // Kept open between questions to one place.
    std::unique_ptr<io::Stream> kept_;
    std::string kept_to_;
};

}  // namespace hale::cli
