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

Attention::Attention(const StepContext& context, StepParts& parts) : c_(context), b_(context.buffers), parts_(parts) {}

void Attention::rope(float* x, int n_heads, int head_dim, const RopeTable& table, int first) {
  const int pairs = static_cast<int>(table.frequency.size());
  const uint32_t bit = 1u << table.index;
  const bool fill = (ropes_filled_ & bit) == 0;
  const auto rotate = table.layout == RopeLayout::kHalfSplit ? c_.kernels.rope_half : c_.kernels.rope_interleaved;
  c_.each_row(parts_.rows(), [&](size_t i, int) {
    float* cos_sin = b_.rope.data() + i * to_size(c_.config.rope_floats) + table.at;
    const bool far = table.far != nullptr && parts_.of_row(i).far_context;
    if (fill) (far ? *table.far : table).fill(parts_.position_of(i), cos_sin);
    for (size_t h = i * to_size(n_heads); h < (i + 1) * to_size(n_heads); ++h) {
      rotate(x + h * to_size(head_dim) + first, cos_sin, pairs);
    }
  });
  ropes_filled_ |= bit;
}

// In a windowed layer slot and position are one.
AttendRows Attention::rows_of(const StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) const {
  const AttentionSpec& spec = in.spec;
  const int table = part.kv->table_of(spec.layer, unit.kv_head);
  const int past = part.kv->slots(table);  // before this step
  AttendRows rows;
  rows.layout = part.kv->layout_of(table);
  rows.pages = part.kv->pages(table);
  rows.scale = spec.scale;
  rows.softcap = spec.softcap;
  rows.has_sinks = spec.sinks != nullptr;
  rows.has_slopes = spec.slopes != nullptr;
  rows.scratch = b_.attend_scratch[to_size(thread)].data();
  rows.n = unit.n_rows * unit.n_heads;
  for (int i = 0; i < unit.n_rows; ++i) {
    const int of_part = unit.first_row + i;
    const size_t row = to_size(part.first_row + of_part - part.first_kept);
    const int window = spec.shape.window;
    for (int g = 0; g < unit.n_heads; ++g) {
      const int of_token = unit.kv_head * spec.group() + unit.first_head + g;
      const size_t head = row * to_size(spec.n_heads) + to_size(of_token);
      const int at = i * unit.n_heads + g;
      rows.q[at] = in.q + head * to_size(spec.shape.head_dim_k);
      rows.out[at] = in.out + head * to_size(spec.shape.head_dim_v);
      const int own = past + of_part;
      rows.begin[at] = window > 0 ? std::max(0, own + 1 - window) : 0;
      rows.end[at] = spec.both_directions ? past + part.n() : own + 1;
      if (spec.reach > 0) {
        rows.begin[at] = std::max(0, own - spec.reach);
        rows.end[at] = std::min(rows.end[at], own + spec.reach + 1);
      }
      if (rows.has_slopes) {
        rows.slope[at] = spec.slopes[of_token];
        rows.at[at] = own;
      }
      if (rows.has_sinks) rows.sink[at] = spec.sinks[of_token];
    }
  }
  return rows;
}

// What the unit's rows gave the slots, mass: [row][head][slot] with zeros behind a row's last, to the memory.
void Attention::count(StepPart& part, const Inputs& in, const AttendUnit& unit, const float* mass) {
  const int table = part.kv->table_of(in.spec.layer, unit.kv_head);
  const size_t stride = b_.token_mass_stride;
  for (int i = 0; i < unit.n_rows; ++i) {
    part.kv->add_scores(table, mass + to_size(i * unit.n_heads) * stride, stride, 1, unit.n_heads,
                        part.kv->slots(table) + unit.first_row + i + 1);
  }
}

