// GPT-2: its matrices are [in][out] in the folder, and its sizes have names of their own.
#include <utility>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

Status keys(Conversion& c) {
  Config& config = c.config;
  KEDGE_ASSIGN(vocab, config.count("vocab_size"));
  KEDGE_ASSIGN(context, config.count("n_positions"));
  KEDGE_ASSIGN(width, config.count("n_embd"));
  KEDGE_ASSIGN(layers, config.count("n_layer"));
  KEDGE_ASSIGN(heads, config.count("n_head"));
  KEDGE_ASSIGN(ff, config.count_or("n_inner", 4 * width, 1));
  KEDGE_ASSIGN(epsilon, config.number_or("layer_norm_epsilon", 1e-5));
  KEDGE_ASSIGN(activation, config.text_or("activation_function", "gelu_new"));
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    return config.wrong("activation_function", "GGUF's gpt2 has gelu_new");
  }
  KEDGE_TRY(config.must_be("scale_attn_weights", true));
  KEDGE_TRY(config.must_be("scale_attn_by_inverse_layer_idx", false));
  KEDGE_TRY(config.must_be("add_cross_attention", false));
  config.ignore({"n_ctx", "reorder_and_upcast_attn", "summary_*", "task_specific_params"});
  for (const auto& [letter, n] : {std::pair{'V', vocab},
                                  {'P', context},
                                  {'D', width},
                                  {'L', layers},
                                  {'N', heads},
                                  {'F', ff},
                                  {'W', 3 * width}}) {
    c.set_count(letter, n);
  }
  c.add("block_count", static_cast<uint32_t>(layers));
  c.add("context_length", static_cast<uint32_t>(context));
  c.add("embedding_length", static_cast<uint32_t>(width));
  c.add("vocab_size", static_cast<uint32_t>(vocab));
  c.add("feed_forward_length", static_cast<uint32_t>(ff));
  c.add("attention.head_count", static_cast<uint32_t>(heads));
  c.add("attention.layer_norm_epsilon", static_cast<float>(epsilon));
  return {};
}

Status plan(Conversion& c) {
  KEDGE_TRY(keys(c));
  c.rename("transformer.", "");
  c.leave_out("h.*.attn.bias");  // the causal mask
  c.leave_out("h.*.attn.masked_bias");
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, std::vector<TensorRule>{
                             embedding_rule("wte.weight"),
                             {"wpe.weight", "position_embd.weight", "PD"},
                             {"ln_f.weight", "output_norm.weight", "D"},
                             {"ln_f.bias", "output_norm.bias", "D"},
                             output,
                             {"h.#.ln_1.weight", "blk.#.attn_norm.weight", "D"},
                             {"h.#.ln_1.bias", "blk.#.attn_norm.bias", "D"},
                             {"h.#.attn.c_attn.weight", "blk.#.attn_qkv.weight", "DW", transpose},
                             {"h.#.attn.c_attn.bias", "blk.#.attn_qkv.bias", "W"},
                             {"h.#.attn.c_proj.weight", "blk.#.attn_output.weight", "DD", transpose},
                             {"h.#.attn.c_proj.bias", "blk.#.attn_output.bias", "D"},
                             {"h.#.ln_2.weight", "blk.#.ffn_norm.weight", "D"},
                             {"h.#.ln_2.bias", "blk.#.ffn_norm.bias", "D"},
                             {"h.#.mlp.c_fc.weight", "blk.#.ffn_up.weight", "DF", transpose},
                             {"h.#.mlp.c_fc.bias", "blk.#.ffn_up.bias", "F"},
                             {"h.#.mlp.c_proj.weight", "blk.#.ffn_down.weight", "FD", transpose},
                             {"h.#.mlp.c_proj.bias", "blk.#.ffn_down.bias", "D"},
                         });
}

}  // namespace

extern constinit const Family gpt2;
constinit const Family gpt2 = {.model_types = "gpt2", .gguf = "gpt2", .plan = plan};

}  // namespace kedge::tools::convert::families
