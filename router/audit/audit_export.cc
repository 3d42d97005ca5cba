#include "router/audit/audit_export.h"

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/digest.h"
#include "router/sqlite_schema.h"

namespace kedge::router {

namespace {

using namespace audit;

constexpr const char* kHeads = "SELECT first, seq, hash, created, key_id, signature FROM heads WHERE seq = ?";

Result<Json> head_of(sqlite::Statement& heads, int64_t seq) {
  KEDGE_TRY(heads.bind(seq));
  KEDGE_ASSIGN(found, heads.step());
  if (!found) return Json();
  KEDGE_ASSIGN(head, read_head(heads));
  return Json{{"type", "head"},
              {"first", head.first},
              {"seq", head.seq},
              {"hash", hex(head.hash)},
              {"created", head.created},
              {"key_id", head.key_id},
              {"signature", hex(head.signature)}};
}

Result<Json> subject_of(sqlite::Statement& artifacts, const Json& record, const std::string& text) {
  if (const Json* listed = record.pointee("/kedge/artifacts"); listed != nullptr) {
    for (const Json& reference : *listed) {
      if (reference.value("kind", "") != kResponseKind) continue;
      KEDGE_ASSIGN(address, unhex(reference.value("sha256", "")));
      KEDGE_TRY(artifacts.bind(sqlite::Blob{address}));
      KEDGE_ASSIGN(found, artifacts.step());
      if (!found) return Error{ErrorCode::kCorrupt, "the artifact " + hex(address) + " is missing"};
      // Whoever holds the response can compute this digest; the address is salted.
      return Json{{"name", "response"}, {"digest", {{"sha256", hex(sha256(artifacts.bytes(0)))}}}};
    }
  }
  return Json{{"name", "record"}, {"digest", {{"sha256", hex(sha256(text))}}}};
}

Status add_artifacts(const sqlite::Database& db, std::string& out) {
  KEDGE_ASSIGN(rows, db.prepare("SELECT sha256, salt, kind, bytes FROM artifacts ORDER BY sha256"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) return {};
    const Json line = {{"type", "artifact"},
                       {"sha256", hex(rows.bytes(0))},
                       {"salt", hex(rows.bytes(1))},
                       {"kind", rows.bytes(2)},
                       {"base64", base64(rows.bytes(3))}};
    out += line.dump() + "\n";
  }
}

Status add_records(const sqlite::Database& db, AuditFormat format, AuditRange range, std::string& out) {
  KEDGE_ASSIGN(rows, db.prepare("SELECT seq, json, prev, hash FROM records WHERE seq > ? ORDER BY seq LIMIT ?"));
  KEDGE_TRY(rows.bind(range.after, range.limit > 0 ? range.limit : int64_t{-1}));
  KEDGE_ASSIGN(heads, db.prepare(kHeads));
  KEDGE_ASSIGN(artifacts, db.prepare("SELECT bytes FROM artifacts WHERE sha256 = ?"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) return {};
    const int64_t seq = rows.integer(0);
    const std::string text = rows.bytes(1);
    if (sha256(rows.bytes(2), text) != rows.bytes(3)) {
      return Error{ErrorCode::kCorrupt, db.path() + ": record " + std::to_string(seq) + " was changed; see verify"};
    }
    const std::string prev = hex(rows.bytes(2)), hash = hex(rows.bytes(3));
    if (format == AuditFormat::kJsonl) {
      out += Json{{"type", "record"}, {"seq", seq}, {"prev", prev}, {"hash", hash}, {"json", text}}.dump() + "\n";
      KEDGE_ASSIGN(head, head_of(heads, seq));
      if (!head.is_null()) out += head.dump() + "\n";
      continue;
    }
    KEDGE_ASSIGN(record, parse_json(text, "the record"));
    KEDGE_ASSIGN(subject, subject_of(artifacts, record, text));
    const Json predicate = {{"prev", prev}, {"hash", hash}, {"record", std::move(record)}};
    out += Json{{"_type", "https://in-toto.io/Statement/v1"},
                {"subject", Json::array({std::move(subject)})},
                {"predicateType", "https://kedge.dev/provenance/v1"},
                {"predicate", predicate}}
               .dump() +
           "\n";
  }
}

}  // namespace

Result<std::string> export_audit_log(const std::string& path, AuditFormat format, bool with_artifacts, int timeout_ms,
                                     AuditRange range) {
  KEDGE_TRY(init_crypto());
  KEDGE_ASSIGN(db, AuditLog::open_reader(path, timeout_ms));
  const sqlite::StepLimit limit(db, step_limit(db));
  KEDGE_ASSIGN(snapshot, sqlite::Transaction::begin(db, "BEGIN"));
  KEDGE_ASSIGN(identity, read_identity(db));
  std::string out;
  if (format == AuditFormat::kJsonl) {
    out =
        Json{{"type", "log"}, {"format", "kedge-audit-export-v1"}, {"genesis", identity.genesis_json()}}.dump() + "\n";
  }
  KEDGE_TRY(add_records(db, format, range, out));
  if (format == AuditFormat::kJsonl && with_artifacts) KEDGE_TRY(add_artifacts(db, out));
  return out;
}

}  // namespace kedge::router