void Attention::attend_by_chunks(const Inputs& in) {
  const int n_kv = in.spec.shape.n_kv_heads;
  const int group = in.spec.group();
  const int at_once = heads_at_once(group);  // less than the group for parts of one row only
  const int tiles = (group + at_once - 1) / at_once;
  const auto& parts = parts_.all();
  const auto chunks_of = [](const StepPart& p) {
    return (p.kv->most_slots() + p.n() + kChunkTokens - 1) / kChunkTokens;
  };
  int most = 0;
  for (const StepPart& p : parts) most = std::max(most, chunks_of(p));
  const size_t head_floats = attend_part_floats(in.spec.shape.head_dim_v);
  const auto tile_of = [&](const StepPart& p, int kv_head, int tile) {
    const int first = tile * at_once;
    return AttendUnit{0, kv_head, 0, p.n(), first, std::min(at_once, group - first), false};
  };
  // [part][kv_head][tile][chunk][row of the part][head]: a part's share is as large as its rows.
  const auto states = [&](const StepPart& p, const AttendUnit& u, int chunk) {
    const size_t before = to_size(p.first_row * n_kv * most * group);
    const size_t own = to_size(u.kv_head * group + u.first_head) * to_size(most * p.n());
    return b_.attend_parts.data() + (before + own + to_size(chunk * p.n() * u.n_heads)) * head_floats;
  };
  // All threads write to one buffer: other chunks are other places in it.
  const auto mass_of = [&](const StepPart& p, int kv_head) {
    const size_t row = to_size(p.first_row * in.spec.n_heads + kv_head * p.n() * group);
    return p.kv->first_watched() == 0 ? b_.token_mass[0].data() + row * b_.token_mass_stride : nullptr;
  };
  const auto rows = [&](const StepPart& p, const AttendUnit& u, int thread) {
    AttendRows r = rows_of(p, in, u, thread);
    if (float* mass = mass_of(p, u.kv_head)) {
      r.token_mass = mass + to_size(u.first_head) * b_.token_mass_stride;
      r.token_mass_stride = b_.token_mass_stride;
    }
    return r;
  };
  const size_t per_head = to_size(tiles * most);
  const size_t per_part = to_size(n_kv) * per_head;
  c_.team.each(parts.size() * per_part, [&](size_t unit, int thread) {
    const StepPart& p = parts[unit / per_part];
    const int kv_head = static_cast<int>(unit % per_part / per_head);
    const int tile = static_cast<int>(unit % per_head) / most;
    const int chunk = static_cast<int>(unit % per_head) % most;
    const int table = p.kv->table_of(in.spec.layer, kv_head);
    if (!p.status.ok() || chunk * kChunkTokens >= p.kv->slots(table) + p.n()) return;
    const AttendUnit u = tile_of(p, kv_head, tile);
    c_.kernels.attend_chunk(rows(p, u, thread), chunk, states(p, u, chunk));
  });
  for (StepPart& p : parts_.all()) {
    for (int h = 0; h < n_kv && p.status.ok(); ++h) {
      for (int tile = 0; tile < tiles; ++tile) {
        const AttendUnit u = tile_of(p, h, tile);
        c_.kernels.attend_merge(rows(p, u, 0), states(p, u, 0), 0);
      }
      if (const float* mass = mass_of(p, h)) count(p, in, {0, h, 0, p.n(), 0, group, true}, mass);
    }
  }
}

// The unit's rows, of all heads that share the kv-head, and in the thread's token_mass what every slot got of them.
void Attention::attend_with_mass(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) {
  const int at_once = heads_at_once(unit.n_heads);
  for (int first = 0; first < unit.n_heads; first += at_once) {
    AttendUnit tile = unit;
    tile.first_head = first;
    tile.n_heads = std::min(at_once, unit.n_heads - first);
    AttendRows rows = rows_of(part, in, tile, thread);
    rows.token_mass = b_.token_mass[to_size(thread)].data() + to_size(first) * b_.token_mass_stride;
    rows.token_mass_stride = b_.token_mass_stride;
    c_.kernels.attend(rows);
  }
}

void Attention::attend_watched(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) {
  const int tile = std::max(1, kMaxAttendRows / in.spec.group());
  const int end = unit.first_row + unit.n_rows;
  AttendUnit some = unit;
  for (some.first_row = unit.first_row; some.first_row < end; some.first_row += tile) {
    some.n_rows = std::min(tile, end - some.first_row);
    attend_with_mass(part, in, some, thread);
    count(part, in, some, b_.token_mass[to_size(thread)].data());
  }
}

