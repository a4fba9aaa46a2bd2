// Copies of state.db in <state>/backup, and the way back from one. Blocking; no clock: the caller says when it is.
//
//   state/                    0700, flock held while a process owns it
//     state.db (-wal, -shm)   0600
//     state.db.restore        a restore that was decided; the next open finishes it
//     backup/state-20261121T141821Z.db   the newest three
//     replaced/               what the last restore put aside

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hale::store {

inline constexpr std::size_t backups_kept = 3;
inline constexpr Duration backup_interval = 24h;

struct Backup {
    std::string path;
    Utc at{};
    bool operator==(const Backup&) const = default;
};

std::string backup_name(Utc at);  // "state-20261121T141821Z.db"
std::optional<Utc> parse_backup_name(std::string_view name);

// Newest first; empty when there is no backup directory. Files of other names are not looked at.
Result<std::vector<Backup>> list_backups(const std::string& directory);

// True when none is younger than a day. A backup from the future (the clock stepped) does not count as young.
bool backup_due(const std::vector<Backup>& newest_first, Utc now);

// "backups: /…/state-….db (3h 12m old), …; go back to the newest with: hale serve --restore /…", or that there is none.
// Without the advice to go back where the state itself is not lost.
std::string backups_text(const std::string& directory, Utc now, bool lost = true);

// Copies state.db as it is at this moment (VACUUM INTO), makes the copy durable, then removes all but the newest three.
// A failure leaves the backups as they were.
Result<Backup> make_backup(const std::string& directory, Utc now);

// Makes `file` the state of `directory`, which no process may hold. The file is verified first (whole, Hale's, not
// newer than this version) and never changed; what it replaces is kept in replaced/. Cut off anywhere, the next
// open finds the old state or the new one. `serve --restore FILE`.
Result<> restore(const std::string& directory, const std::string& file, Utc now);

}  // namespace hale::store
