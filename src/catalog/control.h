// Control: the one thread that decides. Owns services, instances, routes, overrides and the revision; takes
// mutations one at a time and reports as they come, and says what became true.
//
//   mutation:  validate ▶ commit (fsync) ▶ change the model ▶ publish ▶ all workers adopted, all checkers
//              acknowledged ▶ tell the readers ▶ reply
//
// While a mutation is under way, reports wait (bounded), so revisions are told in order and no reader is ever
// ahead of the router. All methods run on control's loop unless they say otherwise.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/declared.h"
#include "catalog/deploying.h"
#include "catalog/discovering.h"
#include "catalog/folding.h"
#include "catalog/gates.h"
#include "catalog/membership.h"
#include "catalog/mutation.h"
#include "catalog/names.h"
#include "catalog/own_health.h"
#include "catalog/publishing.h"
#include "catalog/report_queue.h"
#include "config/journal.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "verdict/ledger.h"
#include "verdict/self_protection.h"

namespace hale::catalog {

inline constexpr std::size_t most_kept_deployments = 50;  // Of a service; those under way beside them.
inline constexpr std::size_t most_waiting_mutations = 1'024;
inline constexpr Duration adoption_timeout = 2s;
// At the start, when nobody is served yet and everybody takes everything at once: with 100,000 instances on a busy machine
// that is more than two seconds. Less than what an upgrade gives the new process to serve.
inline constexpr Duration first_adoption_timeout = 20s;
inline constexpr Duration housekeeping_interval = 250ms;
inline constexpr Duration remember_every = 2min;  // How old the stored evidence of a last verdict may be.
inline constexpr std::uint64_t revision_block = 1'000'000;
// Versions have 32 bits, and each start uses up what it reserved: little at first (yet more than a new generation's gap and
// what a checker may show before control hears of it), a block once they are used.
inline constexpr std::uint32_t first_versions = 2'500;
inline constexpr std::uint32_t versions_ahead = 1'500;
inline constexpr std::uint32_t version_block = 10'000;
inline constexpr std::uint32_t last_version = 0xffff'ffff - version_block;  // A start beyond it is refused.

// The mutation that control is carrying out.
struct UnderWay {
    std::uint64_t revision = 0;
    Effects effects;
    MutationReply reply;
    std::string id;
    int awaited = 0;  // Workers' adoption, checkers' acknowledgement.
    Duration patience = adoption_timeout;
    bool late = false;
};

class Control {
public:
    struct Parts {
        io::Loop& loop;
        io::Resolver& resolver;
        config::Journal& journal;
        Checking& checking;
        Routing& routing;
        Audience& audience;
        OwnHealth& own;
        verdict::Ledger& ledger;
        std::uint64_t seed;
    };
    explicit Control(Parts parts);
    ~Control();

    // Everything the store held and the file declares is in force when `done` runs. Call once.
    void start(config::Restored restored, std::shared_ptr<const config::Document> document, MutationReply done);
    // Stops timers, remembers the last verdicts, then `done`.
    void stop(io::Task done);

    // Another process is about to own the state. From now on what would change or ask anything is refused with
    // Code::upgrading; `still` runs when nothing is under way any more.
    void hold(io::Task still);
    // Needs: held, and the checkers stand still. What they said is folded and all last verdicts are stored, then `done`.
    void settle(io::Task done);
    // The other process failed: everything goes on.
    void let_go();

    void mutate(Mutation mutation, MutationReply reply);
    void verify(VerifyRequest request, VerifyReply reply);
    // Answers per check, in the order of the instance's checks; Code::not_found without such an instance.
    using ProbeReply = std::move_only_function<void(Result<std::vector<ProbeAnswer>>)>;
    void probe_now(const std::string& instance, std::string check, std::optional<Duration> max_age, ProbeReply reply);
    ServiceNow look(std::string_view service) const;
    // Of containers (discovering.cc).
    void tell_containers(std::vector<ContainerTold> told);
    Housing housing(const std::vector<std::string>& services) const;
    void set_refused_labels(std::vector<std::string> lines);
    void notice(Notice notice);
    // Runs `gone` when none of these instances (ids) is known any more: they left, and no request is under way with them.
    void when_gone(std::vector<std::string> instances, io::Task gone);
    void heartbeat(const std::string& service, std::string check, verdict::Outcome outcome, std::string text,
                   std::move_only_function<void(Result<>)> reply);

    void on_report(CheckReport report);

    // Where the admin listener and its socket are bound: no target of the API may be one of them. `done` runs when
    // every worker and checker holds to it.
    void set_own_addresses(std::vector<SocketAddress> own, io::Task done);

    // Where traffic is listened for: checks via: proxy go there. Until this is said they end as errors.
    void set_front(Front front);

    // Certificates that Hale shows users and that end soon: their services are degraded, for that reason.
    void set_ending_certificates(EndingCertificates ending);

