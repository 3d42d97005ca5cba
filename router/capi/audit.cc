// The C interface: the audit log.
#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"
#include "kernels/base/json_object.h"
#include "router/audit/audit_export.h"
#include "router/audit/audit_log.h"
#include "router/audit/canonical_json.h"
#include "router/audit/digest.h"

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

constexpr int kTimeoutMs = 30000;

Result<JsonObject> read_request(const char* request, size_t size) {
  KEDGE_ASSIGN(text, in_text(request, size, "the request"));
  return JsonObject::parse(text, "request");
}

Result<std::unique_ptr<AuditLog>> open_log(const std::string& db) {
  return AuditLog::open(db, {.read_only = true, .timeout_ms = kTimeoutMs});
}

Status add_contents(const AuditLog& log, Json& artifacts) {
  for (Json& reference : artifacts) {
    KEDGE_ASSIGN(artifact, log.artifact(reference.value("sha256", "")));
    if (is_utf8(artifact.bytes)) {
      reference["text"] = std::move(artifact.bytes);
    } else {
      reference["base64"] = audit::base64(artifact.bytes);
    }
  }
  return {};
}

// SQLite's texts and paths may hold any bytes; what is no UTF-8 becomes U+FFFD.
Status give_json(const Json& value, char** json, size_t* size) { return give_text(value.dump(), json, size); }

}  // namespace

extern "C" {

kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size));
    std::string db;
    AuditFilter filter;
    KEDGE_TRY(in.text("db", db));
    KEDGE_TRY(in.integer("limit", filter.limit, int64_t{1}, kMaxListed));
    KEDGE_TRY(in.text("model", filter.model));
    KEDGE_TRY(in.text("outcome", filter.outcome));
    KEDGE_TRY(in.text("since", filter.since));
    KEDGE_TRY(in.finish({"db"}));
    KEDGE_ASSIGN(log, open_log(db));
    KEDGE_ASSIGN(records, log->list(filter));
    KEDGE_ASSIGN(total, log->size());
    return give_json({{"records", records}, {"total", total}}, json, json_size);
  });
}

kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size));
    std::string db, name = "last";
    KEDGE_TRY(in.text("db", db));
    KEDGE_TRY(in.text("record", name));
    KEDGE_TRY(in.finish({"db"}));
    KEDGE_ASSIGN(log, open_log(db));
    KEDGE_ASSIGN(shown, log->show(name));
    KEDGE_TRY(add_contents(*log, shown["artifacts"]));
    return give_json(shown, json, json_size);
  });
}

kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size));
    std::string db;
    VerifyOptions options;
    KEDGE_TRY(in.text("db", db));
    KEDGE_TRY(in.text("public_key", options.public_key));
    KEDGE_TRY(in.text("against", options.against));
    KEDGE_TRY(in.finish({"db"}));
    KEDGE_ASSIGN(report, verify_audit_log(db, options));
    Json problems = Json::array();
    for (const AuditProblem& p : report.problems) {
      problems.push_back({{"where", p.where}, {"seq", p.seq}, {"what", p.what}});
    }
    return give_json({{"ok", report.ok()},
                      {"records", report.records},
                      {"artifacts", report.artifacts},
                      {"heads", report.heads},
                      {"last_hash", report.last_hash},
                      {"public_key", report.public_key},
                      {"problems", std::move(problems)},
                      {"notes", report.notes}},
                     json, json_size);
  });
}

kedge_status kedge_audit_export(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size));
    std::string db, format = "jsonl";
    bool contents = false;
    AuditRange range;
    KEDGE_TRY(in.text("db", db));
    KEDGE_TRY(in.text("format", format));
    KEDGE_TRY(in.flag("artifacts", contents));
    KEDGE_TRY(in.integer("after", range.after, int64_t{0}, int64_t{1} << 53));
    KEDGE_TRY(in.integer("limit", range.limit, int64_t{0}, kMaxListed));
    KEDGE_TRY(in.finish({"db"}));
    const bool in_toto = format == "in-toto";
    if (!in_toto && format != "jsonl") return invalid("the format is '" + format + "', not jsonl or in-toto");
    if (in_toto && contents) return invalid("an in-toto export has no artifacts");
    KEDGE_ASSIGN(text,
                 export_audit_log(db, in_toto ? AuditFormat::kInToto : AuditFormat::kJsonl, contents, kTimeoutMs, range));
    return give_text(text, json, json_size);
  });
}

}  // extern "C"
