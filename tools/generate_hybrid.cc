#include "tools/generate_hybrid.h"

#include <algorithm>
#include <iterator>

namespace kedge::tools {

void plan_attention_keys(const ModelShape& s, ModelPlan& plan) {
  plan.key("attention.head_count", s.n_heads);
  plan.key("attention.head_count_kv", s.n_kv_heads);
  plan.key("attention.key_length", s.head_dim);
  plan.key("attention.value_length", s.head_dim);
  plan.key("rope.dimension_count", s.head_dim);
  plan.key("attention.layer_norm_rms_epsilon", s.rms_eps);
  plan.key("rope.freq_base", s.rope_base);
}

namespace {

// Recurrent layers forget over some tens of tokens with these.
constexpr float kDecay = -1.0f;
constexpr float kStepBias = -3.0f;

void plan_qk_norms(const ModelShape& s, ModelPlan& plan) {
  plan.norm("attn_q_norm", s.head_dim);
  plan.norm("attn_k_norm", s.head_dim);
}

}  // namespace

void plan_qwen35(const ModelShape& s, ModelPlan& plan) {
  constexpr int kInterval = 4;
  constexpr int64_t kHeads = 16;  // of keys and of values
  constexpr int64_t kHeadDim = 128;
  constexpr int64_t kInner = kHeads * kHeadDim;
  const int64_t d = s.d_model;
  const int64_t q = int64_t{s.n_heads} * s.head_dim;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  plan.key("feed_forward_length", s.d_ff);
  plan.key("attention.head_count", s.n_heads);
  plan.key("attention.head_count_kv", s.n_kv_heads);
  plan.key("attention.key_length", s.head_dim);
  plan.key("attention.value_length", s.head_dim);
  plan.key("attention.layer_norm_rms_epsilon", s.rms_eps);
  plan.key("rope.freq_base", s.rope_base);
  plan.key("rope.dimension_count", s.head_dim / 4);
  plan.key("rope.dimension_sections", std::vector<int32_t>{11, 11, 10, 0});
  plan.key("full_attention_interval", kInterval);
  plan.key("ssm.conv_kernel", 4);
  plan.key("ssm.inner_size", static_cast<int>(kInner));
  plan.key("ssm.state_size", static_cast<int>(kHeadDim));
  plan.key("ssm.time_step_rank", static_cast<int>(kHeads));
  plan.key("ssm.group_count", static_cast<int>(kHeads));
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    if ((i + 1) % kInterval == 0) {
      plan.attention(d, 2 * q, kv, q);
      plan_qk_norms(s, plan);
    } else {
      plan.matrix("attn_qkv.weight", {d, 3 * kInner});
      plan.matrix("attn_gate.weight", {d, kInner});
      plan.floats("ssm_conv1d.weight", {4, 3 * kInner});
      plan.constant("ssm_dt.bias", {kHeads}, kStepBias);
      plan.constant("ssm_a", {kHeads}, kDecay);
      plan.matrix("ssm_beta.weight", {d, kHeads});
      plan.matrix("ssm_alpha.weight", {d, kHeads});
      plan.norm("ssm_norm", kHeadDim);
      plan.matrix("ssm_out.weight", {kInner, d});
    }
    plan.norm("post_attention_norm", d);
    plan.feed_forward(d, s.d_ff);
  }
}

void plan_gemma3(const ModelShape& s, ModelPlan& plan) {
  const int64_t d = s.d_model;
  const int64_t q = int64_t{s.n_heads} * s.head_dim;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  plan.key("feed_forward_length", s.d_ff);
  plan_attention_keys(s, plan);
  plan.key("attention.sliding_window", 512);
  plan.key("rope.freq_base_swa", 10000.0f);
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    plan.attention(d, q, kv, q);
    plan_qk_norms(s, plan);
    plan.norm("post_attention_norm", d);
    plan.norm("ffn_norm", d);
    plan.feed_forward(d, s.d_ff);
    plan.norm("post_ffw_norm", d);
  }
}

