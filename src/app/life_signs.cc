#include "app/life_signs.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace hale::app {

namespace {
constexpr int looks_per_interval = 4;  // A round takes one look or two: a sign at least every half interval.
}

bool Heartbeats::round_over(const std::vector<bool>& excused) {
    if (!silent(excused).empty()) return false;
    answered_.assign(answered_.size(), false);
    return true;
}

std::vector<std::size_t> Heartbeats::ask() {
    std::vector<std::size_t> now;
    for (std::size_t i = 0; i < asked_.size(); ++i)
        if (!asked_[i]) asked_[i] = true, now.push_back(i);
    return now;
}

void Heartbeats::answered(std::size_t member) {
    answered_[member] = true;
    asked_[member] = false;
}

std::vector<std::size_t> Heartbeats::silent(const std::vector<bool>& excused) const {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < answered_.size(); ++i)
        if (!answered_[i] && !excused[i]) all.push_back(i);
    return all;
}

LifeSigns::LifeSigns(io::Loop& loop, Duration every, std::vector<Member> members, std::function<void()> sign, std::function<bool()> checkers_held)
    : loop_(loop),
      every_(every),
      members_(std::move(members)),
      sign_(std::move(sign)),
      checkers_held_(std::move(checkers_held)),
      beats_(std::make_shared<Heartbeats>(members_.size())),
      last_sign_(loop.now()),
      timer_(loop, io::member_fire<&LifeSigns::tick>, this) {}

void LifeSigns::stop() { timer_.disarm(); }

void LifeSigns::tick() noexcept {
    const Instant now = loop_.now();
    timer_.arm(now + every_ / looks_per_interval);
    std::vector<bool> excused;
    const bool held = checkers_held_();
    for (const Member& one : members_) excused.push_back(held && one.checker);
    if (beats_->round_over(excused)) {
        last_sign_ = now;
        sign_();
    } else if (now - last_sign_ >= every_ / 2 && now >= said_at_ + every_) {
        said_at_ = now;
        std::vector<std::string_view> names;
        for (const std::size_t one : beats_->silent(excused)) names.push_back(members_[one].name);
        log(LogLevel::error, fmt::format("no sign of life for {} from {}; without one for {} the service manager starts Hale again", human(now - last_sign_),
                                         fmt::join(names, ", "), human(every_)));
    }
    for (const std::size_t one : beats_->ask())
        members_[one].ask([&loop = loop_, beats = beats_, one] { loop.post([beats, one] { beats->answered(one); }); });
}

}  // namespace hale::app