// The row's attention once more, for what every slot gets of it.
void Attention::probe(StepPart& part, const Inputs& in) {
  const AttentionSpec& spec = in.spec;
  c_.team.each(to_size(spec.shape.n_kv_heads), [&](size_t kv_head, int thread) {
    const int h = static_cast<int>(kv_head);
    const AttendUnit unit{0, h, part.kv->probed_row(), 1, 0, spec.group(), true};
    attend_with_mass(part, in, unit, thread);
    const int table = part.kv->table_of(spec.layer, h);
    const size_t row = to_size(part.first_row + unit.first_row);
    const float* q = in.q + (row * to_size(spec.n_heads) + to_size(h * spec.group())) * to_size(spec.shape.head_dim_k);
    part.kv->probe(table, q, spec.group(), spec.scale, b_.token_mass[to_size(thread)].data(), b_.token_mass_stride,
                   part.kv->slots(table) + unit.first_row + 1);
  });
}

// Names what the cache of a part could not hold, if anything.
void Attention::check_held(const Inputs& in) const {
  for (StepPart& part : parts_.all()) {
    if (!part.status.ok()) continue;
    const KvFormat format = part.kv->layout().format;
    const auto check = [&](const char* what, const float* x, int per_row) {
      return not_held(what, in.spec.layer, part.kv->first_position(), x + to_size(part.first_row) * to_size(per_row),
                      part.n() * per_row, per_row, format);
    };
    part.status = check("key", in.k, in.spec.width_k());
    if (part.status.ok() && in.v != nullptr) part.status = check("value", in.v, in.spec.width_v());
  }
}

// One row's key and value of a head; false when the cache cannot hold them.
bool Attention::store_head(StepPart& part, size_t row, const Inputs& in, int kv_head) const {
  const LayerShape& shape = in.spec.shape;
  const int table = part.kv->table_of(in.spec.layer, kv_head);
  const KvLayout layout = part.kv->layout_of(table);
  const float most = info(layout.format).most_held;
  const int slot = part.kv->slots(table) + b_.row_in_part[row];
  const size_t head = row * to_size(shape.n_kv_heads) + to_size(kv_head);
  const float* key = in.k + head * to_size(shape.head_dim_k);
  const float* value = in.v == nullptr ? nullptr : in.v + head * to_size(shape.head_dim_v);
  c_.kernels.kv_store(layout, part.kv->page_for_write(table, slot), slot % kPageTokens, key, value);
  return all_held(key, shape.head_dim_k, most) && (value == nullptr || all_held(value, shape.head_dim_v, most));
}

void Attention::store(const Inputs& in) {
  std::atomic<bool> held{true};
  const auto body = [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      StepPart& part = parts_.of_row(i);
      if (!part.status.ok()) continue;
      for (int h = 0; h < in.spec.shape.n_kv_heads; ++h) {
        if (!store_head(part, i, in, h)) held = false;
      }
    }
  };
  constexpr int kFewRows = 4;
  constexpr size_t kRowsOfSeveral = 4;  // those of one sequence share cache lines of a page, others do not
  const auto n = to_size(parts_.rows());
  const size_t grain = parts_.all().size() > 1 ? kRowsOfSeveral : to_size(kPageTokens);
  parts_.rows() < kFewRows ? body(0, n, 0) : c_.team.split(n, grain, body);
  if (!held) check_held(in);
}

bool Attention::by_chunks(const AttentionSpec& spec) const {
  if (spec.shape.window > 0 || spec.both_directions || parts_.rows() > b_.attend_part_rows) return false;
  bool several = false;
  for (const StepPart& p : parts_.all()) {
    const int watched = p.kv->first_watched();
    if (watched != 0 && watched != p.n()) return false;  // every row is watched, or none
    if (p.first_kept > 0) return false;
    several = several || p.kv->most_slots() + p.n() > kChunkTokens;
  }
  return several;
}

