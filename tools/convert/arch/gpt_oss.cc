// gpt-oss: sinks, windows on alternate blocks, experts with biases, as blocks of MXFP4 (as published) or as floats,
// whose matrices are [in][out]. Rows of gate and up take turns.
#include <utility>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

constexpr size_t kBlockValues = 32;
constexpr size_t kBlockBytes = 17;  // in GGUF: the exponent, then two codes a byte

// The folder's codes stand pair by pair, GGUF's halves of a block side by side.
void to_gguf_block(const std::byte* codes, std::byte exponent, std::byte* out) {
  const auto code = [&](size_t i) { return (codes[i / 2] >> (i % 2 * 4)) & std::byte{15}; };
  out[0] = exponent;
  for (size_t i = 0; i < kBlockValues / 2; ++i) out[1 + i] = code(i) | code(i + kBlockValues / 2) << 4;
}

Status read_mxfp4(const Conversion& c, PlannedTensor& t) {
  const SafetensorsTensor& blocks = *t.sources.front();
  const std::string name = blocks.name.substr(0, blocks.name.rfind("_blocks")) + "_scales";
  const SafetensorsTensor* scales = c.weights.find(name);
  if (scales == nullptr) return Error{ErrorCode::kNotFound, "tensor " + in_quotes(name) + " is missing"};
  if (scales->type != SafetensorsType::kU8 || blocks.type != SafetensorsType::kU8 ||
      scales->data.size() * (kBlockValues / 2) != blocks.data.size()) {
    return Error{ErrorCode::kCorrupt,
                 "tensor " + in_quotes(name) + " does not have a byte for every block of " + in_quotes(blocks.name)};
  }
  const auto n = static_cast<size_t>(t.dims[1]);  // blocks of a row
  t.dims = {static_cast<int64_t>(n * kBlockValues), t.dims[2], t.dims[3]};
  t.blocks_in = find_quant("MXFP4");
  t.read_blocks = [codes = blocks.data.data(), exponents = scales->data.data(), n](size_t row, std::byte* out) {
    for (size_t b = row * n; b < (row + 1) * n; ++b, out += kBlockBytes) {
      to_gguf_block(codes + b * (kBlockValues / 2), exponents[b], out);
    }
  };
  return {};
}

Status transpose_each(const Conversion&, PlannedTensor& t) {
  const auto k = static_cast<size_t>(t.dims[1]);
  const auto rows = static_cast<size_t>(t.dims[0]);
  std::swap(t.dims[0], t.dims[1]);
  t.read = [source = t.sources.front(), k, rows](size_t row, float* out) {
    const size_t first = row / rows * rows * k + row % rows;
    for (size_t i = 0; i < k; ++i) read_safetensors_floats(*source, first + i * rows, 1, out + i);
  };
  return {};
}

void every_other_row(PlannedTensor& t, size_t from) {
  const auto n = static_cast<size_t>(t.dims[1] / 2);
  choose_rows(t, t.dims[1] / 2, [n, from](size_t r) { return r / n * 2 * n + r % n * 2 + from; });
}

template <TensorForm kRead, size_t kFrom>
Status half(const Conversion& c, PlannedTensor& t) {
  KEDGE_TRY(kRead(c, t));
  every_other_row(t, kFrom);
  return {};
}

template <size_t kFrom>
Status half_bias(const Conversion&, PlannedTensor& t) {
  const size_t n = t.row_values();
  t.dims[0] /= 2;
  t.read = [read = std::move(t.read), n](size_t row, float* out) {
    std::vector<float> both(n);
    read(row, both.data());
    for (size_t k = 0; k < n / 2; ++k) out[k] = both[2 * k + kFrom];
  };
  return {};
}

std::vector<TensorRule> expert_rules(bool blocks) {
  const std::vector<TensorRule> rules = {
      {"model.layers.#.mlp.router.weight", "blk.#.ffn_gate_inp.weight", "ED"},
      {"model.layers.#.mlp.router.bias", "blk.#.ffn_gate_inp.bias", "E"},
      {"model.layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_gate_exps.bias", "EY", half_bias<0>},
      {"model.layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_up_exps.bias", "EY", half_bias<1>},
      {"model.layers.#.mlp.experts.down_proj_bias", "blk.#.ffn_down_exps.bias", "ED"},
  };
  const std::vector<TensorRule> quantised = {
      {"model.layers.#.mlp.experts.gate_up_proj_blocks", "blk.#.ffn_gate_exps.weight", "EYBU", half<read_mxfp4, 0>},
      {"model.layers.#.mlp.experts.gate_up_proj_blocks", "blk.#.ffn_up_exps.weight", "EYBU", half<read_mxfp4, 1>},
      {"model.layers.#.mlp.experts.gate_up_proj_scales", nullptr, "EYB"},
      {"model.layers.#.mlp.experts.down_proj_blocks", "blk.#.ffn_down_exps.weight", "EDCU", read_mxfp4},
      {"model.layers.#.mlp.experts.down_proj_scales", nullptr, "EDC"},
  };
  const std::vector<TensorRule> floats = {
      {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps.weight", "EDY", half<transpose_each, 0>},
      {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps.weight", "EDY", half<transpose_each, 1>},
      {"model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps.weight", "EXD", transpose_each},
  };
  return join({rules, blocks ? quantised : floats});
}

Status plan(Conversion& c) {
  KEDGE_TRY(decoder_keys(c));
  KEDGE_TRY(rope_keys(c, 150000, {"yarn"}));
  KEDGE_TRY(expert_keys(c, "num_local_experts", "num_experts_per_tok", "intermediate_size"));
  c.config.ignore({"num_experts_per_token", "experts_per_token", "initial_context_length"});  // said twice
  KEDGE_TRY(c.config.must_be("attention_bias", true));
  KEDGE_TRY(c.config.must_be("swiglu_limit", 7.0));
  KEDGE_TRY(check_layer_types(c, every(c.count_of('L'), 2)));
  KEDGE_ASSIGN(window, c.config.count("sliding_window"));
  c.add("attention.sliding_window", static_cast<uint32_t>(window));
  c.set_count('B', c.count_of('D') / static_cast<int64_t>(kBlockValues));
  c.set_count('C', c.count_of('X') / static_cast<int64_t>(kBlockValues));
  c.set_count('U', static_cast<int64_t>(kBlockValues / 2));
  const bool blocks = c.weights.find("model.layers.0.mlp.experts.gate_up_proj_blocks") != nullptr;
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(
      c, join({{embedding_rule(),
                {"model.norm.weight", "output_norm.weight", "D"},
                output,
                {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D"},
                {"model.layers.#.self_attn.sinks", "blk.#.attn_sinks.weight", "N"},
                {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", "D"}},
               attention_rules(false),
               expert_rules(blocks)}));
}

}  // namespace

extern constinit const Family gpt_oss;
constinit const Family gpt_oss = {.model_types = "gpt_oss", .gguf = "gpt-oss", .plan = plan};

}  // namespace kedge::tools::convert::families
