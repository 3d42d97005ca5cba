#include "engine/blocks.h"

#include <cmath>

namespace kedge::engine {

Result<Norm> load_norm(ModelLoader& l, const std::string& name, int width) {
  KEDGE_ASSIGN(weight, l.vector(name, width));
  return Norm{.weight = weight};
}

Result<Norm> load_layer_norm(ModelLoader& l, const std::string& name, int width) {
  Norm norm{.layer = true};
  KEDGE_TRY(set(norm.weight, l.vector(name, width)));
  const std::string bias = name.substr(0, name.rfind('.')) + ".bias";
  KEDGE_TRY(set(norm.bias, l.optional_vector(bias, width)));
  return norm;
}

Result<Ends> load_ends(ModelLoader& l, const char* norm_name, bool layer_norm) {
  const ModelConfig& c = l.config();
  const bool tied = !l.has("output.weight");
  Ends ends;
  KEDGE_TRY(set(ends.embedding,
                l.matrix("token_embd.weight", c.n_vocab, c.d_model, tied ? MatrixUse::kBoth : MatrixUse::kLookup)));
  if (tied) {
    ends.output = l.tied_output(ends.embedding);
  } else {
    KEDGE_TRY(set(ends.output, l.matrix("output.weight", c.n_vocab, c.d_model)));
  }
  KEDGE_TRY(set(ends.norm, layer_norm ? load_layer_norm(l, norm_name, c.d_model) : load_norm(l, norm_name, c.d_model)));
  return ends;
}

Status FeedForward::load(const Block& b, FeedForwardForm given, Gate gating, int d_ff, const std::string& suffix) {
  ModelLoader& l = b.l;
  const int d = b.c().d_model;
  const int width = d_ff == 0 ? b.c().d_ff : d_ff;
  if (width == 0) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("feed_forward_length") + " is missing"};
  }
  const auto name = [&](const char* part) { return b.p + "ffn_" + part + suffix; };
  form = given;
  if (gating == Gate::kFused) {
    KEDGE_TRY(set(gate, l.matrix_part(name("up") + ".weight", {width, 0, 2 * width}, d)));
    KEDGE_TRY(set(up, l.matrix_part(name("up") + ".weight", {width, width, 2 * width}, d)));
  } else {
    if (gating == Gate::kOwn) KEDGE_TRY(set(gate, l.matrix(name("gate") + ".weight", width, d)));
    KEDGE_TRY(set(up, l.matrix(name("up") + ".weight", width, d)));
    if (gate) KEDGE_TRY(set(b_gate, l.optional_vector(name("gate") + ".bias", width)));
    KEDGE_TRY(set(b_up, l.optional_vector(name("up") + ".bias", width)));
  }
  KEDGE_TRY(set(down, l.matrix(name("down") + ".weight", d, width)));
  KEDGE_TRY(set(b_down, l.optional_vector(name("down") + ".bias", d)));
  l.takes(2 * width);
  return {};
}

void FeedForward::forward(Step& s, const float* h, float* y) const {
  Scratch t(s);
  float* u = t.take(up.rows);  // u, g: [n][d_ff]
  float* g = gate ? t.take(up.rows) : nullptr;
  if (gate) {
    s.multiply(h, up.k, {{gate, g, b_gate}, {up, u, b_up}});
  } else {
    s.multiply(h, up.k, {{up, u, b_up}});
  }
  float* mid = gate ? g : u;
  s.feed_forward(form, g, u, mid, up.rows);
  s.multiply(mid, up.rows, {{down, y, b_down}});
}

namespace {

// What the file's keys say about routing.
Status read_routing(ModelLoader& l, int n_experts, RoutingForm& r) {
  KEDGE_TRY(set(r.normalise, l.flag_or("expert_weights_norm", r.normalise)));
  KEDGE_ASSIGN(scale, l.number_or("expert_weights_scale", r.scale));
  if (scale != 0) r.scale = scale;  // 0: none
  KEDGE_ASSIGN(gating, l.keys().get_u32_or(l.key("expert_gating_func"), 0));
  if (gating > 2) {
    return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("expert_gating_func") + " is " +
                                              std::to_string(gating) + ": softmax (1) and sigmoid (2) are supported"};
  }
  if (gating != 0) r.sigmoid = gating == 2;
  KEDGE_ASSIGN(n_groups, l.keys().get_u32_or(l.key("expert_group_count"), 1));
  KEDGE_ASSIGN(used, l.keys().get_u32_or(l.key("expert_group_used_count"), n_groups));
  if (n_groups <= 1 || used >= n_groups) return {};
  const int size = n_experts / static_cast<int>(n_groups);
  if (n_groups > 64 || used < 1 || n_experts % static_cast<int>(n_groups) != 0 || size < 2 ||
      size * static_cast<int>(used) < l.config().n_experts_used) {
    return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("expert_group_count") + " " + std::to_string(n_groups) +
                                          " and " + l.key("expert_group_used_count") + " " + std::to_string(used) +
                                          " do not fit " + std::to_string(n_experts) + " experts"};
  }
  if (!r.sigmoid) {
    return Error{ErrorCode::kUnsupported,
                 l.file() + ": groups of experts (" + l.key("expert_group_count") + ") with softmax routing"};
  }
  r.n_groups = static_cast<int>(n_groups);
  r.groups_used = static_cast<int>(used);
  return {};
}

