// The C interface: checks of an answer. kedge_router.h describes the request.
#include <algorithm>

#include "engine/c_api.h"
#include "include/kedge/kedge_router.h"
#include "router/calibration/json_members.h"
#include "router/citation.h"

using namespace kedge;
using namespace kedge::c_api;

namespace {

constexpr const char* kWhere = "request";

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

Result<std::string> optional_text(const Json& request, const char* key) {
  if (!request.contains(key)) return std::string();
  return text_member(request, kWhere, key);
}

Result<std::vector<Evidence>> read_evidence(const Json& list) {
  if (!list.is_array()) return wrong_member(kWhere, "evidence", "is not an array");
  std::vector<Evidence> out;
  for (const Json& passage : list) {
    const std::string where = "evidence[" + std::to_string(out.size()) + "]";
    KEDGE_TRY(only_members(passage, where, {"id", "text"}));
    KEDGE_ASSIGN(id, text_member(passage, where, "id"));
    KEDGE_ASSIGN(text, text_member(passage, where, "text"));
    out.push_back({.id = std::move(id), .text = std::move(text), .source = {}});
  }
  return out;
}

Result<CheckRequest> read_request(std::string_view text) {
  KEDGE_ASSIGN(json, parse_json(text, kWhere));
  KEDGE_TRY(only_members(json, kWhere, {"question", "answer", "evidence", "schema", "pattern", "samples"}));
  CheckRequest r;
  KEDGE_ASSIGN(answer, text_member(json, kWhere, "answer"));
  KEDGE_ASSIGN(question, optional_text(json, "question"));
  KEDGE_ASSIGN(pattern, optional_text(json, "pattern"));
  r.answer = std::move(answer);
  r.question = std::move(question);
  r.pattern = std::move(pattern);
  if (const auto list = json.find("evidence"); list != json.end()) {
    KEDGE_ASSIGN(evidence, read_evidence(*list));
    r.evidence = std::move(evidence);
  }
  if (const auto schema = json.find("schema"); schema != json.end()) r.schema = *schema;
  if (const auto samples = json.find("samples"); samples != json.end()) {
    if (!samples->is_array()) return wrong_member(kWhere, "samples", "is not an array of texts");
    for (const Json& sample : *samples) {
      if (!sample.is_string()) return wrong_member(kWhere, "samples", "has an element that is no text");
      r.samples.push_back(sample.get<std::string>());
    }
  }
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
    KEDGE_ASSIGN(text, in_text(request, request_size, kWhere));
    KEDGE_ASSIGN(read, read_request(text));
    KEDGE_ASSIGN(answer, check(read));
    // An explanation may cut a text between two bytes of a character.
    return give_text(answer.dump(-1, ' ', false, Json::error_handler_t::replace), json, json_size);
  });
}

}  // extern "C"
