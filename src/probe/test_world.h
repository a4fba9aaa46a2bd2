// For tests: a checker in a simulated world, and servers that behave as told.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "expect/conditions.h"
#include "probe/checker.h"
#include "sim/blocking.h"
#include "sim/net.h"
#include "sim/resolver.h"
#include "sim/world.h"
#include "tls/doors.h"

namespace hale::probe::test {

// The words of every test here.
using verdict::Flag;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;
using verdict::State;
using verdict::Trigger;
using verdict::Vehicle;

enum class Manner : std::uint8_t {
    answer,   // As Server::status and body say.
    silence,  // Accepts, never answers.
    reset_at_accept,
    reset_mid_head,
    close_mid_head,
    byte_at_a_time,  // A good answer, in time.
    endless_headers,
    endless_body,
    bad_chunking,
    wrong_length,  // Announces more than it sends, then closes.
    close_unanswered,
    garbage,
    speaks_first,  // Answers before it was asked.
    slow_drip,     // Past any timeout.
    endless_interim,
    two_answers,  // A second one nobody asked for.
    close_after,  // Answers, then closes at once.
    two_lengths,
};

class Server final : public io::AcceptHandler {
public:
    Server(sim::Network& network, sim::Loop& loop, std::string_view host, std::string_view address);
    ~Server() override;

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override;
    void stop_listening() { listener_.reset(); }
    void close_all();
    std::size_t open() const;

    io::ServerTls* tls = nullptr;  // Set: speaks TLS.
    Manner manner = Manner::answer;
    // Asked for each request, when set; overrides `manner`.
    std::function<Manner(const std::string& request, int nth)> decide;
    int status = 200;
    std::string body = "ok\n";
    std::string extra_headers;
    std::function<std::string(const std::string& request)> respond;  // A whole answer, instead of the above.
    int requests = 0;
    int accepted = 0;
    std::string last_request;

private:
    class Session;
    friend class Session;
    sim::Loop& loop_;
    std::unique_ptr<io::Listener> listener_;
    std::vector<std::unique_ptr<Session>> sessions_;
};

// The loop comes with the bench, the doors with the loop.
struct LateDoors final : io::TlsDoors {
    std::unique_ptr<tls::Doors> made;
    Result<std::shared_ptr<const io::ClientTls>> client(const std::shared_ptr<const io::TlsSpec>& spec) override { return made->client(spec); }
};

struct Bench {
    explicit Bench(std::uint64_t seed, CheckerOptions options = {});
    ~Bench();

    // An http check with these timings; conditions as text, "warn: …" for warnings.
    static std::shared_ptr<config::CheckSpec> http(std::vector<std::string> conditions = {}, std::string path = "/up");
    catalog::Assignment assignment(verdict::RowId row, std::string_view target,
                                   std::vector<std::shared_ptr<config::CheckSpec>> specs, std::uint16_t generation = 1);
    void send(catalog::CheckerCommand command);
    void assign(catalog::Assignment assignment) { send(std::move(assignment)); }
    std::vector<catalog::ProbeAnswer> probe_now(verdict::RowId row, std::uint16_t generation = 1);

    verdict::Word word(verdict::RowId row);
    std::uint32_t epoch(verdict::RowId row);
    verdict::State state(verdict::RowId row) { return word(row).state; }
    std::shared_ptr<const catalog::InstanceRecord> record(verdict::RowId row) { return records[row]; }
    // Runs until the row shows this state; false after `within`.
    bool until(verdict::RowId row, verdict::State state, Duration within = 60s);
    // Ends the checker and lets the wire settle; what is still open or held, or empty.
    std::string leaks();
    void run_for(Duration d) { world.run_for(d); }

    sim::World world;
    sim::Network network;
    sim::Loop& loop;
    sim::Names names;
    sim::Resolver resolver;
    std::function<sim::Spawner::Ending(const io::SpawnRequest&)> exec;
    sim::Spawner spawner;
    verdict::Ledger ledger;
    std::vector<verdict::RowId> rows;
    std::map<verdict::RowId, std::unique_ptr<verdict::Epoch>> epochs;

    std::vector<catalog::Seen> seen;
    std::vector<catalog::VerdictChanged> changes;
    std::vector<catalog::FirstFailure> first_failures;
    std::uint64_t discarded = 0;
    std::size_t reports = 0;
    std::map<verdict::RowId, std::shared_ptr<const catalog::InstanceRecord>> records;

    std::unique_ptr<Checker> checker;
};

}  // namespace hale::probe::test
