#include "store/schema.h"

#include <fmt/format.h>

#include "store/connection.h"
#include "store/files.h"

namespace hale::store {

namespace {

// Numbers are signed 64-bit in SQLite; instants are nanoseconds since 1970; states are spelled as everywhere else so
// that an operator can read the file with the sqlite3 shell. `sum` is row_sum over the table's name and other columns.
constexpr std::string_view version_1 = R"(
CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE objects(kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, revision INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;
CREATE TABLE overrides(service TEXT NOT NULL, instance TEXT NOT NULL, state TEXT NOT NULL, author TEXT NOT NULL,
    reason TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, revision INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY(service, instance)) STRICT, WITHOUT ROWID;
CREATE TABLE verdicts(instance TEXT NOT NULL PRIMARY KEY, service TEXT NOT NULL, name TEXT NOT NULL,
    declared TEXT NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL, was_eligible INTEGER NOT NULL,
    version INTEGER NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL, since INTEGER NOT NULL,
    observed INTEGER NOT NULL, resolved TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE traffic(key TEXT NOT NULL PRIMARY KEY, weight INTEGER, draining INTEGER NOT NULL, paused_until INTEGER,
    sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens(name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, role TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit(seq INTEGER PRIMARY KEY, revision INTEGER NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL,
    action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE idempotent(seq INTEGER PRIMARY KEY, key TEXT NOT NULL, actor TEXT NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL, at INTEGER NOT NULL, sum INTEGER NOT NULL, UNIQUE(key, actor)) STRICT;
CREATE INDEX idempotent_at ON idempotent(at);
)";

constexpr std::string_view version_2 = R"(
CREATE TABLE standings(service TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, since INTEGER NOT NULL,
    sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)";

constexpr std::string_view version_3 = R"(
CREATE TABLE deployments(id TEXT NOT NULL PRIMARY KEY, service TEXT NOT NULL, number INTEGER NOT NULL, over INTEGER NOT NULL,
    candidate INTEGER NOT NULL, created INTEGER NOT NULL, json TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)";

constexpr Step steps_to_now[] = {{1, version_1}, {2, version_2}, {3, version_3}};

}  // namespace

std::span<const Step> schema_steps() { return steps_to_now; }

std::uint32_t newest_version(std::span<const Step> steps) { return steps.empty() ? 0 : steps.back().to; }

void migrate(Connection& connection, std::span<const Step> steps, std::uint32_t from) {
    for (const Step& step : steps)
        if (step.to > from) connection.database().exec(std::string(step.sql));
    connection.database().exec(fmt::format("PRAGMA user_version={}", newest_version(steps)));
}

Result<> create_state(const std::string& path, std::span<const Step> steps) {
    const std::string fresh = path + ".new";
    HALE_TRY(private_file(fresh));
    {
        HALE_ASSIGN(const auto connection, Connection::open(fresh, Access::write));
        HALE_TRY(guarded("create " + path, [&] {
            connection->begin();
            migrate(*connection, steps, 0);
            connection->database().exec(fmt::format("PRAGMA application_id={}", application_id));
            connection->commit();
        }));
    }
    HALE_TRY(sync(fresh));
    HALE_TRY(rename_file(fresh, path));
    return sync(path.substr(0, path.rfind('/')));
}

Result<std::uint32_t> verify(Connection& connection, std::span<const Step> steps) {
    const std::string& path = connection.path();
    const auto checked = guarded("read " + path, [&]() -> Result<std::uint32_t> {
        auto& database = connection.database();
        if (database.execAndGet("PRAGMA application_id").getInt() != application_id)
            return fail(Code::corrupt, path + " is not a state file of Hale: its application id is another");
        const std::uint32_t version = database.execAndGet("PRAGMA user_version").getUInt();
        if (version > newest_version(steps))
            return fail(Code::corrupt,
                        fmt::format("{} was written by a newer Hale: schema {}, this version knows up to {}; "
                                    "run the newer version, or go back to a backup that is older",
                                    path, version, newest_version(steps)));
        SQLite::Statement check(database, "PRAGMA quick_check(3)");
        std::string faults;
        while (check.executeStep())
            if (const std::string fault = check.getColumn(0).getString(); fault != "ok")
                faults += (faults.empty() ? "" : "; ") + fault;
        for (char& c : faults)
            if (c == '\n') c = ' ';
        if (!faults.empty()) return fail(Code::corrupt, fmt::format("{} is corrupt: {}", path, faults));
        return version;
    });
    if (!checked) return std::unexpected(checked.error());
    return *checked;
}

}  // namespace hale::store
