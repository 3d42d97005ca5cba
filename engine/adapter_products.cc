#include "engine/adapter_products.h"

#include <algorithm>

namespace kedge::engine {

namespace {

constexpr int kLowerRows = 16;  // of A, a unit of work

}  // namespace

AdapterProducts::AdapterProducts(const StepContext& context, StepParts& parts)
    : c_(context),
      parts_(parts),
      any_(std::any_of(parts.all().begin(), parts.all().end(), [](const StepPart& p) { return !p.adapters.empty(); })) {
}

// The rows [first_row, first_row + n) of the step as tiles, whose rows are counted from first_row on; those without
// adapters are in none.
size_t AdapterProducts::cut(int first_row, int n) const {
  size_t count = 0;
  for (int i = 0; i < n;) {
    const Uses uses = uses_of(size(first_row + i));
    const auto alike = [&](int row) {
      const Uses other = uses_of(size(first_row + row));
      return other.data() == uses.data() || std::ranges::equal(other, uses);
    };
    int end = i + 1;
    while (end < n && end - i < kAdapterTileRows && alike(end)) ++end;
    if (!uses.empty()) b().tiles[count++] = {i, end - i, uses};
    i = end;
  }
  return count;
}

// Where A x of n rows from first_row on lies, rows together: of product `place` of `places`, behind `before` values of
// the adapters before.
float* AdapterProducts::lowered(size_t first_row, size_t n, size_t place, size_t places, size_t before) const {
  const size_t width = b().width;
  return b().lowered.data() + first_row * places * width + n * (place * width + before);
}

// Block number `block` of the rows of all adapters' A for this product. None: fewer are there.
void AdapterProducts::lower(const Weight& w, size_t place, size_t places, const AdapterTile& tile, int block,
                            const ActRows& x, int thread) const {
  size_t before = 0;
  for (const AdapterUse& use : tile.uses) {
    const LowRank* low = use.adapter->at(w.site);
    if (low == nullptr) continue;
    const int blocks = low->rank / kLowerRows;
    if (block < blocks) {
      float* u = lowered(size(tile.first), size(tile.n), place, places, before) + block * kLowerRows;
      return product(low->a, low->a.slice(block * kLowerRows, kLowerRows), x, u, size(low->rank), thread);
    }
    block -= blocks;
    before += size(low->rank);
  }
}

// y: the tile's first row.
void AdapterProducts::raise(const Weight& w, size_t place, size_t places, const AdapterTile& tile, int first, int count,
                            float* y, int thread) const {
  float* added = b().added[size(thread)].data();
  size_t before = 0;
  for (const AdapterUse& use : tile.uses) {
    const LowRank* low = use.adapter->at(w.site);
    if (low == nullptr) continue;
    ActRows u;
    u.n = tile.n;
    u.k = low->rank;
    u.x = lowered(size(tile.first), size(tile.n), place, places, before);
    product(low->b, low->b.slice(first, count), u, added, kAdapterBlock, thread);
    const float s = low->scaled(use.scale);
    for (int i = 0; i < tile.n; ++i) {
      c_.kernels.add_scaled(added + i * kAdapterBlock, s, y + size(i) * size(w.rows) + first, count);
    }
    before += size(low->rank);
  }
}

void AdapterProducts::add(const float* x, int first_row, int n, int width,
                          std::initializer_list<Product> products) const {
  const size_t n_tiles = cut(first_row, n);
  size_t most_lower = 0;  // units of a product of a tile
  size_t most_raise = 0;
  for (size_t t = 0; t < n_tiles; ++t) {
    for (const Product& p : products) {
      size_t ranks = 0;
      for (const AdapterUse& use : b().tiles[t].uses) {
        const LowRank* low = use.adapter->at(p.w.site);
        if (low != nullptr) ranks += size(low->rank);
      }
      most_lower = std::max(most_lower, ranks / kLowerRows);
      if (ranks > 0) most_raise = std::max(most_raise, (size(p.w.rows) + kAdapterBlock - 1) / kAdapterBlock);
    }
  }
  if (most_lower == 0) return;
  // Unit u of `most` of each: a product of a tile, and which of its blocks.
  const auto each_block = [&](size_t most, const auto& body) {
    c_.team.each(n_tiles * products.size() * most, [&](size_t unit, int thread) {
      const size_t pair = unit / most;
      body(b().tiles[pair / products.size()], pair % products.size(), static_cast<int>(unit % most), thread);
    });
  };
  each_block(most_lower, [&](const AdapterTile& tile, size_t place, int block, int thread) {
    ActRows rows;
    rows.n = tile.n;
    rows.k = width;
    rows.x = x + size(tile.first) * size(width);
    lower(products.begin()[place].w, place, products.size(), tile, block, rows, thread);
  });
  each_block(most_raise, [&](const AdapterTile& tile, size_t place, int block, int thread) {
    const Product& p = products.begin()[place];
    const int first = block * kAdapterBlock;
    if (first >= p.w.rows) return;
    float* y = p.y + size(tile.first) * size(p.w.rows);
    raise(p.w, place, products.size(), tile, first, std::min(kAdapterBlock, p.w.rows - first), y, thread);
  });
}

void AdapterProducts::add_to_lookups(const Weight& table, float* x, int n) const {
  c_.each_row(n, [&](size_t row, int thread) {
    const StepPart& part = parts_.of_row(row);
    const int32_t token = part.tokens[size(c_.buffers.row_in_part[row])];
    for (const AdapterUse& use : part.adapters) {
      const LowRank* low = use.adapter->at(table.site);
      if (low == nullptr) continue;
      float* u = lowered(row, 1, 0, 1, 0);
      low->a.format->dequantise(low->a.slice(token, 1).data, u, size(low->rank));
      ActRows rows;
      rows.n = 1;
      rows.k = low->rank;
      rows.x = u;
      float* added = b().added[size(thread)].data();
      for (int first = 0; first < table.k; first += kAdapterBlock) {
        const int count = std::min(kAdapterBlock, table.k - first);
        product(low->b, low->b.slice(first, count), rows, added, kAdapterBlock, thread);
        c_.kernels.add_scaled(added, low->scaled(use.scale), x + row * size(table.k) + first, count);
      }
    }
  });
}

void AdapterProducts::steer(int layer, float* x, int n, int width) const {
  c_.each_row(n, [&](size_t row, int) {
    for (const AdapterUse& use : uses_of(row)) {
      const float* direction = use.adapter->direction(layer);
      if (direction != nullptr) c_.kernels.add_scaled(direction, use.scale, x + row * size(width), width);
    }
  });
}

void AdapterProducts::lower_slot(const Weight& w, int place, size_t slot, int expert, const float* x,
                                 int thread) const {
  ActRows rows;
  rows.n = 1;
  rows.k = w.k;
  rows.x = x;
  size_t before = 0;
  for (const AdapterUse& use : uses_of(size(b().row_of_slot[slot]))) {
    const LowRank* low = use.adapter->at(w.site);
    if (low == nullptr) continue;
    float* u = lowered(slot, 1, size(place), kMostOfSlots, before);
    product(low->a, low->a.slice(0, low->rank, expert), rows, u, size(low->rank), thread);
    before += size(low->rank);
  }
}

void AdapterProducts::add_to_slot(const Weight& w, int place, size_t slot, int expert, int first, int count, float* y,
                                  int thread) const {
  float* added = b().added[size(thread)].data();
  size_t before = 0;
  for (const AdapterUse& use : uses_of(size(b().row_of_slot[slot]))) {
    const LowRank* low = use.adapter->at(w.site);
    if (low == nullptr) continue;
    ActRows u;
    u.n = 1;
    u.k = low->rank;
    u.x = lowered(slot, 1, size(place), kMostOfSlots, before);
    product(low->b, low->b.slice(first, count, expert), u, added, size(count), thread);
    c_.kernels.add_scaled(added, low->scaled(use.scale), y, count);
    before += size(low->rank);
  }
}

}  // namespace kedge::engine
