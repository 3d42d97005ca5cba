// The router as its users hold it: a pool, an audit log, indexes; questions in, answers with records out.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kernels/base/json.h"
#include "router/audit/audit_log.h"
#include "router/pool.h"
#include "router/route.h"
#include "router/swap.h"

namespace kedge::router {

struct AskHooks {
  std::function<void(const Json& event)> on_event;  // each step as it is taken; may be empty
  const std::atomic<bool>* cancel = nullptr;
};

// Thread-safe: any threads may ask at once.
class Router {
 public:
  // Loads no model yet. Errors: those of AuditLog::open, when the configuration names a database.
  static Result<std::unique_ptr<Router>> create(RouterConfig config);

  // The answer as JSON (kedge_router_ask in kedge_router.h). With an audit log the record is durable before the answer
  // is given; one that cannot be recorded is not given. Errors: what makes the request impossible, and those of the
  // log.
  Result<Json> ask(const AskRequest& request, const AskHooks& hooks = {});

  // Generates the attempts of a record again and compares bits (kedge_router_replay). Errors: no audit log, no such
  // record, a model that is not in the pool.
  Result<Json> replay(std::string_view id_or_seq);

  // Another model behind an alias (kedge_router_swap); see swap.h.
  Result<Json> swap(const SwapRequest& request);

  // Changes the policy and the breakers while questions are answered (kedge_router_configure). With an audit log the
  // change is durable there before it holds; answers under way keep the policy they began with. Errors: those of
  // parse_router_config and of the log, no such model; nothing has changed then.
  Result<Json> configure(std::string_view patch);

  // Returns when the shadows have answered what they were to answer so far.
  void settle() { swaps_.settle(); }

  Json state() const;
  Pool& pool() { return pool_; }
  std::shared_ptr<const RouterConfig> config() const;  // as of now

 private:
  explicit Router(RouterConfig config)
      : config_(std::make_shared<const RouterConfig>(std::move(config))), pool_(*config_), swaps_(pool_) {}
  RouteTools tools(const RouterConfig& config, const AskHooks& hooks);
  Result<std::shared_ptr<const RetrievalIndex>> index(const std::string& path);
  Result<Json> compare(const AskRequest& request, const AskHooks& hooks);
  Status record(const AskRequest& request, const RouteResult& result, const RouterConfig& config, Json& response);
  Result<Json> record_change(const Json& change, const RouterConfig& before, const RouterConfig& after);

  mutable std::mutex config_mutex_;  // of the pointer
  std::mutex configuring_;           // one change at a time
  std::shared_ptr<const RouterConfig> config_;
  Pool pool_;
  Swaps swaps_;
  std::unique_ptr<AuditLog> audit_;  // null: answers are not recorded
  std::mutex mutex_;                 // of indexes_
  std::map<std::string, std::shared_ptr<const RetrievalIndex>> indexes_;
  std::atomic<uint64_t> outcomes_[4] = {};
  std::atomic<uint64_t> escalations_{0};
};

}  // namespace kedge::router
