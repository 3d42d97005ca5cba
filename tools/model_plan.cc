#include "tools/model_plan.h"

namespace kedge::tools {

Result<TypeChoice> TypeChoice::make(const std::string& type, int n_layers) {
  TypeChoice c;
  c.mix_ = type == "Q4_K_M";
  c.n_layers_ = n_layers;
  for (const auto& [format, name] : {std::pair{&c.main_, c.mix_ ? std::string("Q4_K") : type},
                                     std::pair{&c.better_, c.mix_ ? std::string("Q6_K") : type}}) {
    *format = find_quant(name);
    if (*format == nullptr || (*format)->quantise == nullptr) {
      return Error{ErrorCode::kInvalidArgument, "type '" + type + "' is not one Kedge writes"};
    }
  }
  return c;
}

const QuantFormat* TypeChoice::sensitive(int layer) const {
  const int eighth = n_layers_ / 8;
  const bool more = layer < eighth || layer >= 7 * eighth || (layer - eighth) % 3 == 2;
  return more ? better_ : main_;
}

void ModelPlan::begin_layer(int layer) {
  layer_ = layer;
  prefix_ = "blk." + std::to_string(layer) + ".";
}

void ModelPlan::constant(const std::string& name, std::vector<int64_t> dims, float value) {
  tensors_.push_back({prefix_ + name, std::move(dims), find_quant("F32"), value, false});
}

void ModelPlan::attention(int64_t d, int64_t q, int64_t kv, int64_t out) {
  matrix("attn_q.weight", {d, q});
  matrix("attn_k.weight", {d, kv});
  sensitive("attn_v.weight", {d, kv});
  matrix("attn_output.weight", {out, d});
}

void ModelPlan::feed_forward(int64_t d, int64_t ff, const std::string& suffix) {
  matrix("ffn_gate" + suffix + ".weight", {d, ff});
  matrix("ffn_up" + suffix + ".weight", {d, ff});
  sensitive("ffn_down" + suffix + ".weight", {ff, d});
}

void ModelPlan::experts(int64_t d, int64_t ff, int64_t n) {
  floats("ffn_gate_inp.weight", {d, n});
  matrix("ffn_gate_exps.weight", {d, ff, n});
  matrix("ffn_up_exps.weight", {d, ff, n});
  sensitive("ffn_down_exps.weight", {ff, d, n});
}

}  // namespace kedge::tools
