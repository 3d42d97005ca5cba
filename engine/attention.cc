#include "engine/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

namespace kedge::engine {

namespace {

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

Attention::Attention(const StepContext& context, StepParts& parts)
    : c_(context), b_(context.buffers), parts_(parts), group_(context.config.n_heads / context.config.n_kv_heads) {}

void Attention::rope(float* x, int n_heads, int head_dim, const RopeTable& table) {
  const size_t stride = table.frequency.size() * 2;
  const int pairs = static_cast<int>(table.frequency.size());
  const bool fill = rope_filled_ != &table;
  const bool halves = c_.config.rope.layout == RopeLayout::kHalfSplit;
  const auto rotate = halves ? c_.kernels.rope_half : c_.kernels.rope_interleaved;
  c_.each_row(parts_.rows(), [&](size_t i, int) {
    float* cos_sin = b_.rope.data() + i * stride;
    if (fill) table.fill(parts_.of_row(i).kv->first_position() + b_.row_in_part[i], cos_sin);
    for (size_t h = i * to_size(n_heads); h < (i + 1) * to_size(n_heads); ++h) {
      rotate(x + h * to_size(head_dim), cos_sin, pairs);
    }
  });
  rope_filled_ = &table;
}

AttendRows Attention::rows_of(const StepPart& part, const Inputs& in, int kv_head, int first_row, int n_rows,
                              int thread) const {
  const ModelConfig& config = c_.config;
  const int table = part.kv->table_of(in.layer, kv_head);
  const int past = part.kv->slots(table);  // before this step
  AttendRows rows;
  rows.layout = KvLayout{part.kv->layout().format, config.head_dim_k, config.head_dim_v};
  rows.pages = part.kv->pages(table);
  rows.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim_k));
  rows.scratch = b_.attend_scratch[to_size(thread)].data();
  rows.n = n_rows * group_;
  for (int i = 0; i < n_rows; ++i) {
    const size_t row = to_size(part.first_row + first_row + i);
    for (int g = 0; g < group_; ++g) {
      const size_t head = row * to_size(config.n_heads) + to_size(kv_head * group_ + g);
      const int at = i * group_ + g;
      rows.q[at] = in.q + head * to_size(config.head_dim_k);
      rows.out[at] = in.out + head * to_size(config.head_dim_v);
      rows.begin[at] = 0;
      rows.end[at] = past + first_row + i + 1;
    }
  }
  return rows;
}

// What the rows gave the slots, [row][slot] with zeros behind a row's last, to the memory.
void Attention::count(StepPart& part, const Inputs& in, int kv_head, const AttendRows& rows, int first_row,
                      int n_rows) {
  const int table = part.kv->table_of(in.layer, kv_head);
  for (int i = 0; i < n_rows; ++i) {
    part.kv->add_scores(table, rows.token_mass + to_size(i * group_) * rows.token_mass_stride, rows.token_mass_stride,
                        1, group_, part.kv->slots(table) + first_row + i + 1);
  }
}

void Attention::attend_by_chunks(const Inputs& in) {
  const int n_kv = c_.config.n_kv_heads;
  const auto& parts = parts_.all();
  const auto chunks_of = [](const StepPart& p) {
    return (p.kv->most_slots() + p.n() + kChunkTokens - 1) / kChunkTokens;
  };
  int most = 0;
  for (const StepPart& p : parts) most = std::max(most, chunks_of(p));
  const size_t row_floats = to_size(group_) * attend_part_floats(c_.config.head_dim_v);
  // [part][kv_head][chunk][row of the part][group]: a part's share is as large as its rows.
  const auto states = [&](const StepPart& p, int kv_head, int chunk) {
    const size_t before = to_size(p.first_row * n_kv * most);
    return b_.attend_parts.data() + (before + to_size((kv_head * most + chunk) * p.n())) * row_floats;
  };
  const auto rows = [&](const StepPart& p, int kv_head, int thread) {
    AttendRows r = rows_of(p, in, kv_head, 0, p.n(), thread);
    if (p.kv->first_watched() == 0) {  // all threads write to one buffer: other chunks are other places in it
      const size_t row = to_size(p.first_row * c_.config.n_heads + kv_head * p.n() * group_);
      r.token_mass = b_.token_mass[0].data() + row * b_.token_mass_stride;
      r.token_mass_stride = b_.token_mass_stride;
    }
    return r;
  };
  const size_t per_part = to_size(n_kv * most);
  c_.team.each(parts.size() * per_part, [&](size_t unit, int thread) {
    const StepPart& p = parts[unit / per_part];
    const int kv_head = static_cast<int>(unit % per_part) / most;
    const int chunk = static_cast<int>(unit % per_part) % most;
    const int table = p.kv->table_of(in.layer, kv_head);
    if (!p.status.ok() || chunk * kChunkTokens >= p.kv->slots(table) + p.n()) return;
    c_.kernels.attend_chunk(rows(p, kv_head, thread), chunk, states(p, kv_head, chunk));
  });
  for (StepPart& p : parts_.all()) {
    for (int h = 0; h < n_kv && p.status.ok(); ++h) {
      const AttendRows r = rows(p, h, 0);
      c_.kernels.attend_merge(r, states(p, h, 0), 0);
      if (r.token_mass != nullptr) count(p, in, h, r, 0, p.n());
    }
  }
}

