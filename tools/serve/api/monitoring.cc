// /metrics for monitoring systems, the live numbers of the page, and what its users vote.
#include "tools/serve/api/parts.h"
#include "tools/serve/wire/api.h"

namespace kedge::tools::serve {

void add_monitoring(Routes& routes, Parts& parts) {
  // Asks no model and loads none.
  routes.add(
      "GET", "/metrics", parts.open_metrics ? Role::kNone : Role::kUse,
      [&parts](const Call& call) {
        call.reply->send(200, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, parts.metrics.text());
      },
      Where::kWorker);
  routes.add("GET", "/v1/kedge/settings", Role::kUse, [](const Call& call) {
    const auto schema = kedge::settings_schema();
    schema.ok() ? call.send_json(Json::parse(*schema)) : call.send_error(library_error(schema.error()));
  });
  // A row for kedge_calibrate: a file each, so that none is lost or mixed with another.
  routes.add(
      "POST", "/v1/kedge/observations", Role::kUse,
      [&parts](const Call& call) {
        const auto body = json_body(call.request);
        if (!body.ok()) return call.send_error(body.error());
        const auto kept = parts.state.write("observations", new_id("observation-") + ".json", body->dump());
        if (!kept.ok()) return call.send_error(kept.error());
        call.reply->send(204, {}, "");
      },
      Where::kWorker);
  routes.add("GET", "/v1/kedge/live", Role::kUse, [&parts](const Call& call) { parts.live.listen(call.reply); });
}

}  // namespace kedge::tools::serve
