#include "verdict/error_rule.h"

#include <cerrno>

namespace hale::verdict {

bool our_fault(int system_error, bool has_default_route) {
    switch (system_error) {
        case EMFILE:  // Our own descriptors.
        case ENFILE:  // The machine's.
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:  // No local port left, or our source address is gone.
            return true;
        case ENETUNREACH:
            return !has_default_route;
        default:
            return false;
    }
}

bool timer_too_late(Instant due, Instant fired, Duration timeout) { return fired - due > timeout / 4; }

}  // namespace hale::verdict
