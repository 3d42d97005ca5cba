#include "engine/step.h"

#include <algorithm>
#include <cstring>

namespace kedge::engine {

namespace {

// Below this many rows a plain loop is cheaper than waking the team.
constexpr int kFewRows = 4;
// Weight rows handed out at once when there are many tokens: whole panels of every instruction set.
constexpr size_t kUnitRows = 32;
// Weight rows a thread's slab is cut at in decode.
constexpr size_t kSlabGrain = kGroupRows;
// From this many tokens on the kernels work by panels, and units balance better than slabs.
constexpr int kManyTokens = 6;

size_t to_size(int x) { return static_cast<size_t>(x); }

}  // namespace

Step::Step(const ModelConfig& config, const KernelTable& kernels, bool fast, const ThreadTeam& team,
           StepBuffers& buffers, KvMemory& memory, std::span<const int32_t> tokens, int first_logit_row,
           const LogitSink& sink, const std::atomic<bool>* cancel)
    : config_(config),
      k_(kernels),
      fast_(fast),
      team_(team),
      b_(buffers),
      memory_(memory),
      kv_(memory.sequence()),
      tokens_(tokens),
      n_(static_cast<int>(tokens.size())),
      position_(kv_.next_position()),
      probed_(memory.probed_row(n_)),
      watched_(memory.first_watched(n_)),
      first_logit_row_(first_logit_row),
      sink_(sink),
      cancel_(cancel) {}

bool Step::stopped() {
  if (status_.ok() && cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) {
    status_ = Error{ErrorCode::kCancelled, "cancelled"};
  }
  return !status_.ok();
}

float* Step::buffer(int width) {
  float* p = b_.rows.data() + used_;
  used_ += to_size(n_) * to_size(width);
  return p;
}

void Step::embed(const Weight& table, float* x) {
  for (int i = 0; i < n_; ++i) {
    table.lookup(tokens_[to_size(i)], x + to_size(i) * to_size(table.k));
  }
}

void Step::norm(const float* x, const float* weight, float* y, int width) {
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      k_.rms_norm(x + i * to_size(width), weight, y + i * to_size(width), width, config_.rms_eps);
    }
  };
  n_ < kFewRows ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
}

void Step::norm_heads(float* x, const float* weight, int n_heads, int head_dim) {
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin * to_size(n_heads); i < end * to_size(n_heads); ++i) {
      float* head = x + i * to_size(head_dim);
      k_.rms_norm(head, weight, head, head_dim, config_.rms_eps);
    }
  };
  n_ < kFewRows ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
}

void Step::store_act(const float* x, size_t row, int k, int first, int count, ActForm form) {
  const size_t at = row * to_size(k) + to_size(first);  // of scales and sums
  const size_t code = row * to_size(act_pitch(k, form)) + to_size(first);
  switch (form) {
    case ActForm::kFloat32:
      return;
    case ActForm::kBlock32:
      return k_.quantise_block32(x, count, b_.act_q.data() + code, b_.act_d.data() + at / 32,
                                 b_.act_s32.data() + at / 32);
    case ActForm::kSuper256:
      return k_.quantise_super256(x, count, b_.act_q.data() + code, b_.act_d.data() + at / 256,
                                  b_.act_s16.data() + at / 16, b_.act_s32.data() + at / 32);
    case ActForm::kBfloat16:
      return k_.to_bf16(x, reinterpret_cast<uint16_t*>(b_.act_q.data()) + code, count);
  }
}

// The activation buffers as rows of k values.
ActRows Step::own_acts(const float* x, int n, int k, ActForm form) const {
  ActRows rows;
  rows.n = n;
  rows.k = k;
  rows.pitch = act_pitch(k, form);
  rows.x = x;
  rows.q = b_.act_q.data();
  rows.b16 = reinterpret_cast<const uint16_t*>(b_.act_q.data());
  rows.d = b_.act_d.data();
  rows.sums16 = b_.act_s16.data();
  rows.sums32 = b_.act_s32.data();
  return rows;
}

