// The old process's side of an upgrade as a pure machine: what happened in, what is to be done out.
//
//   idle ─asked▶ starting ─hello▶ preparing ─ready▶ holding ─held▶ yielding ─serving▶ gone
//                   └───────────┴────────────┴───────────────────────┴─ failed lost late died stop,
//   idle ◀── dead, and nothing half held ─────────────────────── undoing ◀┘  or a word out of turn
//
// Until `gone` everything is undone: the new process is dead before what was held for it goes on, so nothing ever has
// two writers.

#pragma once

#include <cstdint>
#include <vector>

namespace hale::app {

enum class HandoverEvent : std::uint8_t {
    asked,    // Somebody wants an upgrade.
    hello,    // The new process is there.
    ready,    // It could take over.
    held,     // Nothing is written here any more.
    serving,  // It has taken over.
    failed,   // It says why it cannot.
    lost,     // It closed the conversation.
    died,     // All its processes have ended.
    late,     // Its time is up.
    stop,     // This daemon is to end.
};

enum class HandoverDeed : std::uint8_t {
    refuse,       // Of the asker: an upgrade is under way, or it has happened.
    start,        // The new process.
    offer,        // The sockets.
    hold,         // Mutations, checkers, state: `held` comes when it is done.
    take,         // Tell it to take over.
    leave,        // It serves: stop listening and drain.
    kill,         // Whatever lives of it.
    go_on,        // With what was held.
    tell_failed,  // The asker, why.
    stop,         // Now.
};

enum class HandoverPhase : std::uint8_t { idle, starting, preparing, holding, yielding, undoing, gone };

class Handover {
public:
    // In the order in which they are to be done.
    std::vector<HandoverDeed> on(HandoverEvent event);

    HandoverPhase phase() const { return phase_; }
    bool under_way() const { return phase_ != HandoverPhase::idle && phase_ != HandoverPhase::gone; }
    // Nobody judges here now, and nobody is to be blamed for it.
    bool holds() const { return hold_ != Hold::none; }

    auto operator<=>(const Handover&) const = default;

private:
    enum class Hold : std::uint8_t { none, begun, whole };

    std::vector<HandoverDeed> undo();
    std::vector<HandoverDeed> undone();

    HandoverPhase phase_ = HandoverPhase::idle;
    Hold hold_ = Hold::none;
    bool alive_ = false;     // The new process.
    bool stopping_ = false;  // Once it is undone.
};

}  // namespace hale::app
