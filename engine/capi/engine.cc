// The C interface: engines.
#include "engine/engine.h"
#include "engine/c_handles.h"
#include "engine/capi/handles.h"
#include "engine/session_file.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

constexpr kedge_engine_options kDefaults = {.struct_size = sizeof(kedge_engine_options),
                                            .n_threads = 0,
                                            .sequences = 16,
                                            .memory = 0,
                                            .step_tokens = 512,
                                            .step_ms = 0,
                                            .waiting = 256,
                                            .default_tokens = 512,
                                            .kv_type = KEDGE_KV_F16,
                                            .numerics = KEDGE_NUMERICS_EXACT,
                                            .spill = {nullptr, 0}};

// What engines and sessions have in common is read in one place: as a session's options.
Result<EngineOptions> engine_options(const Model& model, const kedge_engine_options& o) {
  kedge_session_options shared;
  kedge_session_options_init(&shared, sizeof shared);
  shared.kv_type = o.kv_type;
  shared.numerics = o.numerics;
  KEDGE_ASSIGN(common, session_options(model, &shared));
  KEDGE_ASSIGN(spill, in_text(o.spill.data, o.spill.size, "spill"));
  EngineOptions options;
  options.n_threads = o.n_threads;
  options.sequences = o.sequences;
  options.memory = o.memory;
  options.step_tokens = o.step_tokens;
  options.step_ms = o.step_ms;
  options.waiting = o.waiting;
  options.default_tokens = o.default_tokens;
  options.kv_type = common.kv_type;
  options.numerics = common.numerics;
  options.spill = spill;
  return options;
}

}  // namespace

kedge_engine* kedge::engine::new_handle(std::shared_ptr<Engine> engine) { return new kedge_engine{std::move(engine)}; }

extern "C" {

void kedge_engine_options_init(kedge_engine_options* options, size_t struct_size) {
  write_struct(options, struct_size, kDefaults);
}

kedge_status kedge_engine_create(const kedge_model* model, const kedge_engine_options* given, kedge_engine** engine) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(engine, "engine"));
    *engine = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    kedge_engine_options o = kDefaults;
    KEDGE_TRY(read_options(given, "kedge_engine_options", o));
    KEDGE_ASSIGN(options, engine_options(*model->model, o));
    KEDGE_ASSIGN(made, Engine::create(model->model, options));
    *engine = new_handle(std::move(made));
    return {};
  });
}

void kedge_engine_free(kedge_engine* engine) { delete engine; }

kedge_status kedge_engine_session(kedge_engine* engine, const kedge_session_options* given, kedge_session** session) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(session, "session"));
    *session = nullptr;
    KEDGE_TRY(not_null(engine, "engine"));
    KEDGE_ASSIGN(o, session_options(*engine->engine->model(), given));
    KEDGE_ASSIGN(made, engine->engine->session(o));
    auto handle = std::make_unique<kedge_session>();
    handle->session = std::move(made);
    *session = handle.release();
    return {};
  });
}

kedge_status kedge_engine_session_load(kedge_engine* engine, const char* path, size_t path_size,
                                       const kedge_session_options* given, kedge_session** session) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(session, "session"));
    *session = nullptr;
    KEDGE_TRY(not_null(engine, "engine"));
    KEDGE_ASSIGN(file, in_text(path, path_size, "path"));
    KEDGE_ASSIGN(o, session_options(*engine->engine->model(), given));
    KEDGE_ASSIGN(made, SessionFile::load(engine->engine, std::string(file), o));
    auto handle = std::make_unique<kedge_session>();
    handle->session = std::move(made);
    *session = handle.release();
    return {};
  });
}

kedge_status kedge_engine_stats(const kedge_engine* engine, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(engine, "engine"));
    return give_text(engine->engine->stats_json(), json, json_size);
  });
}

}  // extern "C"
