#include "router/swap.h"

#include <cmath>
#include <filesystem>

#include "kernels/base/json_object.h"
#include "router/prompt.h"

namespace kedge::router {
namespace {

Result<std::vector<GoldenLogits>> read_golden(const Json& list) {
  std::vector<GoldenLogits> golden;
  if (!list.is_array()) return Error{ErrorCode::kInvalidArgument, "swap.golden is not a list"};
  for (const Json& item : list) {
    const std::string name = "swap.golden[" + std::to_string(golden.size()) + "]";
    KEDGE_ASSIGN(o, JsonObject::of(item, name));
    GoldenLogits g;
    KEDGE_TRY(o.integer("n_tokens", g.n_tokens, 1, 4096));
    KEDGE_TRY(o.text("logits_hash", g.logits_hash));
    const Json* prompt = o.find("prompt");
    if (prompt == nullptr || !prompt->is_array()) return o.wrong("prompt", "is not a list of token ids");
    for (const Json& id : *prompt) {
      if (!id.is_number_integer()) return o.wrong("prompt", "is not a list of token ids");
      g.prompt.push_back(id.get<int32_t>());
    }
    KEDGE_TRY(o.finish());
    golden.push_back(std::move(g));
  }
  return golden;
}

Status check_golden(const std::shared_ptr<LoadedModel>& model, std::span<const GoldenLogits> golden) {
  for (size_t i = 0; i < golden.size(); ++i) {
    Attempt a;
    a.model = model;
    a.prompt = golden[i].prompt;
    const AttemptOutcome outcome = run_attempt(a, {}, {.max_tokens = golden[i].n_tokens});
    if (outcome.failure) return Error{*outcome.failure, "golden logits " + std::to_string(i) + ": " + a.error};
    if (a.logits_hash != golden[i].logits_hash) {
      return Error{ErrorCode::kCorrupt, "golden logits " + std::to_string(i) + " of " + model->spec().path + ": " +
                                            a.logits_hash + " instead of " + golden[i].logits_hash};
    }
  }
  return {};
}

Status check_contract(const EmbeddingContract& now, const EmbeddingContract& then) {
  const auto differ = [](const char* what, const std::string& a, const std::string& b) {
    return Error{ErrorCode::kInvalidArgument, std::string("the swap would break the ") + what + " contract: " + a +
                                                  " now, " + b +
                                                  " then. \"retokenise\": true says that nothing kept depends on it"};
  };
  if (now.tokenizer != then.tokenizer) return differ("tokenizer", now.tokenizer, then.tokenizer);
  if (now.embeddings != then.embeddings) return differ("embedding", now.embeddings, then.embeddings);
  return {};
}

}  // namespace

Result<SwapRequest> parse_swap_request(std::string_view text) {
  KEDGE_ASSIGN(o, JsonObject::parse(text, "swap"));
  SwapRequest r;
  KEDGE_TRY(o.text("alias", r.alias));
  KEDGE_TRY(o.text("path", r.path));
  KEDGE_TRY(o.flag("rollback", r.rollback));
  KEDGE_TRY(o.flag("retokenise", r.retokenise));
  if (const Json* golden = o.find("golden")) {
    KEDGE_ASSIGN(list, read_golden(*golden));
    r.golden = std::move(list);
  }
  KEDGE_TRY(o.number("shadow_share", r.shadow_share, 0, 1));
  KEDGE_TRY(o.integer("shadow_count", r.shadow_count, 1, 1 << 20));
  KEDGE_TRY(o.number("shadow_agreement", r.shadow_agreement, 0, 1));
  KEDGE_TRY(o.finish());
  if (r.alias.empty()) return o.wrong("alias", "is missing");
  if (r.path.empty() != r.rollback) return o.wrong("path", "and rollback: exactly one of them has to be given");
  return r;
}

Result<Json> Swaps::begin(const SwapRequest& request, const RouterConfig& config) {
  if (!pool_->is_alias(request.alias)) {
    return Error{ErrorCode::kNotFound, "swap.alias = '" + request.alias + "' is no alias of the pool"};
  }
  if (request.rollback) return roll_back(request, config);
  KEDGE_ASSIGN(old, pool_->get(request.alias));
  ModelSpec spec = old->spec();
  spec.path = request.path;
  const std::string stem = std::filesystem::path(request.path).stem().string();
  std::string name = stem;  // that no other alias means already
  for (int i = 2; pool_->has(name); ++i) name = stem + "-" + std::to_string(i);
  KEDGE_ASSIGN(fresh, pool_->load_beside(name, spec));
  KEDGE_TRY(fresh->check_askable());
  if (!request.retokenise) {
    KEDGE_ASSIGN(now, old->contract());
    KEDGE_ASSIGN(then, fresh->contract());
    KEDGE_TRY(check_contract(now, then));
  }
  KEDGE_TRY(check_golden(fresh, request.golden));
  const std::lock_guard lock(mutex_);
  if (request.shadow_share <= 0) return take_over(request.alias, std::move(fresh));
  Json event = {{"event", "shadow"}, {"alias", request.alias}, {"model", fresh->name()}, {"digest", fresh->digest()}};
  shadows_[request.alias] = {.request = request, .model = std::move(fresh)};
  log(event);
  return event;
}

Json Swaps::take_over(const std::string& alias, std::shared_ptr<LoadedModel> model) {
  Json event = {{"event", "swapped"}, {"alias", alias}, {"model", model->name()}, {"digest", model->digest()}};
  const std::string before = pool_->repoint(alias, std::move(model));
  previous_[alias] = before;
  event["before"] = before;
  log(event);
  return event;
}

Result<Json> Swaps::roll_back(const SwapRequest& request, const RouterConfig&) {
  const std::lock_guard lock(mutex_);
  if (shadows_.erase(request.alias) > 0) {
    Json event = {{"event", "shadow_cancelled"}, {"alias", request.alias}};
    log(event);
    return event;
  }
  const auto found = previous_.find(request.alias);
  if (found == previous_.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "alias '" + request.alias + "' was not swapped: there is nothing to roll back to"};
  }
  KEDGE_ASSIGN(old, pool_->get(found->second));
  Json event = take_over(request.alias, std::move(old));
  event["event"] = "rolled_back";
  return event;
}

