// What is under way with an engine, each call kept until it told its end. Everything on the engine's loop; destroying it ends
// them unheard.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "docker/engine.h"

namespace hale::deploy {

class Calls {
public:
    explicit Calls(docker::Engine& engine) : engine_(engine) {}

    docker::Engine& engine() const { return engine_; }
    std::size_t under_way() const { return calls_.size(); }

    // `ask(engine, done)` begins one call that tells `done` its end; `then` hears of it.
    template <class T, class Ask>
    void ask(Ask ask, docker::Then<T> then) {
        const auto id = next_++;
        calls_.emplace(id, nullptr);
        auto call = ask(engine_, [this, id, then = std::move(then)](Result<T> answer) mutable {
            // In a later turn: it is still inside it.
            engine_.loop().post([this, id, here = std::weak_ptr(self_)] {
                if (!here.expired()) calls_.erase(id);
            });
            then(std::move(answer));
        });
        if (const auto at = calls_.find(id); at != calls_.end()) at->second = std::move(call);
    }

private:
    docker::Engine& engine_;
    std::map<std::uint64_t, docker::Call> calls_;
    std::uint64_t next_ = 1;
    std::shared_ptr<Calls*> self_ = std::make_shared<Calls*>(this);
};

}  // namespace hale::deploy
