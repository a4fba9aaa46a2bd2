// Whose turn it is: the hosts that want certificates, what became of each, and when each is asked for next, at which
// authority. Pure: dates and outcomes in, starts out. At most `at_once` orders per authority; a host that failed thrice at
// one authority tries the next; a success begins again with the first.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/calendar.h"
#include "acme/passage.h"
#include "acme/shelf.h"
#include "acme/status.h"
#include "base/result.h"
#include "base/time.h"

namespace hale::acme {

inline constexpr std::size_t most_hosts = 10'000;
inline constexpr unsigned failures_before_next_authority = 3;

struct RosterSettings {
    std::vector<std::string> authorities;  // Directories, best first; at least one.
    std::size_t at_once = 4;               // Orders under way at one authority.
    std::optional<Duration> renew_before;
    std::uint64_t seed = 0;
};

// What is known of a certificate.
struct Facts {
    Utc not_before{}, not_after{};
    std::string issuer, fingerprint;
    std::string renewal_id;
    bool operator==(const Facts&) const = default;
};

class Roster {
public:
    explicit Roster(RosterSettings settings) : settings_(std::move(settings)) {}
    // Hosts keep what they have; those at an authority that is gone begin with the first.
    void set(RosterSettings settings);

    // Exactly these are wanted from now on; those under way that are not any more come back to be stopped.
    std::vector<std::string> want(const std::vector<std::string>& hosts, Utc now);
    bool wanted(std::string_view host) const { return hosts_.contains(host); }
    // What the shelf has of a host that is wanted.
    void restore(const HostRecord& record, std::optional<Facts> facts, Utc now);

    struct Start {
        std::string host;
        std::size_t authority = 0;
    };
    // Whose turn it is now, the longest due first; they are under way from here on. `may_issue`: this process may.
    std::vector<Start> due(Utc now);
    void issued(std::string_view host, Facts facts, Utc now);
    void failed(std::string_view host, const Failure& failure, Utc now);
    // Ended without outcome: asked again when due.
    void stopped(std::string_view host);
    // The authority's wish when to renew.
    void suggest(std::string_view host, const RenewalWindow& window, Utc now);

    // As soon as there is room. Fails for a host that is not wanted.
    Result<> renew(std::string_view host, Utc now);

    std::optional<Utc> next_due() const;  // Of those that are not under way.
    std::vector<Status> list(Utc now) const;
    std::optional<Status> status(std::string_view host, Utc now) const;
    // For the shelf: all but the credentials.
    HostRecord record(std::string_view host) const;
    std::optional<Facts> facts(std::string_view host) const;
    std::size_t size() const { return hosts_.size(); }

private:
    struct Host {
        std::optional<Facts> facts;
        std::string issued_by;
        std::size_t authority = 0;
        unsigned failures = 0, failures_here = 0;
        std::string reason;
        Utc next{};
        bool under_way = false;
    };

    Status status_of(const std::string& name, const Host& host, Utc now) const;
    std::uint64_t seed_of(std::string_view host) const;
    void plan_renewal(std::string_view name, Host& host);
    static void begin_anew(Host& host);

    RosterSettings settings_;
    std::map<std::string, Host, std::less<>> hosts_;
    std::map<std::size_t, Utc> held_;  // Authorities that asked to be left alone, until when.
};

}  // namespace hale::acme
