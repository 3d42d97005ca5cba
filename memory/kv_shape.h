// What the memory of a sequence has to hold of every layer.
// Layers that see all of the text have tables from which tokens may leave and come back; those of layers with a window
// stand behind them and hold the latest tokens only; layers that recur keep a state of constant size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/kv_page.h"
#include "memory/sizes.h"

namespace kedge::memory {

struct KvLayer {
  int n_kv_heads = 0;  // tables of its own; 0: it keeps a state, or reads another layer's
  int window = 0;      // tokens a row sees, itself included; 0: all
};

struct KvShape {
  KvLayout layout;  // of layers that see all of the text
  int n_layers = 0;
  int n_kv_heads = 0;  // of every layer, unless `layers` says otherwise
  int n_ctx = 0;       // positions
  // Layers that are not all alike: n_layers of them. Empty: all have n_kv_heads and no window.
  std::vector<KvLayer> layers = {};
  KvLayout window_layout = {};  // of layers with a window
  int64_t state_floats = 0;     // of a sequence's recurrent state; 0: it has none
  int step_tokens = 512;        // most tokens of a step: what a window holds beside itself while one is open
  int kept = 0;                 // copies of a sequence, to go back to, that an arena of its own has room for

  KvLayer layer(int i) const { return layers.empty() ? KvLayer{n_kv_heads, 0} : layers[to_size(i)]; }
  const KvLayout& layout_of(int i) const { return layer(i).window > 0 ? window_layout : layout; }
  // Tables of layers that see all of the text; of layers with a window.
  int n_tables() const { return count(false); }
  int n_windowed() const { return count(true); }
  // Going back is more than forgetting: a state cannot be taken apart, and windows have let go of what was before them.
  bool only_forward() const { return state_floats > 0 || n_windowed() > 0; }

  // Bytes a page takes in an arena, and how many such pages pay for a recurrent state.
  size_t page_bytes() const {
    constexpr size_t kLine = 64;
    constexpr size_t kLeast = 4096;  // of layers without tables: the unit in which states are counted
    const size_t most =
        std::max(n_tables() > 0 ? layout.page_bytes() : 0, n_windowed() > 0 ? window_layout.page_bytes() : 0);
    return ((most > 0 ? most : kLeast) + kLine - 1) / kLine * kLine;
  }
  size_t state_bytes() const { return (static_cast<size_t>(state_floats) * sizeof(float) + 63) / 64 * 64; }
  size_t state_pages() const { return (state_bytes() + page_bytes() - 1) / page_bytes(); }
  // Most pages that a table with a window holds while n tokens come in one step; without regard to the context's end.
  static size_t window_pages(int window, int n) {
    return (to_size(window) + to_size(n) + kPageTokens - 3) / kPageTokens + 1;
  }
  // Most pages that a sequence of `positions` tokens takes, of which `hot` are in every table that may lose some; those
  // of its state before and after a step included.
  size_t pages_for(int hot, int positions) const {
    size_t n = pages_of(hot) * to_size(n_tables()) + 2 * state_pages();
    for (const KvLayer& l : layers) {
      if (l.window == 0) continue;
      n += to_size(l.n_kv_heads) * std::min(pages_of(positions), window_pages(l.window, step_tokens));
    }
    return n;
  }
  size_t pages_for(int tokens) const { return pages_for(tokens, tokens); }
  // Most pages that a copy holds for itself when the sequence goes on, while nothing is evicted: last pages of tables
  // that both write to, windows, the state.
  size_t copy_pages() const {
    size_t n = to_size(n_tables()) + state_pages();
    for (const KvLayer& l : layers) n += l.window > 0 ? to_size(l.n_kv_heads) * window_pages(l.window, 0) : 0;
    return n;
  }

 private:
  int count(bool windowed) const {
    if (layers.empty()) return windowed ? 0 : n_layers * n_kv_heads;
    int n = 0;
    for (const KvLayer& l : layers) n += (l.window > 0) == windowed ? l.n_kv_heads : 0;
    return n;
  }
};

// Which table is whose: those of layers that see all of the text, layer by layer, then those of layers with a window.
class KvTables {
 public:
  explicit KvTables(const KvShape& shape) : n_full_(shape.n_tables()) {
    int full = 0;
    int windowed = n_full_;
    for (int i = 0; i < shape.n_layers; ++i) {
      const KvLayer l = shape.layer(i);
      int& next = l.window > 0 ? windowed : full;
      first_.push_back(next);
      next += l.n_kv_heads;
      if (l.window > 0) windows_.insert(windows_.end(), to_size(l.n_kv_heads), l.window);
    }
  }
  int n_layers() const { return static_cast<int>(first_.size()); }
  int n_full() const { return n_full_; }
  int n_all() const { return n_full_ + static_cast<int>(windows_.size()); }
  int table_of(int layer, int kv_head) const { return first_[to_size(layer)] + kv_head; }
  // Of the tables behind the full ones.
  const std::vector<int32_t>& windows() const { return windows_; }

 private:
  int n_full_;
  std::vector<int32_t> first_;  // by layer
  std::vector<int32_t> windows_;
};

}  // namespace kedge::memory
