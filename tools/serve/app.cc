#include "tools/serve/app.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "kernels/base/input_file.h"
#include "tools/audit_place.h"
#include "tools/command.h"
#include "tools/model_flags.h"
#include "tools/serve/api/parts.h"
#include "tools/serve/live.h"
#include "tools/serve/metrics.h"
#include "tools/serve/record_delivery.h"
#include "tools/serve/request_metrics.h"
#include "tools/serve/watchdog.h"

namespace kedge::tools::serve {

namespace {

// What the settings say over what the pool's file says. One model is a pool too, of which it is the fast one.
Json overrides_of(const Settings& s) {
  Json json = Json::object();
  json["engine"] = {{"sequences", s.engine_sequences},
                    {"waiting", s.engine_sequences + s.engine_waiting},  // the server refuses before the engine does
                    {"memory", s.engine_memory_bytes},
                    {"step_ms", s.engine_step_ms}};
  json["mmap"] = s.mmap;
  if (s.threads > 0) json["threads"] = s.threads;
  if (s.no_audit) json["audit"] = "";
  if (!s.audit.empty()) json["audit"] = s.audit;
  if (!s.model.empty()) {
    const std::string name = std::filesystem::path(s.model).stem().string();
    Json model = {{"path", s.model}};
    if (s.context > 0) model["n_ctx"] = s.context;
    json["models"] = {{name, std::move(model)}};
    json["aliases"] = {{"fast", name}};
  }
  return json;
}

// Answers are recorded: where the settings say, else where the pool says, else in the user's own log.
kedge::Router open_router(const Settings& s) {
  if (!s.model.empty()) static_cast<void>(need(base::input_file_size(s.model)));  // models are loaded when first asked
  for (const AdapterEntry& a : s.adapters) static_cast<void>(need(base::input_file_size(a.path)));
  const std::string pool = !s.model.empty() ? "" : s.pool.empty() ? embedded_file("pool.toml") : s.pool;
  Json overrides = overrides_of(s);
  kedge::Router router = need(kedge::Router::open(pool, overrides.dump()));
  if (overrides.contains("audit") || !Json::parse(need(router.state()))["audit"].is_null()) return router;
  overrides["audit"] = audit_log_to_write();
  return need(kedge::Router::open(pool, overrides.dump()));
}

std::string state_place(const Settings& s) {
  if (!s.state.empty()) return s.state;
  return (std::filesystem::path(audit_log_to_write()).parent_path() / "serve").string();
}

class App final : public ServeApp {
 public:
  App(const Settings& settings, Workers& workers, Log& log)
      : state_(state_place(settings)),
        catalog_(open_router(settings), settings.adapters),
        admission_(static_cast<size_t>(settings.engine_sequences + settings.engine_waiting)),
        requests_(metrics_),
        live_(catalog_, admission_, requests_, settings.bandwidth_bytes),
        runner_(catalog_, runner_options(settings)),
        parts_{catalog_,
               runner_,
               workers,
               admission_,
               state_,
               requests_,
               live_,
               sequences_,
               metrics_,
               static_cast<int>(settings.requests_ping_ms),
               settings.requests_whole_ping_ms,
               settings.open_metrics} {
    metrics_.from([this](MetricText& text) { add_own(text); });
    if (settings.load == "eager") load_all(log);
    if (!settings.postgres_url.empty()) deliver_records(settings, log);
    watchdog_.emplace([this] { return look(); }, std::chrono::milliseconds(settings.watchdog_step_ms), log, metrics_);
  }

  void add_routes(Routes& routes) override {
    add_generate(routes, parts_);
    add_models(routes, parts_);
    add_tokens(routes, parts_);
    add_embeddings(routes, parts_);
    add_records(routes, parts_);
    add_router(routes, parts_);
    add_conversations(routes, parts_);
    add_indexes(routes, parts_);
    add_monitoring(routes, parts_);
    add_arena(routes, parts_);
    add_rerank(routes, parts_);
    add_slots(routes, parts_);
  }

  bool ready(std::string& why) const override {
    why = admission_.draining() ? "draining" : watchdog_->overdue();
    return why.empty();
  }
  void reload(const Settings& settings) override {
    runner_.set_options(runner_options(settings));
    parts_.ping_ms = static_cast<int>(settings.requests_ping_ms);
    parts_.whole_ping_ms = settings.requests_whole_ping_ms;
    watchdog_->set_limit(std::chrono::milliseconds(settings.watchdog_step_ms));
  }
  void drain() override {
    admission_.drain();
    live_.end_all();
  }
  void cancel_all() override { admission_.cancel_all(); }

