#include "kernels/kv_page.h"

#include <cstring>

#include "kernels/base/float16.h"

namespace kedge::kernels {

namespace {

size_t to_size(int x) { return static_cast<size_t>(x); }

template <class T>
T load(const std::byte* p, size_t i) {
  T v;
  std::memcpy(&v, p + i * sizeof(T), sizeof(T));
  return v;
}

// Quantised: dimension i of token t, its code times its scale.
float key_value(const KvLayout& l, const std::byte* page, size_t i, size_t t) {
  const float d = f16_to_f32(load<uint16_t>(page + l.k_scales(), i / 32 * kPageTokens + t));
  if (l.format == KvFormat::kQ8_0) {
    return static_cast<float>(load<uint8_t>(page, (i / 4 * kPageTokens + t) * 4 + i % 4) - 128) * d;
  }
  const uint8_t pair = load<uint8_t>(page, (i / 8 * kPageTokens + t) * 4 + i % 4);
  return static_cast<float>((i % 8 < 4 ? pair & 15 : pair >> 4) - 8) * d;
}
float value_value(const KvLayout& l, const std::byte* page, size_t i, size_t t) {
  const size_t at = t * to_size(l.head_dim_v) + i;
  const float d = f16_to_f32(load<uint16_t>(page + l.v_scales(), at / 32));
  const std::byte* codes = page + l.v_offset();
  if (l.format == KvFormat::kQ8_0) return static_cast<float>(load<int8_t>(codes, at)) * d;
  const uint8_t pair = load<uint8_t>(codes, at / 32 * 16 + at % 16);
  return static_cast<float>((at % 32 < 16 ? pair & 15 : pair >> 4) - 8) * d;
}

void load_key(const KvLayout& l, const std::byte* page, size_t t, size_t n, float* k) {
  switch (l.format) {
    case KvFormat::kF32:
      for (size_t i = 0; i < n; ++i) k[i] = load<float>(page, i * kPageTokens + t);
      return;
    case KvFormat::kF16:
      for (size_t i = 0; i < n; ++i) k[i] = f16_to_f32(load<uint16_t>(page, i * kPageTokens + t));
      return;
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0:
      for (size_t i = 0; i < n; ++i) k[i] = key_value(l, page, i, t);
      return;
  }
}

// Values [0, n) of token t, which is a value or, where values are in the keys, the start of a key.
void load_value(const KvLayout& l, const std::byte* page, size_t t, size_t n, float* v) {
  if (l.v_in_k) return load_key(l, page, t, n, v);
  const std::byte* values = page + l.v_offset();
  const size_t first = t * n;
  switch (l.format) {
    case KvFormat::kF32:
      std::memcpy(v, values + first * sizeof(float), n * sizeof(float));
      return;
    case KvFormat::kF16:
      for (size_t i = 0; i < n; ++i) v[i] = f16_to_f32(load<uint16_t>(values, first + i));
      return;
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0:
      for (size_t i = 0; i < n; ++i) v[i] = value_value(l, page, i, t);
      return;
  }
}

// Consecutive slots that stay consecutive.
struct Run {
  size_t from;
  size_t to;
  size_t n;
};

// A matrix of [rows][32] elements: keys and their scales. Each row is a line or two of the cache, so a run of many
// tokens is one copy per row and a run of few is copied element by element; both in the one pass over the rows.
template <class T>
void copy_columns(const std::byte* from, std::byte* to, int rows, Run run) {
  constexpr size_t kRow = kPageTokens * sizeof(T);
  from += run.from * sizeof(T);
  to += run.to * sizeof(T);
  if (run.n * sizeof(T) >= 32) {
    for (size_t r = 0; r < to_size(rows); ++r) std::memcpy(to + r * kRow, from + r * kRow, run.n * sizeof(T));
    return;
  }
  for (size_t r = 0; r < to_size(rows); ++r) {
    for (size_t i = 0; i < run.n; ++i) {
      std::memcpy(to + r * kRow + i * sizeof(T), from + r * kRow + i * sizeof(T), sizeof(T));
    }
  }
}

// A matrix of [32] tokens of `bytes` each: values and their scales.
void copy_rows(const std::byte* from, std::byte* to, size_t bytes, Run run) {
  std::memcpy(to + run.to * bytes, from + run.from * bytes, run.n * bytes);
}

void copy_run(const KvLayout& l, const std::byte* from, std::byte* to, Run run) {
  const size_t v = l.v_offset();
  const int n_values = l.v_in_k ? 0 : l.head_dim_v;
  switch (l.format) {
    case KvFormat::kF32:
      copy_columns<uint32_t>(from, to, l.head_dim_k, run);
      return copy_rows(from + v, to + v, to_size(n_values) * 4, run);
    case KvFormat::kF16:
      copy_columns<uint16_t>(from, to, l.head_dim_k, run);
      return copy_rows(from + v, to + v, to_size(n_values) * 2, run);
    case KvFormat::kQ8_0:
    case KvFormat::kQ4_0: {  // four bytes of a token are one element
      copy_columns<uint32_t>(from, to, static_cast<int>(l.k_scales() / (kPageTokens * 4)), run);
      copy_columns<uint16_t>(from + l.k_scales(), to + l.k_scales(), l.head_dim_k / 32, run);
      copy_rows(from + v, to + v, KvLayout::code_bytes(l.format, n_values) / kPageTokens, run);
      const size_t scales = v + KvLayout::code_bytes(l.format, n_values);
      return copy_rows(from + scales, to + scales, to_size(n_values / 32) * 2, run);
    }
  }
}

}  // namespace

void kv_copy_slots(const KvLayout& layout, const std::byte* from, const uint8_t* from_slots, std::byte* to,
                   int to_first, int n) noexcept {
  for (int i = 0; i < n;) {
    int until = i + 1;
    while (until < n && from_slots[until] == from_slots[until - 1] + 1) ++until;
    copy_run(layout, from, to, {from_slots[i], to_size(to_first + i), to_size(until - i)});
    i = until;
  }
}

void kv_load(const KvLayout& l, const std::byte* page, int slot, float* k, float* v) noexcept {
  if (k != nullptr) load_key(l, page, to_size(slot), to_size(l.head_dim_k), k);
  if (v != nullptr) load_value(l, page, to_size(slot), to_size(l.head_dim_v), v);
}

}  // namespace kedge::kernels
