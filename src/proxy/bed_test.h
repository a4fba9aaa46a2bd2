// What the tests of this folder share: a simulated world with clients, a worker and scripted instances, and a
// table of services whose verdicts the test writes.

#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "catalog/routing.h"
#include "proxy/worker.h"
#include "sim/net.h"
#include "sim/seed.h"
#include "sim/world.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::proxy {

// A stream with an unbounded outbox and everything that came.
class Talker final : public io::StreamHandler {
public:
    explicit Talker(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) { stream_->set_handler(this); }

    void send(std::string_view bytes) {
        out_.append(bytes);
        flush();
    }
    void shut() {
        shut_ = true;
        flush();
    }
    void close() { stream_.reset(); }
    void reset() {
        if (stream_) stream_->reset();
        stream_.reset();
    }
    // Stops reading, so that the other side meets a slow peer.
    void hold() { held_ = true; }
    void release() {
        held_ = false;
        read();
    }
    bool open() const { return stream_ != nullptr; }
    std::size_t unsent() const { return out_.size(); }

    void on_ready(io::Stream&, io::Readiness ready) noexcept override {
        if (ready.writable) flush();
        if (ready.readable) may_read_ = true, read();
    }

    std::string got;
    bool ended = false;
    bool failed = false;
    bool over() const { return ended || failed; }
    std::function<void()> then = [] {};

private:
    void read() {
        char buffer[4096];
        while (may_read_ && !held_ && stream_ != nullptr && !over()) {
            const auto result = stream_->read(buffer);
            if (result.status == io::IoStatus::ok) {
                got.append(buffer, result.bytes);
                if (result.bytes < sizeof buffer) may_read_ = false;
            } else if (result.status == io::IoStatus::would_block) {
                may_read_ = false;
            } else {
                (result.status == io::IoStatus::end ? ended : failed) = true;
            }
        }
        then();  // May close, or destroy nothing.
    }
    void flush() {
        while (stream_ != nullptr && !out_.empty()) {
            const auto result = stream_->write(out_);
            if (result.status == io::IoStatus::would_block) return;
            if (result.status != io::IoStatus::ok) {
                out_.clear();
                return;
            }
            out_.erase(0, result.bytes);
        }
        if (shut_ && stream_ != nullptr) stream_->shutdown_write(), shut_ = false;
    }

    std::unique_ptr<io::Stream> stream_;
    std::string out_;
    bool may_read_ = false;
    bool held_ = false;
    bool shut_ = false;
};

struct Request {
    std::string method, target, head, body;
    std::map<std::string, std::string> fields;  // Lower-case names; repeated ones joined with ", ".
    std::string trailers;
    std::size_t nth = 0;  // On its connection, from 1.
};

// An instance: answers each whole request as its script says.
class Instance final : public io::AcceptHandler {
public:
    using Script = std::function<void(Talker&, const Request&)>;

    explicit Instance(io::Net& net, SocketAddress at) : net_(net), at_(std::move(at)) { start(); }

    void start() {
        auto listener = net_.listen({.address = at_}, *this);
        HALE_CHECK(listener.has_value());
        listener_ = std::move(*listener);
        at_ = listener_->local();
    }
    // As kill -9 would: listener and connections are gone at once.
    void kill() {
        listener_.reset();
        for (auto& c : connections_) c->talker.reset();
    }
    const SocketAddress& at() const { return at_; }

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        ++accepted;
        auto& c = *connections_.emplace_back(std::make_unique<Connection>(std::move(stream)));
        c.talker.then = [this, &c] { work(c); };
        if (deaf) c.talker.hold();
    }

    std::size_t open() const {
        std::size_t n = 0;
        for (const auto& c : connections_) n += c->talker.open();
        return n;
    }
    Talker& connection(std::size_t i) { return connections_[i]->talker; }

    Script script = [](Talker& talker, const Request&) { talker.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); };
    Script on_head = [](Talker&, const Request&) {};  // Before the body.
    bool raw = false;   // Reads nothing as HTTP: tunnels.
    bool deaf = false;  // New connections are not read until released.
    std::size_t accepted = 0;
    std::vector<Request> requests;

