#include "engine/linear.h"

#include <algorithm>

#include "engine/activation_stats.h"

namespace kedge::engine {

namespace {

// Weight rows handed out at once when there are several tokens are whole panels of every instruction set.
constexpr size_t kUnitRows = 32;
constexpr size_t kMostUnitRows = 256;
constexpr size_t kUnitsOfThread = 4;
// Up to so many tokens the weights come from memory as fast as they are used: slabs, whose rows follow each other, so
// that what a kernel reads ahead beyond its last row is its own (sixteen rows of Q4_K: a tenth faster than units).
// Above, units balance better.
constexpr int kManyTokens = 64;
// Weight rows slabs are cut at when kernels read rows by groups; up to so many tokens they do.
constexpr size_t kSlabGrain = kGroupRows;
constexpr int kFewTokens = 8;

size_t to_size(int x) { return static_cast<size_t>(x); }

// As many rows as leave every thread a few units: a kernel reads ahead beyond its last row, where another thread's
// unit begins (twelve tokens of Q4_K are a third slower by units of 32 than by units of 256).
size_t unit_rows(size_t total, int threads) {
  size_t rows = kMostUnitRows;
  while (rows > kUnitRows && total < rows * kUnitsOfThread * to_size(threads)) rows /= 2;
  return rows;
}

}  // namespace

void Linear::store(const float* x, size_t row, int k, int first, int count, ActForm form) const {
  StepBuffers& b = c_.buffers;
  const size_t at = row * to_size(k) + to_size(first);  // of scales and sums
  const size_t code = row * to_size(act_pitch(k, form)) + to_size(first);
  switch (form) {
    case ActForm::kFloat32:
      return;
    case ActForm::kBlock32:
      return c_.kernels.quantise_block32(x, count, b.act_q.data() + code, b.act_d.data() + at / 32,
                                         b.act_s32.data() + at / 32);
    case ActForm::kSuper256:
      return c_.kernels.quantise_super256(x, count, b.act_q.data() + code, b.act_d.data() + at / 256,
                                          b.act_s16.data() + at / 16, b.act_s32.data() + at / 32);
    case ActForm::kBfloat16:
      return c_.kernels.to_bf16(x, reinterpret_cast<uint16_t*>(b.act_q.data()) + code, count);
  }
}

ActRows Linear::own_rows(const float* x, int n, int k, ActForm form) const {
  const StepBuffers& b = c_.buffers;
  ActRows rows;
  rows.n = n;
  rows.k = k;
  rows.pitch = act_pitch(k, form);
  rows.x = x;
  rows.q = b.act_q.data();
  rows.b16 = reinterpret_cast<const uint16_t*>(b.act_q.data());
  rows.d = b.act_d.data();
  rows.sums16 = b.act_s16.data();
  rows.sums32 = b.act_s32.data();
  return rows;
}

ActRows Linear::prepare(const float* x, int n, int k, ActForm form) const {
  if (form != ActForm::kFloat32) {
    c_.each_row(n, [&](size_t i, int) { store(x + i * to_size(k), i, k, 0, k, form); });
  }
  return own_rows(x, n, k, form);
}

Linear::Kernel Linear::kernel_of(const Weight& w) const {
  const QuantFormat& f = *w.format;
  if (c_.fast && c_.kernels.fast[f.index] != nullptr && w.k % 256 == 0) {
    return {c_.kernels.fast[f.index], f.family == QuantFamily::kFloat ? ActForm::kBfloat16 : ActForm::kSuper256};
  }
  return {c_.kernels.matmul[f.index], form_of(f.family)};
}

void Linear::multiply(const float* x, int n, int width, std::initializer_list<Product> products, int first_row) const {
  if (n == 0) return;
  const auto padded = [](const Product& p) { return (to_size(p.w.rows) + kUnitRows - 1) / kUnitRows * kUnitRows; };
  // Formats of different families want the input in different forms: one round per form.
  for (const ActForm form : {ActForm::kFloat32, ActForm::kBlock32, ActForm::kSuper256, ActForm::kBfloat16}) {
    size_t total = 0;
    for (const Product& p : products) {
      if (kernel_of(p.w).form == form) total += padded(p);
    }
    if (total == 0) continue;
    const ActRows acts = prepare(x, n, width, form);
    // Rows [begin, end) of all products of the form laid end to end, each padded to whole units.
    const auto run = [&](size_t begin, size_t end, int thread) {
      size_t base = 0;
      for (const Product& p : products) {
        const Kernel kernel = kernel_of(p.w);
        if (kernel.form != form) continue;
        const size_t rows = to_size(p.w.rows);
        const size_t first = begin > base ? begin - base : 0;
        const size_t last = end > base ? std::min(end - base, rows) : 0;
        if (first < last) {
          const WeightRows w = p.w.slice(static_cast<int>(first), static_cast<int>(last - first));
          kernel.multiply(w, acts, p.y + first, rows, c_.buffers.scratch[to_size(thread)].data());
        }
        base += padded(p);
      }
    };
    if (n <= kManyTokens) {
      c_.team.split(total, n <= kFewTokens ? kSlabGrain : kUnitRows, run);
    } else {
      const size_t rows = unit_rows(total, c_.team.size());
      c_.team.each((total + rows - 1) / rows, [&](size_t u, int t) { run(u * rows, (u + 1) * rows, t); });
    }
  }
  for (const Product& p : products) {
    for (int i = 0; i < n && p.w.scale != nullptr; ++i) {
      c_.kernels.scale(*p.w.scale, p.y + to_size(i) * to_size(p.w.rows), p.w.rows);
    }
    for (int i = 0; i < n && p.bias != nullptr; ++i) {
      c_.kernels.add(p.bias, p.y + to_size(i) * to_size(p.w.rows), p.w.rows);
    }
  }
  if (adapters_) adapters_.add(x, first_row, n, width, products);
  for (const Product& p : products) {
    if (c_.activations == nullptr) break;
    c_.activations->add(c_.team, p.w, to_size(n),
                        [&](size_t i) { return std::pair(size_t{0}, x + i * to_size(width)); });
  }
}

void Linear::multiply_heads(const HeadProduct& p, int n) const {
  if (n == 0) return;
  const Weight& w = p.w;
  const Kernel kernel = kernel_of(w);
  const int n_heads = w.n_experts;
  // The rows of a head follow each other, in the form the kernel reads.
  c_.each_row(n, [&](size_t i, int) {
    for (int h = 0; h < n_heads; ++h) {
      const float* x = p.x + i * p.x_row + to_size(h) * p.x_head;
      const size_t row = to_size(h) * to_size(n) + i;
      if (kernel.form == ActForm::kFloat32) {
        std::copy_n(x, w.k, p.gathered + row * to_size(w.k));
      } else {
        store(x, row, w.k, 0, w.k, kernel.form);
      }
    }
  });
  const ActRows all = own_rows(p.gathered, n * n_heads, w.k, kernel.form);
  const size_t blocks = (to_size(w.rows) + kMostUnitRows - 1) / kMostUnitRows;
  c_.team.each(to_size(n_heads) * blocks, [&](size_t unit, int thread) {
    const auto head = static_cast<int>(unit / blocks);
    const auto first = static_cast<int>(unit % blocks * kMostUnitRows);
    const int count = std::min(static_cast<int>(kMostUnitRows), w.rows - first);
    float* y = p.y + to_size(head) * p.y_head + first;
    kernel.multiply(w.slice(first, count, head), slice_rows(all, to_size(head) * to_size(n), n, kernel.form), y,
                    p.y_row, c_.buffers.scratch[to_size(thread)].data());
    for (int i = 0; i < n && w.scale != nullptr; ++i) c_.kernels.scale(w.scale[head], y + to_size(i) * p.y_row, count);
  });
}

}  // namespace kedge::engine
