#include "app/wiring.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>
#include <variant>

namespace hale::app {

namespace {

// Runs `then` on `home` after the last holder let go of it.
class Countdown {
public:
    Countdown(io::Loop& home, io::Task then) : home_(home), then_(std::move(then)) {}
    ~Countdown() {
        if (then_) home_.post(std::move(then_));
    }
    Countdown(const Countdown&) = delete;
    Countdown& operator=(const Countdown&) = delete;

private:
    io::Loop& home_;
    io::Task then_;
};

}  // namespace

void CheckerWires::post(std::size_t checker, std::vector<catalog::CheckerCommand> commands, io::Task after) {
    CheckerThread& to = checkers_[checker];
    to.thread->loop().post([&to, commands = std::move(commands), after = std::move(after)]() mutable {
        // One that stopped takes no more; control goes on for a while after the checkers.
        if (to.checker && to.checker->running()) to.checker->apply(std::move(commands));
        if (after) after();
    });
}

void CheckerWires::send(std::vector<catalog::CheckerCommand> commands, io::Task acknowledged) {
    std::vector<std::vector<catalog::CheckerCommand>> shards(checkers_.size());
    for (auto& command : commands) {
        std::visit(
            [&](auto& one) {
                using Command = std::decay_t<decltype(one)>;
                if constexpr (std::is_same_v<Command, catalog::SuspectSelf> || std::is_same_v<Command, catalog::CheckerSettings>) {
                    for (auto& shard : shards) shard.emplace_back(one);
                } else {
                    const auto owner = one.row % checkers_.size();
                    shards[owner].emplace_back(std::move(one));
                }
            },
            command);
    }
    auto countdown = std::make_shared<Countdown>(control_, std::move(acknowledged));
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (!shards[i].empty()) post(i, std::move(shards[i]), [countdown]() mutable { countdown.reset(); });
}

void CheckerWires::passive(std::vector<catalog::Passive> signals) {
    std::vector<std::vector<catalog::CheckerCommand>> shards(checkers_.size());
    for (auto& signal : signals) shards[signal.row % checkers_.size()].emplace_back(std::move(signal));
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (!shards[i].empty()) post(i, std::move(shards[i]), {});
}

void WorkerWires::publish(catalog::Snapshot snapshot, io::Task adopted) {
    if (published_) published_(snapshot);
    auto countdown = std::make_shared<Countdown>(control_, std::move(adopted));
    for (WorkerThread& to : workers_) {
        to.thread->loop().post([this, &to, snapshot, countdown]() mutable {
            if (!to.worker) return;
            auto replaced = to.worker->adopt(std::move(snapshot));
            // Freed on control, where freeing a hundred thousand endpoints keeps nobody waiting.
            control_.post([replaced = std::move(replaced)]() mutable { replaced.reset(); });
        });
    }
}

void AudienceWires::tell(std::vector<catalog::Delta> deltas) { post(queue_.push(std::move(deltas))); }

void AudienceWires::post(std::vector<catalog::Delta> deltas) {
    // In pieces, so that requests are answered between them; what shares a revision stays together, since a reader may
    // take note of it. Whatever control posts afterwards comes after the last.
    for (auto begin = deltas.begin(); begin != deltas.end();) {
        auto end = begin + std::min<std::ptrdiff_t>(deltas_at_once, deltas.end() - begin);
        while (end != deltas.end() && end->revision != 0 && end->revision == std::prev(end)->revision) ++end;
        std::vector<catalog::Delta> piece(std::make_move_iterator(begin), std::make_move_iterator(end));
        api_.post([this, piece = std::move(piece)]() mutable {
            taken_ += piece.size();
            take_(std::move(piece));
            if (taken_ < acknowledged_together) return;
            control_.post([this, taken = std::exchange(taken_, 0)] { post(queue_.taken(taken)); });
        });
        begin = end;
    }
}

}  // namespace hale::app
