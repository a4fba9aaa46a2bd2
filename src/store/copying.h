// The parts of backing up and restoring that opening needs too. Inside this folder only.

#pragma once

#include <string>

#include "base/result.h"
#include "store/backup.h"

namespace hale::store {

// make_backup in two halves: before a migration the old backups stay until it succeeded, or a start that fails again
// and again would push out the good ones.
Result<Backup> copy_to_backup(const std::string& directory, Utc now);
Result<> prune_backups(const std::string& directory, const Backup& made);

// Completes a restore that was decided and cut off. Needs: the directory's lock.
Result<> finish_restore(const std::string& directory);

}  // namespace hale::store
