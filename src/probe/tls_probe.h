// A probe of a TLS handshake: whether it comes about, with a certificate that is believed, and for how long that holds.

#pragma once

#include "probe/outbound.h"

namespace hale::probe {

class TlsProbe final : public Outbound {
public:
    explicit TlsProbe(Engine& engine) : Outbound(engine) {}

private:
    void launch() override { set_out(); }
    bool begins_with_tls() const override { return true; }
    void reached(bool unread) override;
    void moved_on() override {}      // It ended when the handshake did.
    void run_out_later() override {}  // Likewise.
};

}  // namespace hale::probe
