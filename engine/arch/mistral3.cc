// Ministral 3: Llama whose queries grow with the position beyond the original context, and YaRN without its magnitude
// (yarn_log_multiplier 1 takes it back). Source: Mistral AI 2025, "Ministral 3" (model card and its configuration).
#include "engine/arch_keys.h"
#include "engine/layer.h"

namespace kedge::engine::archs {
namespace {

struct Layer : StandardLayer {
  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kInterleaved));
    KEDGE_ASSIGN(multiplier, read_yarn_log_multiplier(l));
    if (multiplier != 0 && multiplier != 1) {
      return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("rope.scaling.yarn_log_multiplier") + " is " +
                                                std::to_string(multiplier) + ": 0 and 1 are supported"};
    }
    l.config().rope.yarn_magnitude = multiplier == 0;
    l.rope(l.config().rope);
    KEDGE_TRY(set(l.config().query_growth, l.number_or("attention.temperature_scale", 0)));
    return {};
  }

  Status load(const Block& b) {
    return StandardLayer::load(
        b, {.attention = {
                .rope = b.l.rope_at(0), .growth = b.c().query_growth, .growth_context = b.c().rope.original_context}});
  }
};

}  // namespace

extern constinit const Architecture mistral3;
constinit const Architecture mistral3 = {.name = "mistral3", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
