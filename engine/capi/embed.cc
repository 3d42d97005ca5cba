// The C interface: embeddings.
#include "engine/embed.h"
#include "engine/capi/handles.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

constexpr kedge_embed_options kDefaults = {.struct_size = sizeof(kedge_embed_options),
                                           .pooling = KEDGE_POOLING_MODEL,
                                           .normalise = 1,
                                           .key = {nullptr, 0},
                                           .deadline_ms = 0,
                                           .cancel = nullptr};

static_assert(KEDGE_POOLING_NONE == static_cast<int>(Pooling::kNone) &&
              KEDGE_POOLING_MEAN == static_cast<int>(Pooling::kMean) &&
              KEDGE_POOLING_CLS == static_cast<int>(Pooling::kCls) &&
              KEDGE_POOLING_LAST == static_cast<int>(Pooling::kLast));

Result<EmbedOptions> embed_options(const kedge_embed_options& o) {
  EmbedOptions options;
  if (o.pooling < KEDGE_POOLING_MODEL || o.pooling > KEDGE_POOLING_LAST) {
    return invalid("pooling = " + std::to_string(o.pooling) + " is none of kedge_pooling");
  }
  if (o.pooling != KEDGE_POOLING_MODEL) options.pooling = static_cast<Pooling>(o.pooling);
  options.normalise = o.normalise != 0;
  KEDGE_ASSIGN(key, in_text(o.key.data, o.key.size, "key"));
  options.hooks.key = key;
  KEDGE_ASSIGN(deadline, deadline_in(o.deadline_ms));
  options.hooks.deadline = deadline;
  if (o.cancel != nullptr) options.hooks.cancel = &o.cancel->on;
  return options;
}

}  // namespace

extern "C" {

void kedge_embed_options_init(kedge_embed_options* options, size_t struct_size) {
  write_struct(options, struct_size, kDefaults);
}

kedge_status kedge_embed(kedge_engine* engine, const int32_t* tokens, size_t n_tokens, const kedge_embed_options* given,
                         float** values, size_t* n_values) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(values, n_values));
    KEDGE_TRY(not_null(engine, "engine"));
    KEDGE_ASSIGN(ids, in_span(tokens, n_tokens, "tokens"));
    kedge_embed_options o = kDefaults;
    KEDGE_TRY(read_options(given, "kedge_embed_options", o));
    KEDGE_ASSIGN(options, embed_options(o));
    KEDGE_ASSIGN(made, embed(*engine->engine, ids, options));
    void* owned = nullptr;
    KEDGE_TRY(give_bytes(made.data(), made.size() * sizeof(float), &owned));
    *values = static_cast<float*>(owned);
    *n_values = made.size();
    return {};
  });
}

}  // extern "C"
