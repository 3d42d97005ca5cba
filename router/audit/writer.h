// The one who appends: a batch of records in one transaction, the head that signs them, the anchor line.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "router/audit/anchor.h"
#include "router/audit/audit_log.h"
#include "router/audit/mirror.h"
#include "router/audit/schema.h"
#include "router/audit/signing_key.h"
#include "router/sqlite.h"

namespace kedge::router::audit {

// A record that waits for its commit.
struct Pending {
  Json record;
  std::span<const AuditArtifact> artifacts;
  std::optional<Result<AuditReceipt>> result;
  bool done = false;  // guarded by the queue's mutex
};

class Writer {
 public:
  // Opens or creates the database with its key and anchor, and repairs an anchor that a crash left behind.
  static Result<std::unique_ptr<Writer>> open(const std::string& path, const AuditOptions& options);

  // Gives every element its result. One caller at a time.
  void commit(std::span<Pending* const> batch) noexcept;

  const Identity& identity() const { return identity_; }

 private:
  Writer(sqlite::Database db, Identity identity, SigningKey key, Anchor anchor, std::optional<Mirror> mirror,
         int timeout_ms);

  struct Tail {  // how the chain ends
    int64_t seq = 0;
    std::string hash;
  };

  Status prepare();
  Result<Tail> read_tail();
  Status repair_anchor();
  Status append_line(const std::string& line);
  Status commit_batch(std::span<Pending* const> batch);
  Result<AuditReceipt> insert(const Pending& pending, const Tail& tail, int64_t now);
  Result<Json> insert_artifact(const AuditArtifact& artifact);

  sqlite::Database db_;
  const Identity identity_;
  const std::string genesis_;
  SigningKey key_;
  Anchor anchor_;
  std::optional<Mirror> mirror_;
  const int timeout_ms_;
  sqlite::Statement last_record_, last_head_, heads_after_, id_exists_, find_artifact_;
  sqlite::Statement insert_record_, insert_artifact_, insert_head_;
};

}  // namespace kedge::router::audit
