// What the tests of this folder share: a loop without a clock, a directory that goes away, every kind of change.

#pragma once

#include <gtest/gtest.h>

#include <stdlib.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>

#include <fmt/format.h>

#include "store/state_store.h"

namespace hale::store {

// Posts from any thread; the test's thread runs them.
class TestLoop final : public io::Loop {
public:
    Instant now() const override { return {}; }
    Instant fresh_now() const override { return {}; }
    Utc utc() const override { return {}; }
    void post(io::Task work) override {
        const std::lock_guard guard(mutex_);
        tasks_.push_back(std::move(work));
        wake_.notify_one();
    }
    bool here() const override { return true; }

    template <class Condition>
    void run_until(Condition condition) {
        while (!condition()) {
            io::Task task;
            {
                std::unique_lock guard(mutex_);
                wake_.wait(guard, [this] { return !tasks_.empty(); });
                task = std::move(tasks_.front());
                tasks_.pop_front();
            }
            task();
        }
    }

private:
    void arm(io::Timer&, Instant) override {}
    void disarm(io::Timer&) override {}
    std::mutex mutex_;  // Guards tasks_.
    std::condition_variable wake_;
    std::deque<io::Task> tasks_;
};

class TestDirectory {
public:
    TestDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hale_store_XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TestDirectory() { std::filesystem::remove_all(path_); }
    TestDirectory(const TestDirectory&) = delete;
    const std::string& path() const { return path_; }
    std::string state() const { return path_ + "/state.db"; }

private:
    std::string path_;
};

inline Utc day(int n) { return Utc(Duration(1'795'000'000s) + n * 24h); }

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
}

// A store that is open and started, with commits that wait.
class OpenState {
public:
    explicit OpenState(const std::string& directory, Utc now = day(0)) {
        auto opened = StateStore::open(loop, {.directory = directory, .now = now});
        if (!opened) {
            error = opened.error();
            return;
        }
        store = std::move(opened->store);
        restored = std::move(opened->restored);
        store->start();
    }
    ~OpenState() { close(); }
    OpenState(const OpenState&) = delete;

    void close() {
        if (store) store->stop();
        store.reset();
    }
    Result<> commit(std::vector<config::Change> batch, bool durable = true) {
        std::optional<Result<>> result;
        store->commit(std::move(batch), durable, [&](Result<> r) { result = std::move(r); });
        loop.run_until([&] { return result.has_value(); });
        return *result;
    }

    TestLoop loop;
    std::unique_ptr<StateStore> store;
    config::Restored restored;
    Error error;
};

// One line per row: two states are equal exactly when their texts are.
inline std::string text_of(const config::Restored& r) {
    std::string t;
    const auto at = [](Utc u) { return u.time_since_epoch().count(); };
    for (const auto& o : r.objects) t += fmt::format("object {}|{}|{}|{}\n", o.kind, o.key, o.json, o.revision);
    for (const auto& o : r.overrides)
        t += fmt::format("override {}|{}|{}|{}|{}|{}|{}|{}\n", o.service, o.instance, static_cast<int>(o.state),
                         o.author, o.reason, at(o.created), at(o.expires), o.revision);
    for (const auto& v : r.verdicts)
        t += fmt::format("verdict {}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}\n", v.instance, v.service, v.name, v.declared,
                         v.generation, static_cast<int>(v.state), v.was_eligible, v.version, v.reason, v.text,
                         at(v.since), at(v.observed), v.resolved);
    for (const auto& s : r.standings)
        t += fmt::format("standing {}|{}|{}\n", s.service, static_cast<int>(s.state), at(s.since));
    for (const auto& x : r.traffic)
        t += fmt::format("traffic {}|{}|{}|{}\n", x.key, x.weight ? fmt::to_string(*x.weight) : "-", x.draining,
                         x.paused_until ? fmt::to_string(at(*x.paused_until)) : "-");
    for (const auto& x : r.tokens)
        t += fmt::format("token {}|{}|{}|{}|{}\n", x.name, x.sha256, x.role, at(x.created),
                         x.expires ? fmt::to_string(at(*x.expires)) : "-");
    for (const auto& x : r.deployments)
        t += fmt::format("deployment {}|{}|{}|{}|{}|{}|{}\n", x.id, x.service, x.number, x.over, x.candidate, at(x.created), x.json);
    return t + fmt::format("reserved {}|{}\n", r.revisions_reserved, r.versions_reserved);
}

inline config::StoredVerdict verdict_number(std::uint32_t n) {
    return {.instance = fmt::format("i-{:012}", n * 2'654'435'761u),
            .service = fmt::format("svc-{}", n / 10),
            .name = fmt::format("svc-{}-{}", n / 10, n % 10),
            .declared = fmt::format("10.0.{}.{}:8080", n / 250 % 250, n % 250),
            .generation = static_cast<std::uint16_t>(n),
            .state = static_cast<verdict::State>(n % 5),
            .was_eligible = n % 2 == 0,
            .version = n,
            .reason = "connect_refused",
            .text = "GET http://10.0.0.1:8080/up: connect refused after 0.4 ms",
            .since = day(1),
            .observed = day(2),
            .resolved = "10.0.0.1:8080"};
}

}  // namespace hale::store