private:
    struct Connection {
        explicit Connection(std::unique_ptr<io::Stream> stream) : talker(std::move(stream)) {}
        Talker talker;
        bool in_body = false;
        wire::HeadScan scan;
        wire::BodyReader body;
        Request request;
        std::size_t count = 0;
    };

    void work(Connection& c) {
        wire::RequestHead head;
        while (!raw && c.talker.open()) {
            if (!c.in_body) {
                const auto result = wire::parse_request_head(c.talker.got, {}, c.scan, head);
                if (result.status != wire::ParseStatus::done) {
                    EXPECT_NE(result.status, wire::ParseStatus::bad) << result.why << "\n" << c.talker.got;
                    break;
                }
                c.scan = {};
                c.request = {};
                c.request.method = head.method_name;
                c.request.target = head.target;
                c.request.nth = ++c.count;
                for (const auto& field : head.fields) {
                    std::string name(field.name);
                    for (char& ch : name) ch = static_cast<char>(std::tolower(ch));
                    auto& value = c.request.fields[name];
                    value = value.empty() ? std::string(field.value) : value + ", " + std::string(field.value);
                }
                c.body = wire::BodyReader(head.framing);
                c.request.head = c.talker.got.substr(0, result.consumed);
                c.talker.got.erase(0, result.consumed);
                c.in_body = true;
                on_head(c.talker, c.request);
                continue;
            }
            while (!c.body.done() && !c.talker.got.empty()) {
                const auto step = c.body.read(c.talker.got);
                EXPECT_NE(step.status, wire::BodyStatus::bad);
                c.request.body.append(step.payload);
                c.talker.got.erase(0, step.consumed);
            }
            if (!c.body.done()) break;
            c.in_body = false;
            c.request.trailers = c.body.trailers();
            requests.push_back(c.request);
            script(c.talker, c.request);
        }
        if (c.talker.over() && c.talker.open() && !raw) c.talker.close();
    }

    io::Net& net_;
    SocketAddress at_;
    std::unique_ptr<io::Listener> listener_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

// Control's part: endpoints with ledger rows, services, snapshots.
class Table {
public:
    catalog::Endpoint endpoint(const SocketAddress& at, verdict::State state = verdict::State::healthy) {
        const auto row = ledger.allocate(1);
        catalog::Endpoint e;
        e.row_id = *row;
        e.row = &ledger.row(*row);
        e.generation = 1;
        e.address = at;
        e.address_text = at.text();
        e.id = "i-" + std::to_string(*row);
        e.name = "inst-" + std::to_string(*row);
        judge(e, state);
        return e;
    }
    void judge(const catalog::Endpoint& e, verdict::State state) {
        e.row->word.store(verdict::Word{.state = state, .generation = e.generation, .version = ++version_}.pack());
        epoch.count.fetch_add(1);
    }
    catalog::RoutedService& service(const std::string& name) {
        auto& s = services[name];
        if (s.name.empty()) {
            s.name = name;
            s.index = static_cast<std::uint32_t>(services.size());
            s.epoch = &epoch;
        }
        return s;
    }
    void route(const std::string& host, const std::string& service_name, const std::string& path = "/", bool strip = false) {
        routes.push_back({"r" + std::to_string(routes.size()), host, path, strip, service_name, {}});
    }
    catalog::Snapshot snapshot() {
        auto fresh = std::make_shared<catalog::RoutingSnapshot>();
        fresh->revision = ++revision;
        std::map<std::string, std::shared_ptr<const catalog::RoutedService>> shared;
        for (const auto& [name, s] : services) shared[name] = std::make_shared<catalog::RoutedService>(s);
        std::vector<catalog::Route> made;
        for (const auto& r : routes) made.push_back({r.id, r.host, r.path, r.strip, shared.at(r.service), r.tls ? r.tls : usual_tls[r.service]});
        fresh->table = catalog::RouteTable(std::move(made));
        fresh->targets = targets;
        fresh->max_body = max_body;
        fresh->trusted_proxies = trusted;
        fresh->errors_detail_for = detail_for;
        fresh->public_health = health;
        return fresh;
    }

    struct RouteRow {
        std::string id, host, path;
        bool strip;
        std::string service;
        std::shared_ptr<const config::RouteTls> tls;
    };
    verdict::Ledger ledger{1024};
    verdict::Epoch epoch;
    std::map<std::string, catalog::RoutedService> services;
    std::vector<RouteRow> routes;
    std::map<std::string, std::shared_ptr<const config::RouteTls>> usual_tls;  // By service, of its routes without their own.
    std::vector<Cidr> trusted, detail_for;
    std::shared_ptr<const catalog::TargetPolicy> targets;
    std::optional<std::uint64_t> max_body;
    std::vector<catalog::PublicHealth> health;
    std::uint64_t revision = 0;

private:
    std::uint32_t version_ = 0;
};

