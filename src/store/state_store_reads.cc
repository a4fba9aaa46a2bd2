// Reads beside the writer: each on its own connection, for the blocking pool.

#include <fmt/format.h>

#include <algorithm>

#include "store/connection.h"
#include "store/rows.h"
#include "store/state_store.h"

namespace hale::store {

namespace {

// Flattens the two ways of failing: SQLite's and ours.
template <class Read>
auto reading(const std::string& directory, Read read) -> decltype(read(std::declval<Connection&>())) {
    HALE_ASSIGN(const auto connection, Connection::open(fmt::format("{}/{}", directory, state_file), Access::read));
    auto result = guarded("read " + connection->path(), [&] { return read(*connection); });
    if (!result) return std::unexpected(std::move(result.error()));
    return std::move(*result);
}

}  // namespace

Result<AuditPage> StateStore::audit(std::uint32_t limit, std::optional<std::uint64_t> before) const {
    return reading(directory_, [&](Connection& connection) -> Result<AuditPage> {
        const std::uint32_t most = std::clamp(limit, std::uint32_t{1}, audit_page);
        SQLite::Statement rows(connection.database(),
                               fmt::format("SELECT {} FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
                                           checked_columns("audit", audit_columns)));
        constexpr auto newest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        rows.bind(1, static_cast<std::int64_t>(std::min(before.value_or(newest), newest)));
        rows.bind(2, std::int64_t{most} + 1);  // One more tells whether there is a page after.
        AuditPage page;
        std::uint64_t last = 0;
        while (rows.executeStep()) {
            if (page.entries.size() == most) {
                page.next = last;
                break;
            }
            last = static_cast<std::uint64_t>(rows.getColumn(0).getInt64());
            if (rows.getColumn(7).getInt() != 1)
                return fail(Code::corrupt, fmt::format("{} is corrupt: audit entry {} does not fit its checksum",
                                                       connection.path(), last));
            page.entries.push_back({static_cast<std::uint64_t>(rows.getColumn(1).getInt64()),
                                    restored(rows.getColumn(2).getInt64()), rows.getColumn(3).getString(),
                                    rows.getColumn(4).getString(), rows.getColumn(5).getString(),
                                    rows.getColumn(6).getString()});
        }
        return page;
    });
}

Result<std::optional<Answer>> StateStore::idempotent(std::string_view key, std::string_view actor, Utc now) const {
    return reading(directory_, [&](Connection& connection) -> Result<std::optional<Answer>> {
        SQLite::Statement row(connection.database(), fmt::format("SELECT {} FROM idempotent WHERE key=?1 AND actor=?2",
                                                                 checked_columns("idempotent", idempotent_columns)));
        row.bind(1, std::string(key));
        row.bind(2, std::string(actor));
        if (!row.executeStep()) return std::nullopt;
        if (row.getColumn(5).getInt() != 1)
            return fail(Code::corrupt,
                        fmt::format("{} is corrupt: the stored answer to an Idempotency-Key does not fit its "
                                    "checksum",
                                    connection.path()));
        Answer answer{row.getColumn(2).getInt(), row.getColumn(3).getString(), restored(row.getColumn(4).getInt64())};
        if (now - answer.at > idempotent_kept) return std::nullopt;
        return answer;
    });
}

Result<Backup> StateStore::backup(Utc now) const { return make_backup(directory_, now); }
Result<std::vector<Backup>> StateStore::backups() const { return list_backups(directory_); }

Result<std::optional<Backup>> StateStore::backup_when_due(Utc now) const {
    HALE_ASSIGN(const auto kept, backups());
    if (!backup_due(kept, now)) return std::nullopt;
    HALE_ASSIGN(Backup made, backup(now));
    return std::optional(std::move(made));
}

}  // namespace hale::store
