#include "router/record.h"

#include <cmath>

#include "include/kedge/kedge.h"
#include "kernels/base/sha256.h"
#include "kernels/isa.h"
#include "router/feature.h"
#include "router/prompt.h"
#include "router/retrieval/sentence_match.h"

namespace kedge::router {
namespace {

Json number(const std::optional<double>& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

Json checks_json(const Attempt& a) {
  Json list = Json::array();
  for (const CheckResult& c : a.checks) {
    list.push_back({{"name", c.name}, {"verdict", verdict_name(c.verdict)}, {"explanation", c.explanation}});
  }
  return list;
}

Json citations_json(const RouteResult& r) {
  Json list = Json::array();
  for (const ResolvedCitation& c : r.citations) {
    Json entry = {{"value", c.citation.value}, {"written_id", c.citation.id},
                  {"quote", c.citation.quote}, {"resolved_by", resolved_by_name(c.by)},
                  {"id", c.resolved_id},       {"id_agrees", c.id_agrees}};
    if (c.by == ResolvedBy::kQuote || c.by == ResolvedBy::kSentence) {
      const Evidence& e = r.evidence[c.evidence];
      const std::string_view sentence = std::string_view(e.text).substr(c.range.begin, c.range.end - c.range.begin);
      entry["sentence"] = sentence;
      entry["sentence_sha256"] = text_hash(sentence);
      entry["source"] = e.source;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json evidence_json(const RouteResult& r) {
  Json list = Json::array();
  for (const Evidence& e : r.evidence) {
    list.push_back({{"id", e.id}, {"source", e.source}, {"sha256", text_hash(e.text)}, {"bytes", e.text.size()}});
  }
  return list;
}

constexpr size_t kMaxMatches = 3;

// Where no answer is given: the sentences of the passages that bear on the question. Their text is in the record
// already, with the passages.
Json matches_json(const AskRequest& request, const RouteResult& r, bool with_text) {
  Json list = Json::array();
  if (r.evidence.empty() || (r.outcome == Outcome::kAnswered && !r.withheld)) return list;
  std::vector<std::string_view> passages;
  for (const Evidence& e : r.evidence) passages.push_back(e.text);
  const auto matches = matching_sentences(request.question(), passages, kMaxMatches);
  if (!matches.ok()) return list;  // a library without the stemmer of a language: the passages are listed all the same
  for (const SentenceMatch& m : *matches) {
    const Evidence& e = r.evidence[m.passage];
    Json entry = {
        {"id", e.id}, {"source", e.source}, {"begin", m.range.begin}, {"end", m.range.end}, {"score", m.score}};
    if (with_text) entry["text"] = std::string_view(e.text).substr(m.range.begin, m.range.end - m.range.begin);
    list.push_back(std::move(entry));
  }
  return list;
}

Json steps_json(const RouteResult& r, bool with_drafts) {
  Json list = Json::array();
  for (const RouteStep& s : r.steps) {
    const bool shown = with_drafts && !s.draft.empty();
    list.push_back({{"state", s.state}, {"rule", s.rule}, {"detail", shown ? s.detail + ": " + s.draft : s.detail}});
  }
  return list;
}

Json attempts_json(const RouteResult& r, bool with_drafts) {
  Json list = Json::array();
  for (const Attempt& a : r.attempts) {
    Json json = attempt_json(a);
    if (!with_drafts) {
      json["tokens"] = Json();
      json.erase("calls");
      json.erase("reasoning");
      for (Json& c : json["checks"]) c["explanation"] = "withheld with the answer";
    }
    list.push_back(std::move(json));
  }
  return list;
}

const Attempt* chosen(const RouteResult& r) {
  return r.chosen < 0 ? nullptr : &r.attempts[static_cast<size_t>(r.chosen)];
}

bool is_given(const RouteResult& r) { return r.outcome != Outcome::kFailed && !r.withheld; }

Json kv_json(const Attempt& a) {
  auto parsed = parse_json(a.kv, "the memory's state");
  return parsed.ok() ? std::move(*parsed) : Json();
}

Json gate_json(const Attempt& a) {
  if (!a.gate) return {};
  return {
      {"inside", a.gate->inside}, {"score", a.gate->score}, {"cut", a.calibration->gate->cut}, {"why", a.gate->why}};
}

Json neighbours_json(const RouteResult& r) {
  if (!r.neighbours) return {};
  return {{"n", r.neighbours->n}, {"fast_right", r.neighbours->fast_right}, {"deep_right", r.neighbours->deep_right}};
}

// How the answer came about that no model gave; null for the others.
Json derivation_json(const RouteResult& r) {
  if (!r.derived) return {};
  return {{"kind", r.derived->kind}, {"answer", r.derived->answer}, {"steps", r.derived->steps}};
}

const char* source_of(const RouteResult& r) { return r.derived ? "deterministic" : "model"; }

// What is given, or would be.
std::optional<std::string> text_of(const RouteResult& r) {
  const Attempt* a = chosen(r);
  if (r.derived) return r.derived->answer;
  return a == nullptr ? std::nullopt : std::optional(a->text);
}

Json usage_json(const RouteResult& r) {
  size_t in = 0;
  size_t out = 0;
  for (const Attempt& a : r.attempts) {
    in += a.prompt.size();
    out += a.tokens.size();
  }
  return {{"input_tokens", in}, {"output_tokens", out}};
}

std::string active_isa() {
  const auto kernels = active_kernels();
  return kernels.ok() ? (*kernels)->name : "none";
}

}  // namespace

std::string text_hash(std::string_view text) { return "sha256:" + sha256_hex(text); }

std::string tokens_hash(std::span<const int32_t> tokens) {
  std::string bytes;
  bytes.reserve(tokens.size() * 4);
  for (const int32_t t : tokens) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(static_cast<uint32_t>(t) >> shift & 0xff);
  }
  return text_hash(bytes);
}

Json attempt_json(const Attempt& a) {
  Json json = {{"purpose", a.purpose}, {"alias", a.alias}};
  if (a.model != nullptr) {
    json["model"] = a.model->name();
    json["model_digest"] = a.model->digest();
    json["tokenizer_fp"] = a.model->tokenizer_fingerprint();
    if (!a.model->adapters().empty()) json["adapters"] = a.model->adapters_json();
  }
  json["evidence"] = a.n_evidence;
  json["temperature"] = a.temperature;
  json["seed"] = a.seed;
  json["request"] = a.request;
  json["prompt_version"] = kPromptVersion;
  json["prompt_tokens"] = a.prompt.size();
  json["prompt_hash"] = tokens_hash(a.prompt);
  json["tokens"] = a.tokens;
  json["finish_reason"] = a.aborted ? "aborted" : a.error.empty() ? finish_reason_name(a.finish) : "error";
  if (!a.error.empty()) json["error"] = a.error;
  json["logits_hash"] = a.logits_hash;
  if (!a.calls.empty()) json["calls"] = calls_json(a.calls);
  if (!a.reasoning.empty()) json["reasoning"] = a.reasoning;
  Json features = Json::object();
  for (size_t i = 0; i < a.features.size(); ++i) features[all_features()[i].name] = a.features[i];
  json["features"] = std::move(features);
  json["gate"] = gate_json(a);
  json["p"] = number(a.p);
  json["p_deep"] = number(a.p_deep);
  json["threshold"] = number(a.threshold);
  json["accepts_nothing"] = a.threshold && std::isinf(*a.threshold);
  json["calibrator_id"] = a.calibration == nullptr ? Json() : Json(a.calibration->id);
  json["checks"] = checks_json(a);
  json["uncited"] = a.uncited();
  json["agreement"] = number(a.agreement);
  json["verifier"] = a.verifier;
  json["p_true"] = number(a.p_true);
  json["action"] = a.action;
  json["reason"] = a.reason;
  json["cpu_s"] = a.cpu_s;
  json["wall_s"] = a.wall_s;
  json["kv"] = kv_json(a);
  if (!a.speculation.empty()) json["speculation"] = Json::parse(a.speculation);
  return json;
}

Json response_json(const AskRequest& request, const RouteResult& r) {
  const Attempt* a = chosen(r);
  Json json = {{"outcome", outcome_name(r.outcome)}};
  const auto text = text_of(r);
  json["answer"] = text && is_given(r) ? Json(*text) : r.outcome == Outcome::kNotFound ? Json("") : Json();
  if (!request.tools.is_null()) {
    json["calls"] = a != nullptr && is_given(r) ? calls_json(a->calls) : Json::array();
  }
  if (a != nullptr && is_given(r) && !a->reasoning.empty()) json["reasoning"] = a->reasoning;
  json["source"] = source_of(r);
  json["derivation"] = derivation_json(r);
  json["withheld"] = r.withheld;
  json["reason"] = r.reason;
  json["task"] = r.task;
  json["model"] = a == nullptr || a->model == nullptr ? Json() : Json(a->model->name());
  json["alias"] = a == nullptr ? Json() : Json(a->alias);
  json["confidence"] = a == nullptr ? Json() : number(a->p);
  json["threshold"] = a == nullptr ? Json() : number(a->threshold);
  json["citations"] = r.withheld ? Json::array() : citations_json(r);
  json["evidence"] = evidence_json(r);
  json["matches"] = matches_json(request, r, true);
  json["path"] = steps_json(r, !r.withheld);
  json["attempts"] = attempts_json(r, !r.withheld);
  json["neighbours"] = neighbours_json(r);
  json["usage"] = usage_json(r);
  json["seed"] = request.seed;
  json["cpu_s"] = r.cpu_s;
  json["wall_s"] = r.wall_s;
  json["retrieval_s"] = r.retrieval_s;
  json["overhead_s"] = r.overhead_s;
  return json;
}

Record make_record(const AskRequest& request, const RouteResult& r, const std::string& policy) {
  Record record;
  const Attempt* a = chosen(r);
  const std::string model = r.derived ? "none" : a == nullptr || a->model == nullptr ? "" : a->model->name();
  Json documents = Json::array();
  for (const Evidence& e : r.evidence) documents.push_back({{"id", e.id}});
  const Json usage = usage_json(r);
  record.json = {{"model", model},
                 {"outcome", outcome_name(r.outcome)},
                 {"gen_ai.operation.name", "chat"},
                 {"gen_ai.provider.name", "kedge"},
                 {"gen_ai.request.model", request.model},
                 {"gen_ai.request.temperature", request.temperature},
                 {"gen_ai.request.seed", request.seed},
                 {"gen_ai.request.max_tokens", request.max_tokens},
                 {"gen_ai.response.model", model},
                 {"gen_ai.response.finish_reasons", Json::array({a != nullptr ? finish_reason_name(a->finish)
                                                                 : r.derived  ? "deterministic"
                                                                              : "none"})},
                 {"gen_ai.usage.input_tokens", usage["input_tokens"]},
                 {"gen_ai.usage.output_tokens", usage["output_tokens"]},
                 {"gen_ai.retrieval.documents", documents},
                 {"gen_ai.data_source.id", r.evidence_index}};
  if (!request.conversation.empty()) record.json["gen_ai.conversation.id"] = request.conversation;
  record.json["kedge"] = {{"build", kedge_version()},
                          {"isa", active_isa()},
                          {"numerics", "exact"},
                          {"policy", policy},
                          {"task", r.task},
                          {"reason", r.reason},
                          {"source", source_of(r)},
                          {"derivation", derivation_json(r)},
                          {"chosen", r.chosen},
                          {"path", steps_json(r, true)},
                          {"attempts", attempts_json(r, true)},
                          {"neighbours", neighbours_json(r)},
                          {"evidence", evidence_json(r)},
                          {"matches", matches_json(request, r, false)},
                          {"citations", citations_json(r)},
                          {"cpu_s", r.cpu_s},
                          {"wall_s", r.wall_s}};
  record.artifacts.push_back({.kind = kRequestKind, .bytes = request.json});
  if (const auto text = text_of(r)) {
    record.artifacts.push_back({.kind = is_given(r) ? kResponseKind : "draft", .bytes = *text});
  }
  for (const Evidence& e : r.evidence) {
    record.artifacts.push_back(
        {.kind = "evidence", .bytes = Json({{"id", e.id}, {"text", e.text}, {"source", e.source}}).dump()});
  }
  return record;
}

Record make_change_record(const Json& change, const RouterConfig& before, const RouterConfig& after) {
  Record record;
  record.json = {{"model", "none"}, {"outcome", "configured"}};
  record.json["kedge"] = {
      {"build", kedge_version()}, {"policy", after.sha256}, {"policy_before", before.sha256}, {"change", change}};
  record.artifacts.push_back({.kind = "configuration", .bytes = after.json});
  return record;
}

}  // namespace kedge::router
