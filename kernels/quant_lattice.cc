#include "kernels/quant_lattice.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/base/float16.h"
#include "kernels/quant_grids.h"

namespace kedge::kernels::quants {

namespace {

constexpr int kMostValues = 6561;  // points of the whole lattice: 3^8, 8^4
constexpr int kNear = 20;          // points of the set that are tried for one outside
constexpr float kHalfMax = 65504.0f;

// What a format's set of points looks like.
struct Shape {
  const uint16_t* points;
  int count;
  int dims;  // values of a point
  int bits;  // of a digit of a point
  int sub;   // values of a sub-block
  int n_scales;
  bool even;   // the number of negative values among eight is
  int shifts;  // IQ1: values that share the sign of a shift; others: 0
  int n_sizes;
  float size[8];

  bool has_signs() const { return shifts == 0; }
};

constexpr float kShift = 0.125f;

constexpr Shape shape_of(LatticeKind kind) {
  switch (kind) {
    case LatticeKind::kIq1S:
      return {kIq1SGrid.at, 2048, 8, 2, 32, 8, false, 32, 3, {-1, 0, 1}};
    case LatticeKind::kIq1M:
      return {kIq1SGrid.at, 2048, 8, 2, 16, 8, false, 8, 3, {-1, 0, 1}};
    case LatticeKind::kIq2Xxs:
      return {kIq2XxsGrid.at, 256, 8, 2, 32, 16, true, 0, 3, {1, 3.125f, 5.375f}};
    case LatticeKind::kIq2Xs:
      return {kIq2XsGrid.at, 512, 8, 2, 16, 16, true, 0, 3, {1, 3.125f, 5.375f}};
    case LatticeKind::kIq2S:
      return {kIq2SGrid.at, 1024, 8, 2, 16, 16, false, 0, 3, {1, 3.125f, 5.375f}};
    case LatticeKind::kIq3Xxs:
      return {kIq3XxsGrid.at, 256, 4, 3, 32, 16, true, 0, 8, {1, 3, 5, 7, 9, 11, 13, 15.5f}};
    default:
      return {kIq3SGrid.at, 512, 4, 3, 32, 16, false, 0, 8, {1, 3, 5, 7, 9, 11, 13, 15}};
  }
}

// A set of points, and for every point of the lattice outside of it those of the set that are nearest.
class Lattice {
 public:
  explicit Lattice(LatticeKind kind) : shape_(shape_of(kind)) {
    std::fill(std::begin(number_), std::end(number_), int16_t{-1});
    for (int i = 0; i < shape_.count; ++i) {
      number_[of_digits(shape_.points[i])] = static_cast<int16_t>(i);
      for (int d = 0; d < shape_.dims; ++d) value_[i][d] = shape_.size[digit(shape_.points[i], d)];
    }
    int all = 1;
    for (int d = 0; d < shape_.dims; ++d) all *= shape_.n_sizes;
    for (int at = 0; at < all; ++at) {
      if (number_[at] < 0) find_near(at);
    }
  }
  const Shape& shape() const { return shape_; }
  const float* values(int point) const { return value_[point]; }

  // The point with the least sum of w * (t - value)^2, among those that may be.
  int nearest(const float* t, const float* w) const {
    int at = 0;
    for (int d = shape_.dims - 1; d >= 0; --d) {
      int index = 0;
      for (int s = 1; s < shape_.n_sizes; ++s) index += t[d] > 0.5f * (shape_.size[s - 1] + shape_.size[s]) ? 1 : 0;
      at = at * shape_.n_sizes + index;
    }
    if (number_[at] >= 0) return number_[at];
    int best = 0;
    float least = INFINITY;
    for (const uint16_t point : near_[at]) {
      float error = 0;
      for (int d = 0; d < shape_.dims; ++d) {
        const float r = t[d] - value_[point][d];
        error += w[d] * r * r;
      }
      if (error < least) least = error, best = point;
    }
    return best;
  }

 private:
  int digit(int point, int d) const { return point >> (d * shape_.bits) & ((1 << shape_.bits) - 1); }
  // The number of a point in the lattice.
  int of_digits(int point) const {
    int at = 0;
    for (int d = shape_.dims - 1; d >= 0; --d) at = at * shape_.n_sizes + digit(point, d);
    return at;
  }
  void find_near(int at) {
    float from[8];
    for (int d = 0, rest = at; d < shape_.dims; ++d, rest /= shape_.n_sizes)
      from[d] = shape_.size[rest % shape_.n_sizes];
    float distance[kNear];
    int n = 0;
    for (int i = 0; i < shape_.count; ++i) {
      float r = 0;
      for (int d = 0; d < shape_.dims; ++d) r += (from[d] - value_[i][d]) * (from[d] - value_[i][d]);
      if (n == kNear && r >= distance[n - 1]) continue;
      int to = n < kNear ? n++ : n - 1;
      for (; to > 0 && distance[to - 1] > r; --to) {
        distance[to] = distance[to - 1];
        near_[at][to] = near_[at][to - 1];
      }
      distance[to] = r;
      near_[at][to] = static_cast<uint16_t>(i);
    }
  }

