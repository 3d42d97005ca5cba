// /v1/kedge/records: what was answered, why, and whether it still is what it was.
#include "tools/serve/api/parts.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

namespace {

// The log that the router writes. Error: 404, it keeps none.
Answer<std::string> log_of(Parts& parts) {
  const auto state = parts.catalog.router().state();
  if (!state.ok()) return library_error(state.error());
  const Json json = Json::parse(*state);
  if (json["audit"].is_string()) return json["audit"].get<std::string>();
  return ApiError{
      .status = 404, .code = "no_records", .message = "this server keeps no records (its pool has no 'audit')"};
}

}  // namespace

Answer<Json> audit(Parts& parts, AuditCall function, Json request) {
  const auto db = log_of(parts);
  if (!db.ok()) return db.error();
  request["db"] = *db;
  const auto answer = kedge::call(function, request.dump());
  if (!answer.ok()) return library_error(answer.error());
  return Json::parse(*answer);
}

namespace {

void ids_within(const Json& json, std::set<std::string>& ids) {
  if (json.is_object()) {
    const Json* id = json.pointee("/record/id");
    if (id != nullptr && id->is_string()) ids.insert(id->get<std::string>());
  }
  if (!json.is_structured()) return;
  for (const Json& inner : json) ids_within(inner, ids);
}

}  // namespace

std::set<std::string> record_ids(const Json& json) {
  std::set<std::string> ids;
  ids_within(json, ids);
  return ids;
}

namespace {

void reply(const Call& call, const Answer<Json>& answer) {
  answer.ok() ? call.send_json(*answer) : call.send_error(answer.error());
}

void list(Parts& parts, const Call& call) {
  Json request = Json::object();
  for (const char* name : {"model", "outcome", "since"}) {
    const auto value = call.request.parameter(name);
    if (!value.empty()) request[name] = value;
  }
  const auto limit = call.request.parameter("limit");
  if (!limit.empty()) {
    const auto number = base::parse_json(limit, "limit");
    if (!number.ok()) return call.send_error(bad_request("'limit' must be a number", "limit"));
    request["limit"] = *number;
  }
  reply(call, audit(parts, kedge_audit_list, std::move(request)));
}

void show(Parts& parts, const Call& call) {
  reply(call, audit(parts, kedge_audit_show, {{"record", call.capture("id")}}));
}

void verify(Parts& parts, const Call& call) { reply(call, audit(parts, kedge_audit_verify, Json::object())); }

// A record's own digest is checked when it is shown; the chain it hangs in by the verification of all.
void verify_one(Parts& parts, const Call& call) {
  const auto shown = audit(parts, kedge_audit_show, {{"record", call.capture("id")}});
  if (!shown.ok()) return call.send_error(shown.error());
  auto all = audit(parts, kedge_audit_verify, Json::object());
  if (!all.ok()) return call.send_error(all.error());
  const Json& seq = (*shown)["seq"];
  Json problems = Json::array();
  for (const Json& p : (*all)["problems"]) {
    if (!p.contains("seq") || !p["seq"].is_number() || p["seq"] == seq) problems.push_back(p);
  }
  call.send_json({{"seq", seq},
                  {"id", (*shown)["id"]},
                  {"hash", (*shown)["hash"]},
                  {"hash_checked", (*shown)["hash_checked"]},
                  {"ok", problems.empty()},
                  {"problems", problems},
                  {"log", *all}});
}

void replay(Parts& parts, const Call& call) {
  const auto answer = parts.catalog.router().replay(std::string(call.capture("id")));
  if (!answer.ok()) return call.send_error(library_error(answer.error()));
  call.send_json(Json::parse(*answer));
}

void export_all(Parts& parts, const Call& call) {
  const auto db = log_of(parts);
  if (!db.ok()) return call.send_error(db.error());
  Json request = {{"db", *db}};
  const auto format = call.request.parameter("format");
  request["format"] = format.empty() ? "jsonl" : format;
  request["artifacts"] = call.request.parameter("artifacts") == "true";
  const auto text = kedge::call(kedge_audit_export, request.dump());
  if (!text.ok()) return call.send_error(library_error(text.error()));
  call.reply->send(
      200,
      {{"content-type", "application/jsonl"}, {"content-disposition", "attachment; filename=\"kedge-records.jsonl\""}},
      *text);
}

}  // namespace

void add_records(Routes& routes, Parts& parts) {
  const auto add = [&](const char* method, const char* path, Role role, auto f) {
    routes.add(
        method, path, role, [&parts, f](const Call& call) { f(parts, call); }, Where::kWorker);
  };
  add("GET", "/v1/kedge/records", Role::kAudit, list);
  add("GET", "/v1/kedge/records/export", Role::kAudit, export_all);
  add("POST", "/v1/kedge/records/verify", Role::kAudit, verify);
  add("GET", "/v1/kedge/records/{id}", Role::kAudit, show);
  add("GET", "/v1/kedge/records/{id}/verify", Role::kAudit, verify_one);
  add("POST", "/v1/kedge/records/{id}/replay", Role::kAudit, replay);
}

}  // namespace kedge::tools::serve
