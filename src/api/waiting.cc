#include "api/waiting.h"

#include <algorithm>
#include <utility>

namespace hale::api {

bool Waiting::add(CallPtr call, Revision revision, std::uint64_t known, Instant until, std::function<void()> answer) {
    std::erase_if(calls_, [](const One& one) { return one.call->exchange->gone(); });
    if (calls_.size() >= most_waiting) return false;
    calls_.push_back({std::move(call), std::move(revision), known, until, std::move(answer)});
    arm();
    return true;
}

void Waiting::changed(const catalog::View& view) {
    if (calls_.empty()) return;
    std::list<One> ready;
    for (auto at = calls_.begin(); at != calls_.end();) {
        const auto next = std::next(at);
        const std::uint64_t now = at->revision(view);
        if (now == 0 || now > at->known) ready.splice(ready.end(), calls_, at);
        at = next;
    }
    for (auto& one : ready) one.answer();
    arm();
}

void Waiting::end() {
    std::list<One> all = std::exchange(calls_, {});
    for (auto& one : all) one.answer();
    arm();
}

void Waiting::expired() noexcept {
    std::list<One> ready;
    for (auto at = calls_.begin(); at != calls_.end();) {
        const auto next = std::next(at);
        if (at->until <= loop_.now()) ready.splice(ready.end(), calls_, at);
        at = next;
    }
    for (auto& one : ready) one.answer();
    arm();
}

void Waiting::arm() {
    if (calls_.empty()) return timer_.disarm();
    timer_.arm(std::ranges::min(calls_, {}, &One::until).until);
}

}  // namespace hale::api