// Experts are MXFP4 whatever the type of the rest.
void plan_gpt_oss(const ModelShape& s, ModelPlan& plan) {
  const int64_t d = s.d_model;
  const int64_t q = int64_t{s.n_heads} * s.head_dim;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  const int64_t ff = s.d_ff;
  const int64_t n = s.n_experts;
  plan.key("feed_forward_length", s.d_ff);
  plan.key("expert_feed_forward_length", s.d_ff);
  plan.key("expert_count", s.n_experts);
  plan.key("expert_used_count", s.n_experts_used);
  plan_attention_keys(s, plan);
  plan.key("attention.sliding_window", 128);
  plan.key("rope.scaling.type", std::string("yarn"));
  plan.key("rope.scaling.factor", 32.0f);
  plan.key("rope.scaling.original_context_length", 4096);
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    plan.attention(d, q, kv, q);
    plan.constant("attn_q.bias", {q}, 0.01f);
    plan.constant("attn_k.bias", {kv}, 0.01f);
    plan.constant("attn_v.bias", {kv}, 0.01f);
    plan.constant("attn_output.bias", {d}, 0.01f);
    plan.constant("attn_sinks.weight", {s.n_heads}, 0.5f);
    plan.norm("post_attention_norm", d);
    plan.floats("ffn_gate_inp.weight", {d, n});
    plan.constant("ffn_gate_inp.bias", {n}, 0.0f);
    plan.typed("ffn_gate_exps.weight", {d, ff, n}, "MXFP4");
    plan.typed("ffn_up_exps.weight", {d, ff, n}, "MXFP4");
    plan.typed("ffn_down_exps.weight", {ff, d, n}, "MXFP4");
    plan.constant("ffn_gate_exps.bias", {ff, n}, 0.01f);
    plan.constant("ffn_up_exps.bias", {ff, n}, 0.01f);
    plan.constant("ffn_down_exps.bias", {d, n}, 0.01f);
  }
}

void plan_lfm2(const ModelShape& s, ModelPlan& plan) {
  const int64_t d = s.d_model;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  constexpr int kAttention[] = {2, 5, 8, 10, 12, 14};  // the published pattern of 16 layers
  const auto attends = [&](int i) {
    return std::find(std::begin(kAttention), std::end(kAttention), i % 16) != std::end(kAttention);
  };
  std::vector<int32_t> heads;
  for (int i = 0; i < s.n_layers; ++i) heads.push_back(attends(i) ? s.n_kv_heads : 0);
  plan.key("feed_forward_length", s.d_ff);
  plan.key("attention.head_count", s.n_heads);
  plan.key("attention.head_count_kv", heads);
  plan.key("attention.layer_norm_rms_epsilon", s.rms_eps);
  plan.key("rope.freq_base", s.rope_base);
  plan.key("shortconv.l_cache", 3);
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    if (attends(i)) {
      plan.attention(d, d, kv, d);
      plan_qk_norms(s, plan);
    } else {
      plan.matrix("shortconv.in_proj.weight", {d, 3 * d});
      plan.floats("shortconv.conv.weight", {3, d});
      plan.matrix("shortconv.out_proj.weight", {d, d});
    }
    plan.norm("ffn_norm", d);
    plan.feed_forward(d, s.d_ff);
  }
}

