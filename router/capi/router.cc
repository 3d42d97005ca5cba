// The C interface: the router.
#include "router/router.h"
#include "engine/c_handles.h"
#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"

struct kedge_router {
  std::unique_ptr<kedge::router::Router> router;
  const pid_t process = getpid();
};

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

Status own_router(const kedge_router* router) {
  KEDGE_TRY(not_null(router, "router"));
  if (router->process == getpid()) return {};
  return Error{ErrorCode::kUnsupported,
               "the router was opened before fork(), and its log and its databases are the parent's: open one of your "
               "own in this process"};
}

constexpr kedge_ask_options kAskDefaults = {
    .struct_size = sizeof(kedge_ask_options), .on_event = nullptr, .user = nullptr, .cancel = nullptr};

std::string dump(const Json& json) { return json.dump(); }

// Runs call(text) and gives out its JSON.
template <class Call>
kedge_status json_call(const char* text, size_t size, char** json, size_t* json_size, Call&& call) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(given, in_text(text, size, "the request"));
    KEDGE_ASSIGN(answer, call(given));
    return give_text(dump(answer), json, json_size);
  });
}

}  // namespace

extern "C" {

kedge_status kedge_router_open(const char* path, size_t path_size, const char* overrides, size_t overrides_size,
                               kedge_router** router) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(router, "router"));
    *router = nullptr;
    KEDGE_ASSIGN(file, in_text(path, path_size, "the path"));
    KEDGE_ASSIGN(changes, in_text(overrides, overrides_size, "the overrides"));
    KEDGE_ASSIGN(config, read_router_config(std::string(file), changes));
    KEDGE_ASSIGN(made, Router::create(std::move(config)));
    auto handle = std::make_unique<kedge_router>();
    handle->router = std::move(made);
    *router = handle.release();
    return {};
  });
}

void kedge_router_free(kedge_router* router) {
  if (router == nullptr) return;
  // After fork() the log's thread and SQLite's locks are the parent's: a child that closed them would take them away.
  if (router->process != getpid()) return;
  delete router;
}

void kedge_ask_options_init(kedge_ask_options* options, size_t struct_size) {
  write_struct(options, struct_size, kAskDefaults);
}

kedge_status kedge_router_ask_with(kedge_router* router, const char* request, size_t request_size,
                                   const kedge_ask_options* options, char** json, size_t* json_size) {
  return json_call(request, request_size, json, json_size, [&](std::string_view text) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    kedge_ask_options o = kAskDefaults;
    KEDGE_TRY(read_options(options, "kedge_ask_options", o));
    KEDGE_ASSIGN(parsed, parse_ask_request(text));
    kedge_cancel own;
    std::atomic<bool>& cancel = o.cancel == nullptr ? own.on : o.cancel->on;
    AskHooks hooks{.on_event = {}, .cancel = &cancel};
    if (o.on_event != nullptr) {
      hooks.on_event = [&](const Json& event) {
        const std::string line = dump(event);
        if (o.on_event(o.user, line.data(), line.size()) != 0) cancel = true;
      };
    }
    return router->router->ask(parsed, hooks);
  });
}

kedge_status kedge_router_ask(kedge_router* router, const char* request, size_t request_size, kedge_event_fn on_event,
                              void* user, char** json, size_t* json_size) {
  kedge_ask_options o = kAskDefaults;
  o.on_event = on_event;
  o.user = user;
  return kedge_router_ask_with(router, request, request_size, &o, json, json_size);
}

kedge_status kedge_router_replay(kedge_router* router, const char* id, size_t id_size, char** json, size_t* json_size) {
  return json_call(id, id_size, json, json_size, [&](std::string_view text) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    return router->router->replay(text);
  });
}

kedge_status kedge_router_swap(kedge_router* router, const char* request, size_t request_size, char** json,
                               size_t* json_size) {
  return json_call(request, request_size, json, json_size, [&](std::string_view text) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    KEDGE_ASSIGN(parsed, parse_swap_request(text));
    return router->router->swap(parsed);
  });
}

kedge_status kedge_router_configure(kedge_router* router, const char* patch, size_t patch_size, char** json,
                                    size_t* json_size) {
  return json_call(patch, patch_size, json, json_size, [&](std::string_view text) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    return router->router->configure(text);
  });
}

kedge_status kedge_router_state(kedge_router* router, char** json, size_t* json_size) {
  return json_call(nullptr, 0, json, json_size, [&](std::string_view) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    return router->router->state();
  });
}

kedge_status kedge_router_models(kedge_router* router, char** json, size_t* json_size) {
  return json_call(nullptr, 0, json, json_size, [&](std::string_view) -> Result<Json> {
    KEDGE_TRY(own_router(router));
    return router->router->pool().models();
  });
}

kedge_status kedge_router_engine(kedge_router* router, const char* alias, size_t alias_size, kedge_model** model,
                                 kedge_engine** engine) {
  return guard([&]() -> Status {
    if (model != nullptr) *model = nullptr;
    if (engine != nullptr) *engine = nullptr;
    KEDGE_TRY(own_router(router));
    KEDGE_ASSIGN(name, in_text(alias, alias_size, "the alias"));
    KEDGE_ASSIGN(loaded, router->router->pool().get(std::string(name)));
    KEDGE_ASSIGN(shared, loaded->engine());
    // Owned with the pool's model, so that the pool sees it in use.
    std::unique_ptr<kedge_model, decltype(&kedge_model_close)> first(nullptr, &kedge_model_close);
    if (model != nullptr) first.reset(new_handle(std::shared_ptr<const Model>(loaded, loaded->model().get())));
    if (engine != nullptr) *engine = new_handle(std::shared_ptr<Engine>(loaded, shared.get()));
    if (model != nullptr) *model = first.release();
    return {};
  });
}

}  // extern "C"
