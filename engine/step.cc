#include "engine/step.h"

#include <algorithm>
#include <cstring>

namespace kedge::engine {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

Step::Step(const StepContext& context, StepParts& parts)
    : c_(context),
      parts_(parts),
      linear_(context),
      attention_(context, parts),
      experts_(context, parts, linear_),
      n_(parts.rows()) {}

float* Step::buffer(int width) {
  float* p = c_.buffers.rows.data() + used_;
  used_ += to_size(n_) * to_size(width);
  return p;
}

void Step::embed(const Weight& table, float* x) {
  for (const StepPart& p : parts_.all()) {
    for (int i = 0; i < p.n(); ++i) table.lookup(p.tokens[to_size(i)], x + to_size(p.first_row + i) * to_size(table.k));
  }
}

void Step::norm(const float* x, const float* weight, float* y, int width) {
  c_.each_row(n_, [&](size_t i, int) {
    c_.kernels.rms_norm(x + i * to_size(width), weight, y + i * to_size(width), width, c_.config.rms_eps);
  });
}

void Step::norm_heads(float* x, const float* weight, int n_heads, int head_dim) {
  c_.each_row(n_, [&](size_t i, int) {
    for (size_t h = i * to_size(n_heads); h < (i + 1) * to_size(n_heads); ++h) {
      float* head = x + h * to_size(head_dim);
      c_.kernels.rms_norm(head, weight, head, head_dim, c_.config.rms_eps);
    }
  });
}

void Step::add(const float* x, float* y, int width) {
  c_.each_row(n_, [&](size_t i, int) { c_.kernels.add(x + i * to_size(width), y + i * to_size(width), width); });
}

void Step::silu_mul(const float* gate, const float* up, float* y, int width) {
  c_.each_row(n_, [&](size_t i, int) {
    c_.kernels.silu_mul(gate + i * to_size(width), up + i * to_size(width), y + i * to_size(width), width);
  });
}

void Step::keep_logit_rows(float* a, int width_a, float* b, int width_b) {
  int kept = 0;
  const auto move = [](float* x, int width, int from, int to) {
    std::memmove(x + to_size(to) * to_size(width), x + to_size(from) * to_size(width), to_size(width) * sizeof(float));
  };
  for (int row = 0; row < n_; ++row) {
    const StepPart& part = parts_.of_row(to_size(row));
    if (c_.buffers.row_in_part[to_size(row)] < part.first_logit_row) continue;
    if (kept < row) {
      move(a, width_a, row, kept);
      move(b, width_b, row, kept);
      c_.buffers.part_of[to_size(kept)] = c_.buffers.part_of[to_size(row)];
      c_.buffers.row_in_part[to_size(kept)] = c_.buffers.row_in_part[to_size(row)];
    }
    ++kept;
  }
  n_ = kept;  // nothing after the last attention asks for positions
}

void Step::logits(const Weight& output, const float* x) {
  const int step = logit_rows(output.rows);
  const auto width = to_size(output.rows);
  for (int first = 0; first < n_ && !stopped(); first += step) {
    const int n = std::min(step, n_ - first);
    linear_.multiply(x + to_size(first) * to_size(output.k), n, output.k, {{output, c_.buffers.logits.data()}});
    for (int i = 0; i < n; ++i) {
      StepPart& part = parts_.of_row(to_size(first + i));
      if (!part.status.ok()) continue;
      part.status = (*part.sink)(c_.buffers.row_in_part[to_size(first + i)],
                                 {c_.buffers.logits.data() + to_size(i) * width, width});
    }
  }
}

}  // namespace kedge::engine
