// Long polls: calls that wait until something they know of has changed, or their time is over.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>

#include "api/route_table.h"
#include "catalog/view.h"
#include "io/loop.h"

namespace hale::api {

inline constexpr std::size_t most_waiting = 1'000;
inline constexpr Duration longest_wait = 5min;

class Waiting {
public:
    using Revision = std::function<std::uint64_t(const catalog::View&)>;

    explicit Waiting(io::Loop& loop) : loop_(loop), timer_(loop, io::member_fire<&Waiting::expired>, this) {}

    // False when too many wait.
    bool add(CallPtr call, Revision revision, std::uint64_t known, Instant until, std::function<void()> answer);
    void changed(const catalog::View& view);
    void end();  // All answer now.
    std::size_t size() const { return calls_.size(); }

private:
    struct One {
        CallPtr call;
        Revision revision;
        std::uint64_t known;
        Instant until;
        std::function<void()> answer;
    };
    void expired() noexcept;
    void arm();

    io::Loop& loop_;
    io::Timer timer_;
    std::list<One> calls_;
};

}  // namespace hale::api
