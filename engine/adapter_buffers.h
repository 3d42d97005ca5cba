// Memory that steps with adapters need, made when the first sequence with some comes to an engine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/adapter.h"
#include "kernels/base/aligned.h"

namespace kedge::engine {

// Rows of a step, one after the other, with the same adapters.
struct AdapterTile {
  int first;
  int n;
  std::span<const AdapterUse> uses;
};

inline constexpr int kAdapterTileRows = 32;  // most of a tile
inline constexpr int kAdapterBlock = 256;    // values of a product that are added at once

struct AdapterBuffers {
  AlignedArray<float> lowered;  // A x, of all products of one input: see AdapterProducts::lowered()
  size_t width = 0;             // values of it per row and product
  std::vector<AdapterTile> tiles;
  size_t n_tiles = 0;
  std::vector<int32_t> row_of_slot;        // of experts
  std::vector<AlignedArray<float>> added;  // per thread: B u, [kAdapterTileRows][kAdapterBlock]

  // For sequences with these adapters, in steps of up to `rows` rows with `slots` of experts. Never shrinks. Errors:
  // kCapacity.
  Status fit(std::span<const AdapterUse> uses, size_t rows, size_t slots, size_t threads);
  size_t bytes() const;
};

}  // namespace kedge::engine
