#include "probe/engine.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/reached.h"
#include "base/text.h"
#include "probe/dns_probe.h"
#include "probe/exec_probe.h"
#include "probe/http_probe.h"
#include "probe/postgres_probe.h"
#include "probe/redis_probe.h"
#include "probe/smtp_probe.h"
#include "probe/tcp_probe.h"
#include "probe/tls_probe.h"
#include "probe/words.h"
#include "verdict/error_rule.h"

namespace hale::probe {

using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

// ---- Flight ----

Flight::Flight(Engine& engine)
    : engine_(engine), deadline_(engine.loop_, io::member_fire<&Flight::on_deadline>, this) {}

std::string Flight::sentence(std::string_view what) const {
    return fmt::format("{}: {}", asked(plan(), order_.to, seen_.address), what);
}

Duration Flight::since_start() const { return engine_.loop_.fresh_now() - seen_.started; }

void Flight::set_due(Instant due) {
    due_ = due;
    deadline_.arm(due);
}

void Flight::on_deadline() noexcept {
    if (over_) {
        engine_.ended(*this);
        return;
    }
    const Instant now = engine_.loop_.fresh_now();
    // The answer may lie in the socket already, unread because we are late: it is then an answer.
    if (last_look()) return;
    if (verdict::timer_too_late(due_, now, due_ - seen_.started)) {
        HALE_REACHED("probe: a late timer");
        ++engine_.stats_.late_timers;
        end_error(Phase::none,
                  fmt::format("our own timer came {} late, so the silence proves nothing", human(now - due_)));
        return;
    }
    run_out();
}

void Flight::end_pass() {
    seen_.outcome = Outcome::pass;
    seen_.reason = Reason::ok;
    seen_.phase = Phase::none;
    engine_.ended(*this);
}

void Flight::end(Outcome outcome, Reason reason, Phase phase, std::string text, std::string evidence) {
    seen_.outcome = outcome;
    seen_.reason = reason;
    seen_.phase = phase;
    seen_.text = std::move(text);
    seen_.evidence = std::move(evidence);
    if (seen_.timings.total < Duration::zero()) seen_.timings.total = since_start();
    engine_.ended(*this);
}

void Flight::end_error(Phase phase, std::string what) {
    end(Outcome::error, Reason::check_error, phase,
        fmt::format("{}: {}", asked(plan(), order_.to, seen_.address), what));
}

// ---- FlightQueue ----

void FlightQueue::push(Flight& flight) {
    flight.hook_ = {this, last_, nullptr};
    (last_ != nullptr ? last_->hook_.next : first_) = &flight;
    last_ = &flight;
}

void FlightQueue::push_front(Flight& flight) {
    flight.hook_ = {this, nullptr, first_};
    (first_ != nullptr ? first_->hook_.previous : last_) = &flight;
    first_ = &flight;
}

Flight* FlightQueue::pop() {
    Flight* flight = first_;
    if (flight != nullptr) remove(*flight);
    return flight;
}

void FlightQueue::remove(Flight& flight) {
    QueueHook& hook = flight.hook_;
    (hook.previous != nullptr ? hook.previous->hook_.next : first_) = hook.next;
    (hook.next != nullptr ? hook.next->hook_.previous : last_) = hook.previous;
    hook = {};
}

// ---- Engine ----

Engine::Engine(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::Spawner* spawner, EngineOptions options)
    : loop_(loop),
      net_(net),
      resolver_(resolver),
      spawner_(spawner),
      options_(std::move(options)),
      pool_(loop, options_.pool),
      scratch_(std::make_unique<http::Scratch>()) {}

Engine::~Engine() {
    HALE_CHECK(stats_.in_flight == 0 && stats_.waiting == 0);
    close();
}

void Engine::close() {
    pool_.close_all();
    spare_.clear();
}

std::unique_ptr<Flight> Engine::make(const Order& order) {
    if (order.plan->exec() != nullptr) return std::make_unique<ExecProbe>(*this);
    if (order.plan->tcp() != nullptr) return std::make_unique<TcpProbe>(*this);
    if (order.plan->redis() != nullptr) return std::make_unique<RedisProbe>(*this);
    if (order.plan->postgres() != nullptr) return std::make_unique<PostgresProbe>(*this);
    if (order.plan->smtp() != nullptr) return std::make_unique<SmtpProbe>(*this);
    if (order.plan->dns() != nullptr) return std::make_unique<DnsProbe>(*this);
    if (order.plan->http() == nullptr) return std::make_unique<TlsProbe>(*this);
    if (!spare_.empty()) {
        auto probe = std::move(spare_.back());
        spare_.pop_back();
        return probe;
    }
    return std::make_unique<HttpProbe>(*this);
}

// The routes are looked at only where they decide.
ConnectFault Engine::fault_of(int error, const SocketAddress& to) {
    return connect_fault(error, error == ENETUNREACH && net_.has_default_route(to.ip));
}

Flight* Engine::start(Order order, ProbeSink& sink) {
    HALE_CHECK(!order.plan->from_memory());
    // From here to recycle() the flight belongs to itself: whatever it waits for leads back to the engine.
    Flight& flight = *make(order).release();
    flight.order_ = std::move(order);
    flight.sink_ = &sink;
    flight.seen_ = {};
    flight.seen_.trigger = flight.order_.trigger;
    flight.seen_.generation = flight.order_.generation;
    flight.seen_.started = loop_.now();
    flight.stage_ = Flight::Stage::waiting;
    flight.over_ = false;
    ++stats_.started;
    if (stats_.waiting >= most_waiting) {
        HALE_REACHED("engine: the queue is full");
        ++stats_.turned_away;
        flight.launching_ = true;
        flight.end_error(Phase::none, fmt::format("{} probes wait already", most_waiting));
        flight.launching_ = false;
    } else {
        admit(flight);
    }
    return &flight;
}

void Engine::cancel(Flight* flight) {
    ++stats_.cancelled;
    leave(*flight);
    recycle(*flight);
}

void Engine::admit(Flight& flight) {
    if (flight.order_.plan->exec() != nullptr) return admit_to_exec(flight);
    Lane& lane = pool_.lane(flight.order_.to);
    flight.lane_ = &lane;
    if (lane.in_flight >= options_.pool.in_flight_per_address) return wait(flight, lane.waiting);
    ++lane.in_flight;
    admit_to_engine(flight);
}

void Engine::admit_to_exec(Flight& flight) {
    if (exec_in_flight_ >= options_.exec_in_flight) return wait(flight, exec_waiting_);
    ++exec_in_flight_;
    flight.holds_exec_ = true;
    admit_to_engine(flight);
}

void Engine::admit_to_engine(Flight& flight) {
    if (stats_.in_flight >= options_.in_flight) return wait(flight, waiting_);
    launch(flight);
}

void Engine::set_limits(std::size_t in_flight, unsigned per_address) {
    options_.in_flight = in_flight;
    options_.pool.in_flight_per_address = per_address;
    pool_.set_in_flight_per_address(per_address);
    std::vector<Flight*> admitted;
    pool_.for_each_lane([&](Lane& lane) {
        for (; lane.in_flight < per_address && !lane.waiting.empty(); ++lane.in_flight) admitted.push_back(next_of(lane.waiting));
    });
    for (Flight* const flight : admitted) admit_to_engine(*flight);
    while (stats_.in_flight < options_.in_flight && !waiting_.empty()) launch(*next_of(waiting_));
}

void Engine::wait(Flight& flight, FlightQueue& queue) {
    // A confirmation decides something: it is next, but within the same limits.
    if (flight.order_.trigger == verdict::Trigger::confirmation) queue.push_front(flight);
    else queue.push(flight);
    ++stats_.waiting;
}

Flight* Engine::next_of(FlightQueue& queue) {
    Flight* flight = queue.pop();
    if (flight != nullptr) --stats_.waiting;
    return flight;
}

void Engine::launch(Flight& flight) {
    ++stats_.in_flight;
    const Instant now = loop_.fresh_now();
    stats_.worst_wait = std::max(stats_.worst_wait, now - flight.seen_.started);
    flight.launched_ = true;
    flight.seen_.started = now;
    flight.due_ = now + flight.plan().timing.timeout;
    flight.deadline_.arm(flight.due_);
    flight.launching_ = true;
    flight.launch();
    flight.launching_ = false;
}

void Engine::ended(Flight& flight) {
    if (flight.launching_) {
        // Nobody is told inside start(): the deadline, moved here, tells.
        flight.over_ = true;
        flight.drop();
        flight.deadline_.arm(loop_.now());
        return;
    }
    ++stats_.ended;
    verdict::Observation seen = std::move(flight.seen_);
    seen.ended = loop_.fresh_now();
    seen.at = loop_.utc();
    ProbeSink& sink = *flight.sink_;
    leave(flight);
    recycle(flight);
    sink.on_probed(std::move(seen));
}

void Engine::leave(Flight& flight) {
    flight.deadline_.disarm();
    const bool waited_in_lane = flight.lane_ != nullptr && flight.hook_.queue == &flight.lane_->waiting;
    if (flight.hook_.queue != nullptr) {
        flight.hook_.queue->remove(flight);
        --stats_.waiting;
    }
    if (std::exchange(flight.launched_, false)) --stats_.in_flight;
    Flight* next_in_lane = nullptr;
    if (Lane* lane = std::exchange(flight.lane_, nullptr); lane != nullptr && !waited_in_lane) {
        // Beyond the limit only after it was lowered.
        if (lane->in_flight <= options_.pool.in_flight_per_address) next_in_lane = next_of(lane->waiting);
        if (next_in_lane == nullptr) {
            --lane->in_flight;  // Else its place is taken over.
            pool_.forget_if_empty(flight.order_.to, *lane);
        }
    }
    Flight* next_exec = nullptr;
    if (std::exchange(flight.holds_exec_, false)) {
        next_exec = next_of(exec_waiting_);
        if (next_exec == nullptr) {
            --exec_in_flight_;
        } else {
            next_exec->holds_exec_ = true;
        }
    }
    // Whoever waits for the engine waited longer than those that only now get so far.
    while (stats_.in_flight < options_.in_flight && !waiting_.empty()) launch(*next_of(waiting_));
    if (next_in_lane != nullptr) admit_to_engine(*next_in_lane);
    if (next_exec != nullptr) admit_to_engine(*next_exec);
}

void Engine::recycle(Flight& flight) {
    flight.drop();
    std::unique_ptr<Flight> owned(&flight);
    if (flight.plan().http() == nullptr || spare_.size() >= most_spare) return;
    flight.order_.to.naming.reset();
    spare_.push_back(std::move(owned));
}

}  // namespace hale::probe
