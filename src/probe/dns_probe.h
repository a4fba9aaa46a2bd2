// A probe of a DNS server: one question over UDP, asked again over TCP when the answer does not fit; or over TCP at once.
// One datagram is sent: a lost one is a failed probe, and `fall` says what that means.

#pragma once

#include <memory>
#include <string>

#include "io/datagrams.h"
#include "probe/conversation.h"
#include "wire/dns.h"

namespace hale::probe {

class DnsProbe final : public Conversation, private io::DatagramHandler {
public:
    explicit DnsProbe(Engine& engine) : Conversation(engine) {}

private:
    void launch() override;
    bool begins_with_tls() const override { return false; }
    void go_to(const SocketAddress& address) override;
    void opened() override;
    bool hear(std::string_view bytes) override;
    std::string awaited() const override { return "the answer"; }
    bool last_look() override { return !datagrams_ && Conversation::last_look(); }
    void run_out_later() override;
    void drop() noexcept override;

    void on_datagram(std::string_view bytes) noexcept override;
    void on_refused(int error) noexcept override;

    const config::DnsCheck& check() const { return *plan().dns(); }
    // The answer to our question; ends the probe, unless it is to another one.
    void take(std::string_view message);
    void judge_answer(const wire::DnsAnswer& answer);

    std::string query_;
    std::uint16_t id_ = 0;
    bool over_tcp_ = false;
    std::unique_ptr<io::Datagrams> datagrams_;
    std::uint32_t to_others_ = 0;  // Answers that came, to other questions.
    SocketAddress asked_;
    Instant sent_at_{};
    std::string received_;  // Over TCP: the length and what came of the message.
};

}  // namespace hale::probe
