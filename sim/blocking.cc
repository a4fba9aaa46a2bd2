#include "sim/blocking.h"

#include <fmt/format.h>

#include <csignal>
#include <deque>
#include <utility>

#include "base/check.h"
#include "sim/world.h"

namespace hale::sim {

struct BlockingPool::State {
    struct Work {
        io::Loop* home;
        io::Task work, done;
    };
    World& world;
    std::vector<Loop*> idle;
    std::deque<Work> queue;

    static void feed(const std::shared_ptr<State>& self, Duration takes) {
        while (!self->idle.empty() && !self->queue.empty()) {
            Loop* const thread = self->idle.back();
            self->idle.pop_back();
            Work next = std::move(self->queue.front());
            self->queue.pop_front();
            const Duration d{
                static_cast<std::int64_t>(self->world.random().below(static_cast<std::uint64_t>(takes.count()) + 1))};
            thread->post_at(self->world.now() + d, [self, thread, takes, next = std::move(next)]() mutable {
                next.work();
                next.work = {};
                next.home->post(std::move(next.done));
                self->idle.push_back(thread);
                feed(self, takes);
            });
        }
    }
};

BlockingPool::BlockingPool(World& world, std::size_t threads) : state_(std::make_shared<State>(world)) {
    HALE_CHECK(threads > 0);
    for (std::size_t i = 0; i < threads; ++i) state_->idle.push_back(&world.make_loop(fmt::format("pool-{}", i)));
}

BlockingPool::~BlockingPool() = default;

std::size_t BlockingPool::waiting() const { return state_->queue.size(); }

Result<> BlockingPool::run(io::Loop& home, io::Task work, io::Task done) {
    if (state_->queue.size() >= queue_limit)
        return fail(Code::exhausted, fmt::format("blocking pool: {} works are waiting already", queue_limit));
    state_->queue.push_back({&home, std::move(work), std::move(done)});
    State::feed(state_, takes);
    return {};
}

Spawner::Spawner(World& world, Script script) : world_(world), script_(std::move(script)) {}

void Spawner::spawn(io::Loop& home, io::SpawnRequest request, Done done) {
    if (*running_ >= at_once_limit) {
        home.post([done = std::move(done), limit = at_once_limit]() mutable {
            done(fail(Code::exhausted, fmt::format("{} child processes run already", limit)));
        });
        return;
    }
    Ending ending = script_(request);
    if (request.timeout > Duration{0} && ending.after > request.timeout) {
        ending.after = request.timeout;
        ending.result = io::SpawnResult{.signal = SIGKILL, .timed_out = true};
    }
    if (ending.result && ending.result->output.size() > request.output_limit)
        ending.result->output.resize(request.output_limit);
    requests_.push_back(std::move(request));
    ++*running_;
    world_.wire().post_at(world_.now() + ending.after, [&home, running = running_, done = std::move(done),
                                                        result = std::move(ending.result)]() mutable {
        --*running;
        home.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
    });
}

}  // namespace hale::sim
