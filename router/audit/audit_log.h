// The audit log: what was asked, answered and why, in an append-only, hash-chained, signed database. docs/audit.md.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/audit/schema.h"
#include "router/sqlite.h"

namespace kedge::router {

namespace audit {
class Writer;
struct Pending;
}  // namespace audit

struct AuditOptions {
  bool create = false;      // make the log when there is no file
  bool read_only = false;   // never writes, needs no key
  int timeout_ms = 30000;   // how long to wait for another process; a commit takes what the disk takes
  std::string mirror = {};  // a second copy of the heads, in another place; empty: none
};

// The kind of artifact that is the answer: the subject of an in-toto statement.
inline constexpr const char* kResponseKind = "response";
inline constexpr const char* kRequestKind = "request";  // what was asked, as JSON with messages

// Content a record refers to: a conversation, an answer, a document of the evidence. Equal contents of one kind are
// stored once.
struct AuditArtifact {
  std::string kind;   // 1 to 64 bytes of UTF-8
  std::string bytes;  // at most 256 MiB
};

struct AuditReceipt {
  std::string id;
  int64_t seq = 0;
  std::string hash;  // hexadecimal
  // False: recorded, but its line could not be added to the anchor file or to the mirror; the next append does it.
  bool anchored = true;
};

inline constexpr int64_t kMaxListed = 10000;

// Newest first. Empty strings filter nothing.
struct AuditFilter {
  int64_t limit = 20;        // 1 to kMaxListed
  std::string model = {};    // equals the record's member "model"
  std::string outcome = {};  // equals the record's member "outcome"
  std::string since = {};    // created at or after: "2026-01-31", "2026-01-31T23:59", ... (UTC)
};

struct AuditProblem {
  std::string where;  // "file", "schema", "database", "meta", "key", "record", "artifact", "head", "anchor", "against"
  int64_t seq = 0;    // of the record or head; 0: none
  std::string what;
};

struct VerifyReport {
  std::vector<AuditProblem> problems;
  std::vector<std::string> notes;  // what is no problem but good to know
  int64_t records = 0;
  int64_t artifacts = 0;
  int64_t heads = 0;
  std::string last_hash;   // hexadecimal
  std::string public_key;  // hexadecimal: the one signatures were checked with
  bool ok() const { return problems.empty(); }
};

// Thread-safe. Several processes may have the same log open, and one process several times; writers take turns. A child
// process gets errors for what its parent had open when it was forked.
class AuditLog {
 public:
  // Errors: kNotFound, kIo (also: files that somebody else can write, see ownership.h), kCorrupt (no audit log, another
  // application's database, a changed schema, and for writing: a database behind its anchor or mirror, another key),
  // kUnsupported (a newer schema).
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path, const AuditOptions& options);
  ~AuditLog();

  // Durable when it returns; on an error nothing was recorded. Appends of several threads share a commit.
  // `record` is an object of at most 16 MiB as text. Its member "id" (a string) is made when absent; into its member
  // "kedge" (an object, made when absent) the log writes "seq", "created" and "artifacts" [{kind, sha256, bytes}],
  // which must not be there. Errors: kInvalidArgument (also: an id that exists), kCapacity (size, full disk), kIo,
  // kCorrupt.
  Result<AuditReceipt> append(Json record, std::span<const AuditArtifact> artifacts);

  // {seq, id, created, prev, hash, hash_checked, question, record, artifacts: [{kind, sha256, bytes}]} by id, number or
  // "last". hash_checked is true: a record without its hash is an error. Errors: kNotFound, kCorrupt.
  Result<Json> show(std::string_view id_or_seq) const;
  // {seq, id, created, hash, model, outcome, question, artifacts}, the last a number; question is null when the record
  // has no artifact of kind "request" that says it; one that is missing or changed is named in a member "problem".
  Result<std::vector<Json>> list(const AuditFilter& filter) const;
  // By its address in hexadecimal; its bytes are checked against it. Errors: kInvalidArgument, kNotFound, kCorrupt.
  Result<AuditArtifact> artifact(std::string_view address) const;
  Result<int64_t> size() const;  // records

  const std::string& path() const { return path_; }
  const audit::Identity& identity() const { return identity_; }

  // A connection for reading, after the files' owners and the schema were found right. Errors: those of open().
  static Result<sqlite::Database> open_reader(const std::string& path, int timeout_ms);

 private:
  Result<AuditArtifact> read_artifact(std::string_view address) const;
  Result<Json> question_of(const Json& artifacts) const;

  AuditLog(std::string path, audit::Identity identity, std::unique_ptr<audit::Writer> writer, sqlite::Database reader);

  const std::string path_;
  const audit::Identity identity_;
  std::unique_ptr<audit::Writer> writer_;  // null: read-only
  // A connection of its own: who reads does not wait for who writes. It closes first: the last one empties the
  // write-ahead log, and only a writer can.
  sqlite::Database reader_;
  mutable std::mutex reader_mutex_;

  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::vector<audit::Pending*> queue_;
  bool leading_ = false;  // a thread is committing what was in the queue
};

struct VerifyOptions {
  std::string public_key = {};  // hexadecimal: the key signatures have to be of. Empty: that of the key file.
  std::string against = {};     // heads that were kept elsewhere (a mirror, lines of an anchor): each has to be here
  int timeout_ms = 30000;
};

// Reads everything and finds every problem; of a database whose schema is not an audit log's nothing but that is read.
// Errors only when the file is no audit log this program can read.
Result<VerifyReport> verify_audit_log(const std::string& path, const VerifyOptions& options);

}  // namespace kedge::router
