#include "probe/test_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace hale::probe::test {

class Server::Session final : public io::StreamHandler {
public:
    Session(Server& server, std::unique_ptr<io::Stream> stream)
        : server_(server), stream_(std::move(stream)), timer_(server.loop_, io::member_fire<&Session::more>, this) {
        stream_->set_handler(this);
        if (!server_.decide && server_.manner == Manner::speaks_first) say(good());
        receive();
    }

    bool gone() const { return stream_ == nullptr; }
    void close() { stream_.reset(), timer_.disarm(); }

    void on_ready(io::Stream&, io::Readiness ready) noexcept override {
        if (ready.readable && stream_) receive();
        if (ready.writable && stream_) pour();
    }

private:
    std::string good() const {
        return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", server_.status, server_.body.size(),
                           server_.extra_headers, server_.body);
    }

    void say(std::string_view bytes) {
        rest_ += bytes;
        pour();
    }

    void pour() {
        while (stream_ && !rest_.empty()) {
            const io::IoResult result = stream_->write(rest_);
            if (result.status == io::IoStatus::would_block) return;
            if (result.status != io::IoStatus::ok) return close();
            rest_.erase(0, result.bytes);
            if (rest_.empty() && endless_) rest_ = *endless_;
        }
        if (stream_ && rest_.empty() && close_when_said_) close();
    }

    void receive() {
        std::array<char, 4096> bytes;
        while (stream_) {
            const io::IoResult result = stream_->read(bytes);
            if (result.status == io::IoStatus::would_block) return;
            if (result.status != io::IoStatus::ok) return close();
            got_.append(bytes.data(), result.bytes);
            for (auto end = got_.find("\r\n\r\n"); stream_ && end != std::string::npos; end = got_.find("\r\n\r\n")) {
                const std::string request = got_.substr(0, end + 4);
                got_.erase(0, end + 4);
                answer(request);
            }
        }
    }

    void answer(const std::string& request) {
        ++server_.requests;
        server_.last_request = request;
        if (server_.respond) return say(server_.respond(request));
        switch (server_.decide ? server_.decide(request, server_.requests) : server_.manner) {
            case Manner::answer:
                return say(good());
            case Manner::silence:
                return;
            case Manner::reset_at_accept:
                return stream_->reset(), close();
            case Manner::reset_mid_head:
                say("HTTP/1.1 200 O");
                timer_.arm(server_.loop_.now() + 5ms);
                reset_next_ = true;
                return;
            case Manner::close_mid_head:
                close_when_said_ = true;
                return say("HTTP/1.1 200 O");
            case Manner::byte_at_a_time:
                drip_ = good();
                step_ = 1ms;
                return more();
            case Manner::endless_headers:
                endless_ = "X-More: and more and more\r\n";
                return say("HTTP/1.1 200 OK\r\n");
            case Manner::endless_body:
                endless_ = std::string(1000, 'x');
                return say("HTTP/1.1 200 OK\r\n\r\n");
            case Manner::bad_chunking:
                return say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n");
            case Manner::wrong_length:
                close_when_said_ = true;
                return say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
            case Manner::close_unanswered:
                return close();
            case Manner::garbage:
                return say("\x01\x02 220 smtp.example.org ESMTP token=hunter2\r\n\r\n");
            case Manner::speaks_first:
                return;
            case Manner::slow_drip:
                drip_ = good() + std::string(100, 'x');
                step_ = 700ms;
                return more();
            case Manner::endless_interim:
                endless_ = "HTTP/1.1 100 Continue\r\n\r\n";
                return say(*endless_);
            case Manner::two_answers:
                return say(good() + good());
            case Manner::close_after:
                close_when_said_ = true;
                return say(good());
            case Manner::two_lengths:
                return say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk");
        }
    }

    void more() noexcept {
        if (reset_next_ && stream_) return stream_->reset(), close();
        if (!stream_ || drip_.empty()) return;
        say(drip_.substr(0, 1));
        drip_.erase(0, 1);
        if (stream_) timer_.arm(server_.loop_.now() + step_);
    }

    Server& server_;
    std::unique_ptr<io::Stream> stream_;
    io::Timer timer_;
    std::string got_, rest_, drip_;
    std::optional<std::string> endless_;
    Duration step_{};
    bool close_when_said_ = false;
    bool reset_next_ = false;
};

Server::Server(sim::Network& network, sim::Loop& loop, std::string_view host, std::string_view address) : loop_(loop) {
    auto listener = network.net(host, loop).listen({.address = *SocketAddress::parse(address)}, *this);
    EXPECT_TRUE(listener) << (listener ? "" : listener.error().text);
    if (listener) listener_ = std::move(*listener);
}

Server::~Server() = default;

void Server::on_accept(std::unique_ptr<io::Stream> stream) noexcept {
    ++accepted;
    std::erase_if(sessions_, [](const auto& one) { return one->gone(); });
    if (!decide && manner == Manner::reset_at_accept) return stream->reset();
    if (tls != nullptr) stream = tls->accept(loop_, std::move(stream));
    sessions_.push_back(std::make_unique<Session>(*this, std::move(stream)));
}

