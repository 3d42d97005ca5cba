// The C interface: the audit log.
#include <algorithm>

#include "engine/c_api.h"
#include "include/kedge/kedge_router.h"
#include "router/audit/audit_export.h"
#include "router/audit/audit_log.h"
#include "router/audit/canonical_json.h"
#include "router/audit/digest.h"

using namespace kedge;
using namespace kedge::c_api;

namespace {

constexpr int kTimeoutMs = 5000;

// The request as an object with no other members than `known`, and a "db".
Result<Json> read_request(const char* request, size_t size, std::initializer_list<const char*> known) {
  KEDGE_ASSIGN(text, in_text(request, size, "the request"));
  KEDGE_ASSIGN(json, parse_json(text, "the request"));
  if (!json.is_object()) return invalid("the request is no JSON object");
  for (auto it = json.begin(); it != json.end(); ++it) {
    if (std::find(known.begin(), known.end(), it.key()) == known.end()) {
      return invalid("the request has an unknown member '" + it.key() + "'");
    }
  }
  if (!json.contains("db") || !json["db"].is_string()) return invalid("the request's member 'db' is no path");
  return json;
}

Result<std::string> text_member(const Json& request, const char* name, const char* otherwise) {
  if (!request.contains(name)) return std::string(otherwise);
  if (!request[name].is_string()) return invalid(std::string("the request's member '") + name + "' is no string");
  return request[name].get<std::string>();
}

Result<bool> flag_member(const Json& request, const char* name) {
  if (!request.contains(name)) return false;
  if (!request[name].is_boolean())
    return invalid(std::string("the request's member '") + name + "' is not true or false");
  return request[name].get<bool>();
}

Result<std::unique_ptr<AuditLog>> open_log(const Json& request) {
  return AuditLog::open(request["db"].get<std::string>(), {.read_only = true, .timeout_ms = kTimeoutMs});
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
Status give_json(const Json& value, char** json, size_t* size) {
  return give_text(value.dump(-1, ' ', false, Json::error_handler_t::replace), json, size);
}

}  // namespace

extern "C" {

kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size, {"db", "limit", "model", "outcome", "since"}));
    AuditFilter filter;
    if (in.contains("limit")) {
      if (!in["limit"].is_number_integer()) return invalid("the request's member 'limit' is no integer");
      filter.limit = in["limit"].get<int64_t>();
    }
    KEDGE_ASSIGN(model, text_member(in, "model", ""));
    KEDGE_ASSIGN(outcome, text_member(in, "outcome", ""));
    KEDGE_ASSIGN(since, text_member(in, "since", ""));
    filter.model = std::move(model);
    filter.outcome = std::move(outcome);
    filter.since = std::move(since);
    KEDGE_ASSIGN(log, open_log(in));
    KEDGE_ASSIGN(records, log->list(filter));
    KEDGE_ASSIGN(total, log->size());
    return give_json({{"records", std::move(records)}, {"total", total}}, json, json_size);
  });
}

kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size, {"db", "record"}));
    KEDGE_ASSIGN(name, text_member(in, "record", "last"));
    KEDGE_ASSIGN(log, open_log(in));
    KEDGE_ASSIGN(shown, log->show(name));
    KEDGE_TRY(add_contents(*log, shown["artifacts"]));
    return give_json(shown, json, json_size);
  });
}

kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(in, read_request(request, request_size, {"db", "public_key"}));
    VerifyOptions options;
    KEDGE_ASSIGN(key, text_member(in, "public_key", ""));
    options.public_key = std::move(key);
    KEDGE_ASSIGN(report, verify_audit_log(in["db"].get<std::string>(), options));
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
    KEDGE_ASSIGN(in, read_request(request, request_size, {"db", "format", "artifacts"}));
    KEDGE_ASSIGN(format, text_member(in, "format", "jsonl"));
    KEDGE_ASSIGN(contents, flag_member(in, "artifacts"));
    const bool in_toto = format == "in-toto";
    if (!in_toto && format != "jsonl") return invalid("the format is '" + format + "', not jsonl or in-toto");
    if (in_toto && contents) return invalid("an in-toto export has no artifacts");
    KEDGE_ASSIGN(text, export_audit_log(in["db"].get<std::string>(),
                                        in_toto ? AuditFormat::kInToto : AuditFormat::kJsonl, contents, kTimeoutMs));
    return give_text(text, json, json_size);
  });
}

}  // extern "C"
