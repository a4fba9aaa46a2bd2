// A probe that talks in turns over its connection: it says something, hears the answer, and says the next thing. The
// kinds decide what; here are the bytes, their limit, and what it means when they stop.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "probe/outbound.h"

namespace hale::probe {

class Conversation : public Outbound {
public:
    static constexpr std::size_t most_heard = 1024 * 1024;  // In one probe; whoever says more is not listened to.
    static constexpr std::size_t most_remembered = 800;     // Of the latest turn, for evidence.

protected:
    explicit Conversation(Engine& engine) : Outbound(engine) {}
    ~Conversation() override;

    // The connection stands, or has just become one over TLS.
    virtual void opened() = 0;
    // What came, to be taken as a whole. False: the probe ended, or what follows belongs to another stream.
    [[nodiscard]] virtual bool hear(std::string_view bytes) = 0;
    // What is waited for now: "the answer to PING".
    virtual std::string awaited() const = 0;

    // Begins a turn. Never ends the probe: what goes wrong is told by the next reading.
    void say(std::string_view bytes);

    // Said when the probe ends, whatever its end is, and then the connection is closed in order; nothing: it is reset.
    void set_farewell(std::optional<std::string> bytes) { farewell_ = std::move(bytes); }

    // The end by what was heard; false, for `return` in hear().
    bool mismatch(verdict::Reason reason, std::string_view what);
    bool no_protocol(std::string_view protocol, std::string_view why);

    void launch() override { set_out(); }
    bool last_look() override;
    void run_out_later() override;
    void drop() noexcept override;

private:
    void reached(bool unread) final;
    void moved_on() final;
    void pour();
    void listen();
    void lost(const io::IoResult& result);

    std::string unsent_;
    std::string remembered_;
    std::optional<std::string> farewell_;
    std::size_t heard_ = 0;
    int write_error_ = 0;
    Instant asked_at_{};
    bool* ended_ = nullptr;  // Set by the destructor, for last_look().
};

}  // namespace hale::probe
