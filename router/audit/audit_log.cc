#include "router/audit/audit_log.h"

#include <algorithm>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/canonical_json.h"
#include "router/audit/digest.h"
#include "router/audit/ownership.h"
#include "router/audit/question.h"
#include "router/audit/writer.h"
#include "router/sqlite_schema.h"

namespace kedge::router {

namespace {

using sqlite::Blob;
using sqlite::Text;

constexpr size_t kMaxBatch = 256;  // records of one commit: bounds how long a reader of the anchor waits
constexpr size_t kMaxArtifact = size_t{256} << 20;
constexpr size_t kMaxName = 128;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool all_digits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

// An id must not read like a number or "last": show() takes all three.
Status check_id(const Json& id) {
  if (!id.is_string()) return invalid("the record's id is no string");
  const auto& text = id.get_ref<const std::string&>();
  if (text.empty() || text.size() > kMaxName) {
    return invalid("the record's id has " + std::to_string(text.size()) + " bytes, not 1 to " +
                   std::to_string(kMaxName));
  }
  if (all_digits(text) || text == "last") return invalid("the record's id '" + text + "' reads like a record's number");
  if (text.find('\0') != std::string::npos) return invalid("the record's id contains a NUL");
  return {};
}

Status check_record(const Json& record, std::span<const AuditArtifact> artifacts) {
  if (!record.is_object()) return invalid("an audit record is a JSON object");
  if (record.contains("id")) KEDGE_TRY(check_id(record["id"]));
  if (record.contains("kedge")) {
    const Json& own = record["kedge"];
    if (!own.is_object()) return invalid("the record's member 'kedge' is no object");
    for (const char* member : {"seq", "created", "artifacts"}) {
      if (own.contains(member))
        return invalid(std::string("the record's member kedge.") + member + " is the log's to write");
    }
  }
  for (const AuditArtifact& artifact : artifacts) {
    if (artifact.kind.empty() || artifact.kind.size() > 64 || !is_utf8(artifact.kind) ||
        artifact.kind.find('\0') != std::string::npos) {
      return invalid("an artifact's kind is not 1 to 64 bytes of UTF-8");
    }
    if (artifact.bytes.size() > kMaxArtifact) {
      return Error{ErrorCode::kCapacity, "an artifact of kind " + artifact.kind + " has " +
                                             std::to_string(artifact.bytes.size()) + " bytes, limit is " +
                                             std::to_string(kMaxArtifact)};
    }
  }
  return {};
}

// The beginning of "0000-00-00T00:00:00.000Z": times compare as texts.
bool is_time_prefix(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";
  if (text.size() < 4 || text.size() > kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return false;
  }
  return true;
}

}  // namespace

AuditLog::AuditLog(std::string path, audit::Identity identity, std::unique_ptr<audit::Writer> writer,
                   sqlite::Database reader)
    : path_(std::move(path)), identity_(std::move(identity)), writer_(std::move(writer)), reader_(std::move(reader)) {}

AuditLog::~AuditLog() = default;

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, const AuditOptions& options) {
  if (path.empty()) return invalid("the path of the audit log is empty");
  if (path.find('\0') != std::string::npos) return invalid("the path of the audit log contains a NUL");
  if (options.create && options.read_only) return invalid("an audit log cannot be created read-only");
  KEDGE_TRY(audit::init_crypto());
  std::unique_ptr<audit::Writer> writer;
  if (!options.read_only) {
    KEDGE_ASSIGN(opened, audit::Writer::open(path, options));
    writer = std::move(opened);
  }
  KEDGE_ASSIGN(reader, open_reader(path, options.timeout_ms));
  KEDGE_ASSIGN(identity, audit::read_identity(reader));
  return std::unique_ptr<AuditLog>(new AuditLog(path, std::move(identity), std::move(writer), std::move(reader)));
}

Result<sqlite::Database> AuditLog::open_reader(const std::string& path, int timeout_ms) {
  KEDGE_TRY(audit::check_ownership(path, audit::Access::kRead));
  KEDGE_ASSIGN(reader, sqlite::Database::open(path, sqlite::OpenMode::kReadOnly, timeout_ms));
  KEDGE_ASSIGN(present, audit::is_audit_log(reader));
  if (!present) return Error{ErrorCode::kCorrupt, path + " is empty: no audit log"};
  KEDGE_TRY(audit::check_schema(reader));
  return reader;
}

// Whoever finds nobody committing commits for all that wait; the others sleep until theirs is done.
Result<AuditReceipt> AuditLog::append(Json record, std::span<const AuditArtifact> artifacts) {
  if (!writer_) return invalid(path_ + ": the audit log is open read-only");
  KEDGE_TRY(check_record(record, artifacts));
  audit::Pending pending{std::move(record), artifacts, std::nullopt, false};
  std::vector<audit::Pending*> batch;
  batch.reserve(kMaxBatch);
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(&pending);
  while (!pending.done) {
    if (leading_) {
      queue_changed_.wait(lock);
      continue;
    }
    leading_ = true;
    const auto end = queue_.begin() + static_cast<ptrdiff_t>(std::min(queue_.size(), kMaxBatch));
    batch.assign(queue_.begin(), end);
    queue_.erase(queue_.begin(), end);
    lock.unlock();
    writer_->commit(batch);
    lock.lock();
    for (audit::Pending* each : batch) each->done = true;
    leading_ = false;
    queue_changed_.notify_all();
  }
  return std::move(*pending.result);
}

