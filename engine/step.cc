#include "engine/step.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/logits.h"

namespace kedge::engine {

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }
}  // namespace

Step::Step(const StepContext& context, StepParts& parts)
    : c_(context),
      parts_(parts),
      adapters_(context, parts),
      linear_(context, adapters_),
      attention_(context, parts),
      experts_(context, parts, linear_, adapters_),
      n_(parts.rows()) {}

float* Step::buffer(int width) {
  float* p = c_.buffers.rows.data() + used_;
  used_ += to_size(n_) * to_size(width);
  return p;
}

void Step::embed(const Weight& table, float* x) {
  each_row([&](size_t i, int) {
    const int32_t token = parts_.of_row(i).tokens[to_size(c_.buffers.row_in_part[i])];
    table.lookup(token, x + i * to_size(table.k));
  });
  if (adapters_) adapters_.add_to_lookups(table, x, n_);
}

void Step::given(float* x, int width) {
  each_row([&](size_t i, int) {
    const StepPart& part = parts_.of_row(i);
    const size_t from = to_size(c_.buffers.row_in_part[i]) * to_size(width);
    std::copy_n(part.given.begin() + static_cast<ptrdiff_t>(from), width, x + i * to_size(width));
  });
}

void Step::join(const float* a, const float* b, float* y, int width) {
  each_row([&](size_t i, int) {
    std::copy_n(a + i * to_size(width), width, y + i * 2 * to_size(width));
    std::copy_n(b + i * to_size(width), width, y + (i * 2 + 1) * to_size(width));
  });
}

void Step::norm(const float* x, const Norm& norm, float* y, int width) {
  const float eps = c_.config.norm_eps;
  each_row([&](size_t i, int) {
    const float* from = x + i * to_size(width);
    float* to = y + i * to_size(width);
    norm.layer ? c_.kernels.layer_norm(from, norm.weight, norm.bias, to, width, eps)
               : c_.kernels.rms_norm(from, norm.weight, to, width, eps);
  });
}

void Step::norm_heads(float* x, const Norm& norm, int n_heads, int head_dim) {
  const float eps = c_.config.norm_eps;
  each_row([&](size_t i, int) {
    for (size_t h = i * to_size(n_heads); h < (i + 1) * to_size(n_heads); ++h) {
      float* head = x + h * to_size(head_dim);
      norm.layer ? c_.kernels.layer_norm(head, norm.weight, norm.bias, head, head_dim, eps)
                 : c_.kernels.rms_norm(head, norm.weight, head, head_dim, eps);
    }
  });
}

void Step::add(const float* x, float* y, int width) {
  each_row([&](size_t i, int) { c_.kernels.add(x + i * to_size(width), y + i * to_size(width), width); });
}

void Step::add_scaled(const float* x, float s, float* y, int width) {
  each_row([&](size_t i, int) { c_.kernels.add_scaled(x + i * to_size(width), s, y + i * to_size(width), width); });
}

void Step::scale(float s, float* x, int width) {
  each_row([&](size_t i, int) { c_.kernels.scale(s, x + i * to_size(width), width); });
}

void Step::multiply_by(const float* x, float* y, int width) {
  each_row([&](size_t i, int) { c_.kernels.mul(x + i * to_size(width), y + i * to_size(width), width); });
}

void Step::activate(Activation f, float* x, int width) {
  each_row([&](size_t i, int) { c_.kernels.activate(f, x + i * to_size(width), x + i * to_size(width), width); });
}

void Step::feed_forward(const FeedForwardForm& form, const float* gate, const float* up, float* y, int width) {
  each_row([&](size_t i, int) {
    const size_t at = i * to_size(width);
    run_feed_forward(c_.kernels, form, gate == nullptr ? nullptr : gate + at, up + at, y + at, width);
  });
}