struct Lines final : LogSink {
    bool write(std::string_view lines) override {
        text.append(lines);
        ++writes;
        return !broken;
    }
    void reopen() override { ++reopened; }
    std::string text;
    int writes = 0, reopened = 0;
    bool broken = false;
};

// One proxy host with one worker; instances on hosts of their own; clients on another.
class Bed {
public:
    explicit Bed(std::uint64_t seed = 1, WorkerOptions options = {}) : world(seed), network(world) {
        set_bugs_fatal(true);
        network.add_host("client", {"10.0.0.1"});
        network.add_host("proxy", {"10.0.0.2"});
        for (int i = 0; i < 8; ++i) network.add_host("web" + std::to_string(i), {"10.0.1." + std::to_string(i)});
        worker = std::make_unique<Worker>(
            loop, network.net("proxy", loop), options,
            WorkerDoors{.passive = [this](std::vector<catalog::Passive> batch) { for (auto& p : batch) passive.push_back(p); },
                        .log = &lines,
                        .health = &health});
    }
    ~Bed() {
        if (!worker->stopped()) worker->stop();
        const auto stats = worker->stats();
        EXPECT_EQ(stats.clients, 0u);
        EXPECT_EQ(stats.exchanges, 0u);
        EXPECT_EQ(stats.parked, 0u);
        EXPECT_EQ(stats.tunnels, 0u);
        EXPECT_EQ(stats.upstream_connections, 0u);
        EXPECT_EQ(stats.upstream_idle, 0u);
        for (const auto& [name, s] : table.services)
            for (const auto& e : s.endpoints) EXPECT_EQ(e.row->in_flight.load(), 0u) << e.name;
        clients.clear();
        instances.clear();
        world.run_for(1s);
        EXPECT_EQ(network.leaks(), "");
    }

    Instance& instance(int i, std::uint16_t port = 80) {
        instances.push_back(std::make_unique<Instance>(network.net("web" + std::to_string(i), loop),
                                                       SocketAddress{.ip = Ip::v4(10, 0, 1, static_cast<std::uint8_t>(i)), .port = port}));
        return *instances.back();
    }
    // A service with so many instances, for every host.
    catalog::RoutedService& serve(const std::string& name, int count, const std::string& host = "*") {
        auto& s = table.service(name);
        for (int i = 0; i < count; ++i) s.endpoints.push_back(table.endpoint(instance(i).at()));
        table.route(host, name);
        return s;
    }
    void adopt() { kept.push_back(worker->adopt(table.snapshot())); }
    void open() {
        adopt();
        auto listening = worker->listen({.ip = Ip::v4(10, 0, 0, 2), .port = 80});
        HALE_CHECK(listening.has_value());
        at = *listening;
    }
    Talker& client() {
        auto stream = network.net("client", loop).connect(at);
        HALE_CHECK(stream.has_value());
        clients.push_back(std::make_unique<Talker>(std::move(*stream)));
        return *clients.back();
    }
    // Sends on a new connection and gives everything that came within `d`.
    std::string ask(std::string_view request, Duration d = 1s) {
        auto& c = client();
        c.send(request);
        world.run_for(d);
        std::string got = c.got;
        c.close();
        world.run_for(10ms);
        return got;
    }
    ServiceStats stats_of(const std::string& name) {
        for (auto& s : worker->stats().services)
            if (s.service == name) return s;
        return {};
    }

    sim::World world;
    sim::Network network;
    sim::Loop& loop = world.make_loop("all");
    Table table;
    Lines lines;
    catalog::OwnHealth health;
    std::vector<catalog::Passive> passive;
    std::vector<catalog::Snapshot> kept;
    SocketAddress at;
    std::vector<std::unique_ptr<Instance>> instances;
    std::vector<std::unique_ptr<Talker>> clients;
    std::unique_ptr<Worker> worker;
};

inline std::string get(const std::string& path = "/", const std::string& host = "a.example", const std::string& more = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n";
}

}  // namespace hale::proxy
