// Mamba-2 in the layout of transformers (Codestral Mamba).
#include <utility>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// No position is ever out of reach; what is trained is not in the folder.
constexpr uint32_t kContext = 1 << 20;

Status keys(Conversion& c) {
  Config& config = c.config;
  KEDGE_ASSIGN(vocab, config.count("vocab_size"));
  KEDGE_ASSIGN(width, config.count("hidden_size"));
  KEDGE_ASSIGN(layers, config.count("num_hidden_layers"));
  KEDGE_ASSIGN(heads, config.count("num_heads"));
  KEDGE_ASSIGN(head_dim, config.count("head_dim"));
  KEDGE_ASSIGN(state, config.count("state_size"));
  KEDGE_ASSIGN(groups, config.count_or("n_groups", 8, 1));
  KEDGE_ASSIGN(taps, config.count_or("conv_kernel", 4, 1));
  KEDGE_ASSIGN(epsilon, config.number_or("layer_norm_epsilon", 1e-5));
  const int64_t inner = heads * head_dim;
  if (inner % groups != 0) return config.wrong("n_groups", "must divide num_heads * head_dim");
  for (const auto& [letter, n] : {std::pair{'V', vocab},
                                  {'D', width},
                                  {'L', layers},
                                  {'N', heads},
                                  {'I', inner},
                                  {'T', taps},
                                  {'J', groups},
                                  {'C', inner + 2 * groups * state},
                                  {'Z', 2 * inner + 2 * groups * state + heads}}) {
    c.set_count(letter, n);
  }
  c.add("block_count", static_cast<uint32_t>(layers));
  c.add("context_length", kContext);
  c.add("embedding_length", static_cast<uint32_t>(width));
  c.add("vocab_size", static_cast<uint32_t>(vocab));
  c.add("feed_forward_length", uint32_t{0});
  c.add("attention.head_count", uint32_t{0});
  c.add("attention.layer_norm_rms_epsilon", static_cast<float>(epsilon));
  c.add("ssm.conv_kernel", static_cast<uint32_t>(taps));
  c.add("ssm.inner_size", static_cast<uint32_t>(inner));
  c.add("ssm.state_size", static_cast<uint32_t>(state));
  c.add("ssm.time_step_rank", static_cast<uint32_t>(heads));
  c.add("ssm.group_count", static_cast<uint32_t>(groups));
  return {};
}

// [inner] to the groups that are normalised by themselves.
Status in_groups(const Conversion& c, PlannedTensor& t) {
  const int64_t groups = c.count_of('J');
  const auto n = static_cast<size_t>(t.dims[0]);
  const size_t group = n / static_cast<size_t>(groups);
  t.dims = {static_cast<int64_t>(group), groups};
  t.read = [source = t.sources.front(), group](size_t row, float* out) {
    read_safetensors_floats(*source, row * group, group, out);
  };
  return {};
}

Status minus_exp_column(const Conversion& c, PlannedTensor& t) {
  KEDGE_TRY(as_column(c, t));
  return minus_exp(c, t);
}

Status plan(Conversion& c) {
  KEDGE_TRY(keys(c));
  KEDGE_TRY(c.config.must_be("hidden_act", "silu"));
  KEDGE_TRY(c.config.must_be("use_bias", false));
  KEDGE_TRY(c.config.must_be("use_conv_bias", true));
  KEDGE_TRY(c.config.must_be("rms_norm", true));
  KEDGE_TRY(c.config.must_be("norm_before_gate", false));
  if (c.config.has("time_step_limit")) {  // [0, infinity] limits nothing
    const Json* limit = c.config.find("time_step_limit");
    if (!limit->is_array() || limit->size() != 2 || limit->at(size_t{0}) != 0.0 || limit->at(1).is_number()) {
      return Error{ErrorCode::kUnsupported, c.config.wrong("time_step_limit", "GGUF's mamba2 has no limit").message};
    }
  }
  c.config.ignore({"expand", "chunk_size", "time_step_m*", "time_step_floor", "time_step_rank", "residual_in_fp32",
                   "rescale_prenorm_residual"});
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, std::vector<TensorRule>{
                             embedding_rule("backbone.embeddings.weight"),
                             {"backbone.norm_f.weight", "output_norm.weight", "D"},
                             output,
                             {"backbone.layers.#.norm.weight", "blk.#.attn_norm.weight", "D"},
                             {"backbone.layers.#.mixer.in_proj.weight", "blk.#.ssm_in.weight", "ZD"},
                             {"backbone.layers.#.mixer.conv1d.weight", "blk.#.ssm_conv1d.weight", "C1T", squeeze},
                             {"backbone.layers.#.mixer.conv1d.bias", "blk.#.ssm_conv1d.bias", "C"},
                             {"backbone.layers.#.mixer.dt_bias", "blk.#.ssm_dt.bias", "N"},
                             {"backbone.layers.#.mixer.A_log", "blk.#.ssm_a", "N", minus_exp_column},
                             {"backbone.layers.#.mixer.D", "blk.#.ssm_d", "N", as_column},
                             {"backbone.layers.#.mixer.norm.weight", "blk.#.ssm_norm.weight", "I", in_groups},
                             {"backbone.layers.#.mixer.out_proj.weight", "blk.#.ssm_out.weight", "DI"},
                         });
}

}  // namespace

extern constinit const Family mamba2;
constinit const Family mamba2 = {.model_types = "mamba2", .gguf = "mamba2", .plan = plan};

}  // namespace kedge::tools::convert::families
