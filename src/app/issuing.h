// Certificates from authorities, wired: the issuer on the api's loop, proofs shown by the workers, what was issued handed to
// the listeners' certificates, hosts taken from the routes in force.
//
//   control: hosts of routes ──▶ api: Issuer ──▶ workers: proofs
//                                    └──▶ control: Certificates ──▶ workers: credentials

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/dns_hook.h"
#include "acme/issuer.h"
#include "api/backend.h"
#include "app/certificates.h"
#include "app/shelf.h"
#include "app/wiring.h"
#include "catalog/routing.h"
#include "config/acme_spec.h"
#include "http/client_exchange.h"
#include "io/blocking.h"

namespace hale::app {

// The hosts that want a certificate of their own: exact ones of routes to services with tls, and wildcards where dns-01
// proves them. Sorted, each once.
std::vector<std::string> certified_hosts(const catalog::RoutingSnapshot& snapshot, bool wildcards);

class Issuing final : private acme::Challenges, private acme::Issued {
public:
    struct Parts {
        io::Loop& api;
        io::Net& net;
        io::Resolver& resolver;  // Of the api's loop.
        io::Loop& control;
        Certificates& certificates;
        std::vector<WorkerThread>& workers;
        os::BlockingPool& pool;
        io::Spawner& spawner;
        std::string state;
        std::string version;
        std::string exec_user;
        std::uint64_t seed;
    };
    explicit Issuing(Parts parts);
    ~Issuing() override;

    // On control's thread: what came into force.
    void published(const catalog::Snapshot& snapshot);
    void configured(std::shared_ptr<const config::AcmeSpec> spec);

    // On the api's thread.
    std::vector<acme::Status> list() const;
    Result<> renew(const std::string& host);
    // Proofs are withdrawn and the lock is let go, then `done` runs there.
    void stop(io::Task done);

private:
    void look_for_hosts();
    void tell_uncovered() const;
    void apply(std::shared_ptr<const config::AcmeSpec> spec);
    void begin();
    void end(io::Task done);
    acme::IssuerSettings settings_of(const config::AcmeSpec& spec) const;
    // Runs `show` on every worker's thread; `done` here, once all did.
    void on_workers(std::function<void(WorkerThread&)> show, acme::Done done);
    void set_unknown(bool on);

    void present(const acme::Challenge& challenge, acme::Done done) override;
    void withdraw(const acme::Challenge& challenge, acme::Done done) override;
    void show(const acme::Challenge& challenge, bool on, acme::Done done);
    void issued(const std::string& host, const acme::Credentials& credentials) override;
    void gone(const std::string& host) override;

    const Parts parts_;

    // Control's.
    catalog::Snapshot snapshot_;
    std::shared_ptr<const config::AcmeSpec> wanted_by_;

    // The api's.
    io::TlsDoors& tls() { return *tls_; }
    std::unique_ptr<io::TlsDoors> tls_;
    std::unique_ptr<http::Scratch> scratch_;
    std::optional<acme::Ways> ways_;
    Shelf shelf_;
    std::shared_ptr<const config::AcmeSpec> spec_;
    std::vector<std::string> hosts_;
    std::unique_ptr<acme::DnsHook> dns_;
    std::unique_ptr<acme::Issuer> issuer_;
    bool ending_ = false;   // An issuer is being stopped; the next one begins after it.
    bool stopping_ = false;
    io::Task stopped_;
};

}  // namespace hale::app
