// C++20 over kedge_router.h, in the manner of kedge.hpp: JSON text in, JSON text out.
#pragma once

#include "kedge/kedge.hpp"
#include "kedge/kedge_router.h"

namespace kedge {

// One of the functions that take a request and give an answer: call(kedge_audit_list, R"({"db": "audit.db"})").
inline Result<std::string> call(kedge_status (*function)(const char*, size_t, char**, size_t*),
                                std::string_view request) {
  return detail::text([&](char** d, size_t* n) { return function(request.data(), request.size(), d, n); });
}

inline Result<std::string> index_build(std::string_view request, const Progress& on_progress = {}) {
  return detail::text([&](char** d, size_t* n) {
    const auto trampoline = [](void* user, size_t done, size_t total) {
      return (*static_cast<const Progress*>(user))(done, total) ? 0 : 1;
    };
    return kedge_index_build(request.data(), request.size(), on_progress ? +trampoline : nullptr,
                             const_cast<Progress*>(&on_progress), d, n);
  });
}

// A model of a router's pool and the engine it is asked in: kedge_router_engine.
struct RouterEngine {
  Model model;
  Engine engine;
};

// A pool of models behind one question. Requests and answers: kedge_router.h.
class Router {
 public:
  // `on_event` gets each step as JSON; false cancels.
  using Event = std::function<bool(std::string_view json)>;

  static Result<Router> open(std::string_view path, std::string_view overrides = {}) {
    kedge_router* r = nullptr;
    const kedge_status code = kedge_router_open(path.data(), path.size(), overrides.data(), overrides.size(), &r);
    if (code != KEDGE_OK) return detail::error(code);
    return Router(r);
  }
  // `cancel` ends it from another thread.
  Result<std::string> ask(std::string_view request, const Event& on_event = {}, Cancel* cancel = nullptr) {
    kedge_ask_options o;
    kedge_ask_options_init(&o, sizeof o);
    o.user = const_cast<Event*>(&on_event);
    if (cancel != nullptr) o.cancel = cancel->get();
    if (on_event) {
      o.on_event = [](void* user, const char* json, size_t size) {
        return (*static_cast<const Event*>(user))({json, size}) ? 0 : 1;
      };
    }
    return detail::text(
        [&](char** d, size_t* n) { return kedge_router_ask_with(get(), request.data(), request.size(), &o, d, n); });
  }
  Result<std::string> replay(std::string_view id) {
    return detail::text([&](char** d, size_t* n) { return kedge_router_replay(get(), id.data(), id.size(), d, n); });
  }
  Result<std::string> swap(std::string_view request) {
    return detail::text(
        [&](char** d, size_t* n) { return kedge_router_swap(get(), request.data(), request.size(), d, n); });
  }
  Result<std::string> configure(std::string_view patch) {
    return detail::text(
        [&](char** d, size_t* n) { return kedge_router_configure(get(), patch.data(), patch.size(), d, n); });
  }
  Result<std::string> state() const {
    return detail::text([&](char** d, size_t* n) { return kedge_router_state(get(), d, n); });
  }
  Result<std::string> models() const {
    return detail::text([&](char** d, size_t* n) { return kedge_router_models(get(), d, n); });
  }
  Result<RouterEngine> engine(std::string_view alias) {
    kedge_model* m = nullptr;
    kedge_engine* e = nullptr;
    const kedge_status code = kedge_router_engine(get(), alias.data(), alias.size(), &m, &e);
    if (code != KEDGE_OK) return detail::error(code);
    return RouterEngine{Model(m), Engine(e)};
  }
  kedge_router* get() const { return r_.get(); }

 private:
  struct Free {
    void operator()(kedge_router* r) const { kedge_router_free(r); }
  };
  explicit Router(kedge_router* r) : r_(r) {}
  std::unique_ptr<kedge_router, Free> r_;
};

}  // namespace kedge