// Units of one part's kv-head.
void Attention::cut_head(const AttentionSpec& spec, size_t part_index, int kv_head) {
  const StepPart& part = parts_.all()[part_index];
  const auto p = static_cast<int32_t>(part_index);
  const int group = spec.group();
  const int heads = heads_at_once(group);
  const int tile = std::max(1, kMaxAttendRows / group);
  const int watched = spec.shape.window > 0 ? part.n() : part.kv->first_watched();
  for (int first = part.first_kept; first < watched; first += tile) {
    for (int head = 0; head < group; head += heads) {
      const int n_heads = std::min(heads, group - head);
      b_.attend_units.push_back({p, kv_head, first, std::min(tile, watched - first), head, n_heads, false});
    }
  }
  // One unit a kv-head: the sums of a table have one writer.
  if (watched < part.n()) b_.attend_units.push_back({p, kv_head, watched, part.n() - watched, 0, group, true});
}

// What sees most first.
void Attention::cut_units(const AttentionSpec& spec) {
  const bool windowed = spec.shape.window > 0;
  if (units_kv_heads_ == spec.shape.n_kv_heads && units_group_ == spec.group() && units_windowed_ == windowed) return;
  auto& units = b_.attend_units;
  units.clear();
  for (size_t p = 0; p < parts_.all().size(); ++p) {
    for (int h = 0; h < spec.shape.n_kv_heads; ++h) cut_head(spec, p, h);
  }
  const auto work = [&](const AttendUnit& u) {
    const StepPart& part = parts_.all()[to_size(u.part)];
    return int64_t{u.n_rows} * (part.kv->most_slots() + u.first_row + u.n_rows);
  };
  std::sort(units.begin(), units.end(), [&](const AttendUnit& a, const AttendUnit& b) { return work(a) > work(b); });
  units_kv_heads_ = spec.shape.n_kv_heads;
  units_group_ = spec.group();
  units_windowed_ = windowed;
}

// Where a sequence's head is one unit, its new keys and values are stored by the thread that reads them next.
void Attention::store_and_attend(const Inputs& in) {
  std::atomic<bool> held{true};
  c_.team.each(b_.attend_units.size(), [&](size_t i, int thread) {
    const AttendUnit& unit = b_.attend_units[i];
    StepPart& part = parts_.all()[to_size(unit.part)];
    if (!part.status.ok()) return;
    bool all = true;
    for (int row = 0; row < unit.n_rows; ++row) {
      all = store_head(part, to_size(part.first_row + row), in, unit.kv_head) && all;
    }
    all ? attend_unit(part, in, unit, thread) : held.store(false);
  });
  if (!held) check_held(in);
}

void Attention::attend_unit(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) {
  if (unit.watched) return attend_watched(part, in, unit, thread);
  c_.kernels.attend(rows_of(part, in, unit, thread));
}

void Attention::attend(const AttentionSpec& spec, const float* q, const float* k, const float* v, float* out) {
  const Inputs in{spec, q, k, v, out};
  const bool chunks = by_chunks(spec);
  if (!chunks) cut_units(spec);
  const auto& parts = parts_.all();
  const bool probes = spec.shape.window == 0 && std::any_of(parts.begin(), parts.end(),
                                                            [](const StepPart& p) { return p.kv->probed_row() >= 0; });
  const bool one_unit_a_head = b_.attend_units.size() == parts.size() * to_size(spec.shape.n_kv_heads);
  if (spec.stores && !spec.both_directions && !chunks && !probes && one_unit_a_head) return store_and_attend(in);
  if (spec.stores) store(in);
  for (StepPart& p : parts_.all()) {
    if (probes && p.status.ok() && p.kv->probed_row() >= 0) probe(p, in);
  }
  if (chunks) return attend_by_chunks(in);
  c_.team.each(b_.attend_units.size(), [&](size_t i, int thread) {
    const AttendUnit& unit = b_.attend_units[i];
    StepPart& part = parts_.all()[to_size(unit.part)];
    if (part.status.ok()) attend_unit(part, in, unit, thread);
  });
}

}  // namespace kedge::engine
