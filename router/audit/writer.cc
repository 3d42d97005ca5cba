#include "router/audit/writer.h"

#include <fcntl.h>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/canonical_json.h"
#include "router/audit/create.h"
#include "router/audit/digest.h"

namespace kedge::router::audit {

namespace {

using sqlite::Blob;
using sqlite::Text;

constexpr size_t kMaxRecord = size_t{16} << 20;

Error with_prefix(const std::string& prefix, Error error) {
  error.message = prefix + error.message;
  return error;
}

}  // namespace

Writer::Writer(sqlite::Database db, Identity identity, SigningKey key, Anchor anchor, std::optional<Mirror> mirror,
               int timeout_ms)
    : db_(std::move(db)),
      identity_(std::move(identity)),
      genesis_(identity_.genesis()),
      key_(std::move(key)),
      anchor_(std::move(anchor)),
      mirror_(std::move(mirror)),
      timeout_ms_(timeout_ms) {}

Result<std::unique_ptr<Writer>> Writer::open(const std::string& path, const AuditOptions& options) {
  KEDGE_TRY(init_crypto());
  KEDGE_ASSIGN(db, open_or_create(path, options));
  KEDGE_TRY(check_schema(db));
  KEDGE_ASSIGN(identity, read_identity(db));
  auto key = SigningKey::load(key_path(path));
  if (!key.ok()) return with_prefix("no signing key: ", key.error());
  if (key->public_key() != identity.public_key) {
    return Error{ErrorCode::kCorrupt, key_path(path) + ": its public key " + hex(key->public_key()) +
                                          " is not that of the log, " + hex(identity.public_key)};
  }
  auto anchor = File::open(anchor_path(path), O_RDWR);
  if (!anchor.ok()) return with_prefix("no anchor: ", anchor.error());
  std::optional<Mirror> mirror;
  if (!options.mirror.empty()) {
    KEDGE_ASSIGN(opened, Mirror::open(options.mirror, path));
    mirror.emplace(std::move(opened));
  }
  std::unique_ptr<Writer> writer(new Writer(std::move(db), std::move(identity), std::move(*key),
                                            Anchor(std::move(*anchor)), std::move(mirror), options.timeout_ms));
  KEDGE_TRY(writer->prepare());
  KEDGE_TRY(writer->anchor_.file().lock(true, options.timeout_ms));
  const FileLock lock(writer->anchor_.file());
  KEDGE_TRY(writer->repair_anchor());
  if (writer->mirror_) KEDGE_TRY(writer->mirror_->catch_up(writer->db_, writer->genesis_));
  return writer;
}

Status Writer::prepare() {
  const std::string heads = std::string("SELECT ") + kHeadColumns + " FROM heads ";
  const std::pair<sqlite::Statement*, std::string> statements[] = {
      {&last_record_, "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1"},
      {&last_head_, heads + "ORDER BY seq DESC LIMIT 1"},
      {&heads_after_, heads + "WHERE seq >= ? ORDER BY seq LIMIT 3"},
      {&id_exists_, "SELECT 1 FROM records WHERE id = ?"},
      {&find_artifact_, "SELECT salt, kind, bytes FROM artifacts WHERE sha256 = ?"},
      {&insert_record_, "INSERT INTO records(seq, id, created, json, prev, hash) VALUES(?, ?, ?, ?, ?, ?)"},
      {&insert_artifact_, "INSERT INTO artifacts(sha256, salt, kind, bytes) VALUES(?, ?, ?, ?)"},
      {&insert_head_, "INSERT INTO heads(first, seq, hash, created, key_id, signature) VALUES(?, ?, ?, ?, ?, ?)"}};
  for (const auto& [statement, sql] : statements) {
    KEDGE_ASSIGN(prepared, db_.prepare(sql));
    *statement = std::move(prepared);
  }
  return {};
}

// Brings the anchor up to the database, under the exclusive lock. A crash between commit and anchor leaves it behind by
// one head; anything else is somebody's work.
Status Writer::repair_anchor() {
  const std::string& path = anchor_.file().path();
  KEDGE_ASSIGN(tail, anchor_.tail(genesis_));
  const int64_t anchored = tail.last ? tail.last->seq : 0;
  std::vector<Head> heads;  // from the anchored one on
  KEDGE_TRY(heads_after_.bind(anchored));
  for (;;) {
    KEDGE_ASSIGN(row, heads_after_.step());
    if (!row) break;
    KEDGE_ASSIGN(head, read_head(heads_after_));
    heads.push_back(std::move(head));
  }
  if (tail.last) {
    if (heads.empty() || heads[0].seq != anchored) {
      return Error{ErrorCode::kCorrupt, db_.path() + ": the database is behind its anchor " + path +
                                            ", which has record " + std::to_string(anchored) +
                                            ": it was cut short or replaced"};
    }
    if (head_line(heads[0]) != head_line(*tail.last)) {
      return Error{ErrorCode::kCorrupt, path + ": head " + std::to_string(anchored) + " is not that of the database"};
    }
    heads.erase(heads.begin());
  }
  if (heads.size() > 1 || (!tail.has_header && !heads.empty())) {
    return Error{ErrorCode::kCorrupt, path +
                                          ": the anchor is behind the database by more than a crash explains, it ends "
                                          "at record " +
                                          std::to_string(anchored)};
  }
  const std::string next = !tail.has_header ? anchor_header(genesis_) : heads.empty() ? "" : head_line(heads[0]);
  if (!next.starts_with(tail.torn)) {
    return Error{ErrorCode::kCorrupt, path + ": its end is not what a crash leaves: '" + tail.torn + "'"};
  }
  if (!tail.has_header || !heads.empty()) {
    if (!heads.empty() && !head_is_valid(heads[0], genesis_, identity_.public_key)) {
      return Error{ErrorCode::kCorrupt,
                   db_.path() + ": head " + std::to_string(heads[0].seq) + " is not signed by its key"};
    }
    KEDGE_TRY(anchor_.cut(tail));
    KEDGE_TRY(anchor_.append(next));
  }
  return {};
}

Result<Writer::Tail> Writer::read_tail() {
  Tail tail{0, genesis_};
  KEDGE_TRY(last_record_.bind());
  KEDGE_ASSIGN(record, last_record_.step());
  if (record) tail = {last_record_.integer(0), last_record_.bytes(1)};
  last_record_.reset();
  KEDGE_TRY(last_head_.bind());
  KEDGE_ASSIGN(head, last_head_.step());
  const bool agree = head ? last_head_.integer(1) == tail.seq && last_head_.bytes(2) == tail.hash : tail.seq == 0;
  last_head_.reset();
  if (!agree) {
    return Error{ErrorCode::kCorrupt, db_.path() + ": record " + std::to_string(tail.seq) +
                                          " has no head of its own: "
                                          "the database was changed"};
  }
  return tail;
}

void Writer::commit(std::span<Pending* const> batch) noexcept {
  Status status;
  try {
    status = commit_batch(batch);
  } catch (const std::exception& e) {  // before the commit; the transaction is rolled back
    try {
      status = Error{ErrorCode::kCapacity, db_.path() + ": " + e.what()};
    } catch (...) {
      status = Error{ErrorCode::kCapacity, ""};
    }
  }
  if (status.ok()) return;
  for (Pending* pending : batch) {
    if (!pending->result || pending->result->ok()) pending->result = Result<AuditReceipt>(status.error());
  }
}

// After the commit: anchor first, then what lies elsewhere with all that it missed.
Status Writer::append_line(const std::string& line) {
  KEDGE_TRY(anchor_.append(line));
  return mirror_ ? mirror_->catch_up(db_, genesis_) : Status();
}

Status Writer::commit_batch(std::span<Pending* const> batch) {
  KEDGE_TRY(db_.check_process());
  KEDGE_TRY(anchor_.file().lock(true, timeout_ms_));
  const FileLock lock(anchor_.file());
  KEDGE_ASSIGN(transaction, sqlite::Transaction::begin(db_, "BEGIN IMMEDIATE"));
  KEDGE_TRY(repair_anchor());
  KEDGE_ASSIGN(tail, read_tail());
  const int64_t first = tail.seq + 1;
  const int64_t now = unix_ms();
  for (Pending* pending : batch) {
    KEDGE_TRY(db_.run("SAVEPOINT record"));
    pending->result = insert(*pending, tail, now);
    if (pending->result->ok()) {
      const AuditReceipt& receipt = **pending->result;
      KEDGE_ASSIGN(hash, unhex(receipt.hash));
      tail = {receipt.seq, std::move(hash)};
    } else {
      // A full disk takes the whole transaction with it; a bad record only itself.
      if (!db_.in_transaction()) return pending->result->error();
      KEDGE_TRY(db_.run("ROLLBACK TO record"));
    }
    KEDGE_TRY(db_.run("RELEASE record"));
  }
  if (tail.seq < first) return {};  // every record was refused
  const Head head = signed_head(key_, genesis_, first, tail.seq, tail.hash, iso_time(now));
  KEDGE_TRY(insert_head_.bind(head.first, head.seq, Blob{head.hash}, Text{head.created}, Text{head.key_id},
                              Blob{head.signature}));
  KEDGE_TRY(insert_head_.run());
  const std::string line = head_line(head);
  KEDGE_TRY(anchor_.file().reserve(line.size()));
  KEDGE_TRY(transaction.commit());
  // From here on the records exist, whatever happens to the anchor.
  bool anchored = false;
  try {
    anchored = append_line(line).ok();
  } catch (const std::bad_alloc&) {
  }
  for (Pending* pending : batch) {
    if (pending->result->ok()) (**pending->result).anchored = anchored;
  }
  return {};
}

Result<AuditReceipt> Writer::insert(const Pending& pending, const Tail& tail, int64_t now) {
  AuditReceipt receipt;
  receipt.seq = tail.seq + 1;
  Json record = pending.record;
  if (!record.contains("id")) record["id"] = uuid7(now);
  receipt.id = record["id"].get<std::string>();
  KEDGE_TRY(id_exists_.bind(Text{receipt.id}));
  KEDGE_ASSIGN(exists, id_exists_.step());
  id_exists_.reset();
  if (exists) return Error{ErrorCode::kInvalidArgument, "a record with the id '" + receipt.id + "' is there already"};
  const std::string created = iso_time(now);
  Json artifacts = Json::array();
  for (const AuditArtifact& artifact : pending.artifacts) {
    KEDGE_ASSIGN(reference, insert_artifact(artifact));
    artifacts.push_back(std::move(reference));
  }
  Json& own = record["kedge"];
  own["seq"] = receipt.seq;
  own["created"] = created;
  own["artifacts"] = std::move(artifacts);
  auto text = canonical_json(record);
  if (!text.ok()) return with_prefix("the record: ", text.error());
  if (text->size() > kMaxRecord) {
    return Error{ErrorCode::kCapacity, "the record has " + std::to_string(text->size()) + " bytes, limit is " +
                                           std::to_string(kMaxRecord) + "; put content into artifacts"};
  }
  const std::string hash = sha256(tail.hash, *text);
  KEDGE_TRY(
      insert_record_.bind(receipt.seq, Text{receipt.id}, Text{created}, Text{*text}, Blob{tail.hash}, Blob{hash}));
  KEDGE_TRY(insert_record_.run());
  receipt.hash = hex(hash);
  return receipt;
}

// The salt is made from the content and a secret of the log: equal contents have one address here, and nobody outside
// can guess a content from its address.
Result<Json> Writer::insert_artifact(const AuditArtifact& artifact) {
  const std::string salt = keyed_digest(identity_.salt_key, artifact.kind, artifact.bytes);
  const std::string address = sha256(salt, artifact.bytes);
  const Json reference = {{"kind", artifact.kind}, {"sha256", hex(address)}, {"bytes", artifact.bytes.size()}};
  KEDGE_TRY(find_artifact_.bind(Blob{address}));
  KEDGE_ASSIGN(present, find_artifact_.step());
  if (!present) {
    KEDGE_TRY(insert_artifact_.bind(Blob{address}, Blob{salt}, Text{artifact.kind}, Blob{artifact.bytes}));
    KEDGE_TRY(insert_artifact_.run());
    return reference;
  }
  const bool same = find_artifact_.bytes(0) == salt && find_artifact_.bytes(1) == artifact.kind &&
                    find_artifact_.bytes(2) == artifact.bytes;
  find_artifact_.reset();
  if (!same) {
    return Error{ErrorCode::kCorrupt,
                 db_.path() + ": the artifact " + hex(address) + " was changed since it was stored"};
  }
  return reference;
}

}  // namespace kedge::router::audit
