// Names to addresses by c-ares on an EpollLoop: /etc/hosts and resolv.conf (with its search list) as c-ares
// reads them, at creation. Belongs to the loop's thread; outlives its questions.
//
// IP literals and localhost are answered without asking anybody. c-ares can't withdraw one question: a
// withdrawn or late one is forgotten here and runs out there.

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/resolver.h"
#include "os/epoll_loop.h"

struct ares_addrinfo;
struct ares_channeldata;

namespace hale::os {

class AresResolver final : public io::Resolver {
public:
    static constexpr std::size_t question_limit = 4096;  // In flight, forgotten ones included.
    static constexpr Duration first_timeout = 500ms;     // Of one datagram; doubles with each round of servers.
    static constexpr int tries = 4;                      // Per server.
    static constexpr Duration literal_ttl = 60s;

    struct Options {
        std::vector<SocketAddress> servers;  // Empty: those of resolv.conf.
    };

    static Result<std::unique_ptr<AresResolver>> create(EpollLoop& loop, const Options& options);
    ~AresResolver() override;

    std::unique_ptr<Question> resolve(std::string_view name, Instant deadline, Answer answer) override;

private:
    class Asked;
    class Socket;
    // What c-ares holds on to while a question is in flight.
    struct Flight {
        AresResolver& resolver;
        Asked* asked;  // Null: withdrawn or late.
    };

    explicit AresResolver(EpollLoop& loop);

    static void on_socket_state(void* self, int fd, int readable, int writable);
    static void on_answer(void* flight, int status, int timeouts, ares_addrinfo* found);
    void process(int readable_fd, int writable_fd);
    void keep_ticking();
    void tick() noexcept;

    EpollLoop& loop_;
    ares_channeldata* channel_ = nullptr;
    std::map<int, std::unique_ptr<Socket>> sockets_;
    std::map<Flight*, std::unique_ptr<Flight>> flights_;
    io::Timer tick_;
};

}  // namespace hale::os
