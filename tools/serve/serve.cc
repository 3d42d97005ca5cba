#include "tools/serve/serve.h"

#include <chrono>
#include <utility>

#include "tools/command.h"
#include "tools/serve/app.h"
#include "tools/serve/front.h"
#include "tools/serve/http/server.h"
#include "tools/serve/log.h"
#include "tools/serve/page_files.h"
#include "tools/serve/signals.h"
#include "tools/serve/workers.h"

namespace kedge::tools::serve {
namespace {

constexpr size_t kOtherWorkers = 16;  // for what takes time and no place: indexes, verifying records
constexpr auto kTick = std::chrono::milliseconds(50);
constexpr auto kAfterCancel = std::chrono::milliseconds(5000);

class Serving {
 public:
  Serving(const Settings& settings, const SettingSources& sources)
      : settings_(settings),
        sources_(sources),
        workers_(static_cast<size_t>(settings.engine_sequences + settings.engine_waiting) + kOtherWorkers),
        front_(workers_, log_) {}

  void run() {
    need(log_.open(settings_.log_file));
    listen();
    app_ = open_app(settings_, workers_, log_);
    Routes routes;
    add_health_routes(routes, [this](std::string& why) { return ready(why); });
    add_page_files(routes);
    app_->add_routes(routes);
    front_.set_routes(std::move(routes));
    signals_.keep();
    log_.event("ready", {{"ms", milliseconds_since(begin_)}});
    int signal = signals_.next();
    for (; signal == SIGHUP; signal = signals_.next()) reload();
    end(signal);
  }

 private:
  static int64_t milliseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  }

  void listen();
  bool ready(std::string& why) const;
  void reload();
  void end(int signal);

  Settings settings_;
  const SettingSources& sources_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  Signals signals_;
  Log log_;
  std::unique_ptr<ServeApp> app_;  // goes after the workers and the server, whose functions it has
  Workers workers_;
  Front front_;
  std::unique_ptr<HttpServer> server_;
  std::atomic<bool> draining_{false};
};

void Serving::listen() {
  front_.set_access(access_rules(settings_));
  Routes routes;
  const std::string loading = "the models are being loaded";
  add_health_routes(routes, [loading](std::string& why) {
    why = loading;
    return false;
  });
  add_page_files(routes);
  front_.set_routes(std::move(routes), ApiError{.status = 503,
                                                .code = "loading",
                                                .message = loading,
                                                .param = {},
                                                .type = "unavailable_error",
                                                .extra = {},
                                                .retry_after_ms = 1000});
  HttpOptions options;
  options.host = settings_.host;
  options.port = static_cast<uint16_t>(settings_.port);
  options.unix_socket = settings_.socket;
  options.certificate = settings_.tls_certificate;
  options.private_key = settings_.tls_private_key;
  options.threads = static_cast<int>(settings_.io_threads);
  options.limits = http_limits(settings_);
  options.gate = [this](const HttpRequest& request) { return front_.gate(request); };
  options.handler = [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    front_.handle(std::move(request), std::move(reply));
  };
  options.refusal = Front::refusal;
  options.done = [this](const HttpDone& done) { log_.request(done); };
  server_ = need(HttpServer::start(std::move(options)));
  const bool bare = settings_.host.find(':') == std::string::npos || settings_.host.starts_with('[');
  const std::string host = bare ? settings_.host : "[" + settings_.host + "]";
  Json where = {{"version", kedge::version()}};
  if (!settings_.host.empty()) {
    where["url"] = (settings_.tls_certificate.empty() ? "http://" : "https://") + host + ":" +
                   std::to_string(server_->port()) + "/";
    where["port"] = server_->port();
  }
  if (!settings_.socket.empty()) where["socket"] = settings_.socket;
  where["keys"] = settings_.keys.size();
  log_.event("listening", std::move(where));
}

bool Serving::ready(std::string& why) const {
  if (!draining_) return app_->ready(why);
  why = "the server is ending";
  return false;
}

void Serving::reload() {
  auto wanted = read_settings(sources_);
  if (!wanted.ok()) return log_.event("reload_failed", {{"what", wanted.error().message}});
  const std::vector<std::string> waiting = needs_restart(settings_, *wanted);
  Settings next = live_settings(settings_, std::move(*wanted));
  // A file that is right for another address may have no keys for the one this server listens on.
  if (const auto status = check_settings(next); !status.ok())
    return log_.event("reload_failed", {{"what", status.error().message}});
  if (const auto status = log_.open(next.log_file); !status.ok())
    log_.event("reload_failed", {{"what", status.error().message}});
  if (const auto status = server_->reload_certificate(); !status.ok())
    log_.event("reload_failed", {{"what", status.error().message}});
  front_.set_access(access_rules(next));
  server_->set_limits(http_limits(next));
  app_->reload(next);
  settings_ = std::move(next);
  log_.event("reloaded", {{"keys", settings_.keys.size()}, {"needs_restart", waiting}});
}

void Serving::end(int signal) {
  log_.event("draining",
             {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}, {"working", server_->counts().working}});
  draining_ = true;
  int again = 0;
  // Whoever sends requests here has to notice first that /readyz says no. A person at a terminal does not wait for
  // that.
  if (signal == SIGTERM && settings_.drain_lame_ms > 0)
    again = signals_.next(std::chrono::milliseconds(settings_.drain_lame_ms));
  app_->drain();
  server_->stop_accepting();
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(settings_.drain_grace_ms);
  bool quiet = server_->drain(std::chrono::milliseconds(0));
  while (!quiet && again == 0 && std::chrono::steady_clock::now() < until) {
    quiet = server_->drain(kTick);
    again = signals_.next(std::chrono::milliseconds(0));
    if (again == SIGHUP) again = 0;
  }
  if (!quiet) {
    log_.event("cancelling", {{"working", server_->counts().working}});
    app_->cancel_all();
    quiet = server_->drain(kAfterCancel);
  }
  server_->close();
  workers_.stop();
  log_.event("stopped", {{"requests", server_->counts().requests}});
}

}  // namespace

void serve(const Settings& settings, const SettingSources& sources) {
  Serving serving(settings, sources);
  serving.run();
}

}  // namespace kedge::tools::serve
