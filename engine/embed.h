// Texts as vectors: the hidden state behind the final norm, of some token or the mean of all. A text is a sequence of
// the engine like any other, in common steps with what else runs, and its vector does not depend on that.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "kernels/base/result.h"

namespace kedge::engine {

class Engine;

// The numbers of GGUF's <arch>.pooling_type and of kedge_pooling.
enum class Pooling : int {
  kNone = 0,  // a vector for each token
  kMean = 1,
  kCls = 2,   // the first token's
  kLast = 3,  // the last token's
};
const char* pooling_name(Pooling pooling);

// What the file says; nothing where it says nothing. Errors: kUnsupported (a pooling that this program has not).
Result<std::optional<Pooling>> pooling_of(const Model& model);

struct EmbedOptions {
  std::optional<Pooling> pooling = {};  // nothing: what the file says, the mean where it says nothing
  bool normalise = true;                // each vector to length 1
  EvalHooks hooks = {};
};

// [d_model], or [n][d_model] of Pooling::kNone. Waits for KV pages as a generation does. Errors: no tokens or one
// outside the vocabulary (kInvalidArgument), more than the model's context or the engine's pages hold, too many waiting
// (kCapacity), kCancelled (also the deadline), numbers that are none (kInternal), those of pooling_of.
Result<std::vector<float>> embed(Engine& engine, std::span<const int32_t> tokens, const EmbedOptions& options = {});

}  // namespace kedge::engine
