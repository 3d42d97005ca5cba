#include "weights/packed_store.h"

#include <algorithm>
#include <cstring>

#include "kernels/pack.h"

namespace kedge::weights {

namespace {
constexpr size_t kBlockBytes = size_t{64} << 20;
constexpr size_t kAlign = 64;
}  // namespace

Result<std::byte*> PackedStore::take(size_t bytes) {
  if (blocks_.empty() || blocks_.back().size() - used_ < bytes) {
    // Pages nobody touches cost nothing, so the unused end of a block is free.
    KEDGE_ASSIGN(block, AlignedBytes::make(std::max(bytes, kBlockBytes), "packed weights"));
    blocks_.push_back(std::move(block));
    used_ = 0;
  }
  std::byte* at = blocks_.back().data() + used_;
  used_ = std::min(blocks_.back().size(), used_ + (bytes + kAlign - 1) / kAlign * kAlign);
  packed_bytes_ += bytes;
  return at;
}

Result<LaidMatrix> PackedStore::lay_out(const TensorStore& store, const TensorRef& tensor, int n_matrices,
                                        MatrixRows rows, int k, bool keep_source, const ThreadTeam& team) {
  const QuantFormat& format = *tensor.info->type;
  LaidMatrix m;
  m.stride = layout_stride(*table_, format, k);
  // A mapped source that is looked up in later comes back page by page.
  auto let_go = [&] {
    store.advise(*tensor.info, keep_source ? MappedFile::Advice::kDrop : MappedFile::Advice::kDiscard);
  };
  const int n_rows = rows.n;
  const size_t row_bytes = format.row_bytes(static_cast<size_t>(k));
  const size_t source_bytes = row_bytes * static_cast<size_t>(rows.of == 0 ? n_rows : rows.of);
  const std::byte* source = tensor.data + row_bytes * static_cast<size_t>(rows.first);
  if (table_->pack[format.index] == nullptr) {
    m.matrix_stride = source_bytes;
    m.data = source;
    if (!table_->packs()) return m;
    // Kept as they are, but on huge pages: reading the mapped file is about a fifth slower.
    m.matrix_stride = row_bytes * static_cast<size_t>(n_rows);
    KEDGE_ASSIGN(copy, take(m.matrix_stride * static_cast<size_t>(n_matrices)));
    for (int i = 0; i < n_matrices; ++i) {
      std::byte* to = copy + static_cast<size_t>(i) * m.matrix_stride;
      const std::byte* from = source + static_cast<size_t>(i) * source_bytes;
      team.split(m.matrix_stride, size_t{1} << 20,
                 [&](size_t begin, size_t end, int) { std::memcpy(to + begin, from + begin, end - begin); });
    }
    let_go();
    m.data = copy;
    return m;
  }
  m.rows_per_unit = kGroupRows;
  m.matrix_stride = layout_bytes(*table_, format, n_rows, k);
  KEDGE_ASSIGN(out, take(m.matrix_stride * static_cast<size_t>(n_matrices)));
  const int n_groups = group_count(n_rows);
  constexpr int kGroupsAtOnce = 8;
  const int pieces = (n_groups + kGroupsAtOnce - 1) / kGroupsAtOnce;
  team.each(static_cast<size_t>(n_matrices) * static_cast<size_t>(pieces), [&](size_t unit, int) {
    const size_t matrix = unit / static_cast<size_t>(pieces);
    const int first = static_cast<int>(unit % static_cast<size_t>(pieces)) * kGroupsAtOnce;
    pack_groups(*table_, format, source + matrix * source_bytes, n_rows, k, first,
                std::min(n_groups, first + kGroupsAtOnce), out + matrix * m.matrix_stride);
  });
  let_go();
  m.data = out;
  return m;
}

}  // namespace kedge::weights
