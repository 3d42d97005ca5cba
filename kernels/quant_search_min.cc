// Formats with a minimum: value = scale * q + offset, q in [0, hi].
#include "kernels/quant_search_values.h"

namespace kedge::kernels::quants {

namespace {

using namespace search;

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
  float scale = s.qq > 0 ? s.qx / s.qq : 0.0f;
  float at_zero = 0;
  if (det > 1e-6f * s.w * s.qq) {  // else all codes are the same, and only a line through zero is determined
    at_zero = (s.qq * s.x - s.q * s.qx) / det;
    if (below && at_zero > 0) {
      at_zero = 0;
    } else {
      scale = (s.w * s.qx - s.x * s.q) / det;
    }
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
  const float step = (highest - lowest) / hi;
  for (int k = 0; k < 7; ++k) {
    const float f = hi - 1.0f + 0.4f * static_cast<float>(k);
    for (int z = 0; z < 3; ++z) {  // clipping a little at the bottom often pays
      improve(b, f * inv, lowest + 0.4f * step * static_cast<float>(z), below, codes, &best);
    }
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
        const float e = line_error(sub[j], c->d * static_cast<float>(s), -(c->dmin * static_cast<float>(m)), codes);
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
  for (const float f : {0.97f, 1.03f}) {
    const auto other = search.refine(f * scale / top, low / top, 1, 4);
    if (other.error < best.error) best = other;
  }
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

void fit_super_min(const float* x, const float* w, int hi, int sub, int scale_hi, SuperFit* fit) {
  const CodeValues range{0, hi};
  if (sub == 16) {
    fit_super_min_with<16>(x, w, range, scale_hi, fit);
  } else {
    fit_super_min_with<32>(x, w, range, scale_hi, fit);
  }
}

}  // namespace kedge::kernels::quants