Result<const float*> expert_bias(const Block& b, const char* name, int rows) {
  const std::string full = b.p + name;
  if (!b.l.has(full)) return static_cast<const float*>(nullptr);
  return b.l.values(full, {rows, b.c().n_experts});
}

}  // namespace

Status Mixture::load(const Block& b, const MixtureForm& form) {
  ModelLoader& l = b.l;
  ModelConfig& c = l.config();
  ExpertLayer& e = experts;
  const int n = c.n_experts;
  const int ff = c.d_ff_expert;
  e.form = form.experts;
  e.routing = form.routing;
  KEDGE_TRY(read_routing(l, n, e.routing));
  KEDGE_TRY(set(e.router, l.matrix(b.p + "ffn_gate_inp.weight", n, c.d_model)));
  KEDGE_TRY(set(e.router_bias, l.optional_vector(b.p + "ffn_gate_inp.bias", n)));
  KEDGE_TRY(set(e.routing.bias, l.optional_vector(b.p + "exp_probs_b.bias", n)));
  if (form.fused) {
    KEDGE_TRY(set(e.gate, l.matrix_part(b.p + "ffn_gate_up_exps.weight", {ff, 0, 2 * ff}, c.d_model, n)));
    KEDGE_TRY(set(e.up, l.matrix_part(b.p + "ffn_gate_up_exps.weight", {ff, ff, 2 * ff}, c.d_model, n)));
  } else {
    if (form.gated) KEDGE_TRY(set(e.gate, l.experts(b.p + "ffn_gate_exps.weight", n, ff, c.d_model)));
    KEDGE_TRY(set(e.up, l.experts(b.p + "ffn_up_exps.weight", n, ff, c.d_model)));
    if (form.gated) KEDGE_TRY(set(e.gate_bias, expert_bias(b, "ffn_gate_exps.bias", ff)));
    KEDGE_TRY(set(e.up_bias, expert_bias(b, "ffn_up_exps.bias", ff)));
  }
  KEDGE_TRY(set(e.down, l.experts(b.p + "ffn_down_exps.weight", n, c.d_model, ff)));
  KEDGE_TRY(set(e.down_bias, expert_bias(b, "ffn_down_exps.bias", c.d_model)));
  if (form.scaled) KEDGE_TRY(set(e.down.scale, l.optional_vector(b.p + "ffn_down_exps.scale", n)));
  e.n_used = c.n_experts_used;
  e.index = c.n_expert_layers++;
  has_shared = form.shared > 0;
  if (!has_shared) return {};
  const auto gate = form.gated ? FeedForward::Gate::kOwn : FeedForward::Gate::kNone;
  KEDGE_TRY(shared.load(b, form.experts, gate, form.shared, "_shexp"));
  if (form.shared_is_gated) KEDGE_TRY(set(shared_gate, l.one_row(b.p + "ffn_gate_inp_shexp.weight", c.d_model)));
  l.takes(c.d_model + 1 + 2 * form.shared);
  return {};
}

void Mixture::forward(Step& s, const float* h, float* y) const {
  if (!has_shared) return s.experts(experts, h, y);
  const int d = experts.router.k;
  Scratch t(s);
  float* all = t.take(d);
  float* gate = t.take(1);
  shared.forward(s, h, all);
  if (shared_gate) {
    s.multiply(h, d, {{shared_gate, gate}});
    s.activate(Activation::kSigmoid, gate, 1);
    s.each_row([&](size_t i, int) { s.context().kernels.scale(gate[i], all + i * static_cast<size_t>(d), d); });
  }
  s.experts(experts, h, y);
  s.add(all, y, d);
}

}  // namespace kedge::engine
