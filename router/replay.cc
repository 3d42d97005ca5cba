// A record generated again: every attempt of it, on this machine, compared bit for bit.
#include <algorithm>

#include "router/feature.h"
#include "router/prompt.h"
#include "router/record.h"
#include "router/router.h"

namespace kedge::router {
namespace {

struct Recorded {
  AskRequest request;
  std::vector<Evidence> evidence;
  Json kedge;  // the record's member
};

Result<Recorded> read_back(const AuditLog& log, const Json& shown) {
  Recorded r;
  r.kedge = shown.at("record").at("kedge");
  for (const Json& entry : shown.at("artifacts")) {
    KEDGE_ASSIGN(artifact, log.artifact(entry.at("sha256").get<std::string>()));
    if (artifact.kind == "request") {
      KEDGE_ASSIGN(request, parse_ask_request(artifact.bytes));
      r.request = std::move(request);
    } else if (artifact.kind == "evidence") {
      KEDGE_ASSIGN(e, parse_json(artifact.bytes, "evidence"));
      r.evidence.push_back({.id = e.at("id"), .text = e.at("text"), .source = e.at("source")});
    }
  }
  if (r.request.messages.empty()) {
    return Error{ErrorCode::kCorrupt, "record " + shown.at("id").get<std::string>() + " keeps no request"};
  }
  return r;
}

// Passages in the order the route had them: artifacts of equal content are stored once.
std::vector<Evidence> in_order(const Recorded& r) {
  std::vector<Evidence> ordered;
  for (const Json& entry : r.kedge.at("evidence")) {
    const auto found = std::find_if(r.evidence.begin(), r.evidence.end(), [&](const Evidence& e) {
      return e.id == entry.at("id") && text_hash(e.text) == entry.at("sha256");
    });
    if (found != r.evidence.end()) ordered.push_back(*found);
  }
  return ordered;
}

Result<Json> replay_attempt(const Json& then, const Recorded& r, std::span<const Evidence> evidence, Pool& pool) {
  Attempt a;
  KEDGE_ASSIGN(model, pool.with_digest(then.at("model_digest").get<std::string>()));
  a.model = model;
  a.temperature = then.at("temperature");
  a.seed = then.at("seed");
  a.request = then.at("request");
  const size_t n = std::min(then.at("evidence").get<size_t>(), evidence.size());
  KEDGE_ASSIGN(prompt, build_prompt(*model->model(), r.request, evidence.first(n)));
  a.prompt = std::move(prompt.tokens);
  KEDGE_ASSIGN(form, answer_form(*model->model(), r.request, a.prompt));
  a.form = std::move(form);
  const auto tokens = then.at("tokens").get<std::vector<int32_t>>();
  AttemptRun run{.max_tokens = std::max<int>(1, static_cast<int>(tokens.size()))};
  if (a.form.constraint != nullptr) {
    // How near the end is decides what a constraint allows: the end is where it was.
    run.max_tokens = std::max(run.max_tokens, r.request.max_tokens);
    run.hopeful = [n = tokens.size()](std::span<const TokenStats> stats) { return stats.size() < n; };
  }
  const AttemptOutcome outcome = run_attempt(a, prompt.segments, run);
  if (outcome.failure) return Error{*outcome.failure, a.error};
  Json json = {{"model", model->name()},
               {"prompt_same", tokens_hash(a.prompt) == then.at("prompt_hash")},
               {"tokens_same", a.tokens == tokens},
               {"logits_same", a.logits_hash == then.at("logits_hash")},
               {"logits_hash", a.logits_hash},
               {"text", a.text},
               {"cpu_s", a.cpu_s}};
  json["same"] = json["prompt_same"].get<bool>() && json["tokens_same"].get<bool>() && json["logits_same"].get<bool>();
  return json;
}

// What no model was asked for is worked out again.
std::optional<Json> replay_derivation(const Recorded& r) {
  const Json then = r.kedge.value("derivation", Json());
  if (!then.is_object()) return std::nullopt;
  const auto now = derive(r.request.question());
  const bool same =
      now && now->kind == then.at("kind") && now->answer == then.at("answer") && now->steps == then.at("steps");
  return Json{{"same", same}, {"kind", then.at("kind")}, {"answer", now ? Json(now->answer) : Json()}};
}

}  // namespace

Result<Json> Router::replay(std::string_view id_or_seq) {
  if (audit_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "the pool keeps no audit log: there is nothing to replay"};
  }
  KEDGE_ASSIGN(shown, audit_->show(id_or_seq));
  if (shown.at("record").at("kedge").contains("change")) {
    return Error{ErrorCode::kInvalidArgument, "record " + shown.at("id").get<std::string>() +
                                                  " is of a change of the configuration: nothing was generated"};
  }
  KEDGE_ASSIGN(recorded, read_back(*audit_, shown));
  const std::vector<Evidence> evidence = in_order(recorded);
  Json attempts = Json::array();
  bool same = true;
  size_t skipped = 0;
  const auto derivation = replay_derivation(recorded);
  if (derivation) same = (*derivation)["same"].get<bool>();
  for (const Json& then : recorded.kedge.at("attempts")) {
    if (then.at("logits_hash") == "") {  // it failed before it said anything
      ++skipped;
      continue;
    }
    KEDGE_ASSIGN(attempt, replay_attempt(then, recorded, evidence, pool_));
    same = same && attempt["same"].get<bool>();
    attempts.push_back(std::move(attempt));
  }
  return Json{
      {"id", shown.at("id")},        {"seq", shown.at("seq")},   {"same", same},
      {"replayed", attempts.size()}, {"not_generated", skipped}, {"derivation", derivation ? *derivation : Json()},
      {"attempts", attempts}};
}

}  // namespace kedge::router
