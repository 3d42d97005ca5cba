#include "router/router.h"

#include <algorithm>

#include "kernels/base/log.h"
#include "router/record.h"
#include "router/retrieval/model_embedder.h"
#include "router/router_patch.h"

namespace kedge::router {
namespace {

Json receipt_json(const AuditReceipt& receipt, const AuditLog& audit) {
  if (!receipt.anchored) {
    log_message(LogLevel::kWarning, audit.path() + ": the head of record " + std::to_string(receipt.seq) +
                                        " could not be written beside it yet");
  }
  return {{"id", receipt.id},
          {"seq", receipt.seq},
          {"hash", receipt.hash},
          {"anchored", receipt.anchored},
          {"db", audit.path()}};
}

}  // namespace

Result<std::unique_ptr<Router>> Router::create(RouterConfig config) {
  auto router = std::unique_ptr<Router>(new Router(std::move(config)));
  const RouterConfig& c = *router->config_;
  if (!c.audit.empty()) {
    KEDGE_ASSIGN(audit, AuditLog::open(c.audit, {.create = true, .mirror = c.audit_mirror}));
    router->audit_ = std::move(audit);
  }
  return router;
}

std::shared_ptr<const RouterConfig> Router::config() const {
  const std::lock_guard lock(config_mutex_);
  return config_;
}

RouteTools Router::tools(const RouterConfig& config, const AskHooks& hooks) {
  return {.pool = &pool_,
          .config = &config,
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

Status Router::record(const AskRequest& request, const RouteResult& result, const RouterConfig& config,
                      Json& response) {
  if (audit_ == nullptr || !request.record) return {};
  const Record made = make_record(request, result, config.sha256);
  auto receipt = audit_->append(made.json, made.artifacts);
  if (!receipt.ok()) {
    return Error{receipt.error().code,
                 "the answer is withheld, because it cannot be recorded: " + receipt.error().message};
  }
  response["record"] = receipt_json(*receipt, *audit_);
  return {};
}

Result<Json> Router::ask(const AskRequest& request, const AskHooks& hooks) {
  if (request.compare) return compare(request, hooks);
  const auto now = config();
  KEDGE_ASSIGN(result, run_route(request, tools(*now, hooks)));
  Json response = response_json(request, result);
  KEDGE_TRY(record(request, result, *now, response));
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

Result<Json> Router::swap(const SwapRequest& request) { return swaps_.begin(request, *config()); }

Result<Json> Router::configure(std::string_view text) {
  const std::lock_guard one(configuring_);
  const auto before = config();
  KEDGE_ASSIGN(patch, parse_router_patch(text));
  KEDGE_ASSIGN(whole, parse_json(before->json, before->name.c_str()));
  if (!patch.policy.is_null()) whole.merge_patch({{"policy", patch.policy}});
  KEDGE_ASSIGN(parsed, parse_router_config(whole.dump(), before->name, before->folder));
  const auto after = std::make_shared<const RouterConfig>(std::move(parsed));
  std::vector<std::pair<std::shared_ptr<ModelHealth>, bool>> breakers;
  for (const auto& [name, open] : patch.breakers) {
    const auto health = pool_.health(name);
    if (health == nullptr) return Error{ErrorCode::kNotFound, "breakers." + name + ": no such model in the pool"};
    breakers.emplace_back(health, open);
  }
  KEDGE_ASSIGN(receipt, record_change(patch.json, *before, *after));
  {
    const std::lock_guard lock(config_mutex_);
    config_ = after;
  }
  for (const auto& [health, open] : breakers) open ? health->breaker.hold() : health->breaker.let_go();
  return Json{{"policy", after->sha256},
              {"before", before->sha256},
              {"settings", policy_json(after->policy)},
              {"record", std::move(receipt)}};
}

Result<Json> Router::record_change(const Json& change, const RouterConfig& before, const RouterConfig& after) {
  if (audit_ == nullptr) return Json();
  const Record made = make_change_record(change, before, after);
  auto receipt = audit_->append(made.json, made.artifacts);
  if (receipt.ok()) return receipt_json(*receipt, *audit_);
  return Error{receipt.error().code, "nothing is changed, because it cannot be recorded: " + receipt.error().message};
}

Json Router::state() const {
  const auto now = config();
  Json outcomes = Json::object();
  for (const Outcome o : {Outcome::kAnswered, Outcome::kNotFound, Outcome::kLowConfidence, Outcome::kFailed}) {
    outcomes[outcome_name(o)] = outcomes_[static_cast<size_t>(o)].load();
  }
  return {{"models", pool_.state()},
          {"outcomes", outcomes},
          {"escalations", escalations_.load()},
          {"swaps", swaps_.state()},
          {"audit", audit_ == nullptr ? Json() : Json(audit_->path())},
          {"memory_bytes", now->memory_bytes},
          {"policy", now->sha256},
          {"settings", policy_json(now->policy)}};
}

}  // namespace kedge::router
