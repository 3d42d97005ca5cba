#include "engine/layer.h"

namespace kedge::engine {

Status StandardLayer::load(const Block& b, const LayerForm& form) {
  const auto norm = [&](const char* name, Norm& to) -> Status {
    if (name == nullptr) return {};
    const std::string full = b.p + name + ".weight";
    const int d = b.c().d_model;
    return set(to, form.layer_norm ? load_layer_norm(b.l, full, d) : load_norm(b.l, full, d));
  };
  residual_scale = form.residual_scale;
  parallel = form.parallel;
  norm_sums = form.norm_sums;
  KEDGE_TRY(norm(form.before_attention, before_attention));
  KEDGE_TRY(attention.load(b, form.attention));
  KEDGE_TRY(norm(form.behind_attention, behind_attention));
  if (!parallel) KEDGE_TRY(norm(form.before_ffn, before_ffn));
  if (parallel && b.index == 0) b.l.keeps(b.c().d_model);
  KEDGE_TRY(form.mixture ? mixture.load(b, *form.mixture) : ff.load(b, form.feed_forward, form.gate));
  return norm(form.behind_ffn, behind_ffn);
}

// f.x += scale * norm(f.h), or f.x = norm(f.x + scale * f.h)
void StandardLayer::add(Step& s, const Frame& f, const Norm& behind) const {
  const int d = f.c.d_model;
  if (behind.weight != nullptr && !norm_sums) s.norm(f.h, behind, f.h, d);
  residual_scale == 1 ? s.add(f.h, f.x, d) : s.add_scaled(f.h, residual_scale, f.x, d);
  if (behind.weight != nullptr && norm_sums) s.norm(f.x, behind, f.x, d);
}

// x += attention(norm(x)) + feed_forward(norm(x))
void StandardLayer::forward_parallel(Step& s, const Frame& f) const {
  const int d = f.c.d_model;
  Scratch t(s);
  float* a = t.take(d);
  s.norm(f.x, before_attention, f.h, d);
  if (attention.is_last) s.live(f.h, d);
  attention.forward(s, f.h, a);
  ff.forward(s, f.h, f.h);
  s.add(a, f.x, d);
  s.add(f.h, f.x, d);
}

void StandardLayer::forward(Step& s, const Frame& f) const {
  if (parallel) return forward_parallel(s, f);
  const int d = f.c.d_model;
  const auto normed = [&](const Norm& norm) -> const float* {
    if (norm.weight == nullptr) return f.x;
    s.norm(f.x, norm, f.h, d);
    return f.h;
  };
  attention.forward(s, normed(before_attention), f.h);
  add(s, f, behind_attention);
  const float* h = normed(before_ffn);
  mixture.experts.router ? mixture.forward(s, h, f.h) : ff.forward(s, h, f.h);
  add(s, f, behind_ffn);
}

}  // namespace kedge::engine
