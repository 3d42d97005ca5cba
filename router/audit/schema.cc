#include "router/audit/schema.h"

#include <sys/stat.h>

#include <map>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/canonical_json.h"
#include "router/sqlite_schema.h"

namespace kedge::router::audit {

namespace {

using sqlite::Blob;
using sqlite::Text;

#define KEDGE_NEVER(table, action)                                     \
  "CREATE TRIGGER " table "_no_" action " BEFORE " action " ON " table \
  " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no " action " of " table "'); END;"

// SQLite keeps these texts as they are. The triggers before an INSERT are for INSERT OR REPLACE, which deletes without
// asking a DELETE trigger.
constexpr const char* kSchema =
    "CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE records(seq INTEGER PRIMARY KEY NOT NULL, id TEXT UNIQUE NOT NULL, created TEXT NOT NULL, "
    "json TEXT NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE artifacts(sha256 BLOB PRIMARY KEY NOT NULL, salt BLOB NOT NULL, kind TEXT NOT NULL, "
    "bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE heads(seq INTEGER PRIMARY KEY NOT NULL REFERENCES records(seq), first INTEGER NOT NULL, "
    "hash BLOB NOT NULL, key_id TEXT NOT NULL, signature BLOB NOT NULL, created TEXT NOT NULL) STRICT;"  //
    KEDGE_NEVER("meta", "update") KEDGE_NEVER("meta", "delete") KEDGE_NEVER("records", "update")
        KEDGE_NEVER("records", "delete") KEDGE_NEVER("artifacts", "update") KEDGE_NEVER("artifacts", "delete")
            KEDGE_NEVER("heads", "update") KEDGE_NEVER("heads", "delete")
                "CREATE TRIGGER meta_complete BEFORE insert ON meta WHEN (SELECT count(*) FROM meta) >= 4 "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: meta is complete'); END;"
    "CREATE TRIGGER records_in_order BEFORE insert ON records "
    "WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM records) "
    "BEGIN SELECT RAISE(ABORT, 'records are appended in order'); END;"
    "CREATE TRIGGER records_new_id BEFORE insert ON records WHEN EXISTS (SELECT 1 FROM records WHERE id = NEW.id) "
    "BEGIN SELECT RAISE(ABORT, 'a record of this id is there'); END;"
    "CREATE TRIGGER artifacts_new BEFORE insert ON artifacts "
    "WHEN EXISTS (SELECT 1 FROM artifacts WHERE sha256 = NEW.sha256) "
    "BEGIN SELECT RAISE(ABORT, 'an artifact of this address is there'); END;"
    "CREATE TRIGGER heads_in_order BEFORE insert ON heads "
    "WHEN NEW.first <> (SELECT coalesce(max(seq), 0) + 1 FROM heads) OR NEW.seq < NEW.first "
    "BEGIN SELECT RAISE(ABORT, 'heads are appended in order'); END;";
#undef KEDGE_NEVER

constexpr int64_t kSteps = 10'000'000;  // of SQLite's machine: a second, whatever the file holds

Error corrupt(const sqlite::Database& db, const std::string& what) {
  return {ErrorCode::kCorrupt, db.path() + ": " + what};
}

}  // namespace

Json Identity::genesis_json() const {
  return {{"created", created},
          {"database_id", hex(database_id)},
          {"public_key", hex(public_key)},
          {"salt_key_sha256", hex(sha256(salt_key))}};
}

std::string Identity::genesis() const {
  // The members are written sorted, and none needs an escape: this is their canonical form.
  return sha256("kedge-audit-genesis-v1\n", genesis_json().dump());
}

Result<bool> is_audit_log(const sqlite::Database& db) {
  // While this row is held, all that is read is of one moment: another process may be making the log.
  const sqlite::StepLimit limit(db, kSteps);
  KEDGE_ASSIGN(rows, db.prepare("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)"));
  KEDGE_ASSIGN(there, rows.step());
  KEDGE_ASSIGN(application, db.integer("PRAGMA application_id"));
  KEDGE_ASSIGN(version, db.integer("PRAGMA user_version"));
  if (application == 0 && version == 0 && there && rows.integer(0) == 0) return false;
  if (application != kApplicationId) {
    return corrupt(db, "is a database of another application (application_id " + std::to_string(application) +
                           ", an audit log has " + std::to_string(kApplicationId) + ")");
  }
  if (version > kSchemaVersion) {
    return Error{ErrorCode::kUnsupported, db.path() + ": its schema version is " + std::to_string(version) +
                                              ", this program knows " + std::to_string(kSchemaVersion)};
  }
  if (version < 1) return corrupt(db, "its schema version is " + std::to_string(version));
  return true;
}

Status create_schema(const sqlite::Database& db, const Identity& identity) {
  KEDGE_TRY(db.run(kSchema));
  KEDGE_ASSIGN(insert, db.prepare("INSERT INTO meta(key, value) VALUES(?, ?)"));
  const std::pair<const char*, const std::string*> values[] = {{"created", &identity.created},
                                                               {"database_id", &identity.database_id},
                                                               {"public_key", &identity.public_key},
                                                               {"salt_key", &identity.salt_key}};
  for (const auto& [key, value] : values) {
    KEDGE_TRY(insert.bind(Text{key}, Blob{*value}));
    KEDGE_TRY(insert.run());
  }
  KEDGE_TRY(db.run("PRAGMA application_id = " + std::to_string(kApplicationId)));
  return db.run("PRAGMA user_version = " + std::to_string(kSchemaVersion));
}

std::vector<std::string> schema_problems(const sqlite::Database& db) {
  auto found = sqlite::schema_differences(db, kSchema);
  if (!found.ok()) return {std::move(found).error().message};
  return *std::move(found);
}

Status check_schema(const sqlite::Database& db) {
  const auto problems = schema_problems(db);
  if (problems.empty()) return {};
  return corrupt(db, "the schema is not that of an audit log: " + problems[0]);
}

int64_t step_limit(const sqlite::Database& db) {
  int64_t bytes = 0;
  for (const char* end : {"", "-wal"}) {
    struct stat info {};
    if (::stat((db.path() + end).c_str(), &info) == 0) bytes += info.st_size;
  }
  return kSteps + bytes;  // a row takes a tenth of its bytes in steps
}

Result<Identity> read_identity(const sqlite::Database& db) {
  Identity identity;
  std::map<std::string, std::pair<std::string*, size_t>> wanted = {{"created", {&identity.created, 24}},
                                                                   {"database_id", {&identity.database_id, 16}},
                                                                   {"public_key", {&identity.public_key, 32}},
                                                                   {"salt_key", {&identity.salt_key, 32}}};
  KEDGE_ASSIGN(rows, db.prepare("SELECT key, value FROM meta"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) break;
    const auto found = wanted.find(rows.bytes(0));
    if (found == wanted.end() || !rows.is_text(0)) return corrupt(db, "meta has the key '" + rows.bytes(0) + "'");
    const auto [target, size] = found->second;
    *target = rows.bytes(1);
    if (!rows.is_blob(1) || target->size() != size) return corrupt(db, "meta: " + found->first + " has a wrong form");
    wanted.erase(found);
  }
  if (!wanted.empty()) return corrupt(db, "meta: " + wanted.begin()->first + " is missing");
  if (!is_utf8(identity.created)) return corrupt(db, "meta: created has a wrong form");  // dump() would throw
  return identity;
}

Result<Head> read_head(const sqlite::Statement& row) {
  const bool typed =
      row.is_integer(0) && row.is_integer(1) && row.is_blob(2) && row.is_text(3) && row.is_text(4) && row.is_blob(5);
  if (!typed) {
    return Error{ErrorCode::kCorrupt, "head " + std::to_string(row.integer(1)) + " has a column of another type"};
  }
  Head head;
  head.first = row.integer(0);
  head.seq = row.integer(1);
  head.hash = row.bytes(2);
  head.created = row.bytes(3);
  head.key_id = row.bytes(4);
  head.signature = row.bytes(5);
  return head;
}

}  // namespace kedge::router::audit
