#include "os/ares_resolver.h"

#include <ares.h>
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "os/socket_address.h"

namespace hale::os {

namespace {

// c-ares is asked for its overdue datagrams this often while any are out. Its own answer to "when next?" walks
// through all of them.
constexpr Duration tick_interval = 50ms;

constexpr Ip ipv6_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

std::optional<io::Resolution> without_asking(std::string_view name) {
    if (const auto ip = Ip::parse(name)) return io::Resolution{.addresses = {*ip}, .ttl = AresResolver::literal_ttl};
    if (name.ends_with('.')) name.remove_suffix(1);
    // RFC 6761 section 6.3: never asked of a server.
    const std::string lowered = lower(name);
    if (lowered != "localhost" && !lowered.ends_with(".localhost")) return std::nullopt;
    return io::Resolution{.addresses = {Ip::v4(127, 0, 0, 1), ipv6_loopback}, .ttl = AresResolver::literal_ttl};
}

std::unexpected<Error> failure(std::string_view name, int status) {
    const auto say = [&](Code code, std::string_view what) {
        return fail(code, fmt::format("can't resolve {}: {}", escaped(name), what));
    };
    switch (status) {
        case ARES_ENOTFOUND:
            return say(Code::not_found, "no such name");
        case ARES_SUCCESS:
        case ARES_ENODATA:
            return say(Code::not_found, "the name has no addresses");
        case ARES_ETIMEOUT:
            return say(Code::timed_out, "no name server answered");
        case ARES_EBADNAME:
            return say(Code::invalid, "this is not a name");
        case ARES_ENOMEM:
            return say(Code::exhausted, "out of memory");
        case ARES_ECONNREFUSED:
            return say(Code::unavailable, "no name server could be reached; see /etc/resolv.conf");
        case ARES_ESERVFAIL:
            return say(Code::unavailable, "the name server failed (SERVFAIL)");
        case ARES_EREFUSED:
            return say(Code::unavailable, "the name server refused to answer");
        default:
            return say(Code::unavailable, lower(ares_strerror(status)));
    }
}

std::optional<Ip> address_of(const ares_addrinfo_node& node) {
    RawAddress raw;
    if (node.ai_addrlen > sizeof raw.address) return std::nullopt;
    std::copy_n(reinterpret_cast<const char*>(node.ai_addr), node.ai_addrlen, reinterpret_cast<char*>(&raw.address));
    if (raw.family() != AF_INET && raw.family() != AF_INET6) return std::nullopt;
    return socket_address(raw).ip;
}

io::Resolution read_answer(const ares_addrinfo& found) {
    io::Resolution answer;
    int ttl = 7 * 24 * 3600;  // RFC 8767: nothing longer means anything.
    for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
        const auto ip = address_of(*node);
        if (!ip || std::ranges::find(answer.addresses, *ip) != answer.addresses.end()) continue;
        answer.addresses.push_back(*ip);
        ttl = std::min(ttl, node->ai_ttl);
    }
    for (const auto* alias = found.cnames; alias != nullptr; alias = alias->next) ttl = std::min(ttl, alias->ttl);
    answer.ttl = std::chrono::seconds{std::max(ttl, 0)};
    std::ranges::stable_partition(answer.addresses, &Ip::is_v4);
    return answer;
}

}  // namespace

// ── One question ─────────────────────────────────────────────────────────────────────────────────────────

// Its timer is first the deadline, then, once a result is there, the next turn: so the answer comes neither
// inside resolve() nor inside c-ares.
class AresResolver::Asked final : public Question {
public:
    Asked(EpollLoop& loop, std::string_view name, Instant deadline, Answer answer)
        : name_(name), answer_(std::move(answer)), loop_(loop), timer_(loop, io::member_fire<&Asked::fire>, this) {
        timer_.arm(deadline);
    }
    ~Asked() override {
        if (flight_ != nullptr) flight_->asked = nullptr;
    }

    void wait_for(Flight* flight) { flight_ = flight; }
    void settle(Result<io::Resolution> result) {
        flight_ = nullptr;
        result_ = std::move(result);
        timer_.arm(loop_.now());
    }
    const std::string& name() const { return name_; }

private:
    void fire() noexcept {
        if (flight_ != nullptr) std::exchange(flight_, nullptr)->asked = nullptr;
        // Moved out: the answer may destroy this question.
        Answer answer = std::move(answer_);
        if (result_)
            answer(std::exchange(result_, std::nullopt).value());
        else
            answer(fail(Code::timed_out, fmt::format("can't resolve {}: no answer in time", escaped(name_))));
    }

    std::string name_;
    Answer answer_;
    EpollLoop& loop_;
    io::Timer timer_;
    Flight* flight_ = nullptr;
    std::optional<Result<io::Resolution>> result_;
};

// ── Sockets of c-ares ────────────────────────────────────────────────────────────────────────────────────

