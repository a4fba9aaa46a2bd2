#include "sim/blocking.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

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

struct Spawner::State {
    struct Queued {
        io::Loop* home;
        io::SpawnRequest request;
        Done done;
        Instant since;
        std::uint64_t number;
    };

    World& world;
    Script script;
    std::size_t running = 0;
    std::uint64_t last = 0;
    std::deque<Queued> queue;
    std::vector<io::SpawnRequest> requests;

    static void start(const std::shared_ptr<State>& self, std::size_t limit, Queued one) {
        const Duration waited = self->world.now() - one.since;
        Ending ending = self->script(one.request);
        if (one.request.timeout > Duration{0} && ending.after > one.request.timeout) {
            ending.after = one.request.timeout;
            ending.result = io::SpawnResult{.signal = SIGKILL, .timed_out = true};
        }
        if (ending.result) {
            ending.result->waited = waited;
            if (ending.result->output.size() > one.request.output_limit) ending.result->output.resize(one.request.output_limit);
        }
        self->requests.push_back(std::move(one.request));
        ++self->running;
        self->world.wire().post_at(self->world.now() + ending.after, [self, limit, home = one.home, done = std::move(one.done),
                                                                      result = std::move(ending.result)]() mutable {
            --self->running;
            home->post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
            if (self->queue.empty() || self->running >= limit) return;
            Queued next = std::move(self->queue.front());
            self->queue.pop_front();
            start(self, limit, std::move(next));
        });
    }

    static void give_up(const std::shared_ptr<State>& self, std::uint64_t number) {
        const auto late = std::ranges::find(self->queue, number, &Queued::number);
        if (late == self->queue.end()) return;
        late->home->post([done = std::move(late->done)]() mutable { done(fail(Code::exhausted, "its turn did not come in time")); });
        self->queue.erase(late);
    }
};

Spawner::Spawner(World& world, Script script) : state_(std::make_shared<State>(world, std::move(script))) {}

std::size_t Spawner::running() const { return state_->running; }
const std::vector<io::SpawnRequest>& Spawner::requests() const { return state_->requests; }

void Spawner::spawn(io::Loop& home, io::SpawnRequest request, Done done) {
    World& world = state_->world;
    const Duration patience = request.patience;
    State::Queued one{&home, std::move(request), std::move(done), world.now(), ++state_->last};
    if (state_->running < at_once_limit && state_->queue.empty()) return State::start(state_, at_once_limit, std::move(one));
    world.wire().post_at(world.now() + patience, [state = state_, number = one.number] { State::give_up(state, number); });
    state_->queue.push_back(std::move(one));
}

}  // namespace hale::sim
