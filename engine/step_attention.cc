// Rotary positions and attention of a step: how the rows of q are cut into tiles for the attention kernel.
#include <algorithm>
#include <cmath>

#include "engine/step.h"

namespace kedge {

namespace {

// Below this many rows a plain loop is cheaper than waking the team.
constexpr int kFewRows = 4;

size_t to_size(int x) { return static_cast<size_t>(x); }

}  // namespace

void Step::rope(float* x, int n_heads, int head_dim, const RopeTable& table) {
  const size_t stride = table.frequency.size() * 2;
  const int pairs = static_cast<int>(table.frequency.size());
  const bool fill = rope_filled_ != &table;
  const auto rotate = config_.rope.layout == RopeLayout::kHalfSplit ? k_.rope_half : k_.rope_interleaved;
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float* cos_sin = b_.rope.data() + i * stride;
      if (fill) table.fill(past_ + static_cast<int>(i), cos_sin);
      for (int h = 0; h < n_heads; ++h)
        rotate(x + (i * to_size(n_heads) + to_size(h)) * to_size(head_dim), cos_sin, pairs);
    }
  };
  n_ < kFewRows ? body(0, to_size(n_), 0) : team_.split(to_size(n_), 1, body);
  rope_filled_ = &table;
}

AttendRows Step::attend_rows(int layer, int kv_head, int first_row, int n_rows, const float* q, float* out,
                             int thread) {
  const int group = config_.n_heads / config_.n_kv_heads;
  AttendRows rows;
  rows.layout = KvLayout{kv_.layout().format, config_.head_dim_k, config_.head_dim_v};
  rows.pages = kv_.table(layer, kv_head);
  rows.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim_k));
  rows.scratch = b_.attend_scratch[to_size(thread)].data();
  rows.n = n_rows * group;
  for (int i = 0; i < n_rows; ++i) {
    for (int g = 0; g < group; ++g) {
      const size_t head = to_size(first_row + i) * to_size(config_.n_heads) + to_size(kv_head * group + g);
      const int at = i * group + g;
      rows.q[at] = q + head * to_size(config_.head_dim_k);
      rows.out[at] = out + head * to_size(config_.head_dim_v);
      rows.begin[at] = 0;
      rows.end[at] = past_ + first_row + i + 1;
    }
  }
  return rows;
}

void Step::attend_by_chunks(int layer, int n_chunks, const float* q, float* out) {
  const int n_kv = config_.n_kv_heads;
  const size_t part = to_size(n_ * (config_.n_heads / n_kv)) * attend_part_floats(config_.head_dim_v);
  auto parts = [&](int kv_head) { return b_.attend_parts.data() + to_size(kv_head * n_chunks) * part; };
  team_.each(to_size(n_chunks) * to_size(n_kv), [&](size_t unit, int thread) {
    const int kv_head = static_cast<int>(unit) / n_chunks;
    const int chunk = static_cast<int>(unit) % n_chunks;
    k_.attend_chunk(attend_rows(layer, kv_head, 0, n_, q, out, thread), chunk, parts(kv_head) + to_size(chunk) * part);
  });
  for (int h = 0; h < n_kv; ++h) k_.attend_merge(attend_rows(layer, h, 0, n_, q, out, 0), parts(h), 0);
}

void Step::attend(int layer, const float* q, const float* k, const float* v, float* out) {
  const KvLayout layout = kv_.layout();
  const int n_kv = config_.n_kv_heads;
  auto store = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const int slot = past_ + static_cast<int>(i);
      for (int h = 0; h < n_kv; ++h) {
        const size_t head = i * to_size(n_kv) + to_size(h);
        k_.kv_store(layout, kv_.page_for_write(layer, h, slot), slot % kPageTokens,
                    k + head * to_size(config_.head_dim_k), v + head * to_size(config_.head_dim_v));
      }
    }
  };
  n_ < kFewRows ? store(0, to_size(n_), 0) : team_.split(to_size(n_), kPageTokens, store);
  const int n_chunks = (past_ + n_ + kChunkTokens - 1) / kChunkTokens;
  if (n_ <= b_.attend_part_rows && n_chunks > 1) return attend_by_chunks(layer, n_chunks, q, out);
  const int tile = std::max(1, kMaxAttendRows / (config_.n_heads / n_kv));
  const int tiles = (n_ + tile - 1) / tile;
  team_.each(to_size(tiles) * to_size(n_kv), [&](size_t unit, int thread) {
    // Later tokens see more: heaviest tiles first.
    const int t = tiles - 1 - static_cast<int>(unit) / n_kv;
    k_.attend(
        attend_rows(layer, static_cast<int>(unit) % n_kv, t * tile, std::min(tile, n_ - t * tile), q, out, thread));
  });
}

}  // namespace kedge
