// The options of a KV memory as JSON. The members are documented in kedge.h.
#pragma once

#include <string>
#include <string_view>

#include "engine/session.h"
#include "kernels/base/result.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

// Options for sessions of `n_ctx` positions whose tokens take `bytes_per_token` of the cache. Empty text: the defaults.
// Errors: kInvalidArgument, naming the member.
Result<KvOptions> parse_kv_options(std::string_view json, int n_ctx, size_t bytes_per_token);

// The same, for sessions of this model with a cache of this type; n_ctx 0: the model's own.
Result<KvOptions> parse_kv_options(std::string_view json, const ModelConfig& model, KvFormat type, int n_ctx);

}  // namespace kedge::engine