Result<Json> AuditLog::show(std::string_view id_or_seq) const {
  const std::scoped_lock lock(reader_mutex_);
  const sqlite::StepLimit limit(reader_, audit::step_limit(reader_));
  const bool last = id_or_seq == "last";
  const bool number = !id_or_seq.empty() && all_digits(id_or_seq);
  const char* where = last ? "ORDER BY seq DESC LIMIT 1" : number ? "WHERE seq = CAST(? AS INTEGER)" : "WHERE id = ?";
  KEDGE_ASSIGN(row, reader_.prepare(std::string("SELECT seq, id, created, json, prev, hash FROM records ") + where));
  if (!last) KEDGE_TRY(row.bind(Text{id_or_seq}));
  KEDGE_ASSIGN(found, row.step());
  if (!found) {
    return Error{ErrorCode::kNotFound,
                 path_ + (last ? ": the log has no record yet" : ": no record '" + std::string(id_or_seq) + "'")};
  }
  const std::string seq = std::to_string(row.integer(0));
  const std::string text = row.bytes(3);
  if (sha256(row.bytes(4), text) != row.bytes(5)) {
    return Error{ErrorCode::kCorrupt, path_ + ": record " + seq + " does not have its hash: it was changed"};
  }
  KEDGE_ASSIGN(record, parse_json(text, "the record"));
  const Json* listed = record.pointee("/kedge/artifacts");
  Json artifacts = listed != nullptr ? *listed : Json::array();
  KEDGE_ASSIGN(question, question_of(artifacts));
  return Json{{"seq", row.integer(0)},
              {"id", row.bytes(1)},
              {"created", row.bytes(2)},
              {"prev", hex(row.bytes(4))},
              {"hash", hex(row.bytes(5))},
              {"hash_checked", true},  // else there was an error
              {"question", std::move(question)},
              {"record", std::move(record)},
              {"artifacts", std::move(artifacts)}};
}

Result<std::vector<Json>> AuditLog::list(const AuditFilter& filter) const {
  if (filter.limit < 1 || filter.limit > kMaxListed) {
    return invalid("limit is " + std::to_string(filter.limit) + ", not 1 to " + std::to_string(kMaxListed));
  }
  if (!filter.since.empty() && !is_time_prefix(filter.since)) {
    return invalid("since is '" + filter.since + "', not a time like 2026-01-31 or 2026-01-31T23:59:59 (UTC)");
  }
  const std::scoped_lock lock(reader_mutex_);
  const sqlite::StepLimit limit(reader_, audit::step_limit(reader_));
  KEDGE_ASSIGN(rows,
               reader_.prepare("SELECT seq, id, created, hash, coalesce(json_extract(json, '$.model'), ''), "
                               "coalesce(json_extract(json, '$.outcome'), ''), "
                               "coalesce(json_extract(json, '$.kedge.artifacts'), '[]') FROM records "
                               "WHERE created >= ?1 AND (?2 = '' OR json_extract(json, '$.model') = ?2) "
                               "AND (?3 = '' OR json_extract(json, '$.outcome') = ?3) ORDER BY seq DESC LIMIT ?4"));
  KEDGE_TRY(rows.bind(Text{filter.since}, Text{filter.model}, Text{filter.outcome}, filter.limit));
  std::vector<Json> out;
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) return out;
    const auto parsed = parse_json(rows.view(6), "kedge.artifacts");
    const Json artifacts = parsed.ok() && parsed->is_array() ? *parsed : Json::array();
    const auto question = question_of(artifacts);  // one that was changed keeps nobody from seeing the others
    out.push_back({{"seq", rows.integer(0)},
                   {"id", rows.bytes(1)},
                   {"created", rows.bytes(2)},
                   {"hash", hex(rows.bytes(3))},
                   {"model", rows.bytes(4)},
                   {"outcome", rows.bytes(5)},
                   {"question", question.ok() ? *question : Json()},
                   {"artifacts", artifacts.size()}});
    if (!question.ok()) out.back()["problem"] = question.error().message;
  }
}

Result<Json> AuditLog::question_of(const Json& artifacts) const {
  for (const Json& reference : artifacts) {
    if (!reference.is_object() || reference.value("kind", "") != kRequestKind) continue;
    KEDGE_ASSIGN(request, read_artifact(reference.value("sha256", "")));
    return audit::asked_question(request.bytes);
  }
  return Json();
}

Result<AuditArtifact> AuditLog::artifact(std::string_view address) const {
  const std::scoped_lock lock(reader_mutex_);
  const sqlite::StepLimit limit(reader_, audit::step_limit(reader_));
  return read_artifact(address);
}

Result<AuditArtifact> AuditLog::read_artifact(std::string_view address) const {
  KEDGE_ASSIGN(key, unhex(address));
  if (key.size() != Sha256::kSize) {
    return invalid("an artifact's address has 64 hexadecimal digits, '" + std::string(address) + "' has " +
                   std::to_string(address.size()));
  }
  KEDGE_ASSIGN(row, reader_.prepare("SELECT salt, kind, bytes FROM artifacts WHERE sha256 = ?"));
  KEDGE_TRY(row.bind(Blob{key}));
  KEDGE_ASSIGN(found, row.step());
  if (!found) return Error{ErrorCode::kNotFound, path_ + ": no artifact " + std::string(address)};
  AuditArtifact artifact{row.bytes(1), row.bytes(2)};
  if (sha256(row.bytes(0), artifact.bytes) != key) {
    return Error{ErrorCode::kCorrupt, path_ + ": the artifact " + std::string(address) + " was changed"};
  }
  return artifact;
}

Result<int64_t> AuditLog::size() const {
  const std::scoped_lock lock(reader_mutex_);
  return reader_.integer("SELECT coalesce(max(seq), 0) FROM records");  // they are numbered without gaps
}

}  // namespace kedge::router