  Shape shape_;
  int16_t number_[kMostValues];  // of a point of the lattice in the set, -1: not there
  uint16_t near_[kMostValues][kNear];
  float value_[2048][8];
};

// Made when first asked for.
template <LatticeKind kKind>
const Lattice& the_lattice() {
  static const Lattice lattice(kKind);
  return lattice;
}
const Lattice& lattice_of(LatticeKind kind) {
  switch (kind) {
    case LatticeKind::kIq1S:
      return the_lattice<LatticeKind::kIq1S>();
    case LatticeKind::kIq1M:
      return the_lattice<LatticeKind::kIq1M>();
    case LatticeKind::kIq2Xxs:
      return the_lattice<LatticeKind::kIq2Xxs>();
    case LatticeKind::kIq2Xs:
      return the_lattice<LatticeKind::kIq2Xs>();
    case LatticeKind::kIq2S:
      return the_lattice<LatticeKind::kIq2S>();
    case LatticeKind::kIq3Xxs:
      return the_lattice<LatticeKind::kIq3Xxs>();
    default:
      return the_lattice<LatticeKind::kIq3S>();
  }
}

float half(float v) { return f16_to_f32(f32_to_f16(std::clamp(v, -kHalfMax, kHalfMax))); }

// What the points for one scale of a sub-block come to.
struct Sums {
  float qx = 0;
  float qq = 0;
};

class LatticeSearch {
 public:
  LatticeSearch(const float* x, const float* w, const Lattice& lattice, LatticeFit* fit)
      : lattice_(lattice), shape_(lattice.shape()), fit_(*fit), n_subs_(256 / shape_.sub) {
    for (int i = 0; i < 256; ++i) {
      x_[i] = std::clamp(x[i], -1e9f, 1e9f);  // no format reaches it, and squares must stay finite
      w_[i] = w == nullptr ? 1.0f : w[i];
    }
    if (shape_.has_signs()) choose_signs();
    for (int j = 0; j < n_subs_; ++j) {
      energy_[j] = 0;
      for (int i = j * shape_.sub; i < (j + 1) * shape_.sub; ++i) energy_[j] += w_[i] * x_[i] * x_[i];
    }
  }

  void run() {
    float largest = 0;
    for (int j = 0; j < n_subs_; ++j) {
      wanted_[j] = best_scale(j);
      largest = std::max(largest, wanted_[j]);
    }
    Candidate best = candidate(0);
    const auto most = static_cast<float>(2 * shape_.n_scales - 1);
    for (int k = -6; k <= 10; ++k) {
      const Candidate c = candidate(largest / most * (1.0f + 0.03f * static_cast<float>(k)));
      if (c.error < best.error) best = c;
    }
    for (int round = 0; round < 3; ++round) {
      Candidate c = candidate(fitted(best));
      improve_scales(&c);
      if (!(c.error < best.error)) break;
      best = c;
    }
    write(best);
  }

 private:
  struct Candidate {
    float d;
    int scales[16];
    float errors[16];
    float error;
  };

  // From here on x_ are sizes, negative where the sign has to be another than the value's: that of the value which
  // costs least, where the number of signs must be even.
  void choose_signs() {
    for (int i = 0; i < 256; ++i) {
      if (x_[i] < 0) {
        fit_.signs[i / 32] |= 1u << (i % 32);
        x_[i] = -x_[i];
      }
    }
    if (!shape_.even) return;
    for (int e = 0; e < 32; ++e) {
      uint32_t& signs = fit_.signs[e / 4];
      if (std::popcount(signs >> (e % 4 * 8) & 255u) % 2 == 0) continue;
      int cheapest = e * 8;
      for (int i = e * 8; i < e * 8 + 8; ++i) {
        if (w_[i] * x_[i] * x_[i] < w_[cheapest] * x_[cheapest] * x_[cheapest]) cheapest = i;
      }
      signs ^= 1u << (cheapest % 32);
      x_[cheapest] = -x_[cheapest];
    }
  }

