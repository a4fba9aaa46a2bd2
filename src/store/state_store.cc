// The writer: takes what waits, commits it as one transaction, answers. A group that fails is tried again batch by
// batch, so that one batch's fault is not its neighbours'.

#include "store/state_store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/reached.h"
#include "store/connection.h"
#include "store/files.h"
#include "store/rows.h"

namespace hale::store {

StateStore::StateStore(io::Loop& home, std::string directory, std::unique_ptr<DirectoryLock> lock,
                       std::unique_ptr<Connection> connection)
    : home_(home), directory_(std::move(directory)), lock_(std::move(lock)), connection_(std::move(connection)) {}

StateStore::~StateStore() { HALE_CHECK(!thread_.joinable()); }

void StateStore::start() {
    HALE_CHECK(!thread_.joinable() && !stopping_);
    thread_ = std::thread([this] { run(); });
}

void StateStore::stop() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
    std::vector<Waiting> unwritten(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
    queue_.clear();  // Only when it was never started.
    for (Waiting& w : unwritten) w.result = fail(Code::unavailable, "state.db: stopped before it was started");
    if (!unwritten.empty()) answer(std::move(unwritten));
    writer_.reset();
    connection_.reset();
}

std::size_t StateStore::waiting() const {
    const std::lock_guard guard(mutex_);
    return queue_.size();
}

void StateStore::commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) {
    Waiting refused{.done = std::move(done)};
    {
        const std::lock_guard guard(mutex_);
        if (stopping_) {
            refused.result =
                fail(Code::unavailable, fmt::format("write {}/{}: Hale is stopping", directory_, state_file));
        } else if (queue_.size() >= queue_limit) {
            HALE_REACHED("state store: queue full");
            refused.result =
                fail(Code::exhausted, fmt::format("write {}/{}: {} changes wait for the disk already; try again "
                                                  "later, and look at how slow the disk is",
                                                  directory_, state_file, queue_.size()));
        } else {
            refused.changes = std::move(batch);
            refused.durable = durable;
            queue_.push_back(std::move(refused));
            if (queue_.size() == 1) wake_.notify_one();
            return;
        }
    }
    std::vector<Waiting> one;
    one.push_back(std::move(refused));
    answer(std::move(one));
}

void StateStore::run() {
    while (true) {
        std::vector<Waiting> group;
        {
            std::unique_lock guard(mutex_);
            wake_.wait(guard, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) return;
            for (std::size_t changes = 0; !queue_.empty(); queue_.pop_front()) {
                changes += queue_.front().changes.size();
                if (!group.empty() && changes > group_limit) break;
                group.push_back(std::move(queue_.front()));
            }
        }
        write(group);
        answer(std::move(group));
    }
}

void StateStore::write(std::vector<Waiting>& group) {
    if (group.size() > 1 && transact(group)) return;
    for (Waiting& one : group) one.result = transact({&one, 1});
}

Result<> StateStore::transact(std::span<Waiting> batches) {
    if (final_) return std::unexpected(*final_);
    try {
        if (!writer_) writer_ = std::make_unique<ChangeWriter>(*connection_);
        connection_->durable(std::ranges::any_of(batches, &Waiting::durable));
        connection_->begin();
        for (const Waiting& batch : batches)
            for (const config::Change& change : batch.changes) writer_->apply(change);
        writer_->prune();
        connection_->commit();
        writer_->forget();
        return {};
    } catch (const SQLite::Exception& exception) {
        const int system = sqlite3_system_errno(connection_->database().getHandle());
        const int code = exception.getExtendedErrorCode();
        const bool lost = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
        Error error =
            sqlite_error("write " + connection_->path(), exception, lost || (code & 0xff) == SQLITE_IOERR ? system : 0);
        connection_->rollback();
        if (writer_) writer_->forget();
        if (lost) {
            // The kernel may have thrown away pages of earlier batches and calls the next fsync a success.
            HALE_REACHED("state store: fsync failed");
            error.text += "; what the disk holds is not known any more: look at the disk, then restart Hale";
            final_ = error;
        }
        return std::unexpected(std::move(error));
    }
}

void StateStore::answer(std::vector<Waiting> group) {
    for (Waiting& w : group) w.changes.clear();
    home_.post([answered = std::move(group)]() mutable {
        for (Waiting& w : answered)
            if (w.done) w.done(std::move(w.result));
    });
}

}  // namespace hale::store