bool Swaps::is_its_turn(const std::string& alias, std::shared_ptr<LoadedModel>& shadow) {
  const std::lock_guard lock(mutex_);
  const auto found = shadows_.find(alias);
  if (found == shadows_.end()) return false;
  Shadow& s = found->second;
  // Evenly: the k-th question is answered when k * share passes a whole number.
  const auto before = std::floor(static_cast<double>(s.seen) * s.request.shadow_share);
  ++s.seen;
  shadow = s.model;
  return std::floor(static_cast<double>(s.seen) * s.request.shadow_share) != before;
}

void Swaps::observe(const AskRequest& request, const RouteResult& result) {
  for (const Attempt& given : result.attempts) {
    if (!given.answered() || given.temperature > 0) continue;
    std::shared_ptr<LoadedModel> shadow;
    if (!is_its_turn(given.alias, shadow)) continue;
    const auto end = result.evidence.begin() + static_cast<std::ptrdiff_t>(given.n_evidence);
    auto question = std::make_shared<const Question>(
        Question{given.alias, std::move(shadow), request, {result.evidence.begin(), end}, given.text});
    if (background_.push([this, question](const std::atomic<bool>& cancel) { answer(*question, cancel); })) continue;
    const std::lock_guard lock(mutex_);
    const auto found = shadows_.find(given.alias);
    if (found != shadows_.end() && found->second.model == question->shadow) ++found->second.skipped;
  }
}

void Swaps::answer(const Question& question, const std::atomic<bool>& cancel) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = shadows_.find(question.alias);
    if (found == shadows_.end() || found->second.model != question.shadow) return;  // it is over
  }
  Attempt a;
  a.model = question.shadow;
  auto prompt = build_prompt(*question.shadow->model(), question.request, question.evidence);
  if (prompt.ok()) a.prompt = std::move(prompt->tokens);
  const AttemptOutcome outcome =
      run_attempt(a, {}, {.max_tokens = question.request.max_tokens, .cancel = &cancel, .key = "shadow"});
  if (!cancel) count(question, !outcome.failure && a.text == question.given);
}

void Swaps::count(const Question& question, bool agrees) {
  const std::lock_guard lock(mutex_);
  const auto found = shadows_.find(question.alias);
  if (found == shadows_.end() || found->second.model != question.shadow) return;
  Shadow& s = found->second;
  ++s.answered;
  s.agreed += agrees ? 1 : 0;
  if (s.answered < s.request.shadow_count) return;
  const double share = static_cast<double>(s.agreed) / s.answered;
  if (share >= s.request.shadow_agreement) {
    take_over(question.alias, question.shadow);
  } else {
    log({{"event", "shadow_refused"}, {"alias", question.alias}, {"model", question.shadow->name()}});
  }
  history_.back()["agreement"] = share;
  shadows_.erase(found);
}

Json Swaps::state() const {
  const std::lock_guard lock(mutex_);
  Json shadows = Json::array();
  for (const auto& [alias, s] : shadows_) {
    shadows.push_back({{"alias", alias},
                       {"model", s.model->name()},
                       {"seen", s.seen},
                       {"skipped", s.skipped},
                       {"answered", s.answered},
                       {"agreed", s.agreed}});
  }
  return {{"shadows", shadows}, {"history", history_}};
}

}  // namespace kedge::router
