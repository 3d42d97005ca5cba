// The database of an audit log: its tables, the triggers that keep them append-only, and how a file is recognised.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/json.h"
#include "router/audit/head.h"
#include "router/sqlite.h"

namespace kedge::router::audit {

inline constexpr int64_t kApplicationId = 0x4B454447;  // "KEDG"
inline constexpr int64_t kSchemaVersion = 1;

// The files of the log `db`.
inline std::string key_path(const std::string& db) { return db + ".key"; }
inline std::string anchor_path(const std::string& db) { return db + ".heads"; }

// Who the log is. The chain begins with the digest of all of it, so nothing here can be changed afterwards.
struct Identity {
  std::string created;      // iso_time
  std::string database_id;  // 16 random bytes
  std::string public_key;   // Ed25519
  std::string salt_key;     // 32 random bytes: salts of artifacts are made with it; it stays in the database

  Json genesis_json() const;    // with the digest of the salt key in its place
  std::string genesis() const;  // the `prev` of record 1
};

// Whether the file is an audit log of this version (true) or a database without anything (false). Errors: kCorrupt
// (another application's), kUnsupported (a newer schema).
Result<bool> is_audit_log(const sqlite::Database& db);

Status create_schema(const sqlite::Database& db, const Identity& identity);  // inside of a transaction
// Tables, triggers and indices as created. To be asked before anything else is read: a view in place of a table can
// make any statement endless.
std::vector<std::string> schema_problems(const sqlite::Database& db);
Status check_schema(const sqlite::Database& db);             // the first of them; kCorrupt
Result<Identity> read_identity(const sqlite::Database& db);  // kCorrupt
// More steps than reading all of the file once needs (sqlite::StepLimit): pages may name each other in circles.
int64_t step_limit(const sqlite::Database& db);

// Columns first, seq, hash, created, key_id, signature of a head.
inline constexpr const char* kHeadColumns = "first, seq, hash, created, key_id, signature";
Result<Head> read_head(const sqlite::Statement& row);  // kCorrupt: a column of another type

}  // namespace kedge::router::audit
