#include "os/epoll_datagrams.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace hale::os {

Result<std::unique_ptr<EpollDatagrams>> EpollDatagrams::open(EpollLoop& loop, Descriptor socket, SocketAddress peer,
                                                             io::DatagramHandler& handler) {
    std::unique_ptr<EpollDatagrams> made(new EpollDatagrams(loop, std::move(socket), std::move(peer), handler));
    HALE_TRY(made->watch(made->socket_.get(), EPOLLIN | EPOLLET));
    return made;
}

EpollDatagrams::~EpollDatagrams() {
    if (gone_ != nullptr) *gone_ = true;
    if (watches()) unwatch();
}

int EpollDatagrams::send(std::string_view bytes) {
    for (;;) {
        if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

void EpollDatagrams::on_events(std::uint32_t) noexcept {
    std::array<char, most_bytes> bytes;
    bool gone = false;
    gone_ = &gone;
    for (int n = 0; n < datagrams_per_turn; ++n) {
        const ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
        if (got >= 0) {
            handler_.on_datagram({bytes.data(), static_cast<std::size_t>(got)});
        } else if (errno == EAGAIN) {
            gone_ = nullptr;
            return;
        } else if (errno != EINTR) {
            handler_.on_refused(errno);
        }
        if (gone) return;
    }
    gone_ = nullptr;
    put_off(EPOLLIN);  // The rest in the next turn.
}

}  // namespace hale::os
