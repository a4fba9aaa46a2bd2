// A probe that connects, may say something, and may wait for an answer that holds certain bytes.

#pragma once

#include <string>

#include "probe/outbound.h"

namespace hale::probe {

class TcpProbe final : public Outbound {
public:
    static constexpr std::size_t most_received = 64 * 1024;

    explicit TcpProbe(Engine& engine) : Outbound(engine) {}

private:
    void launch() override { set_out(); }
    void reached(bool unread) override;
    void moved_on() override;
    void run_out_later() override;

    void send();
    void receive();

    std::string received_;
    std::size_t sent_ = 0;
};

}  // namespace hale::probe
