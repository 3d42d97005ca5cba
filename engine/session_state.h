// What a session is made of.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "engine/step.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

struct Session::State {
  std::shared_ptr<const Model> model;
  SessionOptions options;
  const KernelTable* kernels = nullptr;
  ThreadTeam team;
  bool fast = false;  // Numerics::kFast
  std::unique_ptr<KvMemory> memory;
  StepBuffers buffers;
  std::vector<int32_t> tokens;
  std::vector<float> last_logits;
  bool has_logits = false;
  std::vector<std::string_view> texts;  // of a step's tokens

  // A state without its memory and tokens.
  static Result<std::unique_ptr<State>> make(std::shared_ptr<const Model> model, const SessionOptions& options);
  // Buffers for steps over `memory`, which becomes the state's.
  Status use(std::unique_ptr<KvMemory> memory);
  Status check_tokens(std::span<const int32_t> added) const;
  Status evaluate(std::span<const int32_t> added, bool all, const LogitSink& sink, const EvalHooks& hooks);
  // The texts of tokens as the memory reads them: a control token ends a line.
  void read_texts(std::span<const int32_t> added);
};

// The shape of a session's KV cache. Errors: kUnsupported (a type that does not fit the heads).
Result<KvShape> kv_shape(const ModelConfig& config, KvFormat type, int n_ctx);

}  // namespace kedge::engine
