// What may go wrong on the way between two places of the simulated network. Values only: sim::Network keeps
// them by rule and draws from the world's seed. Probabilities are 0 (never) to 1 (always).

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/time.h"

namespace hale::sim {

struct Faults {
    // The way itself.
    Duration latency = 100us;          // One way.
    Duration jitter = 50us;            // Added, up to this, drawn for each packet; bytes keep their order.
    std::uint64_t window = 64 * 1024;  // Bytes each way between write and read: then would_block.
    double loss = 0;                   // A packet is lost and comes 200 ms later, or 400 ms, ...
    double stall = 0;                  // A packet of the answering side, and all behind it, come `stall_for` later.
    Duration stall_for = 10s;

    // Connecting.
    Duration connect_delay{0};
    double refuse = 0;       // ECONNREFUSED
    double unreachable = 0;  // EHOSTUNREACH, as somebody's answer
    double silent = 0;       // Never answered; ETIMEDOUT after 127 s.

    // The life of a connection, drawn when it begins.
    double reset = 0;             // It breaks in a drawn direction after a drawn number of bytes.
    double vanish = 0;            // The peer is gone without a word after so many bytes; writes go on succeeding.
    std::uint64_t within = 1024;  // Of reset and vanish: the drawn byte is below this.
    std::optional<std::uint64_t> reset_request_at;  // Exactly: when so many bytes of the connecting side arrived,
    std::optional<std::uint64_t> reset_answer_at;   // or of the accepting side.

    // Operations.
    double one_byte_reads = 0;   // All reads of the connection return one byte.
    double short_read = 0;       // A read returns a part of what is there,
    double short_write = 0;      // a write takes a part of what fits.
    double spurious_notice = 0;  // A notice although nobody saw would_block.
};

// Connections from a host (by name) to an address. What is empty or 0 matches everything.
struct Way {
    std::string from;
    std::optional<Ip> ip;
    std::uint16_t port = 0;
    bool operator==(const Way&) const = default;
};

}  // namespace hale::sim
