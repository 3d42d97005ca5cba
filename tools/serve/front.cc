#include "tools/serve/front.h"

#include <utility>

#include "tools/serve/wire/error_shape.h"

namespace kedge::tools::serve {
namespace {

constexpr const char* kExposed =
    "x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, x-kedge-model, x-kedge-confidence, "
    "x-kedge-record";

Fields cors_fields(const std::string& origin) {
  if (origin.empty()) return {};
  return {{"access-control-allow-origin", origin}, {"access-control-expose-headers", kExposed}, {"vary", "origin"}};
}

HttpAnswer wrong(const HttpRequest& request, const ApiError& error) {
  return error_answer(error_shape(request.path), error, request.id);
}

// What a browser asks before it sends a request of another origin's page; without an Origin, who is curious.
HttpAnswer options_answer(const HttpRequest& request, const std::string& methods, const std::string& origin) {
  HttpAnswer answer;
  answer.status = 204;
  const std::string all = methods.empty() ? "OPTIONS" : methods + ", OPTIONS";
  answer.headers = {{"allow", all}};
  if (origin.empty()) return answer;
  answer.headers.insert(answer.headers.end(), {{"access-control-allow-origin", origin},
                                               {"access-control-allow-methods", all},
                                               {"access-control-max-age", "600"},
                                               {"vary", "origin, access-control-request-headers"}});
  if (const auto wanted = request.header("access-control-request-headers"); !wanted.empty())
    answer.headers.emplace_back("access-control-allow-headers", wanted);
  return answer;
}

}  // namespace

void Front::set_access(AccessRules rules) {
  auto next = std::make_shared<const Access>(std::move(rules));
  const std::lock_guard lock(mutex_);
  access_ = std::move(next);
}

void Front::set_routes(Routes routes, std::optional<ApiError> closed) {
  auto next = std::make_shared<const Table>(Table{std::move(routes), std::move(closed)});
  const std::lock_guard lock(mutex_);
  table_ = std::move(next);
}

std::shared_ptr<const Front::Table> Front::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::shared_ptr<const Access> Front::access() const {
  const std::lock_guard lock(mutex_);
  return access_;
}

std::optional<HttpAnswer> Front::gate(const HttpRequest& request) const {
  const auto access = this->access();
  const auto table = this->table();
  const Routes& routes = table->routes;
  const auto refused = [&](HttpAnswer answer) {
    const Fields cors = cors_fields(access->cors_origin(request));
    answer.headers.insert(answer.headers.end(), cors.begin(), cors.end());
    return answer;
  };
  if (request.method == "OPTIONS") {
    if (const auto error = access->check_browser(request)) return wrong(request, *error);
    return options_answer(request, routes.methods(request.raw_path), access->cors_origin(request));
  }
  std::string allow;
  const auto match = routes.find(request.method, request.raw_path, &allow);
  if (match.ok() && match->route->role == Role::kNone) return {};
  if (const auto error = access->check_browser(request)) return wrong(request, *error);
  // Who has no key is not told which routes there are.
  const auto who = access->check_key(request, match.ok() ? match->route->role : Role::kUse);
  if (!who.ok()) {
    HttpAnswer answer = refused(wrong(request, who.error()));
    if (answer.status == 401) answer.headers.emplace_back("www-authenticate", "Bearer");
    return answer;
  }
  if (table->closed) return refused(wrong(request, *table->closed));
  if (match.ok()) return {};
  HttpAnswer answer = refused(wrong(request, match.error()));
  if (!allow.empty()) answer.headers.emplace_back("allow", allow);
  return answer;
}

void Front::handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const {
  const auto access = this->access();
  const auto table = this->table();
  auto match = table->routes.find(request.method, request.raw_path, nullptr);
  if (!match.ok()) return;  // the gate was there before
  auto who = access->check_key(request, match->route->role);
  if (!who.ok()) return send_error(*reply, error_shape(request.path), who.error(), request.id);
  if (!who->name.empty()) reply->note("key", who->name);
  for (auto& [name, value] : cors_fields(access->cors_origin(request))) reply->add_header(name, value);
  const Routes::Route& route = *match->route;
  const auto call = std::make_shared<Call>();
  call->request = std::move(request);
  call->reply = std::move(reply);
  call->who = std::move(*who);
  call->captures = std::move(match->captures);
  if (route.where == Where::kHere) return run(route, *call);
  const bool taken = workers_.try_run([this, table, &route, call] { run(route, *call); });
  if (taken) return;
  call->send_error({.status = 429,
                    .code = "queue_full",
                    .message = "the server has as many requests at work as it takes",
                    .param = {},
                    .type = {},
                    .extra = {},
                    .retry_after_ms = 1000});
}

void Front::run(const Routes::Route& route, Call& call) const {
  const HttpRequest named{.method = call.request.method,
                          .path = call.request.path,
                          .raw_path = {},
                          .query = {},
                          .headers = {},
                          .body = {},
                          .peer = {},
                          .id = call.request.id,
                          .arrived = {}};
  const std::shared_ptr<HttpReply> reply = call.reply;
  std::string what;
  try {
    route.handler(std::move(call));
    return;
  } catch (const std::exception& e) {
    what = e.what();
  }
  log_.event("error", {{"request", named.id}, {"path", named.path}, {"what", what}});
  if (!reply->started()) {
    send_error(*reply, error_shape(named.path),
               {.status = 500, .code = "internal_error", .message = "the server failed at this request: " + what},
               named.id);
  }
}

HttpAnswer Front::refusal(int status, std::string_view code, std::string_view message, std::string_view path) {
  ApiError error{.status = status, .code = std::string(code), .message = std::string(message)};
  // A slow client and a full server may try again; what is wrong stays wrong.
  if (status == 408 || status == 429 || status == 503) error.retry_after_ms = 1000;
  return error_answer(error_shape(path), error);
}

void add_health_routes(Routes& routes, std::function<bool(std::string& why)> ready) {
  routes.add("GET", "/livez", Role::kNone, [](const Call& call) {
    call.reply->send(200, {{"content-type", "text/plain; charset=utf-8"}, {"cache-control", "no-store"}}, "ok\n");
  });
  routes.add("GET", "/readyz", Role::kNone, [ready](const Call& call) {
    std::string why;
    const bool is = ready(why);
    call.reply->send(is ? 200 : 503, {{"content-type", "text/plain; charset=utf-8"}, {"cache-control", "no-store"}},
                     is ? "ok\n" : why + "\n");
  });
  for (const char* path : {"/health", "/v1/health"}) {
    routes.add("GET", path, Role::kNone, [ready](const Call& call) {
      std::string why;
      if (ready(why)) return call.send_json({{"status", "ok"}}, 200, {{"cache-control", "no-store"}});
      call.send_error({.status = 503,
                       .code = "unavailable",
                       .message = why,
                       .param = {},
                       .type = "unavailable_error",
                       .extra = {},
                       .retry_after_ms = 1000});
    });
  }
}

}  // namespace kedge::tools::serve
