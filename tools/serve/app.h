// What is served, behind the routes: the engine, the router, the APIs.
#pragma once

#include <memory>
#include <string>

#include "tools/serve/log.h"
#include "tools/serve/routes.h"
#include "tools/serve/settings.h"
#include "tools/serve/workers.h"

namespace kedge::tools::serve {

class ServeApp {
 public:
  virtual ~ServeApp() = default;
  virtual void add_routes(Routes& routes) = 0;  // once; their functions are called until the app goes
  // Whether requests can be answered (models loaded, not draining); `why` says what is missing.
  virtual bool ready(std::string& why) const = 0;
  // Settings that were read again, of which limits may be taken over. Called on the main thread.
  virtual void reload(const Settings& settings) = 0;
  // SIGTERM has come: nothing new is begun (503), what runs goes on.
  virtual void drain() = 0;
  // The time for that is over: everything that runs ends at its next step.
  virtual void cancel_all() = 0;
};

// Opens the models, while the server answers 503 already. `workers` and `log` outlive the app. Throws tools::Failure
// with what is wrong.
std::unique_ptr<ServeApp> open_app(const Settings& settings, Workers& workers, Log& log);

}  // namespace kedge::tools::serve
