#include "tests/scenario/node.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "base/log.h"
#include "config/load.h"

namespace hale::scenario {

namespace {

class Countdown {
public:
    Countdown(sim::Loop& home, io::Task then) : home_(home), then_(std::move(then)) {}
    ~Countdown() {
        // Between events a crash drops what waited: nobody is there to be told.
        if (then_ && home_.world().current() != nullptr) home_.post(std::move(then_));
    }
    Countdown(const Countdown&) = delete;
    Countdown& operator=(const Countdown&) = delete;

private:
    sim::Loop& home_;
    io::Task then_;
};

}  // namespace

std::shared_ptr<const config::Document> document(const std::string& yaml) {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", yaml}}});
    if (!loaded) {
        ADD_FAILURE() << config::text(loaded.error()) << "\n" << yaml;
        return std::make_shared<const config::Document>();
    }
    return std::make_shared<const config::Document>(std::move(*loaded));
}

Node::Node(Site& site, NodeOptions options)
    : site_(site),
      options_(std::move(options)),
      control_loop_(site.world.make_loop("control")),
      api_loop_(site.world.make_loop("api")),
      store_loop_(site.world.make_loop("store")),
      journal_(control_loop_, store_loop_, site.disk),
      resolver_(site.names, control_loop_),
      spawner_(site.world, [](const io::SpawnRequest&) { return sim::Spawner::Ending{}; }) {
    set_bugs_fatal(true);
    checkers_.resize(options_.checkers);
    workers_.resize(options_.workers);
    control_ = std::make_unique<catalog::Control>(catalog::Control::Parts{.loop = control_loop_,
                                                                          .resolver = resolver_,
                                                                          .journal = journal_,
                                                                          .checking = *this,
                                                                          .routing = *this,
                                                                          .audience = *this,
                                                                          .own = own_,
                                                                          .ledger = ledger_,
                                                                          .seed = site.world.random().next()});
    for (unsigned i = 0; i < options_.checkers; ++i) {
        CheckerSeat& seat = checkers_[i];
        seat.loop = &site_.world.make_loop("checker");
        seat.resolver = std::make_unique<sim::Resolver>(site_.names, *seat.loop);
        seat.checker = std::make_unique<probe::Checker>(
            *seat.loop, site_.network.net(options_.host, *seat.loop), *seat.resolver, &spawner_,
            probe::CheckerOptions{.number = i, .of = options_.checkers, .node = options_.host, .engine = {}}, [this](catalog::CheckReport report) {
                control_loop_.post([this, report = std::move(report)]() mutable { control_->on_report(std::move(report)); });
            });
        seat.loop->run([&] { seat.checker->start(); });
    }
    for (unsigned i = 0; i < options_.workers; ++i) {
        WorkerSeat& seat = workers_[i];
        seat.loop = &site_.world.make_loop("worker");
        seat.client_tls = std::make_unique<tls::Doors>(*seat.loop);
        if (options_.tls) seat.server_tls = *tls::ServerContext::create({});
        seat.worker = std::make_unique<proxy::Worker>(
            *seat.loop, site_.network.net(options_.host, *seat.loop), proxy::WorkerOptions{.index = i, .seed = site.world.random().next()},
            proxy::WorkerDoors{.server_tls = seat.server_tls.get(),
                               .client_tls = seat.client_tls.get(),
                               .passive =
                                   [this](std::vector<catalog::Passive> signals) {
                                       for (auto& signal : signals) {
                                           CheckerSeat& to = checkers_[signal.row % checkers_.size()];
                                           to.loop->post([&to, signal] {
                                               std::vector<catalog::CheckerCommand> one;
                                               one.emplace_back(signal);
                                               to.checker->apply(std::move(one));
                                           });
                                       }
                                   },
                               .log = nullptr,
                               .health = &own_});
    }
}

Node::~Node() {
    // Its loops never run again, so whatever was under way stays where it was: the process is gone.
    constexpr Duration for_ever = 24h * 3650;
    for (auto* loop : {&control_loop_, &api_loop_, &store_loop_}) loop->stall(for_ever);
    for (auto& seat : workers_) {
        seat.loop->stall(for_ever);
        if (!seat.worker->stopped()) seat.loop->run([&] { seat.worker->stop(); });
        seat.loop->run([&] { seat.worker.reset(); });
    }
    for (auto& seat : checkers_) {
        seat.loop->stall(for_ever);
        seat.loop->run([&] {
            seat.checker->stop();
            seat.checker.reset();
        });
    }
    control_loop_.run([&] { control_.reset(); });
}

bool Node::start(const std::string& yaml) { return start(document(yaml)); }

bool Node::start(std::shared_ptr<const config::Document> document) {
    std::optional<bool> started;
    control_loop_.run([&] {
        control_->start(site_.disk.restored(), std::move(document), [this, &started](catalog::MutationResult result) {
            // As the daemon does: traffic is accepted once everything is in force.
            api_loop_.post([&started, ok = result.has_value()] { started = ok; });
        });
    });
    EXPECT_TRUE(site_.world.run_until([&] { return started.has_value(); }, 10s));
    if (!started.value_or(false)) return false;
    for (unsigned i = 0; i < workers_.size(); ++i) {
        WorkerSeat& seat = workers_[i];
        seat.loop->run([&] {
            auto at = seat.worker->listen({options_.ip, static_cast<std::uint16_t>(options_.port + i), {}});
            HALE_CHECK(at.has_value());
            seat.at = *at;
            if (!options_.tls) return;
            auto secure_at = seat.worker->listen_secure({options_.ip, static_cast<std::uint16_t>(options_.port + 1000 + i), {}});
            HALE_CHECK(secure_at.has_value());
            seat.secure_at = *secure_at;
        });
    }
    return true;
}

void Node::show(const std::vector<tls::CredentialsPtr>& credentials) {
    for (auto& seat : workers_) seat.loop->post([context = seat.server_tls, credentials] { context->set_credentials(credentials); });
}

void Node::seal_with(const std::vector<tls::TicketKey>& keys) {
    for (auto& seat : workers_) seat.loop->post([context = seat.server_tls, keys] { context->set_ticket_keys(keys); });
}

void Node::ask(catalog::Change change, catalog::MutationReply reply) {
    ++asked_;
    auto on_api = [this, reply = std::move(reply)](catalog::MutationResult result) mutable {
        api_loop_.post([this, reply = std::move(reply), result = std::move(result)]() mutable {
            --asked_;
            if (result) {
                // Acknowledged is in force: for every reader, and for every router.
                EXPECT_GE(view_.revision(), result->revision) << "V2: a reader is behind what was acknowledged";
                EXPECT_GE(adopted_everywhere(), snapshot_at(result->revision)) << "V2: a worker is behind";
            }
            reply(std::move(result));
        });
    };
    control_loop_.post([this, change = std::move(change), on_api = std::move(on_api)]() mutable {
        control_->mutate({.change = std::move(change), .actor = "tester", .action = "test", .object = "", .detail = "{}"}, std::move(on_api));
    });
}

catalog::MutationResult Node::mutate(catalog::Change change) {
    std::optional<catalog::MutationResult> answer;
    ask(std::move(change), [&](catalog::MutationResult result) { answer = std::move(result); });
    EXPECT_TRUE(site_.world.run_until([&] { return answer.has_value(); }, 10s)) << "a mutation was never answered";
    if (!answer) return std::unexpected(catalog::MutationFailed{{Code::timed_out, "never answered"}, {}});
    return std::move(*answer);
}

catalog::VerifyResult Node::verify(catalog::VerifyRequest request) {
    std::optional<catalog::VerifyResult> answer;
    const Duration most = request.timeout + 2s;
    control_loop_.run([&] { control_->verify(std::move(request), [&](catalog::VerifyResult result) { answer = std::move(result); }); });
    EXPECT_TRUE(site_.world.run_until([&] { return answer.has_value(); }, most)) << "V14: a wait without an end";
    return answer.value_or(catalog::VerifyResult{});
}

std::uint64_t Node::adopted_everywhere() const {
    std::uint64_t least = ~std::uint64_t{0};
    for (const auto& seat : workers_) least = std::min(least, seat.revision);
    return least;
}

std::uint64_t Node::snapshot_at(std::uint64_t revision) const {
    const auto after = snapshots_.upper_bound(revision);
    return after == snapshots_.begin() ? 0 : *std::prev(after);
}

void Node::send(std::vector<catalog::CheckerCommand> list, io::Task acknowledged) {
    std::vector<std::vector<catalog::CheckerCommand>> shards(checkers_.size());
    commands += list.size();
    for (auto& command : list)
        std::visit(
            [&](auto& one) {
                using Command = std::decay_t<decltype(one)>;
                if constexpr (std::is_same_v<Command, catalog::Assignment>) ++assignments;
                if constexpr (std::is_same_v<Command, catalog::SuspectSelf> || std::is_same_v<Command, catalog::CheckerSettings>)
                    for (auto& shard : shards) shard.emplace_back(one);
                else shards[one.row % shards.size()].emplace_back(std::move(one));
            },
            command);
    auto countdown = std::make_shared<Countdown>(control_loop_, std::move(acknowledged));
    for (std::size_t i = 0; i < shards.size(); ++i) {
        if (shards[i].empty()) continue;
        checkers_[i].loop->post([this, i, countdown, shard = std::move(shards[i])]() mutable {
            checkers_[i].checker->apply(std::move(shard));
            countdown.reset();
        });
    }
}

void Node::publish(catalog::Snapshot snapshot, io::Task adopted) {
    if (published_) EXPECT_GT(snapshot->revision, published_->revision) << "revisions of snapshots never go back";
    published_ = snapshot;
    snapshots_.insert(snapshot->revision);
    auto countdown = std::make_shared<Countdown>(control_loop_, std::move(adopted));
    for (auto& seat : workers_)
        seat.loop->post([this, &seat, snapshot, countdown]() mutable {
            seat.revision = snapshot->revision;
            auto replaced = seat.worker->adopt(std::move(snapshot));
            control_loop_.post([replaced = std::move(replaced)]() mutable { replaced.reset(); });
        });
}

void Node::tell(std::vector<catalog::Delta> deltas) {
    api_loop_.post([this, deltas = std::move(deltas)] { take(deltas); });
}

void Node::take(const std::vector<catalog::Delta>& deltas) {
    for (const auto& delta : deltas) {
        hold_rules(delta);
        view_.apply(delta);
    }
}

void Node::hold_rules(const catalog::Delta& delta) {
    if (delta.revision != 0) EXPECT_GE(delta.revision, view_.revision()) << "a reader went back";
    // Routers that are behind a snapshot this old would be behind this reader.
    const bool of_mutation = std::holds_alternative<catalog::RoutesPut>(delta.what) || std::holds_alternative<catalog::InstancePut>(delta.what) ||
                             std::holds_alternative<catalog::ServicePut>(delta.what);
    if (of_mutation) EXPECT_GE(adopted_everywhere(), snapshot_at(delta.revision)) << "V2: a reader is ahead of a router";
    if (const auto* notice = std::get_if<catalog::Notice>(&delta.what)) notices.push_back(*notice);
    const auto* put = std::get_if<catalog::VerdictPut>(&delta.what);
    if (put == nullptr || !put->record) return;
    const auto* instance = view_.instance(put->slot);
    if (instance == nullptr) return;
    const auto& word = put->record->word;
    auto& [generation, version] = seen_versions_[instance->facts->id.str()];
    EXPECT_GE(word.version, version) << "a version went back: " << instance->facts->name << " generation " << word.generation << " after "
                                     << generation;
    version = word.version;
    generation = word.generation;
    const auto state = put->record->word.state;
    if (!instance->record || instance->record->word.state != state)
        transitions.push_back({instance->facts->id.str(), state, put->record->reason, site_.world.now()});
}

}  // namespace hale::scenario
