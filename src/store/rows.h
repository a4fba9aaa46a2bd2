// Changes to rows and back. Inside this folder only; throws SQLite's exceptions, callers stand in guarded().

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "config/journal.h"

namespace hale::store {

class Connection;

// Prepared statements for every kind of change. Lives shorter than its connection.
class ChangeWriter {
public:
    explicit ChangeWriter(Connection& connection);
    ~ChangeWriter();

    void apply(const config::Change& change);
    // Keeps audit and answers within their limits. Once per transaction, before its commit.
    void prune();
    // After a transaction ended either way.
    void forget() { audited_ = answered_ = std::nullopt; }

private:
    struct Statements;
    void put(const config::StoredVerdict& verdict);
    void put(const config::StoredTraffic& traffic);
    void put(const config::AuditEntry& entry);
    void put(const config::PutIdempotent& answer);

    std::unique_ptr<Statements> statements_;
    std::optional<Utc> audited_;   // This transaction wrote audit entries.
    std::optional<Utc> answered_;  // It wrote answers, the newest at.
};

// Everything, each row's sum checked: Code::corrupt names the table and row.
Result<config::Restored> load(Connection& connection);

// The columns that the sum covers, for reads elsewhere: "a,b,c, sum = row_sum('table',a,b,c)".
std::string checked_columns(std::string_view table, std::string_view columns);

inline constexpr std::string_view audit_columns = "seq,revision,at,actor,action,object,detail";
inline constexpr std::string_view idempotent_columns = "key,actor,status,body,at";

inline std::int64_t stored(Utc at) { return at.time_since_epoch().count(); }
inline Utc restored(std::int64_t at) { return Utc(Duration(at)); }

}  // namespace hale::store