void Attention::attend_watched(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) {
  const int tile = std::max(1, kMaxAttendRows / group_);
  const int end = unit.first_row + unit.n_rows;
  for (int first = unit.first_row; first < end; first += tile) {
    const int n = std::min(tile, end - first);
    AttendRows rows = rows_of(part, in, unit.kv_head, first, n, thread);
    rows.token_mass = b_.token_mass[to_size(thread)].data();
    rows.token_mass_stride = b_.token_mass_stride;
    c_.kernels.attend(rows);
    count(part, in, unit.kv_head, rows, first, n);
  }
}

// The row's attention once more, for what every slot gets of it.
void Attention::probe(StepPart& part, const Inputs& in) {
  c_.team.each(to_size(c_.config.n_kv_heads), [&](size_t kv_head, int thread) {
    const int h = static_cast<int>(kv_head);
    AttendRows rows = rows_of(part, in, h, part.kv->probed_row(), 1, thread);
    rows.token_mass = b_.token_mass[to_size(thread)].data();
    rows.token_mass_stride = b_.token_mass_stride;
    c_.kernels.attend(rows);
    part.kv->probe(part.kv->table_of(in.layer, h), rows.q[0], group_, rows.scale, rows.token_mass,
                   rows.token_mass_stride, rows.end[0]);
  });
}

// Names what the cache of a part could not hold, if anything.
void Attention::check_held(StepPart& part, int layer, const float* k, const float* v) const {
  const KvFormat format = part.kv->layout().format;
  const auto check = [&](const char* what, const float* x, int per_row) {
    return not_held(what, layer, part.kv->first_position(), x + to_size(part.first_row) * to_size(per_row),
                    part.n() * per_row, per_row, format);
  };
  part.status = check("key", k, c_.config.n_kv_heads * c_.config.head_dim_k);
  if (part.status.ok()) part.status = check("value", v, c_.config.n_kv_heads * c_.config.head_dim_v);
}

void Attention::store(int layer, const float* k, const float* v) {
  const int n_kv = c_.config.n_kv_heads;
  std::atomic<bool> held{true};
  const auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      StepPart& part = parts_.of_row(i);
      if (!part.status.ok()) continue;
      const KvLayout layout = part.kv->layout();
      const float most = info(layout.format).most_held;
      for (int h = 0; h < n_kv; ++h) {
        const int table = part.kv->table_of(layer, h);
        const int slot = part.kv->slots(table) + b_.row_in_part[i];
        const size_t head = i * to_size(n_kv) + to_size(h);
        const float* key = k + head * to_size(c_.config.head_dim_k);
        const float* value = v + head * to_size(c_.config.head_dim_v);
        c_.kernels.kv_store(layout, part.kv->page_for_write(table, slot), slot % kPageTokens, key, value);
        if (!all_held(key, c_.config.head_dim_k, most) || !all_held(value, c_.config.head_dim_v, most)) held = false;
      }
    }
  };
  constexpr int kFewRows = 4;
  const auto n = to_size(parts_.rows());
  parts_.rows() < kFewRows ? body(0, n, 0) : c_.team.split(n, kPageTokens, body);
  if (held) return;
  for (StepPart& p : parts_.all()) {
    if (p.status.ok()) check_held(p, layer, k, v);
  }
}

bool Attention::by_chunks() const {
  if (parts_.rows() > b_.attend_part_rows) return false;
  bool several = false;
  for (const StepPart& p : parts_.all()) {
    const int watched = p.kv->first_watched();
    if (watched != 0 && watched != p.n()) return false;  // every row is watched, or none
    several = several || p.kv->most_slots() + p.n() > kChunkTokens;
  }
  return several;
}

// The same for every layer: what sees most first.
void Attention::cut_units() {
  auto& units = b_.attend_units;
  units.clear();
  const int tile = std::max(1, kMaxAttendRows / group_);
  for (size_t p = 0; p < parts_.all().size(); ++p) {
    const StepPart& part = parts_.all()[p];
    const int watched = part.kv->first_watched();
    for (int h = 0; h < c_.config.n_kv_heads; ++h) {
      for (int first = 0; first < watched; first += tile) {
        units.push_back({static_cast<int32_t>(p), h, first, std::min(tile, watched - first), false});
      }
      // One unit a kv-head: the sums of a table have one writer.
      if (watched < part.n()) units.push_back({static_cast<int32_t>(p), h, watched, part.n() - watched, true});
    }
  }
  const auto work = [&](const AttendUnit& u) {
    const StepPart& part = parts_.all()[to_size(u.part)];
    return int64_t{u.n_rows} * (part.kv->most_slots() + u.first_row + u.n_rows);
  };
  std::sort(units.begin(), units.end(), [&](const AttendUnit& a, const AttendUnit& b) { return work(a) > work(b); });
  units_cut_ = true;
}

void Attention::attend(int layer, const float* q, const float* k, const float* v, float* out) {
  const Inputs in{layer, q, out};
  store(layer, k, v);
  for (StepPart& p : parts_.all()) {
    if (p.status.ok() && p.kv->probed_row() >= 0) probe(p, in);
  }
  if (by_chunks()) return attend_by_chunks(in);
  if (!units_cut_) cut_units();
  c_.team.each(b_.attend_units.size(), [&](size_t i, int thread) {
    const AttendUnit& unit = b_.attend_units[i];
    StepPart& part = parts_.all()[to_size(unit.part)];
    if (!part.status.ok()) return;
    if (unit.watched) return attend_watched(part, in, unit, thread);
    c_.kernels.attend(rows_of(part, in, unit.kv_head, unit.first_row, unit.n_rows, thread));
  });
}

}  // namespace kedge::engine
