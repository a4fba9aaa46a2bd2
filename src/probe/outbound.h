// What every probe over a connection of its own begins with: the name looked up, the policy on targets asked, one
// address connected to after the other. The kinds go on from there.
//
//   resolving ──▶ connecting (the next address of the name) ──▶ securing (over TLS) ──▶ reached()

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/resolver.h"
#include "probe/flight.h"
#include "probe/pool.h"

namespace hale::probe {

inline constexpr std::size_t most_addresses_tried = 4;

class Outbound : public Flight, protected ConnectionUser {
protected:
    explicit Outbound(Engine& engine) : Flight(engine) {}

    // Looks up and connects anew; ends the probe when that fails.
    void set_out();
    // The address is known: connects, or whatever this kind does there. Ends the probe when that fails.
    virtual void go_to(const SocketAddress& address);
    // Does TLS begin as soon as the connection stands?
    virtual bool begins_with_tls() const { return order_.to.tls; }
    // TLS from here on: reached() comes again, or the probe ends.
    void secure();
    // The connection stands; `unread`: bytes may be there already.
    virtual void reached(bool unread) = 0;
    // More may be read or written, once it stands.
    virtual void moved_on() = 0;
    // Time ran out after the connection stood.
    virtual void run_out_later() = 0;

    void run_out() final;
    void drop() noexcept override;
    // A port that nobody listens on, which the kernel gave to our own end: we are talking to ourselves.
    bool met_itself() const;
    void refused();
    // Of the certificate that was shown, when it ends too soon: "its certificate ends in 9d 3h, at 2027-…"; else empty.
    std::string expiry_told() const;

    // True: the probe ended, for nobody may go there.
    bool refused_by_policy(const SocketAddress& address);
    // Another address of the name, after one that failed.
    std::optional<SocketAddress> next_address();
    // Over TLS: until the peer's certificate ends.
    std::optional<Duration> certificate_left() const;
    void note_certificate();
    // Ends the probe by its conditions. `heard`: what to say of the answer before what did not hold: "answered PONG".
    void judge(std::string_view heard, std::string_view body = {}, std::string_view rcode = {});

    std::unique_ptr<Connection> connection_;

private:
    void on_ready(io::Readiness ready) noexcept final;
    void resolved(Result<io::Resolution> result);
    void connected(bool unread);
    void secured();

    std::unique_ptr<io::Resolver::Question> question_;
    std::vector<Ip> further_;  // Addresses of the name not tried yet, last first.
    Instant connecting_since_{}, securing_since_{};
};

}  // namespace hale::probe