  // The nearest points for one scale of values [begin, begin + n), which share a shift; to `fit`, if there is one.
  Sums points(int begin, int n, float scale, float shift, LatticeFit* fit) const {
    Sums s;
    const float inverse = 1.0f / scale;
    const int dims = shape_.dims;
    for (int i = begin; i < begin + n; i += dims) {
      float t[8];
      for (int d = 0; d < dims; ++d) t[d] = x_[i + d] * inverse - shift;
      const int point = lattice_.nearest(t, w_ + i);
      const float* values = lattice_.values(point);
      for (int d = 0; d < dims; ++d) {
        const float q = values[d] + shift;
        s.qx += w_[i + d] * q * x_[i + d];
        s.qq += w_[i + d] * q * q;
      }
      if (fit == nullptr) continue;
      fit->points[i / dims] = static_cast<uint16_t>(point);
      if (shift < 0) fit->down[i / dims] = true;
    }
    return s;
  }
  // The same for a sub-block, with the better shifts.
  Sums sums(int j, float scale, LatticeFit* fit) const {
    Sums s;
    if (!(scale > 0)) return s;
    const int begin = j * shape_.sub;
    if (shape_.shifts == 0) return points(begin, shape_.sub, scale, 0, fit);
    for (int i = begin; i < begin + shape_.sub; i += shape_.shifts) {
      const Sums up = points(i, shape_.shifts, scale, kShift, nullptr);
      const Sums down = points(i, shape_.shifts, scale, -kShift, nullptr);
      const bool is_up = scale * up.qq - 2 * up.qx <= scale * down.qq - 2 * down.qx;
      if (fit != nullptr) points(i, shape_.shifts, scale, is_up ? kShift : -kShift, fit);
      s.qx += is_up ? up.qx : down.qx;
      s.qq += is_up ? up.qq : down.qq;
    }
    return s;
  }

  // The best scale of a sub-block alone.
  float best_scale(int j) const {
    float largest = 0;
    for (int i = j * shape_.sub; i < (j + 1) * shape_.sub; ++i) largest = std::max(largest, std::fabs(x_[i]));
    const float top = largest / shape_.size[shape_.n_sizes - 1];
    float best = 0;
    float gain = 0;
    const auto consider = [&](float scale) {
      const Sums s = sums(j, scale, nullptr);
      if (s.qx > 0 && s.qx * s.qx > gain * s.qq) gain = s.qx * s.qx / s.qq, best = s.qx / s.qq;
    };
    const float step = shape_.has_signs() ? 0.07f : 0.15f;  // the fewer sizes, the more clipping pays
    for (int k = 0; k < 20; ++k) consider(top / (0.7f + step * static_cast<float>(k)));
    // Alike values: few sets have more than their smallest point for those.
    for (int k = 0; k < shape_.n_sizes; ++k) {
      const float size = std::fabs(shape_.size[k] + (shape_.has_signs() ? 0 : kShift));
      if (size > 0) consider(largest / size);
    }
    if (best > 0) consider(best);
    return best;
  }

  float error_of(int j, float d, int scale) const {
    const float s = d * static_cast<float>(2 * scale + 1);
    const Sums t = sums(j, s, nullptr);
    return energy_[j] + s * (s * t.qq - 2 * t.qx);
  }

  Candidate candidate(float d) const {
    Candidate c;
    c.d = half(d);
    c.error = 0;
    for (int j = 0; j < n_subs_; ++j) {
      const float ideal = c.d > 0 ? std::min(wanted_[j] / c.d, 31.0f) : 0.0f;
      c.scales[j] = std::clamp(static_cast<int>(std::lrintf((ideal - 1) * 0.5f)), 0, shape_.n_scales - 1);
      c.errors[j] = error_of(j, c.d, c.scales[j]);
      c.error += c.errors[j];
    }
    return c;
  }
  void improve_scales(Candidate* c) const {
    for (int j = 0; j < n_subs_; ++j) {
      for (const int s : {c->scales[j] - 1, c->scales[j] + 1}) {
        if (s < 0 || s >= shape_.n_scales) continue;
        const float e = error_of(j, c->d, s);
        if (!(e < c->errors[j])) continue;
        c->error += e - c->errors[j];
        c->errors[j] = e;
        c->scales[j] = s;
      }
    }
  }
  // Least-squares d for the points of a candidate.
  float fitted(const Candidate& c) const {
    float qx = 0;
    float qq = 0;
    for (int j = 0; j < n_subs_; ++j) {
      const auto s = static_cast<float>(2 * c.scales[j] + 1);
      const Sums t = sums(j, c.d * s, nullptr);
      qx += s * t.qx;
      qq += s * s * t.qq;
    }
    return qq > 0 ? std::max(qx / qq, 0.0f) : c.d;
  }
  void write(const Candidate& c) {
    fit_.d = f32_to_f16(c.d);
    for (int j = 0; j < n_subs_; ++j) {
      fit_.scales[j] = static_cast<uint8_t>(c.scales[j]);
      sums(j, c.d * static_cast<float>(2 * c.scales[j] + 1), &fit_);
    }
  }

  const Lattice& lattice_;
  const Shape& shape_;
  LatticeFit& fit_;
  int n_subs_;
  float x_[256];
  float w_[256];
  float energy_[16];
  float wanted_[16];
};

}  // namespace

void fit_lattice(const float* x, const float* w, LatticeKind kind, LatticeFit* fit) {
  *fit = {};
  LatticeSearch(x, w, lattice_of(kind), fit).run();
}

}  // namespace kedge::kernels::quants