 private:
  // A model that cannot be loaded ends the start; one for which there is no room beside the others is left for later.
  void load_all(Log& log) {
    const auto models = catalog_.list();
    if (!models.ok()) throw Failure(models.error().message);
    for (const Json& model : *models) {
      const std::string name = model["name"];
      const auto opened = catalog_.open(name);
      if (opened.ok()) {
        log.event("loaded", {{"model", name}});
        continue;
      }
      if (opened.error().code != "does_not_fit" || !catalog_.limited()) throw Failure(opened.error().message);
      log.event("not_loaded", {{"model", name}, {"what", opened.error().message}});
    }
  }
  std::vector<Watchdog::Watched> look() {
    std::vector<Watchdog::Watched> all;
    for (const auto& [name, model] : catalog_.opened()) {
      const auto stats = model->engine().stats();
      if (stats.ok()) all.push_back({name, Json::parse(*stats)["busy"], sequences_.working_in(name)});
    }
    return all;
  }
  void deliver_records(const Settings& settings, Log& log) {
    const Json state = Json::parse(need(catalog_.router().state()));
    delivery_.emplace(state["audit"].get<std::string>(), settings.postgres_url,
                      std::chrono::milliseconds(settings.postgres_every_ms), state_, log, metrics_);
  }
  RunnerOptions runner_options(const Settings& s) {
    RunnerOptions options;
    options.default_max_tokens = static_cast<int>(s.requests_max_tokens);
    options.max_choices = static_cast<int>(s.requests_n);
    options.max_logprobs = static_cast<int>(s.requests_logprobs);
    options.max_stops = static_cast<int>(s.requests_stop);
    options.max_documents = static_cast<int>(s.requests_documents);
    options.deadline_ms = s.requests_deadline_ms;
    options.speculation = s.engine_speculation;
    options.draft = s.engine_draft;
    options.sequences = &sequences_;
    options.state = &state_;
    return options;
  }
  void add_own(MetricText& text) {
    text.gauge("kedge_build_info", "The build; its value means nothing.", {{"version", kedge::version()}}, 1);
    text.gauge("kedge_requests_in_flight", "Requests that generate, those that wait included.", {},
               static_cast<double>(admission_.taken()));
    text.counter("kedge_queue_full_total", "Requests refused because all places were taken.", {}, admission_.refused());
    double running = 0;
    double pages = 0;
    double pages_in_use = 0;
    for (const auto& [name, model] : catalog_.opened()) {
      const auto stats = model->engine().stats();
      if (!stats.ok()) continue;
      const Json json = Json::parse(*stats);
      add_engine_metrics(text, name, json);
      running += json["running"].get<double>();
      pages += json["pages"]["total"].get<double>();
      pages_in_use += json["pages"]["in_use"].get<double>();
    }
    // Of all models together, without labels: what balancers choose a server by.
    text.gauge("kedge_requests_running", "Sequences that engines work on.", {}, running);
    text.gauge("kedge_requests_waiting", "Requests that generate and that no engine works on.", {},
               std::max(0.0, static_cast<double>(admission_.taken()) - running));
    text.gauge("kedge_kv_cache_usage_ratio", "Share of the KV pages in use, of all engines.", {},
               pages > 0 ? pages_in_use / pages : 0);
  }

  StateDirectory state_;
  Catalog catalog_;
  Admission admission_;
  Metrics metrics_;
  RequestMetrics requests_;
  Live live_;
  Sequences sequences_{!catalog_.limited()};
  Runner runner_;
  Parts parts_;
  std::optional<RecordDelivery> delivery_;
  std::optional<Watchdog> watchdog_;
};

}  // namespace

std::unique_ptr<ServeApp> open_app(const Settings& settings, Workers& workers, Log& log) {
  if (settings.context > 0 && settings.model.empty()) {
    throw Failure("'context' is of the one model that 'model' names; the file of a pool has n_ctx for each of its own");
  }
  return std::make_unique<App>(settings, workers, log);
}

}  // namespace kedge::tools::serve
