// Rotary positions and attention of a step: how the rows of q are cut into tiles for the attention kernel.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/step.h"

namespace kedge::engine {

namespace {

// Below this many rows a plain loop is cheaper than waking the team.
constexpr int kFewRows = 4;

size_t to_size(int x) { return static_cast<size_t>(x); }

bool all_held(const float* x, int n, float most) {
  int beyond = 0;  // no way out of the loop, so that it vectorises
  for (int i = 0; i < n; ++i) beyond += std::fabs(x[i]) <= most ? 0 : 1;
  return beyond == 0;
}

// Names the first that the cache cannot hold. Quantised products make ordinary numbers of infinities: it would pass
// unseen.
Status not_held(const char* what, int layer, int position, const float* x, int n, int n_per_row, KvFormat format) {
  const float most = info(format).most_held;
  const float* first = std::find_if(x, x + n, [most](float v) { return !(std::fabs(v) <= most); });
  if (first == x + n) return {};
  char text[200];
  std::snprintf(
      text, sizeof text, "a %s of layer %d at position %d is %g, the KV cache holds up to %g: the weights %s", what,
      layer, position + static_cast<int>(first - x) / n_per_row, double{*first}, double{most},
      format == KvFormat::kF32 ? "are damaged or overflow" : "are damaged, or need a float32 cache (--kv-type f32)");
  return Error{ErrorCode::kInternal, text};
}

}  // namespace

void Step::rope(float* x, int n_heads, int head_dim, const RopeTable& table) {
  const size_t stride = table.frequency.size() * 2;
  const int pairs = static_cast<int>(table.frequency.size());
  const bool fill = rope_filled_ != &table;
  const auto rotate = config_.rope.layout == RopeLayout::kHalfSplit ? k_.rope_half : k_.rope_interleaved;
  auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float* cos_sin = b_.rope.data() + i * stride;
      if (fill) table.fill(position_ + static_cast<int>(i), cos_sin);
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
  const int table = kv_.table_of(layer, kv_head);
  const int past = kv_.slots(table);  // before this step
  rows.pages = kv_.table(table);
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
      rows.end[at] = past + first_row + i + 1;
    }
  }
  return rows;
}

void Step::attend_by_chunks(int layer, int n_chunks, const float* q, float* out) {
  const int n_kv = config_.n_kv_heads;
  const int group = config_.n_heads / n_kv;
  const size_t part = to_size(n_ * group) * attend_part_floats(config_.head_dim_v);
  const bool watch = watched_ == 0;
  auto parts = [&](int kv_head) { return b_.attend_parts.data() + to_size(kv_head * n_chunks) * part; };
  auto rows_of = [&](int kv_head, int thread) {
    AttendRows rows = attend_rows(layer, kv_head, 0, n_, q, out, thread);
    if (watch) {  // all threads write to one buffer: other chunks are other places in it
      rows.token_mass = b_.token_mass[0].data() + to_size(kv_head * n_ * group) * b_.token_mass_stride;
      rows.token_mass_stride = b_.token_mass_stride;
    }
    return rows;
  };
  team_.each(to_size(n_chunks) * to_size(n_kv), [&](size_t unit, int thread) {
    const int kv_head = static_cast<int>(unit) / n_chunks;
    const int chunk = static_cast<int>(unit) % n_chunks;
    if (chunk * kChunkTokens >= kv_.slots(kv_.table_of(layer, kv_head)) + n_) return;
    k_.attend_chunk(rows_of(kv_head, thread), chunk, parts(kv_head) + to_size(chunk) * part);
  });
  for (int h = 0; h < n_kv; ++h) {
    const AttendRows rows = rows_of(h, 0);
    k_.attend_merge(rows, parts(h), 0);
    if (watch) count_attention(layer, h, rows, 0, n_);
  }
}

// What the rows gave the slots, [row][slot] with zeros behind a row's last, to the memory.
void Step::count_attention(int layer, int kv_head, const AttendRows& rows, int first_row, int n_rows) {
  const int group = config_.n_heads / config_.n_kv_heads;
  const int table = kv_.table_of(layer, kv_head);
  for (int i = 0; i < n_rows; ++i) {
    memory_.add_scores(table, rows.token_mass + to_size(i * group) * rows.token_mass_stride, rows.token_mass_stride, 1,
                       group, kv_.slots(table) + first_row + i + 1);
  }
}

