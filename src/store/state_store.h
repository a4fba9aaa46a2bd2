// state.db: what Hale was told and may not forget. Implements config::Journal on SQLite with one ordered
// writer thread; opened once at start by `app`, before anything else runs.
//
//   open ──▶ start ──▶ commit … ──▶ stop        commit: any thread; `done` comes on `home`
//    │                   │
//    │                   └─ writer thread: takes all that waits, one transaction, one fsync, then the dones
//    └─ lock directory, finish a cut-off restore, verify, back up and migrate, load everything
//
// Durable means: in the write-ahead log and fsynced (journal_mode=WAL, synchronous=FULL) before `done`.
// Batches that are not durable travel in the same order and survive kill -9, not a power cut.
// The state directory is 0700, its files 0600; nobody else opens them while `hale serve` runs.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/journal.h"
#include "io/loop.h"
#include "store/backup.h"

namespace hale::store {

struct Step;
class Connection;
class ChangeWriter;
class DirectoryLock;

inline constexpr std::size_t queue_limit = 4'096;     // Batches that wait for the writer.
inline constexpr std::size_t group_limit = 20'000;    // Changes in one transaction, unless one batch alone has more.
inline constexpr std::uint32_t audit_kept = 100'000;  // Newest entries.
inline constexpr std::uint32_t idempotent_limit = 100'000;  // Newest answers, none older than idempotent_kept.
inline constexpr Duration idempotent_kept = 24h;
inline constexpr std::uint32_t audit_page = 1'000;  // Most entries of one read.

struct OpenOptions {
    std::string directory;  // Created with mode 0700 when missing; its parent must exist.
    Utc now{};              // Names the backup before a migration, tells the age of backups, prunes old answers.
    std::span<const Step> steps = {};  // Empty: this version's own migrations (schema.h).
};

struct AuditPage {
    std::vector<config::AuditEntry> entries;  // Newest first.
    std::optional<std::uint64_t> next;        // Hand in as `before` for the page after; empty: that was all.
};

struct Answer {
    int status = 0;
    std::string body;
    Utc at{};
};

class StateStore final : public config::Journal {
public:
    struct Opened {
        std::unique_ptr<StateStore> store;
        config::Restored restored;
    };

    // Blocking; before loops run. Fails, touching nothing, with a sentence that names file, fault and backups:
    //   Code::conflict  another process holds the directory;
    //   Code::corrupt   damaged, not Hale's, written by a newer version, or lost while backups exist;
    //   Code::unavailable  the file system refused.
    static Result<Opened> open(io::Loop& home, const OpenOptions& options);

    ~StateStore() override;  // Needs: stopped, or never started.

    void start();
    // Writes what waits, posts its dones, joins. Later commits fail with Code::unavailable.
    void stop();

    // Any thread. `done` always comes as a posted task on `home`, in the order of the commits except for refusals
    // (queue full: Code::exhausted). A batch that failed left nothing behind and the next may succeed (disk full,
    // then not); only a failed fsync is final: what the disk holds is unknown then, and all later commits fail.
    // A StoredTraffic that says nothing (no weight, not draining, not paused) removes its row.
    void commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) override;

    // Reads and backups: blocking pool only, between open and stop; any number at once (each opens its own
    // connection and sees what is committed at that moment).
    Result<AuditPage> audit(std::uint32_t limit, std::optional<std::uint64_t> before) const;
    Result<std::optional<Answer>> idempotent(std::string_view key, std::string_view actor, Utc now) const;
    // One at a time. Does not hold up the writer.
    Result<Backup> backup(Utc now) const;
    Result<std::vector<Backup>> backups() const;  // Newest first.
    Result<std::optional<Backup>> backup_when_due(Utc now) const;  // Nothing: the newest is younger than a day.

    std::size_t waiting() const;  // Batches; for metrics.

private:
    struct Waiting {
        std::vector<config::Change> changes;
        bool durable = false;
        std::move_only_function<void(Result<>)> done;
        Result<> result;
    };

    StateStore(io::Loop& home, std::string directory, std::unique_ptr<DirectoryLock> lock,
               std::unique_ptr<Connection> connection);
    void run();
    void write(std::vector<Waiting>& group);
    Result<> transact(std::span<Waiting> batches);
    void answer(std::vector<Waiting> group);

    io::Loop& home_;
    const std::string directory_;
    std::unique_ptr<DirectoryLock> lock_;
    std::unique_ptr<Connection> connection_;  // The writer thread's, once started.
    std::unique_ptr<ChangeWriter> writer_;
    std::optional<Error> final_;  // The failed fsync. The writer thread's.
    std::thread thread_;

    // Guards the three below. Posting is not possible: the writer blocks in the disk and has no loop.
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Waiting> queue_;
    bool stopping_ = false;
};

// Would open() succeed, once nobody has the directory any more? Reads beside whoever has it and changes nothing. A
// state.db that is to be migrated is only verified.
Result<> could_open(const std::string& directory);

}  // namespace hale::store
