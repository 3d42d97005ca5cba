// The C interface: checks of an answer. kedge_router.h describes the request.
#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"
#include "kernels/base/json_object.h"
#include "router/citation.h"

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

// What CheckInput only looks at.
struct CheckRequest {
  std::string question;
  std::string answer;
  std::string pattern;
  std::vector<Evidence> evidence;
  std::vector<std::string> samples;
  std::optional<Json> schema;

  CheckInput input() const {
    return {.question = question,
            .answer = answer,
            .evidence = evidence,
            .samples = samples,
            .schema = schema ? &*schema : nullptr,
            .pattern = pattern};
  }
};

Status read_evidence(JsonObject& request, std::vector<Evidence>& evidence) {
  const Json* list = request.find("evidence");
  if (list == nullptr) return {};
  if (!list->is_array()) return request.wrong("evidence", "is not a list of passages");
  for (const Json& item : *list) {
    KEDGE_ASSIGN(passage, JsonObject::of(item, "request.evidence[" + std::to_string(evidence.size()) + "]"));
    Evidence e;
    KEDGE_TRY(passage.text("id", e.id));
    KEDGE_TRY(passage.text("text", e.text));
    KEDGE_TRY(passage.finish({"id", "text"}));
    evidence.push_back(std::move(e));
  }
  return {};
}

Result<CheckRequest> read_request(std::string_view text) {
  KEDGE_ASSIGN(o, JsonObject::parse(text, "request"));
  CheckRequest r;
  KEDGE_TRY(o.text("answer", r.answer));
  KEDGE_TRY(o.text("question", r.question));
  KEDGE_TRY(read_evidence(o, r.evidence));
  if (const Json* schema = o.find("schema")) r.schema = *schema;
  KEDGE_TRY(o.text("pattern", r.pattern));
  KEDGE_TRY(o.texts("samples", r.samples));
  KEDGE_TRY(o.finish({"answer"}));
  // Absent, there would be a verdict without what was asked to be checked.
  if (o.has("schema") && !r.schema) return o.wrong("schema", "is null, not an object, true or false");
  return r;
}

Json citation_json(const ResolvedCitation& r) {
  const bool found = r.by != ResolvedBy::kNone;
  const bool placed = found && r.by != ResolvedBy::kId;
  return {{"value", r.citation.value},
          {"id", r.citation.id},
          {"quote", r.citation.quote},
          {"resolved_by", resolved_by_name(r.by)},
          {"resolved_id", found ? Json(r.resolved_id) : Json()},
          {"id_agrees", r.id_agrees},
          {"byte_exact", r.byte_exact},
          {"range", placed ? Json::array({r.range.begin, r.range.end}) : Json()}};
}

Result<Json> check(const CheckRequest& request) {
  KEDGE_ASSIGN(results, check_answer(request.input()));
  const char* verdict = results.empty() ? "unchecked" : "pass";
  Json checks = Json::array();
  for (const CheckResult& result : results) {
    if (result.verdict == Verdict::kFail) verdict = "fail";
    checks.push_back(
        {{"name", result.name}, {"verdict", verdict_name(result.verdict)}, {"explanation", result.explanation}});
  }
  Json citations = Json::array();
  for (const auto& citation : resolve_answer(request.question, request.answer, request.evidence)) {
    citations.push_back(citation_json(citation));
  }
  return Json{{"verdict", verdict}, {"checks", std::move(checks)}, {"citations", std::move(citations)}};
}

}  // namespace

extern "C" {

kedge_status kedge_check_answer(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(text, in_text(request, request_size, "request"));
    KEDGE_ASSIGN(read, read_request(text));
    KEDGE_ASSIGN(answer, check(read));
    // An explanation may cut a text between two bytes of a character.
    return give_text(answer.dump(), json, json_size);
  });
}

}  // extern "C"
