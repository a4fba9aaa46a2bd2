#include "store/rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "store/connection.h"
#include "store/state_store.h"

namespace hale::store {

using namespace config;

namespace {

constexpr std::string_view object_columns = "kind,key,json,revision";
constexpr std::string_view override_columns = "service,instance,state,author,reason,created,expires,revision";
constexpr std::string_view verdict_columns =
    "instance,service,name,declared,generation,state,was_eligible,version,reason,text,since,observed,resolved";
constexpr std::string_view standing_columns = "service,state,since";
constexpr std::string_view traffic_columns = "key,weight,draining,paused_until";
constexpr std::string_view deployment_columns = "id,service,number,over,candidate,created,json";
constexpr std::string_view token_columns = "name,sha256,role,created,expires";

// INSERT OR REPLACE INTO t(a,b,sum) VALUES(?1,?2,row_sum('t',?1,?2))
std::string put_text(std::string_view table, std::string_view columns) {
    std::string values;
    const auto count = std::ranges::count(columns, ',') + 1;
    for (std::ptrdiff_t i = 1; i <= count; ++i) values += fmt::format("{}?{}", i == 1 ? "" : ",", i);
    return fmt::format("INSERT OR REPLACE INTO {0}({1},sum) VALUES({2},row_sum('{0}',{2}))", table, columns, values);
}

// Text is bound without a copy: it outlives the step.
void bind(SQLite::Statement& s, int i, const std::string& value) { s.bindNoCopy(i, value); }
void bind(SQLite::Statement& s, int i, std::uint64_t value) { s.bind(i, static_cast<std::int64_t>(value)); }
void bind(SQLite::Statement& s, int i, std::uint32_t value) { s.bind(i, static_cast<std::int64_t>(value)); }
void bind(SQLite::Statement& s, int i, int value) { s.bind(i, value); }
void bind(SQLite::Statement& s, int i, Utc value) { s.bind(i, stored(value)); }
template <class T>
void bind(SQLite::Statement& s, int i, const std::optional<T>& value) {
    if (value)
        bind(s, i, *value);
    else
        s.bind(i);
}

template <class... Values>
void run(SQLite::Statement& statement, const Values&... values) {
    statement.tryReset();  // Returns the error of the last run, which was told then.
    int i = 0;
    (bind(statement, ++i, values), ...);
    statement.exec();
}

}  // namespace

std::string checked_columns(std::string_view table, std::string_view columns) {
    return fmt::format("{1}, sum = row_sum('{0}',{1})", table, columns);
}

struct ChangeWriter::Statements {
    SQLite::Statement put_object, remove_object, put_override, remove_override, put_verdict, remove_verdict,
        put_standing, remove_standing, put_traffic, remove_traffic, put_token, remove_token, put_deployment, remove_deployment, put_audit, put_idempotent, reserve, prune_audit,
        prune_idempotent_count, prune_idempotent_age;

