// The daemon's one door to state.db, which is shut while another process has it. What comes meanwhile is refused with
// Code::upgrading, never kept: the other process would not know of it.

#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string_view>

#include "config/journal.h"
#include "io/loop.h"
#include "store/state_store.h"

namespace hale::app {

class StateDoor final : public config::Journal {
public:
    explicit StateDoor(io::Loop& home) : home_(home) {}

    // The supervisor's: open() a started store; shut() writes what waits, and when it returns state.db is closed and the
    // directory unlocked.
    void open(std::unique_ptr<store::StateStore> store);
    void shut();
    bool is_open() const;

    // As store::StateStore has them.
    void commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) override;
    Result<store::AuditPage> audit(std::uint32_t limit, std::optional<std::uint64_t> before) const;
    Result<std::optional<store::Answer>> idempotent(std::string_view key, std::string_view actor, Utc now) const;
    Result<std::optional<store::Backup>> backup_when_due(Utc now) const;
    std::size_t waiting() const;

private:
    io::Loop& home_;
    // Guards the pointer, and by being held keeps the store from being closed under a reader: reads wait for the disk on
    // threads of the pool, which have no loop to post to.
    mutable std::shared_mutex guard_;
    std::unique_ptr<store::StateStore> store_;
};

}  // namespace hale::app
