// Opening: nothing is served from a state that was not verified, and nothing is ever replaced by an empty one.

#include <fmt/format.h>

#include <cerrno>

#include "store/connection.h"
#include "store/copying.h"
#include "store/files.h"
#include "store/rows.h"
#include "store/schema.h"
#include "store/state_store.h"

namespace hale::store {

namespace {

Result<> found_or_created(const std::string& directory, std::span<const Step> steps) {
    const std::string path = fmt::format("{}/{}", directory, state_file);
    HALE_ASSIGN(const bool there, exists(path));
    if (there) {
        HALE_ASSIGN(const std::uint64_t size, size_of(path));
        if (size == 0) return fail(Code::corrupt, fmt::format("{} is empty: its content was lost", path));
        return {};
    }
    HALE_ASSIGN(const bool log, exists(path + "-wal"));
    HALE_ASSIGN(const auto backups, list_backups(directory));
    if (log || !backups.empty())
        return fail(Code::corrupt,
                    fmt::format("{} is missing, but {} is there, so there was one; to start with nothing, "
                                "move {} away too",
                                path, log ? "its log " + path + "-wal" : "a backup of it",
                                log ? "that log" : directory + "/backup"));
    return create_state(path, steps);
}

// Verified and in this version's shape: all in one transaction, so a start that fails leaves the older version's file.
Result<config::Restored> migrated_and_loaded(Connection& connection, const OpenOptions& options,
                                             std::span<const Step> steps, std::uint32_t version) {
    std::optional<Backup> before;
    if (version < newest_version(steps)) {
        HALE_ASSIGN(before, copy_to_backup(options.directory, options.now));
    }
    const std::string attempted =
        before ? fmt::format("migrate {} from schema {} to {}", connection.path(), version, newest_version(steps))
               : "load " + connection.path();
    auto result = guarded(attempted, [&]() -> Result<config::Restored> {
        connection.begin();
        if (before) migrate(connection, steps, version);
        auto loaded = load(connection);
        if (!loaded) return loaded;
        SQLite::Statement prune(connection.database(), "DELETE FROM idempotent WHERE at < ?1");
        prune.bind(1, stored(options.now - idempotent_kept));
        prune.exec();
        connection.commit();
        return loaded;
    });
    connection.rollback();
    if (result && *result) {
        if (before) HALE_TRY(prune_backups(options.directory, *before));
        return std::move(*result);
    }
    if (before) static_cast<void>(remove_if_there(before->path));  // The file is as it was.
    Error error = result ? std::move(result->error()) : std::move(result.error());
    if (error.code == Code::internal) error.code = Code::corrupt;  // A table or column that is not there.
    return std::unexpected(std::move(error));
}

}  // namespace

Result<> could_open(const std::string& directory) {
    HALE_ASSIGN(const auto connection, Connection::open(fmt::format("{}/{}", directory, state_file), Access::read));
    HALE_ASSIGN(const std::uint32_t version, verify(*connection, schema_steps()));
    if (version < newest_version(schema_steps())) return {};
    const auto loaded = guarded("load " + connection->path(), [&] { return load(*connection); });
    if (!loaded) return std::unexpected(loaded.error());
    if (!*loaded) return std::unexpected(loaded->error());
    return {};
}

Result<StateStore::Opened> StateStore::open(io::Loop& home, const OpenOptions& options) {
    const std::string& directory = options.directory;
    const auto steps = options.steps.empty() ? schema_steps() : options.steps;
    HALE_TRY(private_directory(directory));
    HALE_ASSIGN(auto lock, DirectoryLock::take(directory));

    std::unique_ptr<Connection> connection;
    auto restored = [&]() -> Result<config::Restored> {
        HALE_TRY(finish_restore(directory));
        HALE_TRY(found_or_created(directory, steps));
        HALE_ASSIGN(connection, Connection::open(fmt::format("{}/{}", directory, state_file), Access::write));
        HALE_ASSIGN(const std::uint32_t version, verify(*connection, steps));
        if (connection->read_only()) {
            const std::string& path = connection->path();
            if (!may_write(path)) return fail(Code::unavailable, path + " may not be written by this user", EACCES);
            return fail(Code::corrupt, path + " is corrupt: its header asks for a file format that does not exist");
        }
        HALE_TRY(guarded("use " + connection->path(), [&] {
            connection->in_wal();
            connection->durable(true);
        }));
        return migrated_and_loaded(*connection, options, steps, version);
    }();
    if (!restored) {
        Error error = std::move(restored.error());
        if (error.code == Code::internal) error.code = Code::corrupt;
        // What cannot be opened now may be whole: the backups are named, and no advice to go back to one.
        error.text += "; " + backups_text(directory, options.now, error.code == Code::corrupt);
        return std::unexpected(std::move(error));
    }
    std::unique_ptr<StateStore> store(new StateStore(home, directory, std::move(lock), std::move(connection)));
    return Opened{std::move(store), std::move(*restored)};
}

}  // namespace hale::store