    explicit Statements(SQLite::Database& db)
        : put_object(db, put_text("objects", object_columns)),
          remove_object(db, "DELETE FROM objects WHERE kind=?1 AND key=?2"),
          put_override(db, put_text("overrides", override_columns)),
          remove_override(db, "DELETE FROM overrides WHERE service=?1 AND instance=?2"),
          put_verdict(db, put_text("verdicts", verdict_columns)),
          remove_verdict(db, "DELETE FROM verdicts WHERE instance=?1"),
          put_standing(db, put_text("standings", standing_columns)),
          remove_standing(db, "DELETE FROM standings WHERE service=?1"),
          put_traffic(db, put_text("traffic", traffic_columns)),
          remove_traffic(db, "DELETE FROM traffic WHERE key=?1"),
          put_token(db, put_text("tokens", token_columns)),
          remove_token(db, "DELETE FROM tokens WHERE name=?1"),
          put_deployment(db, put_text("deployments", deployment_columns)),
          remove_deployment(db, "DELETE FROM deployments WHERE id=?1"),
          // The number is part of the sum, so it is chosen here: one more than the newest.
          put_audit(db,
                    "INSERT INTO audit(seq,revision,at,actor,action,object,detail,sum) "
                    "SELECT n,?1,?2,?3,?4,?5,?6,row_sum('audit',n,?1,?2,?3,?4,?5,?6) "
                    "FROM (SELECT coalesce(max(seq),0)+1 AS n FROM audit)"),
          put_idempotent(db, put_text("idempotent", idempotent_columns)),
          reserve(db,
                  "INSERT INTO meta(name,value,sum) VALUES(?1,?2,row_sum('meta',?1,?2)) ON CONFLICT(name) DO UPDATE "
                  "SET value=excluded.value, sum=excluded.sum WHERE excluded.value > meta.value"),
          prune_audit(db, "DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - ?1"),
          prune_idempotent_count(db, "DELETE FROM idempotent WHERE seq <= (SELECT max(seq) FROM idempotent) - ?1"),
          prune_idempotent_age(db, "DELETE FROM idempotent WHERE at < ?1") {}
};

ChangeWriter::ChangeWriter(Connection& connection) : statements_(std::make_unique<Statements>(connection.database())) {}
ChangeWriter::~ChangeWriter() = default;

void ChangeWriter::put(const StoredVerdict& v) {
    run(statements_->put_verdict, v.instance, v.service, v.name, v.declared, int{v.generation},
        std::string(verdict::to_text(v.state)), int{v.was_eligible}, v.version, v.reason, v.text, v.since, v.observed,
        v.resolved);
}

void ChangeWriter::put(const StoredTraffic& t) {
    if (!t.weight && !t.draining && !t.paused_until) return run(statements_->remove_traffic, t.key);
    run(statements_->put_traffic, t.key, t.weight, int{t.draining}, t.paused_until);
}

void ChangeWriter::put(const AuditEntry& e) {
    audited_ = e.at;
    run(statements_->put_audit, e.revision, e.at, e.actor, e.action, e.object, e.detail);
}

void ChangeWriter::put(const PutIdempotent& a) {
    answered_ = answered_ ? std::max(*answered_, a.at) : a.at;
    run(statements_->put_idempotent, a.key, a.actor, a.status, a.body, a.at);
}

void ChangeWriter::apply(const Change& change) {
    struct Apply {
        ChangeWriter& writer;
        Statements& s;
        void operator()(const PutObject& c) {
            run(s.put_object, c.object.kind, c.object.key, c.object.json, c.object.revision);
        }
        void operator()(const RemoveObject& c) { run(s.remove_object, c.kind, c.key); }
        void operator()(const PutOverride& c) {
            const Override& o = c.override;
            run(s.put_override, o.service, o.instance, std::string(verdict::to_text(o.state)), o.author, o.reason,
                o.created, o.expires, o.revision);
        }
        void operator()(const RemoveOverride& c) { run(s.remove_override, c.service, c.instance); }
        void operator()(const PutVerdict& c) { writer.put(c.verdict); }
        void operator()(const RemoveVerdict& c) { run(s.remove_verdict, c.instance); }
        void operator()(const PutStanding& c) {
            run(s.put_standing, c.standing.service, std::string(verdict::to_text(c.standing.state)), c.standing.since);
        }
        void operator()(const RemoveStanding& c) { run(s.remove_standing, c.service); }
        void operator()(const PutTraffic& c) { writer.put(c.traffic); }
        void operator()(const PutToken& c) {
            run(s.put_token, c.token.name, c.token.sha256, c.token.role, c.token.created, c.token.expires);
        }
        void operator()(const RemoveToken& c) { run(s.remove_token, c.name); }
        void operator()(const PutDeployment& c) {
            const StoredDeployment& d = c.deployment;
            run(s.put_deployment, d.id, d.service, d.number, int{d.over}, static_cast<int>(d.candidate), d.created, d.json);
        }
        void operator()(const RemoveDeployment& c) { run(s.remove_deployment, c.id); }
        void operator()(const PutAudit& c) { writer.put(c.entry); }
        void operator()(const PutIdempotent& c) { writer.put(c); }
        void operator()(const ReserveRevisions& c) { run(s.reserve, std::string("revisions"), c.up_to); }
        void operator()(const ReserveVersions& c) { run(s.reserve, std::string("versions"), c.up_to); }
    };
    std::visit(Apply{*this, *statements_}, change);
}

void ChangeWriter::prune() {
    if (audited_) run(statements_->prune_audit, audit_kept);
    if (answered_) {
        run(statements_->prune_idempotent_count, idempotent_limit);
        run(statements_->prune_idempotent_age, *answered_ - idempotent_kept);
    }
}

namespace {

// Reads one row column after column, in the order of the table's list above, and last its checked sum.
class Row {
public:
    explicit Row(SQLite::Statement& statement) : statement_(statement) {}
    std::string text() { return statement_.getColumn(next_++).getString(); }
    std::int64_t number() { return statement_.getColumn(next_++).getInt64(); }
    Utc instant() { return restored(number()); }
    template <class T>
    T number_as() {
        return static_cast<T>(number());
    }
    bool null() { return statement_.getColumn(next_).isNull() && ++next_ != 0; }
    bool whole() { return number() == 1; }

private:
    SQLite::Statement& statement_;
    int next_ = 0;
};

std::unexpected<Error> damaged(const Connection& connection, std::string_view table, std::string_view row,
                               std::string_view fault) {
    return fail(Code::corrupt,
                fmt::format("{} is corrupt: table {}: row '{}' {}", connection.path(), table, escaped(row), fault));
}

// Calls read(Row&) for each row; it returns false for a value that can not be. The first `keys` columns must ascend:
// a page that was written to another's place is whole in itself, and shows only by its rows coming twice.
template <class Read>
Result<> each(Connection& connection, std::string_view table, std::string_view columns, int keys, Read read) {
    SQLite::Statement statement(
        connection.database(),
        fmt::format("SELECT {} FROM {} ORDER BY 1{}", checked_columns(table, columns), table, keys > 1 ? ", 2" : ""));
    std::optional<std::pair<std::string, std::string>> last;
    while (statement.executeStep()) {
        std::pair key(statement.getColumn(0).getString(),
                      keys > 1 ? statement.getColumn(1).getString() : std::string());
        if (last && *last >= key) return damaged(connection, table, key.first, "comes twice or out of order");
        last = std::move(key);
        Row row(statement);
        const bool sensible = read(row);
        if (!row.whole() || !sensible) return damaged(connection, table, last->first, "does not fit its checksum");
    }
    return {};
}

}  // namespace

Result<Restored> load(Connection& connection) {
    Restored all;
    HALE_TRY(each(connection, "objects", object_columns, 2, [&](Row& r) {
        all.objects.push_back({r.text(), r.text(), r.text(), r.number_as<std::uint64_t>()});
        return true;
    }));
    HALE_TRY(each(connection, "overrides", override_columns, 2, [&](Row& r) {
        Override o{.service = r.text(), .instance = r.text()};
        const auto state = verdict::parse_override_state(r.text());
        if (state) o.state = *state;
        o.author = r.text();
        o.reason = r.text();
        o.created = r.instant();
        o.expires = r.instant();
        o.revision = r.number_as<std::uint64_t>();
        all.overrides.push_back(std::move(o));
        return state.has_value();
    }));
    HALE_TRY(each(connection, "verdicts", verdict_columns, 1, [&](Row& r) {
        StoredVerdict v{.instance = r.text(),
                        .service = r.text(),
                        .name = r.text(),
                        .declared = r.text(),
                        .generation = r.number_as<std::uint16_t>()};
        const auto state = verdict::parse_state(r.text());
        if (state) v.state = *state;
        v.was_eligible = r.number() != 0;
        v.version = r.number_as<std::uint32_t>();
        v.reason = r.text();
        v.text = r.text();
        v.since = r.instant();
        v.observed = r.instant();
        v.resolved = r.text();
        all.verdicts.push_back(std::move(v));
        return state.has_value();
    }));
    HALE_TRY(each(connection, "standings", standing_columns, 1, [&](Row& r) {
        StoredStanding s{.service = r.text()};
        const auto state = verdict::parse_state(r.text());
        if (state) s.state = *state;
        s.since = r.instant();
        all.standings.push_back(std::move(s));
        return state.has_value();
    }));
    HALE_TRY(each(connection, "traffic", traffic_columns, 1, [&](Row& r) {
        StoredTraffic t{.key = r.text()};
        if (!r.null()) t.weight = r.number_as<std::uint32_t>();
        t.draining = r.number() != 0;
        if (!r.null()) t.paused_until = r.instant();
        all.traffic.push_back(std::move(t));
        return true;
    }));
    HALE_TRY(each(connection, "tokens", token_columns, 1, [&](Row& r) {
        StoredToken t{.name = r.text(), .sha256 = r.text(), .role = r.text(), .created = r.instant()};
        if (!r.null()) t.expires = r.instant();
        all.tokens.push_back(std::move(t));
        return true;
    }));
    HALE_TRY(each(connection, "deployments", deployment_columns, 1, [&](Row& r) {
        StoredDeployment d{.id = r.text(), .service = r.text()};
        d.number = r.number_as<std::uint64_t>();
        d.over = r.number() != 0;
        d.candidate = static_cast<std::uint32_t>(r.number());
        d.created = r.instant();
        d.json = r.text();
        all.deployments.push_back(std::move(d));
        return true;
    }));
    HALE_TRY(each(connection, "meta", "name,value", 1, [&](Row& r) {
        const std::string name = r.text();
        if (name == "revisions")
            all.revisions_reserved = r.number_as<std::uint64_t>();
        else if (name == "versions")
            all.versions_reserved = r.number_as<std::uint32_t>();
        else
            return static_cast<void>(r.number()), false;
        return true;
    }));
    return all;
}

}  // namespace hale::store
