// LFM2 and LFM2.5: gated short convolutions, and attention with norms on query and key heads in some blocks.
// Source: Liquid AI 2025 (arXiv 2511.23404).
#include "engine/hybrid_layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : HybridLayer<ShortConv> {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    l.rope(l.config().rope);
    return {};
  }

  // The final norm has the name of one on the embedding.
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.norm = "token_embd_norm.weight"}; }

  Status load(const Block& b) {
    const SelfAttentionForm form{.rope = b.l.rope_at(0), .qk_norm = QkNorm::kHeads};
    KEDGE_TRY(load_first(b, form, [&](ShortConv& conv) { return conv.load(b); }));
    KEDGE_TRY(set(before_ffn, load_norm(b.l, b.p + "ffn_norm.weight", b.c().d_model)));
    return ff.load(b);
  }
};

}  // namespace

extern constinit const Architecture lfm2;
constinit const Architecture lfm2 = {.name = "lfm2", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
