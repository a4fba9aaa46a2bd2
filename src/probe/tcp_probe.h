// A probe that connects, may say something, and may wait for an answer that holds certain bytes.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/resolver.h"
#include "probe/flight.h"
#include "probe/pool.h"

namespace hale::probe {

class TcpProbe final : public Flight, private ConnectionUser {
public:
    static constexpr std::size_t most_received = 64 * 1024;

    explicit TcpProbe(Engine& engine) : Flight(engine) {}

private:
    void launch() override;
    void run_out() override;
    void drop() noexcept override;
    void on_ready(io::Readiness ready) noexcept override;

    void resolved(Result<io::Resolution> result);
    void connect_to(const SocketAddress& address);
    void connected();
    void send();
    void receive();
    void judge_answer();
    std::string sentence(std::string_view what) const;

    std::unique_ptr<Connection> connection_;
    std::unique_ptr<io::Resolver::Question> question_;
    std::string received_;
    std::size_t sent_ = 0;
};

}  // namespace hale::probe