void Step::move_row(int from, int to, float* a, int width_a) {
  const auto move = [&](float* x, int width) {
    std::memmove(x + to_size(to) * to_size(width), x + to_size(from) * to_size(width), to_size(width) * sizeof(float));
  };
  if (a != nullptr) move(a, width_a);
  for (size_t i = 0; i < n_live_; ++i) move(live_[i].x, live_[i].width);
  c_.buffers.part_of[to_size(to)] = c_.buffers.part_of[to_size(from)];
  c_.buffers.row_in_part[to_size(to)] = c_.buffers.row_in_part[to_size(from)];
}

void Step::keep_logit_rows(float* a, int width_a) {
  int kept = 0;
  for (int row = 0; row < n_; ++row) {
    const StepPart& part = parts_.of_row(to_size(row));
    if (c_.buffers.row_in_part[to_size(row)] < part.first_needed_row()) continue;
    if (kept < row) move_row(row, kept, a, width_a);
    ++kept;
  }
  n_ = kept;
  parts_.keep_logit_rows();
  attention_.rows_changed();
}

void Step::keep_logit_rows_early(float* a, int width_a) {
  for (const StepPart& p : parts_.all()) {
    if (p.kv->first_watched() < p.n() || p.kv->probed_row() >= 0) return;
  }
  keep_logit_rows(a, width_a);
}

void Step::hidden(float* x, int width) {
  int kept = 0;
  for (int row = 0; row < n_; ++row) {
    StepPart& part = parts_.of_row(to_size(row));
    float* values = x + to_size(row) * to_size(width);
    const int32_t row_in_part = c_.buffers.row_in_part[to_size(row)];
    const std::span<const float> state(values, to_size(width));
    if (part.hidden) {
      if (part.status.ok()) part.status = (*part.sink)(row_in_part, state, all_finite(state));
      continue;
    }
    if (part.states != nullptr) {
      part.states->put(part.kv->first_position() + row_in_part, state);
      if (row_in_part < part.first_logit_row) continue;
    }
    if (kept < row) {
      std::memmove(x + to_size(kept) * to_size(width), values, to_size(width) * sizeof(float));
      c_.buffers.part_of[to_size(kept)] = c_.buffers.part_of[to_size(row)];
      c_.buffers.row_in_part[to_size(kept)] = c_.buffers.row_in_part[to_size(row)];
    }
    ++kept;
  }
  n_ = kept;
}

void Step::logits(const Weight& output, const float* x, const float* bias) {
  const int step = logit_rows(output.rows);
  const auto width = to_size(output.rows);
  for (int first = 0; first < n_ && !stopped(); first += step) {
    const int n = std::min(step, n_ - first);
    const float* rows = x + to_size(first) * to_size(output.k);
    linear_.multiply(rows, n, output.k, {{output, c_.buffers.logits.data(), bias}}, first);
    const auto row_at = [&](size_t i) { return c_.buffers.row_in_part[to_size(first) + i]; };
    const auto logits_at = [&](size_t i) {
      return std::span<const float>(c_.buffers.logits.data() + i * width, width);
    };
    std::array<bool, kMostLogitRows> finite{};
    c_.team.each(to_size(n), [&](size_t i, int) {
      float* own = c_.buffers.logits.data() + i * width;
      if (c_.config.logit_scale != 1) c_.kernels.scale(c_.config.logit_scale, own, output.rows);
      if (c_.config.logit_softcap > 0) c_.kernels.softcap(c_.config.logit_softcap, own, output.rows);
      const StepPart& part = parts_.of_row(to_size(first) + i);
      const bool keep = !part.last_logits.empty() && row_at(i) == part.n() - 1;
      finite[i] = keep ? copy_finite(logits_at(i), part.last_logits.data()) : all_finite(logits_at(i));
    });
    for (size_t i = 0; i < to_size(n); ++i) {
      StepPart& part = parts_.of_row(to_size(first) + i);
      if (part.status.ok()) part.status = (*part.sink)(row_at(i), logits_at(i), finite[i]);
    }
  }
}

}  // namespace kedge::engine
