// Gets certificates for the hosts that are wanted, renews them, keeps them, tells of them. Everything happens on one
// loop. Only the process that holds the disk's lock asks authorities for anything; another serves what is there and
// looks again, so that during an upgrade there is one that issues.
//
//   start() ──▶ shelf read: what is there is in use ──▶ lock (tried every 5 s) ──▶ shelf read again ──▶ issuing
//   stop(): what is presented is withdrawn, then the lock is let go

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/authority.h"
#include "acme/doors.h"
#include "acme/on_demand.h"
#include "acme/roster.h"
#include "acme/run.h"
#include "acme/status.h"

namespace hale::acme {

inline constexpr Duration lock_interval = 5s;
inline constexpr Duration longest_sleep = 10min;  // The wall clock may be stepped.

struct IssuerSettings {
    std::vector<AuthoritySettings> authorities;  // Best first; at least one.
    ChallengeKind challenge = ChallengeKind::http_01;
    std::optional<Duration> renew_before;
    std::size_t at_once = 4;     // Orders under way at one authority.
    std::string ask_url;         // On demand; empty: hosts that nobody declared get none.
    unsigned ask_per_hour = 10;
    std::uint64_t seed = 0;
};

class Issuer {
public:
    Issuer(Ways ways, Disk& disk, Challenges& challenges, Issued& issued, IssuerSettings settings);
    // Needs: stopped, or never started.
    ~Issuer();
    Issuer(const Issuer&) = delete;
    Issuer& operator=(const Issuer&) = delete;

    void start();
    // Nothing is asked any more; `done` when what was presented is withdrawn, in withdraw_patience at the latest.
    void stop(io::Task done);

    // Exactly these, besides those got on demand. In any order; each once; at most most_hosts count.
    void want(std::vector<std::string> hosts);
    // A client asked for a host that has no certificate.
    void asked_for(std::string_view host);
    Result<> renew(std::string_view host);
    void set(IssuerSettings settings);

    std::vector<Status> list() const;
    std::optional<Status> status(std::string_view host) const;
    bool issuing() const { return issuing_; }

private:
    void read_shelf(io::Task then);
    void take_shelf(const Disk::Files& files);
    void take_record(HostRecord record);
    void use_record(const std::string& host);
    void make_authorities();
    void try_lock() noexcept;
    void look() noexcept;
    void begin(const Roster::Start& start);
    void ended(const std::string& host_named, Authority& authority, std::expected<Credentials, Failure> result);
    void keep(const std::string& host, const Credentials* credentials);
    void finish_stopping();
    void ask_renewal_windows();
    void arm();
    void join_wanted();

    Ways ways_;
    Disk& disk_;
    Challenges& challenges_;
    Issued& issued_;
    IssuerSettings settings_;
    Roster roster_;
    OnDemand on_demand_;
    std::vector<std::unique_ptr<Authority>> authorities_;  // As settings_ names them.
    std::vector<std::unique_ptr<Authority>> retired_;      // No longer named, until their runs ended.
    std::map<std::string, AccountRecord> accounts_;        // By directory, as the shelf had them.
    std::map<std::string, HostRecord, std::less<>> records_;  // Of the shelf, wanted or not.
    std::map<std::string, Utc, std::less<>> window_asked_;
    std::map<std::string, std::unique_ptr<Run>, std::less<>> runs_;
    std::vector<std::unique_ptr<Run>> ended_runs_;  // Until their own turn is over.
    std::map<std::string, std::unique_ptr<Fetch>, std::less<>> asking_;  // The ask URL, by host.
    std::vector<std::string> declared_, demanded_;
    io::Timer lock_timer_, timer_;
    io::Task stopped_;
    bool started_ = false, issuing_ = false, stopping_ = false;
    std::shared_ptr<bool> alive_;
};

}  // namespace hale::acme