// Rows of x in one form. Valid until the next call.
ActRows Step::prepare(const float* x, int n, int k, ActForm form) {
  if (form != ActForm::kFloat32) {
    auto body = [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) store_act(x + i * to_size(k), i, k, 0, k, form);
    };
    n < kFewRows ? body(0, to_size(n), 0) : team_.split(to_size(n), 1, body);
  }
  return own_acts(x, n, k, form);
}

Step::Kernel Step::kernel_of(const Weight& w) const {
  const QuantFormat& f = *w.format;
  if (fast_ && k_.fast[f.index] != nullptr && w.k % 256 == 0) {
    return {k_.fast[f.index], f.family == QuantFamily::kFloat ? ActForm::kBfloat16 : ActForm::kSuper256};
  }
  return {k_.matmul[f.index], form_of(f.family)};
}

void Step::multiply(const float* x, int width, std::initializer_list<Product> products) {
  if (n_ == 0) return;
  // Formats of different families want the input in different forms: one round per form.
  for (const ActForm form : {ActForm::kFloat32, ActForm::kBlock32, ActForm::kSuper256, ActForm::kBfloat16}) {
    size_t total = 0;
    for (const Product& p : products) {
      if (kernel_of(p.w).form == form) total += (to_size(p.w.rows) + kUnitRows - 1) / kUnitRows * kUnitRows;
    }
    if (total == 0) continue;
    const ActRows acts = prepare(x, n_, width, form);
    // Rows [begin, end) of all products of the form laid end to end, each padded to whole units.
    auto run = [&](size_t begin, size_t end, int thread) {
      size_t base = 0;
      for (const Product& p : products) {
        const Kernel kernel = kernel_of(p.w);
        if (kernel.form != form) continue;
        const size_t rows = to_size(p.w.rows);
        const size_t first = begin > base ? begin - base : 0;
        const size_t last = end > base ? std::min(end - base, rows) : 0;
        if (first < last) {
          const WeightRows w = p.w.slice(static_cast<int>(first), static_cast<int>(last - first));
          kernel.multiply(w, acts, p.y + first, rows, b_.scratch[to_size(thread)].data());
        }
        base += (rows + kUnitRows - 1) / kUnitRows * kUnitRows;
      }
    };
    if (n_ < kManyTokens) {
      team_.split(total, kSlabGrain, run);
    } else {
      team_.each(total / kUnitRows, [&](size_t u, int t) { run(u * kUnitRows, (u + 1) * kUnitRows, t); });
    }
  }
  for (const Product& p : products) {
    if (p.bias == nullptr) continue;
    for (int i = 0; i < n_; ++i) k_.add(p.bias, p.y + to_size(i) * to_size(p.w.rows), p.w.rows);
  }
}

void Step::add(const float* x, float* y, int width) {
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) k_.add(x + i * to_size(width), y + i * to_size(width), width);
  };
  n_ < kFewRows ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
}

void Step::silu_mul(const float* gate, const float* up, float* y, int width) {
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      k_.silu_mul(gate + i * to_size(width), up + i * to_size(width), y + i * to_size(width), width);
    }
  };
  n_ < kFewRows ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
}

void Step::keep_logit_rows(float* a, int width_a, float* b, int width_b) {
  const auto first = to_size(first_logit_row_);
  const auto count = to_size(n_ - first_logit_row_);
  std::memmove(a, a + first * to_size(width_a), count * to_size(width_a) * sizeof(float));
  std::memmove(b, b + first * to_size(width_b), count * to_size(width_b) * sizeof(float));
  n_ -= first_logit_row_;  // nothing after the last attention asks for positions
}

void Step::logits(const Weight& output, const float* x) {
  const int all = n_;
  const int step = logit_rows(output.rows);
  for (int first = 0; first < all && !stopped(); first += step) {
    n_ = std::min(step, all - first);
    multiply(x + to_size(first) * to_size(output.k), output.k, {{output, b_.logits.data()}});
    for (int i = 0; i < n_ && status_.ok(); ++i) {
      status_ = sink_(first_logit_row_ + first + i,
                      {b_.logits.data() + to_size(i) * to_size(output.rows), to_size(output.rows)});
    }
  }
  n_ = all;
}

}  // namespace kedge::engine
