#include "store/connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <bit>

#include "base/random.h"

namespace hale::store {

namespace {

// Not against forgery, against decay. Each argument's type and length are hashed as well, so that moving a byte over
// a column's border changes the sum.
void row_sum(sqlite3_context* context, int count, sqlite3_value** values) {
    std::uint64_t sum = 0;
    for (int i = 0; i < count; ++i) {
        const int type = sqlite3_value_type(values[i]);
        std::int64_t number = 0;
        std::string_view bytes;
        if (type == SQLITE_INTEGER) {
            number = sqlite3_value_int64(values[i]);
            bytes = {reinterpret_cast<const char*>(&number), sizeof number};
        } else if (type != SQLITE_NULL) {
            const void* blob = sqlite3_value_blob(values[i]);
            if (blob != nullptr)
                bytes = {static_cast<const char*>(blob), static_cast<std::size_t>(sqlite3_value_bytes(values[i]))};
        }
        sum = hash64(bytes, std::rotl(sum, 7) ^ (bytes.size() * 8 + static_cast<std::uint64_t>(type)));
    }
    sqlite3_result_int64(context, static_cast<std::int64_t>(sum));
}

Code code_of(int sqlite_code) {
    switch (sqlite_code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_SCHEMA:
            return Code::corrupt;
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_NOMEM:
            return Code::unavailable;
        default:
            return Code::internal;
    }
}

std::string_view advice(int sqlite_code) {
    switch (sqlite_code & 0xff) {
        case SQLITE_FULL:
            return "; free space there";
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "; another program has the file open, such as an sqlite3 shell";
        default:
            return "";
    }
}

}  // namespace

Error sqlite_error(std::string_view attempted, const SQLite::Exception& exception, int system) {
    const int code = exception.getExtendedErrorCode() > 0 ? exception.getExtendedErrorCode() : exception.getErrorCode();
    std::string text = fmt::format("{}: {}", attempted, exception.what());
    if (system != 0) text += fmt::format(" ({})", system_text(system));
    if ((code & 0xff) == SQLITE_IOERR) text += fmt::format(" [sqlite {}]", code);
    return {code_of(code), text + std::string(advice(code)), system};
}

Connection::Connection(const std::string& path, Access access)
    : path_(path),
      database_(path, access == Access::read ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE, busy_wait_ms) {
    sqlite3_extended_result_codes(database_.getHandle(), 1);
    sqlite3_create_function_v2(database_.getHandle(), "row_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                               row_sum, nullptr, nullptr, nullptr);
    database_.exec("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-16384");
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access) {
    return guarded("open " + path, [&] { return std::unique_ptr<Connection>(new Connection(path, access)); });
}

bool Connection::read_only() { return sqlite3_db_readonly(database_.getHandle(), "main") == 1; }

void Connection::in_wal() {
    database_.exec("PRAGMA journal_mode=WAL");
    database_.exec("PRAGMA journal_size_limit=67108864");
}

void Connection::durable(bool durable) {
    if (durable_ == static_cast<int>(durable)) return;
    database_.exec(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    durable_ = static_cast<int>(durable);
}

void Connection::begin() { database_.exec("BEGIN IMMEDIATE"); }
void Connection::commit() { database_.exec("COMMIT"); }

void Connection::rollback() noexcept {
    if (sqlite3_get_autocommit(database_.getHandle()) == 0) database_.tryExec("ROLLBACK");
}

}  // namespace hale::store
