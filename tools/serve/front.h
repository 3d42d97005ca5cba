// Between HTTP and the routes: browsers, keys, preflights, roles, threads; what is the same for every API.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "tools/serve/access.h"
#include "tools/serve/log.h"
#include "tools/serve/routes.h"
#include "tools/serve/workers.h"

namespace kedge::tools::serve {

class Front {
 public:
  // Both outlive the front. `log` hears of what handlers throw.
  Front(Workers& workers, Log& log) : workers_(workers), log_(log) {}

  void set_access(AccessRules rules);
  // With `closed` every route that asks for a role answers that: the models are being loaded.
  void set_routes(Routes routes, std::optional<ApiError> closed = {});
  // Of HttpOptions.
  std::optional<HttpAnswer> gate(const HttpRequest& request) const;
  void handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const;
  static HttpAnswer refusal(int status, std::string_view code, std::string_view message, std::string_view path);

 private:
  struct Table {
    Routes routes;
    std::optional<ApiError> closed;
  };
  std::shared_ptr<const Access> access() const;
  std::shared_ptr<const Table> table() const;
  void run(const Routes::Route& route, Call& call) const;

  Workers& workers_;
  Log& log_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_ = std::make_shared<Table>();
  std::shared_ptr<const Access> access_ = std::make_shared<Access>(AccessRules{});
};

// GET /livez (as long as there is a thread of the server), /readyz, /health and /v1/health (`ready` says what is
// missing).
void add_health_routes(Routes& routes, std::function<bool(std::string& why)> ready);

}  // namespace kedge::tools::serve
