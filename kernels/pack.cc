#include "kernels/pack.h"

#include <algorithm>

namespace kedge::kernels {

namespace {
bool packs(const KernelTable& table, const QuantFormat& format) { return table.pack[format.index] != nullptr; }
}  // namespace

size_t layout_stride(const KernelTable& table, const QuantFormat& format, int k) {
  const auto uk = static_cast<size_t>(k);
  return packs(table, format) ? format.packed_group_bytes(uk) : format.row_bytes(uk);
}

size_t layout_bytes(const KernelTable& table, const QuantFormat& format, int n_rows, int k) {
  const int n = packs(table, format) ? group_count(n_rows) : n_rows;
  return static_cast<size_t>(n) * layout_stride(table, format, k);
}

void pack_groups(const KernelTable& table, const QuantFormat& format, const std::byte* rows, int n_rows, int k,
                 int first, int last, std::byte* out) {
  const size_t row_bytes = format.row_bytes(static_cast<size_t>(k));
  const size_t stride = layout_stride(table, format, k);
  for (int g = first; g < last; ++g) {
    const int row = g * kGroupRows;
    table.pack[format.index](rows + static_cast<size_t>(row) * row_bytes, row_bytes, std::min(kGroupRows, n_rows - row),
                             k, out + static_cast<size_t>(g) * stride);
  }
}

}  // namespace kedge::kernels