void Step::attend_watched(int layer, int first_row, const float* q, float* out) {
  const int tile = std::max(1, kMaxAttendRows / (config_.n_heads / config_.n_kv_heads));
  // One thread per kv-head: the sums of a table have one writer.
  team_.each(to_size(config_.n_kv_heads), [&](size_t kv_head, int thread) {
    for (int first = first_row; first < n_; first += tile) {
      const int n_rows = std::min(tile, n_ - first);
      AttendRows rows = attend_rows(layer, static_cast<int>(kv_head), first, n_rows, q, out, thread);
      rows.token_mass = b_.token_mass[to_size(thread)].data();
      rows.token_mass_stride = b_.token_mass_stride;
      k_.attend(rows);
      count_attention(layer, static_cast<int>(kv_head), rows, first, n_rows);
    }
  });
}

// The row's attention once more, for what every slot gets of it.
void Step::probe(int layer, const float* q, float* out) {
  const int group = config_.n_heads / config_.n_kv_heads;
  if (layer == 0) memory_.begin_probe();
  team_.each(to_size(config_.n_kv_heads), [&](size_t kv_head, int thread) {
    const int h = static_cast<int>(kv_head);
    AttendRows rows = attend_rows(layer, h, probed_, 1, q, out, thread);
    rows.token_mass = b_.token_mass[to_size(thread)].data();
    rows.token_mass_stride = b_.token_mass_stride;
    k_.attend(rows);
    memory_.probe(kv_.table_of(layer, h), rows.q[0], group, rows.scale, rows.token_mass, rows.token_mass_stride,
                  rows.end[0]);
  });
}

void Step::attend(int layer, const float* q, const float* k, const float* v, float* out) {
  const KvLayout layout = kv_.layout();
  const int n_kv = config_.n_kv_heads;
  const float most = info(layout.format).most_held;
  std::atomic<bool> held{true};
  auto store = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      for (int h = 0; h < n_kv; ++h) {
        const int table = kv_.table_of(layer, h);
        const int slot = kv_.slots(table) + static_cast<int>(i);
        const size_t head = i * to_size(n_kv) + to_size(h);
        const float* key = k + head * to_size(config_.head_dim_k);
        const float* value = v + head * to_size(config_.head_dim_v);
        k_.kv_store(layout, kv_.page_for_write(table, slot), slot % kPageTokens, key, value);
        if (!all_held(key, config_.head_dim_k, most) || !all_held(value, config_.head_dim_v, most)) held = false;
      }
    }
  };
  n_ < kFewRows ? store(0, to_size(n_), 0) : team_.split(to_size(n_), kPageTokens, store);
  if (!held) {
    const int keys = n_kv * config_.head_dim_k;
    const int values = n_kv * config_.head_dim_v;
    status_ = not_held("key", layer, position_, k, n_ * keys, keys, layout.format);
    if (status_.ok()) status_ = not_held("value", layer, position_, v, n_ * values, values, layout.format);
    return;
  }
  const int n_chunks = (kv_.most_slots() + n_ + kChunkTokens - 1) / kChunkTokens;
  const bool alike = watched_ == 0 || watched_ == n_;  // every row is watched, or none
  if (probed_ >= 0) probe(layer, q, out);
  if (n_ <= b_.attend_part_rows && n_chunks > 1 && alike) return attend_by_chunks(layer, n_chunks, q, out);
  const int tile = std::max(1, kMaxAttendRows / (config_.n_heads / n_kv));
  const int tiles = (watched_ + tile - 1) / tile;
  team_.each(to_size(tiles) * to_size(n_kv), [&](size_t unit, int thread) {
    // Later tokens see more: heaviest tiles first.
    const int t = tiles - 1 - static_cast<int>(unit) / n_kv;
    const int n_rows = std::min(tile, watched_ - t * tile);
    k_.attend(attend_rows(layer, static_cast<int>(unit) % n_kv, t * tile, n_rows, q, out, thread));
  });
  if (watched_ < n_) attend_watched(layer, watched_, q, out);
}

}  // namespace kedge::engine
