// Whose users will soon be shown a certificate that has ended: found from the routes in force and the certificates that
// listeners show, and told to control, which degrades the services they lead to. Control's thread.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/certificates.h"
#include "catalog/control.h"
#include "catalog/routing.h"
#include "io/loop.h"

namespace hale::app {

// A file's certificate is warned of so long before its end. One that is renewed by itself may live for days in all:
// it is warned of within the last sixth of its life, when its renewal, due at a third, has been failing for long.
inline constexpr Duration certificate_warning = 14 * 24h;

// By service: the soonest end among its hosts' certificates, where that is near. `known` in the order in which listeners
// choose: of each kind of key the first that names the host, by itself before by a wildcard.
catalog::EndingCertificates endings_of(const std::vector<catalog::Route>& routes, const std::vector<Certificates::Known>& known, Utc now);

class Endings {
public:
    static constexpr Duration look_interval = 1h;  // Time passes too.

    Endings(io::Loop& control, const Certificates& certificates, std::function<void(catalog::EndingCertificates)> tell);

    void published(const catalog::Snapshot& snapshot);
    // Other certificates are shown now.
    void changed();

private:
    void look() noexcept;

    io::Loop& loop_;
    const Certificates& certificates_;
    std::function<void(catalog::EndingCertificates)> tell_;
    catalog::Snapshot snapshot_;
    catalog::EndingCertificates told_;
    io::Timer timer_;
};

}  // namespace hale::app
