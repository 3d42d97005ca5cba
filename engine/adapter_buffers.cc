#include "engine/adapter_buffers.h"

#include <algorithm>

#include "engine/adapter_products.h"

namespace kedge::engine {

Status AdapterBuffers::fit(std::span<const AdapterUse> uses, size_t rows, size_t slots, size_t threads) {
  size_t wanted = 0;
  for (const AdapterUse& use : uses) wanted += static_cast<size_t>(use.adapter->widest_rank());
  if (wanted > width) {
    const size_t of_slots = slots * AdapterProducts::kMostOfSlots;
    const size_t floats = wanted * std::max(rows * kMostProducts, of_slots);
    KEDGE_ASSIGN(made, AlignedArray<float>::make(floats, "buffers of adapters"));
    lowered = std::move(made);
    width = wanted;
  }
  tiles.resize(std::max(tiles.size(), rows));
  row_of_slot.resize(std::max(row_of_slot.size(), slots));
  while (added.size() < threads) {
    KEDGE_ASSIGN(made, AlignedArray<float>::make(size_t{kAdapterTileRows} * kAdapterBlock, "buffers of adapters"));
    added.push_back(std::move(made));
  }
  return {};
}

size_t AdapterBuffers::bytes() const {
  size_t floats = lowered.size();
  for (const auto& a : added) floats += a.size();
  return floats * sizeof(float) + tiles.size() * sizeof(AdapterTile) + row_of_slot.size() * sizeof(int32_t);
}

}  // namespace kedge::engine
