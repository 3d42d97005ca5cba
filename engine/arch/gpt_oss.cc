// gpt-oss: a score of no token (sink) in every head's softmax, a window on every other block, biases everywhere, and
// experts with a clipped gate that is multiplied by up + 1. Source: OpenAI 2025 (arXiv 2508.10925).
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(l.windows([](int i) { return i % 2 == 0; }));
    return {};
  }

  Status load(const Block& b) {
    constexpr float kLimit = 7.0f;
    return StandardLayer::load(b, {.attention = {.rope = b.l.rope_at(0), .biases = true, .sinks = true},
                                   .mixture = MixtureForm{.experts = {.clip = kLimit}},
                                   .before_ffn = "post_attention_norm"});
  }
};

}  // namespace

extern constinit const Architecture gpt_oss;
constinit const Architecture gpt_oss = {.name = "gpt-oss", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
