#include "os/spare_sockets.h"

#include <sys/socket.h>

#include <utility>

#include "os/epoll_loop.h"

namespace hale::os {

namespace {
// What was collected when it was put here is run in this turn, what its end brings is collected and run in the next.
constexpr std::uint64_t turns_until_settled = 2;
}  // namespace

SpareSockets::SpareSockets(io::Loop& loop, EpollLoop& places) : loop_(places), timer_(loop, io::member_fire<&SpareSockets::close_old>, this) {}

SpareSockets::~SpareSockets() {
    for (Spare& one : spare_) loop_.give_place_back(one.place);
}

bool SpareSockets::keep(Descriptor& socket, std::uint32_t place, int family) {
    if (spare_.size() >= most_spare) return false;
    sockaddr nowhere{};
    nowhere.sa_family = AF_UNSPEC;
    if (connect(socket.get(), &nowhere, sizeof nowhere) != 0) return false;
    spare_.push_back({std::move(socket), place, family, loop_.settled(), loop_.now()});
    if (!timer_.armed()) timer_.arm(loop_.now() + spare_for);
    return true;
}

void SpareSockets::close_old() noexcept {
    for (; !spare_.empty() && loop_.now() - spare_.front().since >= spare_for; spare_.pop_front()) loop_.give_place_back(spare_.front().place);
    if (!spare_.empty()) timer_.arm(spare_.front().since + spare_for);
}

std::optional<SpareSockets::Spare> SpareSockets::take(int family) {
    if (spare_.empty() || spare_.front().family != family || loop_.settled() < spare_.front().settled + turns_until_settled) return std::nullopt;
    std::optional<Spare> one = std::move(spare_.front());
    spare_.pop_front();
    return one;
}

}  // namespace hale::os
