#include "router/router.h"

#include <algorithm>

#include "router/record.h"
#include "router/retrieval/model_embedder.h"

namespace kedge::router {

Result<std::unique_ptr<Router>> Router::create(RouterConfig config) {
  auto router = std::unique_ptr<Router>(new Router(std::move(config)));
  if (!router->config_.audit.empty()) {
    KEDGE_ASSIGN(audit,
                 AuditLog::open(router->config_.audit, {.create = true, .mirror = router->config_.audit_mirror}));
    router->audit_ = std::move(audit);
  }
  return router;
}

RouteTools Router::tools(const AskHooks& hooks) {
  return {.pool = &pool_,
          .config = &config_,
          .open_index = [this](const std::string& path) { return index(path); },
          .on_event = hooks.on_event,
          .cancel = hooks.cancel};
}

// An index is searched with the model it was built with: whichever of the pool that is.
Result<std::shared_ptr<const RetrievalIndex>> Router::index(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = indexes_.find(path);
  if (found != indexes_.end()) return found->second;
  std::optional<Error> refusal;
  for (const char* alias : {"fast", "deep"}) {
    if (!pool_.has(alias)) continue;
    const auto model = pool_.get(alias);
    if (!model.ok()) {  // the other one may be the index' model
      if (!refusal) refusal = model.error();
      continue;
    }
    KEDGE_ASSIGN(embedder, make_model_embedder((*model)->model()));
    auto opened = RetrievalIndex::open(path, embedder);
    if (opened.ok()) return indexes_[path] = *opened;
    if (opened.error().code != ErrorCode::kInvalidArgument) return std::move(opened).error();
    if (!refusal) refusal = opened.error();
  }
  return *std::move(refusal);
}

Status Router::record(const AskRequest& request, const RouteResult& result, Json& response) {
  if (audit_ == nullptr || !request.record) return {};
  const Record made = make_record(request, result, config_.sha256);
  auto receipt = audit_->append(made.json, made.artifacts);
  if (!receipt.ok()) {
    return Error{receipt.error().code,
                 "the answer is withheld, because it cannot be recorded: " + receipt.error().message};
  }
  response["record"] = {{"id", receipt->id},
                        {"seq", receipt->seq},
                        {"hash", receipt->hash},
                        {"anchored", receipt->anchored},
                        {"db", audit_->path()}};
  return {};
}

Result<Json> Router::ask(const AskRequest& request, const AskHooks& hooks) {
  if (request.compare) return compare(request, hooks);
  KEDGE_ASSIGN(result, run_route(request, tools(hooks)));
  Json response = response_json(request, result);
  KEDGE_TRY(record(request, result, response));
  ++outcomes_[static_cast<size_t>(result.outcome)];
  const auto escalated = std::any_of(result.attempts.begin(), result.attempts.end(),
                                     [](const Attempt& a) { return a.purpose == "escalate"; });
  if (escalated) ++escalations_;
  swaps_.observe(request, result);
  return response;
}

// Both models on their own, and what the router makes of it; every run has its record.
Result<Json> Router::compare(const AskRequest& request, const AskHooks& hooks) {
  Json answers = Json::object();
  for (const char* alias : {"fast", "deep", "auto"}) {
    if (!pool_.has(alias) && std::string_view(alias) != "auto") {
      return Error{ErrorCode::kInvalidArgument, std::string("compare needs a model '") + alias + "' in the pool"};
    }
    AskRequest one = request;
    one.compare = false;
    one.model = alias;
    if (one.model != "auto") one.abstain = false;
    KEDGE_ASSIGN(answer, ask(one, hooks));
    answers[alias] = std::move(answer);
  }
  const auto cpu = [&](const char* alias) { return answers[alias]["cpu_s"].get<double>(); };
  Json json = {{"fast", answers["fast"]}, {"deep", answers["deep"]}, {"routed", answers["auto"]}};
  json["same_answer"] = answers["fast"]["answer"] == answers["deep"]["answer"];
  json["cpu_ratio"] = {{"fast", cpu("fast") / cpu("deep")}, {"routed", cpu("auto") / cpu("deep")}};
  return json;
}

Result<Json> Router::swap(const SwapRequest& request) { return swaps_.begin(request, config_); }

Json Router::state() const {
  Json outcomes = Json::object();
  for (const Outcome o : {Outcome::kAnswered, Outcome::kNotFound, Outcome::kLowConfidence, Outcome::kFailed}) {
    outcomes[outcome_name(o)] = outcomes_[static_cast<size_t>(o)].load();
  }
  return {{"models", pool_.state()},
          {"outcomes", outcomes},
          {"escalations", escalations_.load()},
          {"swaps", swaps_.state()},
          {"audit", audit_ == nullptr ? Json() : Json(audit_->path())},
          {"policy", config_.sha256}};
}

}  // namespace kedge::router
