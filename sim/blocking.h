// Blocking work and child processes of the simulated world: they take virtual time and end as scripted.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/blocking.h"
#include "sim/loop.h"

namespace hale::sim {

class World;

// Each work runs as one event of a thread of the pool, when a drawn time up to `takes` has passed; at most
// `threads` at once, the others wait in order.
class BlockingPool final : public io::BlockingPool {
public:
    explicit BlockingPool(World& world, std::size_t threads = 4);
    ~BlockingPool() override;
    Result<> run(io::Loop& home, io::Task work, io::Task done) override;

    Duration takes = 1ms;
    std::size_t queue_limit = 1024;  // 0: refuse everything (Code::exhausted).
    std::size_t waiting() const;

private:
    struct State;
    const std::shared_ptr<State> state_;
};

class Spawner final : public io::Spawner {
public:
    struct Ending {
        Duration after = 5ms;  // Later than the request's timeout: killed then, timed_out.
        Result<io::SpawnResult> result = io::SpawnResult{.exit_code = 0};
    };
    // Asked for each request, at its start.
    using Script = std::function<Ending(const io::SpawnRequest&)>;

    Spawner(World& world, Script script);
    void spawn(io::Loop& home, io::SpawnRequest request, Done done) override;

    std::size_t at_once_limit = 16;
    std::size_t running() const;
    const std::vector<io::SpawnRequest>& requests() const;  // In the order in which they started.

private:
    struct State;
    std::shared_ptr<State> state_;  // Children end after their spawner, too.
};

}  // namespace hale::sim
