// Child processes, at arm's length. A daemon with many threads and open sockets can't fork safely, so it forks
// once, first thing in main(): the helper keeps nothing but one socket to the daemon, starts children when asked,
// and reports how they ended.
//
//   daemon ──orders──▶ helper ──fork──▶ child (own session, own user, no new privileges, clean environment,
//          ◀─reports─                          limits; killed with its process group at its deadline)
//
// When the daemon ends, kill -9 included, the helper kills its children and ends.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "io/blocking.h"
#include "io/stream.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"
#include "os/spawn_protocol.h"

namespace hale::os {

inline constexpr std::size_t children_at_once = 16;
inline constexpr std::size_t conversations_at_once = 64;     // Beside them.
inline constexpr std::size_t most_waiting_children = 4'096;  // For their turn.

// The helper process. Stopped by its destructor too: a process left behind would be worse than a hidden wait.
class SpawnHelper {
public:
    static constexpr Duration stop_patience = 2s;

    // Needs: called by the main thread, before any other thread exists.
    static Result<SpawnHelper> start();
    SpawnHelper(SpawnHelper&&) noexcept;
    ~SpawnHelper() { stop(); }

    // Waits until the helper and its children are gone.
    void stop();

    int socket() const { return socket_.get(); }
    pid_t process() const { return process_; }

private:
    SpawnHelper(Descriptor socket, pid_t process) : socket_(std::move(socket)), process_(process) {}

    Descriptor socket_;
    pid_t process_ = -1;
};

// Asks a helper. Belongs to `loop`'s thread, which also destroys it (or the loop has stopped); spawn() may be
// called from any thread that knows it alive. The helper outlives it.
class Spawner final : public io::Spawner, private Watcher {
public:
    static Result<std::unique_ptr<Spawner>> attach(EpollLoop& loop, SpawnHelper& helper);
    ~Spawner() override;

    // More than `children_at_once` wait for their turn, in order. Code::exhausted when most_waiting_children wait
    // already or the request's patience ends, Code::unavailable when the helper is gone.
    void spawn(io::Loop& home, io::SpawnRequest request, Done done) override;
    // A child whose input and output are the stream; what it says on its errors is the stream's last words. Called on `home`'s
    // thread, the stream is its. The child ends soon after the stream, and at `request.timeout` at the latest.
    Result<std::unique_ptr<io::Stream>> converse(EpollLoop& home, io::SpawnRequest request);

private:
    struct Waiting {
        io::Loop* home;
        Done done;
        Duration waited{};
        bool converses = false;
    };
    struct Queued {
        io::SpawnRequest request;
        Waiting waiting;
        Instant since;
        Instant until;
    };

    Spawner(EpollLoop& loop, int socket);

    void order(io::SpawnRequest request, Waiting waiting);
    void start(io::SpawnRequest request, Waiting waiting, Descriptor conversation = {});
    void begin_conversation(io::SpawnRequest request, Waiting waiting, Descriptor theirs);
    void start_queued();
    void give_up() noexcept;
    void answer(Waiting waiting, Result<io::SpawnResult> result);
    void on_events(std::uint32_t events) noexcept override;
    void read_reports();
    void write_orders();
    void helper_lost();

    int socket_;
    bool lost_ = false;
    std::string incoming_;
    std::string outgoing_;
    struct Handing {
        std::size_t at;  // Bytes of outgoing_ before the one that it goes with.
        Descriptor descriptor;
    };
    std::deque<Handing> handing_;
    std::size_t conversations_ = 0;  // Of running_.
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Waiting> running_;
    std::deque<Queued> queue_;
    io::Timer patience_;  // Of whoever waits the shortest.
    // Orders on their way from other threads look here first.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hale::os
