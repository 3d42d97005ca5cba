// /v1/kedge/router: its state, and other models behind its aliases.
#include "tools/serve/api/parts.h"

namespace kedge::tools::serve {

namespace {

void state(Parts& parts, const Call& call) {
  const auto json = parts.catalog.router().state();
  if (!json.ok()) return call.send_error(library_error(json.error()));
  call.send_json(Json::parse(*json));
}

// Policy and breakers, in the name of the key: the record says who it was.
void change(Parts& parts, const Call& call) {
  auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  if (!body->is_object()) return call.send_error(bad_request("the body is not a JSON object"));
  if (body->contains("by")) return call.send_error(bad_request("'by' is the key's name, and not to be given", "by"));
  (*body)["by"] = call.who.name;
  const auto answer = parts.catalog.router().configure(body->dump());
  if (!answer.ok()) return call.send_error(library_error(answer.error()));
  call.send_json(Json::parse(*answer));
}

// "{alias}:swap"
void swap(Parts& parts, const Call& call) {
  std::string alias(call.capture("alias"));
  constexpr std::string_view kVerb = ":swap";
  if (!alias.ends_with(kVerb)) {
    return call.send_error({.status = 404, .code = "not_found", .message = "there is no such action; there is :swap"});
  }
  alias.resize(alias.size() - kVerb.size());
  auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  (*body)["alias"] = alias;
  parts.catalog.forget(alias);  // what it meant until now
  const auto answer = parts.catalog.router().swap(body->dump());
  if (!answer.ok()) return call.send_error(library_error(answer.error()));
  call.send_json(Json::parse(*answer));
}

}  // namespace

void add_router(Routes& routes, Parts& parts) {
  routes.add(
      "GET", "/v1/kedge/router", Role::kUse, [&parts](const Call& call) { state(parts, call); }, Where::kWorker);
  routes.add(
      "PATCH", "/v1/kedge/router", Role::kAdmin, [&parts](const Call& call) { change(parts, call); }, Where::kWorker);
  routes.add(
      "POST", "/v1/kedge/models/{alias}", Role::kAdmin, [&parts](const Call& call) { swap(parts, call); },
      Where::kWorker);
}

}  // namespace kedge::tools::serve
