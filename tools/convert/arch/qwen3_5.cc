// Qwen3.5 to 3.8 (dense), the text model: gated delta nets and, every few blocks, an attention with a gate; the block
// that predicts further tokens, if there is one, comes behind the others. A key head's value heads stand together in
// the folder; in GGUF, value head n is of key head n mod the number of key heads.
#include <algorithm>

#include "tools/convert/keys.h"

namespace kedge::tools::convert::families {
namespace {

// Rows of `size` values' heads that stand behind `fixed` others: where the folder has row r.
std::function<size_t(size_t)> of_value_heads(const Conversion& c, int64_t size, int64_t fixed = 0) {
  const auto groups = static_cast<size_t>(c.count_of('A'));
  const auto each = static_cast<size_t>(c.count_of('B')) / groups;
  const auto head = static_cast<size_t>(size);
  const auto before = static_cast<size_t>(fixed);
  return [groups, each, head, before](size_t r) {
    if (r < before) return r;
    const size_t to = (r - before) / head;
    return before + (to % groups * each + to / groups) * head + (r - before) % head;
  };
}

int64_t keys_and_queries(const Conversion& c) { return c.count_of('C') - c.count_of('I'); }

Status behind_keys(const Conversion& c, PlannedTensor& t) {
  choose_rows(t, t.dims[1], of_value_heads(c, c.count_of('J'), keys_and_queries(c)));
  return {};
}
Status taps(const Conversion& c, PlannedTensor& t) {
  KEDGE_TRY(squeeze(c, t));
  return behind_keys(c, t);
}
Status value_rows(const Conversion& c, PlannedTensor& t) {
  choose_rows(t, t.dims[1], of_value_heads(c, c.count_of('J')));
  return {};
}
Status value_columns(const Conversion& c, PlannedTensor& t) {
  choose_columns(t, of_value_heads(c, c.count_of('J')));
  return {};
}
Status head_rows(const Conversion& c, PlannedTensor& t) {
  choose_rows(t, t.dims[1], of_value_heads(c, 1));
  return {};
}
Status head_values(const Conversion& c, PlannedTensor& t) {
  choose_columns(t, of_value_heads(c, 1));
  return {};
}
Status head_decays(const Conversion& c, PlannedTensor& t) {
  KEDGE_TRY(head_values(c, t));
  return minus_exp(c, t);
}

Status delta_keys(Conversion& c) {
  KEDGE_ASSIGN(taps_of, c.config.count("linear_conv_kernel_dim"));
  KEDGE_ASSIGN(key_heads, c.config.count("linear_num_key_heads"));
  KEDGE_ASSIGN(value_heads, c.config.count("linear_num_value_heads"));
  KEDGE_ASSIGN(key_dim, c.config.count("linear_key_head_dim"));
  KEDGE_ASSIGN(value_dim, c.config.count("linear_value_head_dim"));
  if (value_heads % key_heads != 0) {
    return c.config.wrong("linear_num_value_heads", "must be a multiple of linear_num_key_heads");
  }
  const int64_t inner = value_heads * value_dim;
  c.set_count('A', key_heads);
  c.set_count('B', value_heads);
  c.set_count('J', value_dim);
  c.set_count('I', inner);
  c.set_count('T', taps_of);
  c.set_count('C', 2 * key_heads * key_dim + inner);
  c.add("ssm.conv_kernel", static_cast<uint32_t>(taps_of));
  c.add("ssm.inner_size", static_cast<uint32_t>(inner));
  c.add("ssm.state_size", static_cast<uint32_t>(key_dim));
  c.add("ssm.time_step_rank", static_cast<uint32_t>(value_heads));
  c.add("ssm.group_count", static_cast<uint32_t>(key_heads));
  return {};
}

// Positions of several axes are dealt to pairs; for text all are the same.
Status rope(Conversion& c) {
  KEDGE_ASSIGN(given, read_rope(c.config, 10000000));
  KEDGE_TRY(given.parameters.must_be("mrope_interleaved", true));
  if (given.parameters.has("mrope_section")) {
    KEDGE_ASSIGN(sections, given.parameters.numbers("mrope_section"));
    if (sections.size() != 3) return given.parameters.wrong("mrope_section", "must have three numbers");
    std::vector<int32_t> dealt;
    for (const double n : sections) dealt.push_back(static_cast<int32_t>(n));
    dealt.push_back(0);
    c.out.add_array<int32_t>(c.arch + ".rope.dimension_sections", dealt);
  }
  return rope_keys(c, 10000000, {"yarn"}, 0.25);
}

Status interval(Conversion& c) {
  KEDGE_ASSIGN(period, c.config.count_or("full_attention_interval", 4, 1));
  c.layer_kinds = every(c.count_of('L'), period, 'd', 'a');
  c.add("full_attention_interval", static_cast<uint32_t>(period));
  KEDGE_ASSIGN(types, c.config.texts("layer_types"));
  for (size_t i = 0; i < types.size(); ++i) {
    const bool attends = i < c.layer_kinds.size() && c.layer_kinds[i] == 'a';
    if (types[i] == (attends ? "full_attention" : "linear_attention")) continue;
    return Error{ErrorCode::kUnsupported,
                 c.config.wrong("layer_types", "GGUF has attention in every nth block").message};
  }
  return {};
}

// The block that predicts further tokens is one more, of the kind with attention; 'Z': twice the width.
Status further_block(Conversion& c) {
  KEDGE_ASSIGN(blocks, c.config.count_or("mtp_num_hidden_layers", 0));
  c.config.ignore({"mtp_*"});
  const bool there = std::any_of(c.weights.tensors().begin(), c.weights.tensors().end(),
                                 [&](const auto& t) { return t.name == "mtp.fc.weight"; });
  if (blocks == 0 || !there) {
    c.leave_out("mtp.*");
    return {};
  }
  if (blocks > 1) {
    return Error{ErrorCode::kUnsupported, c.config.wrong("mtp_num_hidden_layers", "only one is known").message};
  }
  const std::string block = "model.layers." + std::to_string(c.count_of('L')) + ".";
  c.rename("mtp.layers.0.", block);
  for (const char* own : {"fc.", "pre_fc_norm_embedding.", "pre_fc_norm_hidden.", "norm."}) {
    c.rename(std::string("mtp.") + own, block + "mtp_" + own);
  }
  c.set_count('Z', 2 * c.count_of('D'));
  c.set_count('L', c.count_of('L') + 1);
  c.layer_kinds += 'a';
  c.add("nextn_predict_layers", uint32_t{1});
  return {};
}

std::vector<TensorRule> further_rules() {
  return {
      {"model.layers.#.mtp_fc.weight", "blk.#.nextn.eh_proj.weight", "DZ", nullptr, true, 'a'},
      {"model.layers.#.mtp_pre_fc_norm_embedding.weight", "blk.#.nextn.enorm.weight", "D", add_one, true, 'a'},
      {"model.layers.#.mtp_pre_fc_norm_hidden.weight", "blk.#.nextn.hnorm.weight", "D", add_one, true, 'a'},
      {"model.layers.#.mtp_norm.weight", "blk.#.nextn.shared_head_norm.weight", "D", add_one, true, 'a'},
  };
}

std::vector<TensorRule> block_rules() {
  return {
      {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", "D", add_one},
      {"model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", "D", add_one},
      {"model.layers.#.linear_attn.in_proj_qkv.weight", "blk.#.attn_qkv.weight", "CD", behind_keys, false, 'd'},
      {"model.layers.#.linear_attn.in_proj_z.weight", "blk.#.attn_gate.weight", "ID", value_rows, false, 'd'},
      {"model.layers.#.linear_attn.in_proj_b.weight", "blk.#.ssm_beta.weight", "BD", head_rows, false, 'd'},
      {"model.layers.#.linear_attn.in_proj_a.weight", "blk.#.ssm_alpha.weight", "BD", head_rows, false, 'd'},
      {"model.layers.#.linear_attn.conv1d.weight", "blk.#.ssm_conv1d.weight", "C1T", taps, false, 'd'},
      {"model.layers.#.linear_attn.dt_bias", "blk.#.ssm_dt.bias", "B", head_values, false, 'd'},
      {"model.layers.#.linear_attn.A_log", "blk.#.ssm_a", "B", head_decays, false, 'd'},
      {"model.layers.#.linear_attn.norm.weight", "blk.#.ssm_norm.weight", "J", nullptr, false, 'd'},
      {"model.layers.#.linear_attn.out_proj.weight", "blk.#.ssm_out.weight", "DI", value_columns, false, 'd'},
      {"model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", "WD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", "KD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", "KD", nullptr, false, 'a'},
      {"model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", "DQ", nullptr, false, 'a'},
      {"model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", "H", add_one, false, 'a'},
      {"model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", "H", add_one, false, 'a'},
  };
}

Status plan(Conversion& c) {
  text_part(c);
  KEDGE_TRY(decoder_keys(c, {.blocks = false, .otherwise = {.head_dim = 256}}));
  KEDGE_TRY(delta_keys(c));
  KEDGE_TRY(rope(c));
  KEDGE_TRY(interval(c));
  KEDGE_TRY(c.config.must_be("attention_bias", false));
  KEDGE_TRY(c.config.must_be("attn_output_gate", true));
  c.config.ignore({"mamba_ssm_dtype"});
  KEDGE_TRY(further_block(c));
  c.add("block_count", static_cast<uint32_t>(c.count_of('L')));
  c.set_count('W', 2 * c.count_of('Q'));  // of every head its query, then its gate
  KEDGE_ASSIGN(output, output_rule(c));
  return plan_tensors(c, join({{embedding_rule(), {"model.norm.weight", "output_norm.weight", "D", add_one}, output},
                               block_rules(),
                               further_rules(),
                               gated_rules()}));
}

}  // namespace

extern constinit const Family qwen3_5;
constinit const Family qwen3_5 = {.model_types = "qwen3_5_text qwen3_5", .gguf = "qwen35", .plan = plan};

}  // namespace kedge::tools::convert::families
