// Formats without a minimum: value = scale * q.
#include "kernels/quant_search_values.h"

namespace kedge::kernels::quants {

namespace {

using namespace search;

struct ScaleSums {
  float qx, qq;
};

template <int N, class C>
ScaleSums scale_sums(const Values<N>& b, float inv, const C& codes) {
  V4 qx = set1(0);
  V4 qq = set1(0);
  for (int i = 0; i < N / 4; ++i) {
    const V4 q = codes.nearest(b.x[i] * inv);
    const V4 wq = b.w[i] * q;
    qx += wq * b.x[i];
    qq += wq * q;
  }
  return {sum(qx), sum(qq)};
}

template <int N, class C>
float scale_error(const Values<N>& b, float scale, const C& codes) {
  const float inv = inverse(scale);
  V4 e = set1(0);
  for (int i = 0; i < N / 4; ++i) {
    const V4 r = b.x[i] - scale * codes.nearest(b.x[i] * inv);
    e += b.w[i] * r * r;
  }
  return sum(e);
}

struct ScaleFit {
  float scale;
  float error;
};

template <int N, class C>
void improve(const Values<N>& b, float inv, const C& codes, ScaleFit* best) {
  const ScaleSums s = scale_sums(b, inv, codes);
  if (!(s.qq > 0)) return;
  const float scale = s.qx / s.qq;
  const float error = scale_error(b, scale, codes);
  if (error < best->error) *best = {scale, error};
}

// Factors on the inverse scale that just reaches the largest value. The more codes, the less clipping can pay.
struct Grid {
  float from, step;
  int count;
};

Grid grid_for(const CodeValues& c) {
  if (c.steps != nullptr) return {0.70f, 0.06f, 9};
  if (c.hi > 100) return {0.985f, 0.00125f, 16};
  if (c.hi - c.lo <= 3) return {0.6f, 0.15f, 24};
  if (c.hi > 20) return {0.86f, 0.02f, 12};
  return {0.70f, 0.03f, 19};
}

// The scale of either sign with the least error. `ends`: the two extreme codes, either of which may take the largest x.
template <int N, class C>
ScaleFit best_scale(const Values<N>& b, const C& codes, const CodeValues& ends, const Grid& grid) {
  float extreme = 0;
  for (int i = 0; i < N; ++i) {
    const float v = b.x[i / 4][i % 4];
    if (std::fabs(v) > std::fabs(extreme)) extreme = v;
  }
  ScaleFit best{0, scale_error(b, 0, codes)};
  const float inv = inverse(extreme);
  for (int k = 0; k < grid.count; ++k) {
    const float f = grid.from + grid.step * static_cast<float>(k);
    improve(b, f * static_cast<float>(ends.lo) * inv, codes, &best);
    improve(b, f * static_cast<float>(ends.hi) * inv, codes, &best);
  }
  for (int round = 0; round < 4; ++round) {
    const float before = best.error;
    improve(b, inverse(best.scale), codes, &best);
    if (!(best.error < before)) break;
  }
  return best;
}

template <int N, class C>
void write_values(const Values<N>& b, float scale, const C& codes, int8_t* out) {
  const float inv = inverse(scale);
  for (int i = 0; i < N / 4; ++i) {
    const V4 q = codes.nearest(b.x[i] * inv);
    for (int k = 0; k < 4; ++k) out[4 * i + k] = static_cast<int8_t>(q[k]);
  }
}

template <int N, class C>
uint16_t fit_block_with(const float* x, const float* w, const C& codes, const CodeValues& ends, int8_t* values) {
  Values<N> b;
  b.load(x, w);
  const Grid grid = grid_for(ends);
  const ScaleFit fit = best_scale(b, codes, ends, grid);
  // The half-precision scale: the nearest and its two neighbours.
  const uint16_t centre = f32_to_f16(half(fit.scale));
  uint16_t d = centre;
  float error = scale_error(b, f16_to_f32(centre), codes);
  for (int step = -1; step <= 1; step += 2) {
    const auto other = static_cast<uint16_t>(centre + step);
    if ((other & 0x7c00u) == 0x7c00u || (other ^ centre) & 0x8000u) continue;
    const float e = scale_error(b, f16_to_f32(other), codes);
    if (e < error) error = e, d = other;
  }
  write_values(b, f16_to_f32(d), codes, values);
  return d;
}

template <int N, class C>
struct SuperSearch {
  static constexpr int kSubs = 256 / N;
  Values<N> sub[kSubs];
  const C& codes;
  int scale_lo, scale_hi;
  float wanted[kSubs];  // level 1

  struct Candidate {
    float d;
    int scales[kSubs];
    float error;
  };

  explicit SuperSearch(const C& c, int lo, int hi) : codes(c), scale_lo(lo), scale_hi(hi) {}

