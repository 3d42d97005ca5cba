// DeepSeek V2, V3 and R1, and what is built like them (Kimi K2, GLM-4.7-Flash, GigaChat 3, Kanana 2): attention over a
// latent, the first blocks dense, the others with many experts and some for every token; V3 chooses them by their
// sigmoid, with a bias, within the best groups. YaRN's magnitude is of the scores, not of the rotation. Source:
// DeepSeek-AI 2024 (arXiv 2405.04434, 2412.19437).
#include <cmath>

#include "engine/arch_keys.h"
#include "engine/decoder.h"
#include "engine/latent_attention.h"
#include "kernels/base/ordered_math.h"

namespace kedge::engine::archs {
namespace {

struct Layer {
  Norm before_attention;
  LatentAttention attention;
  Norm before_ffn;
  FeedForward ff;
  Mixture mixture;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    ModelConfig& c = l.config();
    KEDGE_TRY(l.leave_out_prediction_blocks());
    KEDGE_ASSIGN(latent, LatentShape::read(l));
    KEDGE_ASSIGN(multiplier, read_yarn_log_multiplier(l));
    // mscale_all_dim; the file has a tenth of it.
    const double magnitude = c.rope.factor > 1 ? 1 + double{multiplier} * ordered_log(c.rope.factor) : 1;
    c.attention_scale = static_cast<float>(magnitude * magnitude / std::sqrt(static_cast<double>(latent.head_dim_k)));
    if (multiplier != 0) c.rope.yarn_magnitude = false;
    l.rope(c.rope);
    KEDGE_TRY(l.some_experts());
    KEDGE_TRY(read_shared_experts(l));
    return read_dense_blocks(l);
  }

  Status load(const Block& b) {
    const int d = b.c().d_model;
    KEDGE_TRY(set(before_attention, load_norm(b.l, b.p + "attn_norm.weight", d)));
    KEDGE_ASSIGN(latent, LatentShape::read(b.l));
    KEDGE_TRY(attention.load(b, latent, b.l.rope_at(0), b.c().attention_scale));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "ffn_norm.weight", d)));
    if (!has_experts(b.c(), b.index)) return ff.load(b);
    // Older files do not say how scores are made; those with a bias are of V3's kind.
    const bool sigmoid = b.l.has(b.p + "exp_probs_b.bias");
    return mixture.load(b, {.routing = {.sigmoid = sigmoid, .normalise = false},
                            .fused = b.l.has(b.p + "ffn_gate_up_exps.weight"),
                            .shared = b.c().d_ff_shared});
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_attention, f.h, d);
    attention.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
    s.norm(f.x, before_ffn, f.h, d);
    mixture.experts.router ? mixture.forward(s, f.h, f.h) : ff.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture deepseek2;
constinit const Architecture deepseek2 = {.name = "deepseek2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
