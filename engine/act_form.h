// Rows of activations in the forms kernels read them: slices and copies that take every member along.
#pragma once

#include <cstring>

#include "kernels/kernel_table.h"

namespace kedge::engine {

inline ActForm form_of(QuantFamily family) {
  switch (family) {
    case QuantFamily::kBlock32:
      return ActForm::kBlock32;
    case QuantFamily::kSuper256:
      return ActForm::kSuper256;
    default:
      return ActForm::kFloat32;
  }
}

// Values from row to row of codes or bfloat16: a cache line more than k.
inline int act_pitch(int k, ActForm form) { return k + (form == ActForm::kBfloat16 ? kActPad / 2 : kActPad); }

// Values that share a scale.
inline size_t scale_group(ActForm form) { return form == ActForm::kSuper256 ? 256 : 32; }

// Rows [first, first + n) of `all`.
inline ActRows slice_rows(const ActRows& all, size_t first, int n, ActForm form) {
  const auto k = static_cast<size_t>(all.k);
  ActRows a = all;
  a.n = n;
  switch (form) {
    case ActForm::kFloat32:
      a.x += first * k;
      break;
    case ActForm::kBfloat16:
      a.b16 += first * all.row_pitch();
      break;
    default:
      a.q += first * all.row_pitch();
      a.d += first * (k / scale_group(form));
      a.sums16 += first * (k / 16);
      a.sums32 += first * (k / 32);
  }
  return a;
}

// Where rows are copied to: k values a row, arrays as in ActRows.
struct ActSink {
  size_t k = 0;
  size_t pitch = 0;
  float* x = nullptr;
  uint16_t* b16 = nullptr;
  int8_t* q = nullptr;
  float* d = nullptr;
  int16_t* sums16 = nullptr;
  int16_t* sums32 = nullptr;

  // The arrays for `n_rows` rows one after the other in `memory`: four bytes for each of k + kActPad values a row are
  // enough.
  static ActSink place(float* memory, size_t n_rows, size_t k, ActForm form) {
    ActSink s;
    s.k = k;
    s.pitch = static_cast<size_t>(act_pitch(static_cast<int>(k), form));
    s.x = memory;
    s.b16 = reinterpret_cast<uint16_t*>(memory);
    s.d = memory;
    s.sums16 = reinterpret_cast<int16_t*>(memory + n_rows * (k / scale_group(form)));
    s.sums32 = s.sums16 + n_rows * (k / 16);
    s.q = reinterpret_cast<int8_t*>(s.sums32 + n_rows * (k / 32));
    return s;
  }
  ActRows rows() const {
    ActRows r;
    r.k = static_cast<int>(k);
    r.pitch = static_cast<int>(pitch);
    r.x = x;
    r.b16 = b16;
    r.q = q;
    r.d = d;
    r.sums16 = sums16;
    r.sums32 = sums32;
    return r;
  }
  void copy(const ActRows& from, size_t i, size_t to, ActForm form) const {
    auto row = [&](auto* out, const auto* in, size_t n) { std::memcpy(out + to * n, in + i * n, n * sizeof(*in)); };
    auto wide_row = [&](auto* out, const auto* in) {
      std::memcpy(out + to * pitch, in + i * from.row_pitch(), k * sizeof(*in));
    };
    switch (form) {
      case ActForm::kFloat32:
        return row(x, from.x, k);
      case ActForm::kBfloat16:
        return wide_row(b16, from.b16);
      case ActForm::kSuper256:
        row(sums16, from.sums16, k / 16);
        [[fallthrough]];
      case ActForm::kBlock32:
        wide_row(q, from.q);
        row(d, from.d, k / scale_group(form));
        row(sums32, from.sums32, k / 32);
    }
  }
};

}  // namespace kedge::engine
