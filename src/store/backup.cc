#include "store/backup.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/connection.h"
#include "store/copying.h"
#include "store/files.h"
#include "store/rows.h"
#include "store/schema.h"

namespace hale::store {

namespace {

// A restored state hands out numbers above any that the lost days may have used: far more than a day of changes, and
// still hundreds of restores within 32 bits.
constexpr std::int64_t revision_gap = 1'000'000'000;
constexpr std::int64_t version_gap = 10'000'000;
constexpr std::int64_t version_most = 0xffff'ffff;

std::string folder_of(const std::string& directory) { return directory + "/backup"; }
std::string state_of(const std::string& directory) { return fmt::format("{}/{}", directory, state_file); }

// A whole, durable copy of the connection's database as a file of its own.
Result<> copy(Connection& from, const std::string& to) {
    HALE_TRY(private_file(to));
    HALE_TRY(guarded(fmt::format("copy {} to {}", from.path(), to), [&] {
        SQLite::Statement vacuum(from.database(), "VACUUM INTO ?1");
        vacuum.bind(1, to);
        vacuum.exec();
    }));
    return sync(to);
}

void raise_numbers(Connection& connection) {
    auto& database = connection.database();
    database.exec(
        fmt::format("UPDATE meta SET value = CASE name WHEN 'versions' THEN min({}, value + {}) ELSE value + {} END",
                    version_most, version_gap, revision_gap));
    database.exec("UPDATE meta SET sum = row_sum('meta', name, value)");
}

}  // namespace

Result<Backup> copy_to_backup(const std::string& directory, Utc now) {
    const Backup made{folder_of(directory) + "/" + backup_name(now), now};
    const std::string part = folder_of(directory) + "/state.part";
    HALE_TRY(private_directory(folder_of(directory)));
    const auto copied = [&]() -> Result<> {
        // Its own reading connection: the writer goes on meanwhile.
        HALE_ASSIGN(const auto connection, Connection::open(state_of(directory), Access::read));
        HALE_TRY(copy(*connection, part));
        HALE_TRY(rename_file(part, made.path));
        return sync(folder_of(directory));
    }();
    if (!copied) {
        static_cast<void>(remove_if_there(part));
        return fail(copied.error().code, fmt::format("back up: {}", copied.error().text), copied.error().system);
    }
    return made;
}

Result<> prune_backups(const std::string& directory, const Backup& made) {
    HALE_ASSIGN(auto found, list_backups(directory));
    // The one just made stays whatever the clock did; backups from the future go before those that are merely old.
    std::ranges::stable_sort(found, [&](const Backup& a, const Backup& b) {
        const auto rank = [&](const Backup& x) { return x.path == made.path ? 0 : x.at <= made.at ? 1 : 2; };
        return rank(a) < rank(b);
    });
    for (std::size_t i = backups_kept; i < found.size(); ++i) HALE_TRY(remove_if_there(found[i].path));
    return {};
}

Result<Backup> make_backup(const std::string& directory, Utc now) {
    HALE_ASSIGN(const Backup made, copy_to_backup(directory, now));
    HALE_TRY(prune_backups(directory, made));
    return made;
}

Result<> finish_restore(const std::string& directory) {
    const std::string state = state_of(directory);
    HALE_ASSIGN(const bool decided, exists(state + ".restore"));
    if (!decided) return {};
    // The old log must be gone before the new file has its name: it would be replayed into it.
    HALE_TRY(remove_if_there(state + "-wal"));
    HALE_TRY(remove_if_there(state + "-shm"));
    HALE_TRY(sync(directory));
    HALE_TRY(rename_file(state + ".restore", state));
    return sync(directory);
}

Result<> restore(const std::string& directory, const std::string& file, Utc now) {
    HALE_TRY(private_directory(directory));
    HALE_ASSIGN(const auto lock, DirectoryLock::take(directory));
    const std::string state = state_of(directory);
    const std::string fresh = state + ".new";
    const auto prepared = [&]() -> Result<> {
        std::uint32_t version = 0;
        {
            HALE_ASSIGN(const bool there, exists(file));
            if (!there) return fail(Code::not_found, fmt::format("there is no file {}", file));
            HALE_ASSIGN(const auto source, Connection::open(file, Access::read));
            HALE_ASSIGN(version, verify(*source, schema_steps()));
            HALE_TRY(copy(*source, fresh));
        }
        if (version != newest_version(schema_steps())) return {};  // Loaded after its migration, at the next open.
        {
            HALE_ASSIGN(const auto copied, Connection::open(fresh, Access::write));
            const auto loaded = guarded("read " + file, [&] { return load(*copied); });
            if (!loaded) return std::unexpected(loaded.error());
            if (!*loaded) return std::unexpected(loaded->error());
            HALE_TRY(guarded("raise numbers in " + fresh, [&] { raise_numbers(*copied); }));
        }
        return sync(fresh);
    }();
    if (!prepared) {
        static_cast<void>(remove_if_there(fresh));
        return fail(prepared.error().code,
                    fmt::format("restore {} into {}: {}; nothing was changed; {}", file, directory,
                                prepared.error().text, backups_text(directory, now)),
                    prepared.error().system);
    }
    const std::string aside = directory + "/replaced";
    HALE_TRY(private_directory(aside));
    for (const char* part : {"", "-wal"})
        HALE_TRY(link_if_there(state + part, fmt::format("{}/{}{}", aside, state_file, part)));
    HALE_TRY(sync(aside));
    HALE_TRY(rename_file(fresh, state + ".restore"));  // Decided from here on.
    HALE_TRY(sync(directory));
    return finish_restore(directory);
}

}  // namespace hale::store
