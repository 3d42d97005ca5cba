#include "router/audit/create.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "kernels/base/output_file.h"
#include "router/audit/anchor.h"
#include "router/audit/digest.h"
#include "router/audit/file.h"
#include "router/audit/ownership.h"
#include "router/audit/schema.h"
#include "router/audit/signing_key.h"

namespace kedge::router::audit {

namespace {

// An empty file only its owner may read: SQLite gives its log beside it the same mode. It gets its name when we have
// closed it, because another process or thread may open it at once. Whoever comes second finds it made.
Status make_file(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return {};
  KEDGE_ASSIGN(file, OutputFile::create(path, {.owner_only = true, .new_only = true, .named = true}));
  Status made = file.commit();
  if (::access(path.c_str(), F_OK) == 0) return {};
  return made;
}

// SQLite asks no busy handler when it changes the journal, so the waiting is ours.
Status use_wal(const sqlite::Database& db, int timeout_ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto mode = db.text("PRAGMA journal_mode = WAL");
    if (mode.ok() && *mode == "wal") break;
    if (mode.ok()) {
      return Error{ErrorCode::kIo,
                   db.path() + ": the file system does not allow a write-ahead log (journal '" + *mode + "')"};
    }
    if (mode.error().code != ErrorCode::kIo || std::chrono::steady_clock::now() >= until) return mode.error();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  KEDGE_TRY(db.run("PRAGMA synchronous = FULL"));
  return db.run("PRAGMA foreign_keys = ON");
}

// A log of that name has been here: its heads say so.
Status check_no_heads(const std::string& path) {
  const auto file = File::open(anchor_path(path), O_RDONLY);
  if (!file.ok()) return file.error().code == ErrorCode::kNotFound ? Status() : Status(file.error());
  KEDGE_ASSIGN(text, file->read(0, 1 << 16));
  const size_t header_end = text.find('\n');
  if (header_end == std::string::npos || header_end + 1 == text.size()) return {};
  return Error{ErrorCode::kCorrupt, path + " is empty, but " + anchor_path(path) +
                                        " has heads of a log that was here: the database is lost"};
}

Status initialise(const sqlite::Database& db) {
  KEDGE_ASSIGN(transaction, sqlite::Transaction::begin(db, "BEGIN IMMEDIATE"));
  KEDGE_ASSIGN(present, is_audit_log(db));
  if (present) return {};  // another process was faster
  KEDGE_TRY(check_no_heads(db.path()));
  KEDGE_ASSIGN(key, SigningKey::load_or_create(key_path(db.path())));
  // What a crash left of an earlier attempt: a header of a log that never was. Nobody else is here.
  KEDGE_ASSIGN(anchor, File::open(anchor_path(db.path()), O_RDWR | O_CREAT, 0644));
  KEDGE_TRY(anchor.truncate(0));
  KEDGE_TRY(sync_folder_of(db.path()));
  Identity identity;
  identity.created = iso_time(unix_ms());
  identity.database_id = random_bytes(16);
  identity.public_key = key.public_key();
  identity.salt_key = random_bytes(32);
  KEDGE_TRY(create_schema(db, identity));
  return transaction.commit();
}

}  // namespace

Result<sqlite::Database> open_or_create(const std::string& path, const AuditOptions& options) {
  if (options.create) {
    KEDGE_TRY(check_folder(path));
    KEDGE_TRY(make_file(path));
  }
  KEDGE_TRY(check_ownership(path, Access::kWrite));
  KEDGE_ASSIGN(db, sqlite::Database::open(path, sqlite::OpenMode::kReadWrite, options.timeout_ms));
  KEDGE_ASSIGN(present, is_audit_log(db));
  if (!present && !options.create) return Error{ErrorCode::kCorrupt, path + " is empty: no audit log"};
  if (!present) KEDGE_TRY(check_unread(path));
  KEDGE_TRY(use_wal(db, options.timeout_ms));
  if (!present) KEDGE_TRY(initialise(db));
  return db;
}

}  // namespace kedge::router::audit
