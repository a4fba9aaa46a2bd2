#include "app/state_door.h"

#include <mutex>
#include <utility>

#include "catalog/mutation.h"

namespace hale::app {

void StateDoor::open(std::unique_ptr<store::StateStore> store) {
    const std::unique_lock hold(guard_);
    store_ = std::move(store);
}

void StateDoor::shut() {
    const std::unique_lock hold(guard_);
    if (!store_) return;
    store_->stop();
    store_.reset();
}

bool StateDoor::is_open() const {
    const std::shared_lock hold(guard_);
    return store_ != nullptr;
}

void StateDoor::commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) {
    const std::shared_lock hold(guard_);
    if (store_) return store_->commit(std::move(batch), durable, std::move(done));
    home_.post([done = std::move(done)]() mutable { done(std::unexpected(catalog::upgrading())); });
}

Result<store::AuditPage> StateDoor::audit(std::uint32_t limit, std::optional<std::uint64_t> before) const {
    const std::shared_lock hold(guard_);
    if (!store_) return std::unexpected(catalog::upgrading());
    return store_->audit(limit, before);
}

Result<std::optional<store::Answer>> StateDoor::idempotent(std::string_view key, std::string_view actor, Utc now) const {
    const std::shared_lock hold(guard_);
    if (!store_) return std::unexpected(catalog::upgrading());
    return store_->idempotent(key, actor, now);
}

Result<std::optional<store::Backup>> StateDoor::backup_when_due(Utc now) const {
    const std::shared_lock hold(guard_);
    if (!store_) return std::optional<store::Backup>{};
    return store_->backup_when_due(now);
}

std::size_t StateDoor::waiting() const {
    const std::shared_lock hold(guard_);
    return store_ ? store_->waiting() : 0;
}

}  // namespace hale::app
