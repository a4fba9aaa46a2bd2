// One SQLite connection with Hale's settings, and the border where SQLite's exceptions end. Inside this folder only;
// a connection belongs to one thread at a time.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <SQLiteCpp/SQLiteCpp.h>

#include "base/result.h"

namespace hale::store {

inline constexpr int busy_wait_ms = 5'000;  // For somebody's sqlite3 shell on state.db.
inline constexpr std::string_view state_file = "state.db";

enum class Access : std::uint8_t { read, write };

class Connection {
public:
    // The file must exist. Every connection knows row_sum(…), the checksum that each row carries over its columns:
    // SQLite finds broken structure by itself, but not a changed byte inside a value.
    static Result<std::unique_ptr<Connection>> open(const std::string& path, Access access);

    SQLite::Database& database() { return database_; }
    const std::string& path() const { return path_; }

    bool read_only();            // Asked for writing, but its header or its mode forbids it. Valid after a read.
    void in_wal();               // Write-ahead log, for the state in use; copies are single files.
    void durable(bool durable);  // Whether the next commits are fsynced. Not inside a transaction.
    void begin();
    void commit();
    void rollback() noexcept;  // Also when SQLite did it already.

private:
    Connection(const std::string& path, Access access);

    std::string path_;
    SQLite::Database database_;
    int durable_ = -1;  // As last told to SQLite; -1: not yet.
};

// "attempted: what SQLite says", with a code somebody can act on.
Error sqlite_error(std::string_view attempted, const SQLite::Exception& exception, int system = 0);

// Runs `work`, which may throw SQLite's exceptions, and returns its Result or nothing.
template <class Work>
auto guarded(std::string_view attempted, Work work) -> Result<decltype(work())> {
    try {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            return {};
        } else {
            return work();
        }
    } catch (const SQLite::Exception& exception) {
        return std::unexpected(sqlite_error(attempted, exception));
    }
}

}  // namespace hale::store
