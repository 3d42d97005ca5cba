// The layer most decoders have: attention, then a feed-forward or a mixture of experts, each added to the residual
// stream, with norms before or behind them. An architecture derives its Layer from it and says in load() what is its
// own.
#pragma once

#include <optional>

#include "engine/blocks.h"
#include "engine/decoder.h"

namespace kedge::engine {

struct LayerForm {
  SelfAttentionForm attention = {};
  FeedForwardForm feed_forward = {};
  FeedForward::Gate gate = FeedForward::Gate::kOwn;
  std::optional<MixtureForm> mixture = {};  // instead of the feed-forward
  // Names of norms, without ".weight"; null: there is none.
  const char* before_attention = "attn_norm";
  const char* behind_attention = nullptr;
  const char* before_ffn = "ffn_norm";
  const char* behind_ffn = nullptr;
  bool layer_norm = false;   // they are LayerNorms
  bool norm_sums = false;    // those behind are of the stream with what was added
  bool parallel = false;     // the feed-forward reads what attention does; neither has a norm behind it
  float residual_scale = 1;  // multiplies what is added to the stream
};

struct StandardLayer {
  Norm before_attention;
  SelfAttention attention;
  Norm behind_attention;
  Norm before_ffn;
  FeedForward ff;
  Mixture mixture;
  Norm behind_ffn;
  float residual_scale = 1;
  bool parallel = false;
  bool norm_sums = false;

  Status load(const Block& b, const LayerForm& form);
  void forward(Step& s, const Frame& f) const;

 private:
  void add(Step& s, const Frame& f, const Norm& behind) const;
  void forward_parallel(Step& s, const Frame& f) const;
};

}  // namespace kedge::engine