class AresResolver::Socket final : public Watcher {
public:
    Socket(EpollLoop& loop, AresResolver& resolver, int fd) : Watcher(loop), resolver_(resolver), fd_(fd) {}

    void want(bool readable, bool writable) {
        // Level-triggered: c-ares does not read TCP to the end. A descriptor that can't be watched is as a
        // server that does not answer.
        const std::uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
        if (watched_)
            change(fd_, events);
        else
            watched_ = watch(fd_, events).has_value();
    }

private:
    void on_events(std::uint32_t events) noexcept override {
        const bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
        const bool writable = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
        resolver_.process(readable ? fd_ : ARES_SOCKET_BAD, writable ? fd_ : ARES_SOCKET_BAD);  // May end `this`.
    }

    AresResolver& resolver_;
    int fd_;
    bool watched_ = false;
};

// Called with neither before c-ares closes the socket.
void AresResolver::on_socket_state(void* self, int fd, int readable, int writable) {
    auto& resolver = *static_cast<AresResolver*>(self);
    if (readable == 0 && writable == 0) {
        resolver.sockets_.erase(fd);
        return;
    }
    auto& socket = resolver.sockets_[fd];
    if (socket == nullptr) socket = std::make_unique<Socket>(resolver.loop_, resolver, fd);
    socket->want(readable != 0, writable != 0);
}

// ── The resolver ─────────────────────────────────────────────────────────────────────────────────────────

AresResolver::AresResolver(EpollLoop& loop) : loop_(loop), tick_(loop, io::member_fire<&AresResolver::tick>, this) {}

Result<std::unique_ptr<AresResolver>> AresResolver::create(EpollLoop& loop, const Options& options) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    std::unique_ptr<AresResolver> resolver(new AresResolver(loop));
    ares_options settings{};
    settings.timeout = static_cast<int>(duration_cast<std::chrono::milliseconds>(first_timeout).count());
    settings.tries = tries;
    settings.sock_state_cb = on_socket_state;
    settings.sock_state_cb_data = resolver.get();
    int status = library;
    if (status == ARES_SUCCESS)
        status = ares_init_options(&resolver->channel_, &settings,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && !options.servers.empty()) {
        std::string list;
        for (const SocketAddress& server : options.servers) list += (list.empty() ? "" : ",") + server.text();
        status = ares_set_servers_ports_csv(resolver->channel_, list.c_str());
    }
    if (status != ARES_SUCCESS)
        return fail(Code::internal, fmt::format("can't start the resolver: {}", lower(ares_strerror(status))));
    return resolver;
}

AresResolver::~AresResolver() {
    // c-ares calls back for what is in flight; nobody is told any more.
    for (auto& [flight, owned] : flights_)
        if (flight->asked != nullptr) std::exchange(flight->asked, nullptr)->wait_for(nullptr);
    if (channel_ != nullptr) ares_destroy(channel_);
}

std::unique_ptr<io::Resolver::Question> AresResolver::resolve(std::string_view name, Instant deadline, Answer answer) {
    auto asked = std::make_unique<Asked>(loop_, name, deadline, std::move(answer));
    if (auto known = without_asking(name)) {
        asked->settle(std::move(*known));
    } else if (flights_.size() >= question_limit) {
        asked->settle(fail(Code::exhausted, fmt::format("can't resolve {}: {} questions are open already",
                                                        escaped(name), question_limit)));
    } else if (name.empty() || name.contains('\0')) {
        asked->settle(failure(name, ARES_EBADNAME));
    } else {
        auto owned = std::make_unique<Flight>(Flight{.resolver = *this, .asked = asked.get()});
        Flight* const flight = owned.get();
        flights_.emplace(flight, std::move(owned));
        asked->wait_for(flight);
        // Both families; not sorted by connecting to each, as RFC 6724 has it: order is policy.
        ares_addrinfo_hints hints{};
        hints.ai_flags = ARES_AI_NOSORT;
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        ares_getaddrinfo(channel_, asked->name().c_str(), nullptr, &hints, on_answer, flight);
        keep_ticking();
    }
    return asked;
}

void AresResolver::on_answer(void* argument, int status, int, ares_addrinfo* found) {
    auto& flight = *static_cast<Flight*>(argument);
    const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(found, ares_freeaddrinfo);
    if (Asked* const asked = flight.asked) {
        io::Resolution answer;
        if (status == ARES_SUCCESS && found != nullptr) answer = read_answer(*found);
        if (answer.addresses.empty())
            asked->settle(failure(asked->name(), status));
        else
            asked->settle(std::move(answer));
    }
    flight.resolver.flights_.erase(&flight);
}

void AresResolver::process(int readable_fd, int writable_fd) {
    ares_process_fd(channel_, readable_fd, writable_fd);
    keep_ticking();
}

void AresResolver::keep_ticking() {
    if (flights_.empty())
        tick_.disarm();
    else if (!tick_.armed())
        tick_.arm(loop_.now() + tick_interval);
}

void AresResolver::tick() noexcept { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }

}  // namespace hale::os