    // In force; null before start().
    std::shared_ptr<const config::Document> document() const { return declared_.document(); }
    std::uint64_t revision() const { return revision_; }
    std::uint64_t changes_skipped() const { return reports_.skipped(); }
    std::uint64_t late_discarded() const { return folding_.discarded(); }
    std::uint64_t store_dropped() const { return store_dropped_; }

private:
    struct Pending {
        Mutation mutation;
        MutationReply reply;
        // An internal change of the model that needs no journal: an address that moved, an instance that left.
        std::move_only_function<void(Moment, Effects&)> internal;
    };
    Moment moment() const { return {parts_.loop.now(), parts_.loop.utc()}; }
    void begin_next();
    void refuse(MutationReply& reply, Error error);
    Result<> check_target(const Change& change) const;
    bool deploying(const Service& service) const;
    std::optional<Vacant> vacancy(const Service& service) const;
    std::uint64_t revision_of(const Change& change) const;
    void commit(Pending pending);
    void committed(std::shared_ptr<Pending> pending, std::shared_ptr<Redeclared> redeclared, std::uint64_t revision);
    void carry_out(std::string id, MutationReply reply);
    void adopted();
    void finish();
    // What the file says to checkers and of targets, as far as it is not said yet.
    void apply_settings(const config::Settings& settings, Effects& effects);
    void apply_declared(Redeclared& redeclared, const Change& change, Moment at);
    void apply_traffic(const Change& change, std::uint64_t revision, Moment at, Effects& effects);
    // What deployments ask (staging.cc).
    Result<> check_staging(const Change& change) const;
    // A deployment is asked for once and ends once: the steps between are in its record.
    static bool audited(const Change& change);
    std::vector<config::Change> journal_of_staging(const Change& change) const;
    // Before the declarations, so that instances are first told with it.
    void settle_candidate(const Change& change);
    config::StoredDeployment settled(config::StoredDeployment record, const Change& change) const;
    Candidate candidate_of(std::string_view service) const;
    void apply_staging(const Change& change, Effects& effects);
    void restore_deployments(std::vector<config::StoredDeployment> stored, Effects& effects);
    Result<> check_turn(const Turn& turn, const Switch& how) const;
    Candidate candidate_before(const std::string& wave);
    void tell_gone();
    // What is declared, or said by labels, and has no effect.
    std::vector<std::string> without_effect() const;
    std::vector<config::Change> journal_of(const Change& change, std::uint64_t revision, Moment at) const;
    config::Override override_of(const SetOverride& set, const std::string& actor, std::uint64_t revision, Moment at) const;

    void internally(std::move_only_function<void(Moment, Effects&)> change);
    void take(CheckReport report);
    void turn_panics();
    void tell(Effects& effects, Moment at);
    void tell(std::vector<Delta> deltas);
    std::uint64_t next_revision();
    void reserve();
    void keep_house() noexcept;
    void adoption_late() noexcept;
    void expire_overrides(Moment at);
    void remember(std::vector<config::Change> verdicts);
    void remember_some(Moment at, bool all, io::Task done);
    config::StoredVerdict stored(const Instance& instance) const;
    std::uint16_t generation_of(verdict::RowId row) const;
    void recycle(std::vector<verdict::RowId> rows);

    Parts parts_;
    Random random_;
    Declared declared_;
    std::vector<std::string> refused_labels_;
    Membership membership_;
    Folding folding_;
    Publishing publishing_;
    Names names_;
    std::set<std::string> failed_lookups_;  // Told as failing.
    Gates gates_;
    verdict::SelfProtection self_protection_;
    ReportQueue reports_;
    std::deque<Pending> waiting_;
    std::optional<UnderWay> under_way_;
    bool committing_ = false;
    bool beginning_ = false;   // Inside begin_next().
    bool stopped_ = false;
    bool held_ = false;
    io::Task still_;  // While held: not yet.
    std::uint64_t revision_ = 0, reserved_ = 0;
    std::uint64_t told_ = 0;  // The last revision that readers were told of.
    std::uint32_t versions_reserved_ = 0;
    bool reserving_ = false;
    std::vector<SocketAddress> own_;
    Front front_;
    CheckerSettings settings_;  // As last said.
    std::vector<verdict::RowId> retired_;  // No worker knows them; requests may.
    verdict::RowId remembered_to_ = 0;     // Where remember_some() goes on.
    std::map<std::string, std::shared_ptr<const config::StoredDeployment>, std::less<>> deployments_;  // By id.
    std::map<std::string, Candidate, std::less<>> candidates_;  // By service.
    struct Leaving {
        std::vector<std::string> instances;
        io::Task gone;
    };
    std::vector<Leaving> leaving_;
    std::uint64_t store_dropped_ = 0;      // Last verdicts that the journal did not take.
    Instant sweep_at_ = never;
    io::Timer house_;
    io::Timer adoption_;
};

}  // namespace hale::catalog
