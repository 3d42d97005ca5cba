// The C interface: the prefix cache.
#include "engine/capi/handles.h"
#include "engine/capi/memory_json.h"
#include "engine/prefix_cache.h"

struct kedge_prefix_cache {
  std::unique_ptr<kedge::engine::PrefixCache> cache;
};

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

constexpr kedge_prefix_cache_options kDefaults = {.struct_size = sizeof(kedge_prefix_cache_options),
                                                  .entries = PrefixCacheOptions().entries,
                                                  .sessions = PrefixCacheOptions().sessions};

struct Request {
  const int32_t* tokens;
  size_t n_tokens;
  const char* segments;
  size_t segments_size;
};

Status clear(kedge_session** session, size_t* n_reused) {
  KEDGE_TRY(not_null(session, "session"));
  KEDGE_TRY(not_null(n_reused, "n_reused"));
  *session = nullptr;
  *n_reused = 0;
  return {};
}

Status acquire(PrefixCache& cache, std::span<const AdapterUse> adapters, const Request& request,
               kedge_session** session, size_t* n_reused) {
  KEDGE_ASSIGN(ids, in_span(request.tokens, request.n_tokens, "tokens"));
  KEDGE_ASSIGN(text, in_text(request.segments, request.segments_size, "segments"));
  std::vector<Segment> segments;
  if (!text.empty()) {
    KEDGE_ASSIGN(list, parse_segments(text));
    segments = std::move(list);
  }
  auto handle = std::make_unique<kedge_session>();
  KEDGE_ASSIGN(acquired, cache.acquire(adapters, ids, segments));
  handle->session = std::move(acquired.session);
  *n_reused = static_cast<size_t>(acquired.n_reused);
  *session = handle.release();
  return {};
}

}  // namespace

extern "C" {

void kedge_prefix_cache_options_init(kedge_prefix_cache_options* options, size_t struct_size) {
  write_struct(options, struct_size, kDefaults);
}

kedge_status kedge_prefix_cache_create(const kedge_model* model, const kedge_session_options* given,
                                       const kedge_prefix_cache_options* options, kedge_prefix_cache** cache) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(cache, "cache"));
    *cache = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(session, session_options(*model->model, given));
    kedge_prefix_cache_options o = kDefaults;
    KEDGE_TRY(read_options(options, "kedge_prefix_cache_options", o));
    KEDGE_ASSIGN(made, PrefixCache::create(model->model, session, {.entries = o.entries, .sessions = o.sessions}));
    auto handle = std::make_unique<kedge_prefix_cache>();
    handle->cache = std::move(made);
    *cache = handle.release();
    return {};
  });
}

kedge_status kedge_prefix_cache_create_on(kedge_engine* engine, const kedge_session_options* given,
                                          const kedge_prefix_cache_options* options, kedge_prefix_cache** cache) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(cache, "cache"));
    *cache = nullptr;
    KEDGE_TRY(not_null(engine, "engine"));
    KEDGE_ASSIGN(session, session_options(*engine->engine->model(), given));
    kedge_prefix_cache_options o = kDefaults;
    KEDGE_TRY(read_options(options, "kedge_prefix_cache_options", o));
    KEDGE_ASSIGN(made, PrefixCache::create(engine->engine, session, {.entries = o.entries}));
    *cache = new kedge_prefix_cache{std::move(made)};
    return {};
  });
}

void kedge_prefix_cache_free(kedge_prefix_cache* cache) { delete cache; }

kedge_status kedge_prefix_cache_acquire(kedge_prefix_cache* cache, const int32_t* tokens, size_t n_tokens,
                                        const char* segments, size_t segments_size, kedge_session** session,
                                        size_t* n_reused) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear(session, n_reused));
    KEDGE_TRY(not_null(cache, "cache"));
    const std::span<const AdapterUse> adapters = cache->cache->options().adapters;
    return acquire(*cache->cache, adapters, {tokens, n_tokens, segments, segments_size}, session, n_reused);
  });
}

kedge_status kedge_prefix_cache_acquire_adapted(kedge_prefix_cache* cache, const kedge_adapter_use* adapters,
                                                size_t n_adapters, const int32_t* tokens, size_t n_tokens,
                                                const char* segments, size_t segments_size, kedge_session** session,
                                                size_t* n_reused) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear(session, n_reused));
    KEDGE_TRY(not_null(cache, "cache"));
    KEDGE_ASSIGN(uses, adapter_uses(adapters, n_adapters));
    return acquire(*cache->cache, uses, {tokens, n_tokens, segments, segments_size}, session, n_reused);
  });
}

kedge_status kedge_prefix_cache_store(kedge_prefix_cache* cache, const kedge_session* session) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(cache, "cache"));
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(kept, cache->cache->store(*session->session));
    (void)kept;  // counted in the statistics
    return {};
  });
}

kedge_status kedge_prefix_cache_stats(const kedge_prefix_cache* cache, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(cache, "cache"));
    return give_text(cache->cache->stats_json(), json, json_size);
  });
}

}  // extern "C"
