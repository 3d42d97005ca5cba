#include "kernels/quant_search.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/float16.h"

namespace kedge::quants {

namespace {

using V4 = float __attribute__((vector_size(16)));  // compiler vectors: baseline instructions, the same bits everywhere

float sum(V4 a) { return (a[0] + a[1]) + (a[2] + a[3]); }
V4 max(V4 a, V4 b) { return a > b ? a : b; }  // b where a is NaN
V4 min(V4 a, V4 b) { return a < b ? a : b; }
V4 set1(float a) { return V4{a, a, a, a}; }

constexpr float kHalfMax = 65504.0f;
float half(float v) { return f16_to_f32(f32_to_f16(std::clamp(v, -kHalfMax, kHalfMax))); }

// A sub-block (or block) and its weights.
template <int N>
struct Values {
  static constexpr int kVectors = N / 4;
  V4 x[kVectors];
  V4 w[kVectors];

  void load(const float* px, const float* pw) {
    for (int i = 0; i < kVectors; ++i) {
      x[i] = V4{px[4 * i], px[4 * i + 1], px[4 * i + 2], px[4 * i + 3]};
      w[i] = pw == nullptr ? set1(1) : V4{pw[4 * i], pw[4 * i + 1], pw[4 * i + 2], pw[4 * i + 3]};
    }
  }
};

// Nearest integer in [lo, hi]; adding 1.5 * 2^23 rounds to integer, ties to even.
struct Linear {
  V4 lo, hi;
  explicit Linear(const CodeValues& c) : lo(set1(static_cast<float>(c.lo))), hi(set1(static_cast<float>(c.hi))) {}
  V4 nearest(V4 v) const {
    const V4 magic = set1(12582912.0f);
    return (min(max(v, lo), hi) + magic) - magic;
  }
};

// Nearest of 16 steps: start at the first and add each difference whose midpoint is passed.
struct Stepped {
  V4 first, middle[15], rise[15];
  explicit Stepped(const CodeValues& c) : first(set1(static_cast<float>(c.steps[0] - c.zero))) {
    for (int i = 0; i < 15; ++i) {
      middle[i] = set1(0.5f * static_cast<float>(c.steps[i] + c.steps[i + 1] - 2 * c.zero));
      rise[i] = set1(static_cast<float>(c.steps[i + 1] - c.steps[i]));
    }
  }
  V4 nearest(V4 v) const {
    V4 q = first;
    for (int i = 0; i < 15; ++i) q += v > middle[i] ? rise[i] : set1(0);
    return q;
  }
};

float inverse(float scale) { return scale != 0 ? 1.0f / scale : 0.0f; }

// --- value = scale * q ---------------------------------------------------------------------------------------------

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

struct Grid {
  float from, step;
  int count;
};

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

template <class C>
uint16_t fit_block_with(const float* x, const float* w, const C& codes, const CodeValues& ends, int8_t* values) {
  Values<32> b;
  b.load(x, w);
  const Grid grid = ends.hi > 100 && ends.steps == nullptr ? Grid{0.99f, 0.0025f, 6} : Grid{0.70f, 0.03f, 19};
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
  const Grid grid = ends.hi > 20 && ends.steps == nullptr ? Grid{0.86f, 0.02f, 12} : Grid{0.70f, 0.03f, 19};
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

// --- value = scale * q + offset, q in [0, hi] -----------------------------------------------------------------------

struct LineSums {
  float w, x, q, qx, qq;
};

template <int N>
LineSums line_sums(const Values<N>& b, float inv, float offset, const Linear& codes) {
  V4 w = set1(0), x = set1(0), sq = set1(0), qx = set1(0), qq = set1(0);
  for (int i = 0; i < N / 4; ++i) {
    const V4 q = codes.nearest((b.x[i] - offset) * inv);
    const V4 wq = b.w[i] * q;
    w += b.w[i];
    x += b.w[i] * b.x[i];
    sq += wq;
    qx += wq * b.x[i];
    qq += wq * q;
  }
  return {sum(w), sum(x), sum(sq), sum(qx), sum(qq)};
}

template <int N>
float line_error(const Values<N>& b, float scale, float offset, const Linear& codes) {
  const float inv = inverse(scale);
  V4 e = set1(0);
  for (int i = 0; i < N / 4; ++i) {
    const V4 r = b.x[i] - (scale * codes.nearest((b.x[i] - offset) * inv) + offset);
    e += b.w[i] * r * r;
  }
  return sum(e);
}

struct LineFit {
  float scale, offset, error;
};

// Least squares for the codes that (inv, offset) give; `below`: only offsets <= 0 can be stored.
template <int N>
void improve(const Values<N>& b, float inv, float offset, bool below, const Linear& codes, LineFit* best) {
  const LineSums s = line_sums(b, inv, offset, codes);
  const float det = s.w * s.qq - s.q * s.q;
  if (!(det > 0)) return;
  float scale = (s.w * s.qx - s.x * s.q) / det;
  float at_zero = (s.qq * s.x - s.q * s.qx) / det;
  if (below && at_zero > 0) {
    at_zero = 0;
    scale = s.qx / s.qq;
  }
  if (below && scale < 0) return;
  const float error = line_error(b, scale, at_zero, codes);
  if (error < best->error) *best = {scale, at_zero, error};
}

template <int N>
LineFit best_line(const Values<N>& b, bool below, const Linear& codes, float hi) {
  float lowest = b.x[0][0];
  float highest = b.x[0][0];
  for (int i = 1; i < N; ++i) {
    lowest = std::min(lowest, b.x[i / 4][i % 4]);
    highest = std::max(highest, b.x[i / 4][i % 4]);
  }
  if (below) lowest = std::min(lowest, 0.0f);
  const LineSums flat = line_sums(b, 0, 0, codes);
  const float mean = flat.w > 0 ? flat.x / flat.w : 0.0f;
  LineFit best{0, below ? std::min(mean, 0.0f) : mean, 0};
  best.error = line_error(b, best.scale, best.offset, codes);
  const float inv = inverse(highest - lowest);
  for (int k = 0; k < 20; ++k) {
    const float f = hi - 1.0f + 0.15f * static_cast<float>(k);
    improve(b, f * inv, lowest, below, codes, &best);
  }
  for (int round = 0; round < 6; ++round) {
    const float before = best.error;
    improve(b, inverse(best.scale), best.offset, below, codes, &best);
    if (!(best.error < before)) break;
  }
  return best;
}

template <int N>
struct LineSearch {
  static constexpr int kSubs = 256 / N;
  Values<N> sub[kSubs];
  Linear codes;
  int scale_hi;
  LineFit wanted[kSubs];

  struct Candidate {
    float d, dmin;
    int scales[kSubs], mins[kSubs];
    float error;
  };

  LineSearch(const CodeValues& c, int hi) : codes(c), scale_hi(hi) {}

  void choose_sub(Candidate* c, int j, int reach) const {
    const auto top = static_cast<float>(scale_hi);
    const int s0 = static_cast<int>(std::lrintf(std::clamp(wanted[j].scale * inverse(c->d), 0.0f, top)));
    const int m0 = static_cast<int>(std::lrintf(std::clamp(-wanted[j].offset * inverse(c->dmin), 0.0f, top)));
    float best = INFINITY;
    for (int s = std::max(s0 - reach, 0); s <= std::min(s0 + reach, scale_hi); ++s) {
      for (int m = std::max(m0 - reach, 0); m <= std::min(m0 + reach, scale_hi); ++m) {
        const float e =
            line_error(sub[j], c->d * static_cast<float>(s), -(c->dmin * static_cast<float>(m)), codes);
        if (e < best) best = e, c->scales[j] = s, c->mins[j] = m;
      }
    }
    c->error += best;
  }
  void choose(Candidate* c, int reach) const {
    c->error = 0;
    for (int j = 0; j < kSubs; ++j) choose_sub(c, j, reach);
  }
  // Least squares for (d, dmin) together, given all codes and sub-scales.
  void fit_scales(const Candidate& c, float* d, float* dmin) const {
    float ss = 0, sm = 0, mm = 0, sx = 0, mx = 0;  // the columns are s*q and -m
    for (int j = 0; j < kSubs; ++j) {
      const auto s = static_cast<float>(c.scales[j]);
      const auto m = static_cast<float>(c.mins[j]);
      const LineSums t = line_sums(sub[j], inverse(c.d * s), -(c.dmin * m), codes);
      ss += s * s * t.qq;
      sm -= s * m * t.q;
      mm += m * m * t.w;
      sx += s * t.qx;
      mx -= m * t.x;
    }
    const float det = ss * mm - sm * sm;
    if (det > 0) {
      *d = half((sx * mm - mx * sm) / det);
      *dmin = half((mx * ss - sx * sm) / det);
    } else if (ss > 0) {
      *d = half(sx / ss);
    }
  }
  Candidate refine(float d, float dmin, int reach, int rounds) const {
    Candidate best;
    best.d = half(d);
    best.dmin = half(dmin);
    choose(&best, reach);
    for (int round = 0; round < rounds; ++round) {
      Candidate next = best;
      fit_scales(best, &next.d, &next.dmin);
      if (next.d == best.d && next.dmin == best.dmin) break;
      choose(&next, reach);
      if (!(next.error < best.error)) break;
      best = next;
    }
    return best;
  }
};

template <int N>
void fit_super_min_with(const float* x, const float* w, const CodeValues& range, int scale_hi, SuperFit* fit) {
  LineSearch<N> search(range, scale_hi);
  float scale = 0;
  float low = 0;
  for (int j = 0; j < search.kSubs; ++j) {
    search.sub[j].load(x + j * N, w == nullptr ? nullptr : w + j * N);
    search.wanted[j] = best_line(search.sub[j], true, search.codes, static_cast<float>(range.hi));
    scale = std::max(scale, search.wanted[j].scale);
    low = std::max(low, -search.wanted[j].offset);
  }
  const auto top = static_cast<float>(scale_hi);
  auto best = search.refine(scale / top, low / top, 1, 4);
  fit->d = f32_to_f16(best.d);
  fit->dmin = f32_to_f16(best.dmin);
  for (int j = 0; j < search.kSubs; ++j) {
    fit->scales[j] = static_cast<int8_t>(best.scales[j]);
    fit->mins[j] = static_cast<uint8_t>(best.mins[j]);
    const float s = best.d * static_cast<float>(best.scales[j]);
    const float offset = -(best.dmin * static_cast<float>(best.mins[j]));
    const float inv = inverse(s);
    for (int i = 0; i < N / 4; ++i) {
      const V4 q = search.codes.nearest((search.sub[j].x[i] - offset) * inv);
      for (int k = 0; k < 4; ++k) fit->values[j * N + 4 * i + k] = static_cast<int8_t>(q[k]);
    }
  }
}

}  // namespace

uint16_t fit_block(const float* x, const float* w, const CodeValues& codes, int8_t* values) {
  if (codes.steps != nullptr) return fit_block_with(x, w, Stepped(codes), codes, values);
  return fit_block_with(x, w, Linear(codes), codes, values);
}

void fit_block_min(const float* x, const float* w, int hi, uint16_t* d, uint16_t* m, uint8_t* codes) {
  Values<32> b;
  b.load(x, w);
  const Linear linear(CodeValues{0, hi});
  const LineFit fit = best_line(b, false, linear, static_cast<float>(hi));
  const float scale = half(fit.scale);
  const float offset = half(fit.offset);
  *d = f32_to_f16(scale);
  *m = f32_to_f16(offset);
  for (int i = 0; i < 8; ++i) {
    const V4 q = linear.nearest((b.x[i] - offset) * inverse(scale));
    for (int k = 0; k < 4; ++k) codes[4 * i + k] = static_cast<uint8_t>(q[k]);
  }
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

void fit_super_min(const float* x, const float* w, int hi, int sub, int scale_hi, SuperFit* fit) {
  const CodeValues range{0, hi};
  if (sub == 16) {
    fit_super_min_with<16>(x, w, range, scale_hi, fit);
  } else {
    fit_super_min_with<32>(x, w, range, scale_hi, fit);
  }
}

}  // namespace kedge::quants