  // The best integer sub-scales for d.
  void choose_scales(Candidate* c, int reach) const {
    c->error = 0;
    const float inv = inverse(c->d);
    for (int j = 0; j < kSubs; ++j) {
      const float ideal = std::clamp(wanted[j] * inv, static_cast<float>(scale_lo), static_cast<float>(scale_hi));
      const int centre = static_cast<int>(std::lrintf(ideal));
      float best = scale_error(sub[j], c->d * static_cast<float>(centre), codes);
      c->scales[j] = centre;
      for (int s = std::max(centre - reach, scale_lo); s <= std::min(centre + reach, scale_hi); ++s) {
        if (s == centre) continue;
        const float e = scale_error(sub[j], c->d * static_cast<float>(s), codes);
        if (e < best) best = e, c->scales[j] = s;
      }
      c->error += best;
    }
  }
  // Least-squares d for the codes that the candidate's scales give.
  float fitted_d(const Candidate& c) const {
    float qx = 0;
    float qq = 0;
    for (int j = 0; j < kSubs; ++j) {
      const auto s = static_cast<float>(c.scales[j]);
      const ScaleSums t = scale_sums(sub[j], inverse(c.d * s), codes);
      qx += s * t.qx;
      qq += s * s * t.qq;
    }
    return qq > 0 ? half(qx / qq) : c.d;
  }
  Candidate refine(float d, int reach, int rounds) const {
    Candidate best;
    best.d = half(d);
    choose_scales(&best, reach);
    for (int round = 0; round < rounds; ++round) {
      Candidate next;
      next.d = fitted_d(best);
      if (next.d == best.d) break;
      choose_scales(&next, reach);
      if (!(next.error < best.error)) break;
      best = next;
    }
    return best;
  }
};

template <int N, class C>
void fit_super_with(const float* x, const float* w, const C& codes, const CodeValues& ends, int scale_lo, int scale_hi,
                    SuperFit* fit) {
  SuperSearch<N, C> search(codes, scale_lo, scale_hi);
  const Grid grid = grid_for(ends);
  float largest = 0;
  for (int j = 0; j < search.kSubs; ++j) {
    search.sub[j].load(x + j * N, w == nullptr ? nullptr : w + j * N);
    search.wanted[j] = best_scale(search.sub[j], codes, ends, grid).scale;
    if (std::fabs(search.wanted[j]) > std::fabs(largest)) largest = search.wanted[j];
  }
  auto best = search.refine(largest / static_cast<float>(scale_lo), 1, 4);
  for (int k = 0; k < 3; ++k) {
    const auto other = search.refine(largest / static_cast<float>(scale_hi - k), 1, 4);
    if (other.error < best.error) best = other;
    const auto third = search.refine(largest / static_cast<float>(scale_lo + k + 1), 1, 4);
    if (third.error < best.error) best = third;
  }
  fit->d = f32_to_f16(best.d);
  for (int j = 0; j < search.kSubs; ++j) {
    fit->scales[j] = static_cast<int8_t>(best.scales[j]);
    write_values(search.sub[j], best.d * static_cast<float>(best.scales[j]), codes, fit->values + j * N);
  }
}

}  // namespace

uint16_t fit_block(const float* x, const float* w, const CodeValues& codes, int8_t* values, int n) {
  if (codes.steps != nullptr) return fit_block_with<32>(x, w, Stepped(codes), codes, values);
  if (n == 64) return fit_block_with<64>(x, w, Linear(codes), codes, values);
  if (n == 256) return fit_block_with<256>(x, w, Linear(codes), codes, values);
  return fit_block_with<32>(x, w, Linear(codes), codes, values);
}

// The weighted mean of the sizes is the best there is.
uint16_t fit_signs(const float* x, const float* w, int n) {
  double sum = 0;
  double weights = 0;
  for (int i = 0; i < n; ++i) {
    const double wi = w == nullptr ? 1.0 : double{w[i]};
    sum += wi * std::fabs(double{x[i]});
    weights += wi;
  }
  return f32_to_f16(half(weights > 0 ? static_cast<float>(sum / weights) : 0.0f));
}

void fit_super(const float* x, const float* w, const CodeValues& codes, int sub, int scale_lo, int scale_hi,
               SuperFit* fit) {
  if (codes.steps != nullptr) {
    fit_super_with<32>(x, w, Stepped(codes), codes, scale_lo, scale_hi, fit);
  } else if (sub == 16) {
    fit_super_with<16>(x, w, Linear(codes), codes, scale_lo, scale_hi, fit);
  } else {
    fit_super_with<32>(x, w, Linear(codes), codes, scale_lo, scale_hi, fit);
  }
}

}  // namespace kedge::kernels::quants