void Server::close_all() {
    for (auto& session : sessions_) session->close();
}

std::size_t Server::open() const {
    return static_cast<std::size_t>(std::ranges::count_if(sessions_, [](const auto& one) { return !one->gone(); }));
}

Bench::Bench(std::uint64_t seed, CheckerOptions options)
    : world(seed),
      network(world),
      loop(world.make_loop("checker")),
      resolver(names, loop),
      exec([](const io::SpawnRequest&) { return sim::Spawner::Ending{}; }),
      spawner(world, [this](const io::SpawnRequest& request) { return exec(request); }) {
    network.add_host("hale", {"10.0.0.1"});
    network.add_host("web", {"10.0.0.5", "10.0.0.6", "169.254.0.9"});
    checker = std::make_unique<Checker>(loop, network.net("hale", loop), resolver, &spawner, std::move(options),
                                        [this](catalog::CheckReport report) {
                                            ++reports;
                                            for (auto& change : report.changes) {
                                                records[change.row] = change.record;
                                                changes.push_back(std::move(change));
                                            }
                                            for (auto& one : report.seen) seen.push_back(std::move(one));
                                            for (auto& one : report.first_failures)
                                                first_failures.push_back(std::move(one));
                                            discarded += report.discarded;
                                        });
    checker->start();
}

Bench::~Bench() {
    if (checker) checker->stop();
}

std::shared_ptr<config::CheckSpec> Bench::http(std::vector<std::string> conditions, std::string path) {
    auto spec = std::make_shared<config::CheckSpec>();
    spec->what = config::HttpCheck{.path = std::move(path)};
    auto compiled = std::make_shared<expect::Conditions>();
    for (const std::string& text : conditions) {
        const bool warn = text.starts_with("warn: ");
        auto one = expect::compile(std::string_view(text).substr(warn ? 6 : 0),
                                   warn ? expect::Severity::warn : expect::Severity::fail);
        EXPECT_TRUE(one) << text;
        if (one) EXPECT_TRUE(compiled->add(std::move(*one)));
    }
    if (!compiled->mentions_status()) EXPECT_TRUE(compiled->add(expect::default_status_condition()));
    spec->expect = compiled;
    spec->expect_text = std::move(conditions);
    return spec;
}

catalog::Assignment Bench::assignment(verdict::RowId row, std::string_view target,
                                      std::vector<std::shared_ptr<config::CheckSpec>> specs, std::uint16_t generation) {
    while (rows.size() <= row) {
        rows.push_back(*ledger.allocate(1));
        epochs[static_cast<verdict::RowId>(rows.size() - 1)] = std::make_unique<verdict::Epoch>();
    }
    auto checks = std::make_shared<config::CheckList>();
    for (auto& spec : specs) checks->push_back(std::move(spec));
    catalog::Assignment out;
    out.row = row;
    out.cell = &ledger.row(rows[row]);
    out.epoch = epochs[row].get();
    out.generation = generation;
    out.first_version = 100;
    out.id = fmt::format("i-{:012}", row);
    out.service = "web";
    out.name = fmt::format("web-{}", row);
    auto parsed = config::Target::parse(target);
    EXPECT_TRUE(parsed) << target;
    if (parsed) out.target = *parsed;
    out.checks = checks;
    return out;
}

void Bench::send(catalog::CheckerCommand command) {
    std::vector<catalog::CheckerCommand> batch;
    batch.push_back(std::move(command));
    loop.run([this, &batch] { checker->apply(std::move(batch)); });
}

std::vector<catalog::ProbeAnswer> Bench::probe_now(verdict::RowId row, std::uint16_t generation) {
    std::optional<std::vector<catalog::ProbeAnswer>> out;
    send(catalog::ProbeNow{row, generation, "", std::nullopt,
                           [&](std::vector<catalog::ProbeAnswer> got) { out = std::move(got); }});
    EXPECT_TRUE(world.run_until([&] { return out.has_value(); }, 60s));
    return out ? *out : std::vector<catalog::ProbeAnswer>{};
}

verdict::Word Bench::word(verdict::RowId row) { return verdict::Word::unpack(ledger.row(rows[row]).word.load()); }
std::uint32_t Bench::epoch(verdict::RowId row) { return epochs[row]->count.load(); }

bool Bench::until(verdict::RowId row, verdict::State wanted, Duration within) {
    return world.run_until([&] { return state(row) == wanted; }, within);
}

std::string Bench::leaks() {
    if (checker) {
        loop.run([this] { checker->stop(); });
        const CheckerStats stats = checker->stats();
        if (stats.connections_open != 0) return fmt::format("{} connections are open", stats.connections_open);
        checker.reset();
    }
    return {};
}

}  // namespace hale::probe::test