void plan_deepseek2(const ModelShape& s, ModelPlan& plan) {
  constexpr int64_t kLatent = 512;
  constexpr int64_t kRotated = 64;
  constexpr int64_t kPlain = 128;  // of a query head, not rotated; of a value
  constexpr int64_t kExpert = 1408;
  constexpr int64_t kShared = 2;
  const int64_t d = s.d_model;
  const int64_t heads = s.n_heads;
  plan.key("feed_forward_length", s.d_ff);
  plan.key("attention.head_count", s.n_heads);
  plan.key("attention.head_count_kv", 1);
  plan.key("attention.key_length", static_cast<int>(kLatent + kRotated));
  plan.key("attention.value_length", static_cast<int>(kLatent));
  plan.key("attention.key_length_mla", static_cast<int>(kPlain + kRotated));
  plan.key("attention.value_length_mla", static_cast<int>(kPlain));
  plan.key("attention.kv_lora_rank", static_cast<int>(kLatent));
  plan.key("attention.layer_norm_rms_epsilon", s.rms_eps);
  plan.key("rope.dimension_count", static_cast<int>(kRotated));
  plan.key("rope.freq_base", s.rope_base);
  plan.key("expert_count", s.n_experts);
  plan.key("expert_used_count", s.n_experts_used);
  plan.key("expert_feed_forward_length", static_cast<int>(kExpert));
  plan.key("expert_shared_count", static_cast<int>(kShared));
  plan.key("expert_weights_scale", 1.0f);
  plan.key("leading_dense_block_count", 1);
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    plan.matrix("attn_q.weight", {d, heads * (kPlain + kRotated)});
    plan.matrix("attn_kv_a_mqa.weight", {d, kLatent + kRotated});
    plan.norm("attn_kv_a_norm", kLatent);
    plan.typed("attn_k_b.weight", {kPlain, kLatent, heads}, "Q8_0");
    plan.typed("attn_v_b.weight", {kLatent, kPlain, heads}, "Q8_0");
    plan.matrix("attn_output.weight", {heads * kPlain, d});
    plan.norm("ffn_norm", d);
    if (i == 0) {
      plan.typed("ffn_gate.weight", {d, s.d_ff}, "Q8_0");  // rows of 10944 are no multiple of 256
      plan.typed("ffn_up.weight", {d, s.d_ff}, "Q8_0");
      plan.typed("ffn_down.weight", {s.d_ff, d}, "Q8_0");
      continue;
    }
    plan.floats("ffn_gate_inp.weight", {d, s.n_experts});
    plan.matrix("ffn_gate_exps.weight", {d, kExpert, s.n_experts});
    plan.matrix("ffn_up_exps.weight", {d, kExpert, s.n_experts});
    plan.typed("ffn_down_exps.weight", {kExpert, d, s.n_experts}, "Q8_0");
    plan.matrix("ffn_gate_shexp.weight", {d, kShared * kExpert});
    plan.matrix("ffn_up_shexp.weight", {d, kShared * kExpert});
    plan.sensitive("ffn_down_shexp.weight", {kShared * kExpert, d});
  }
}

void plan_granitehybrid(const ModelShape& s, ModelPlan& plan) {
  constexpr int64_t kHeads = 48;
  constexpr int64_t kState = 128;
  const int64_t d = s.d_model;
  const int64_t inner = 2 * d;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  const auto attends = [](int i) { return i % 10 == 5; };
  std::vector<int32_t> heads;
  for (int i = 0; i < s.n_layers; ++i) heads.push_back(attends(i) ? s.n_kv_heads : 0);
  plan.key("feed_forward_length", s.d_ff);
  plan.key("expert_count", s.n_experts);
  plan.key("expert_used_count", s.n_experts_used);
  plan.key("expert_shared_feed_forward_length", 2 * s.d_ff);
  plan.key("attention.head_count", s.n_heads);
  plan.key("attention.head_count_kv", heads);
  plan.key("attention.layer_norm_rms_epsilon", s.rms_eps);
  plan.key("attention.scale", 0.0078125f);
  plan.key("embedding_scale", 12.0f);
  plan.key("residual_scale", 0.22f);
  plan.key("logit_scale", 6.0f);
  plan.key("rope.freq_base", s.rope_base);
  plan.key("rope.dimension_count", s.head_dim);
  plan.key("rope.scaling.finetuned", false);
  plan.key("ssm.conv_kernel", 4);
  plan.key("ssm.inner_size", static_cast<int>(inner));
  plan.key("ssm.state_size", static_cast<int>(kState));
  plan.key("ssm.time_step_rank", static_cast<int>(kHeads));
  plan.key("ssm.group_count", 1);
  for (int i = 0; i < s.n_layers; ++i) {
    plan.begin_layer(i);
    plan.norm("attn_norm", d);
    if (attends(i)) {
      plan.attention(d, d, kv, d);
    } else {
      plan.matrix("ssm_in.weight", {d, 2 * inner + 2 * kState + kHeads});
      plan.floats("ssm_conv1d.weight", {4, inner + 2 * kState});
      plan.constant("ssm_conv1d.bias", {inner + 2 * kState}, 0.0f);
      plan.constant("ssm_dt.bias", {kHeads}, kStepBias);
      plan.constant("ssm_a", {1, kHeads}, kDecay);
      plan.constant("ssm_d", {1, kHeads}, 1.0f);
      plan.constant("ssm_norm.weight", {inner, 1}, 1.0f);
      plan.matrix("ssm_out.weight", {inner, d});
    }
    plan.norm("ffn_norm", d);
    plan.experts(d, s.d_ff, s.n_experts);
    plan.feed_forward(d, 2 * s.d_ff, "_shexp");
  }
}

}  // namespace kedge::tools
