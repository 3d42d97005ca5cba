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
  const PackedPiece piece{std::string(tensor.info->name),  n_matrices, rows.n, rows.first,
                          rows.of == 0 ? rows.n : rows.of, k};
  const size_t row_bytes = format.row_bytes(static_cast<size_t>(k));
  LaidMatrix m;
  m.stride = layout_stride(*table_, format, k);
  if (!table_->packs()) {
    m.matrix_stride = row_bytes * static_cast<size_t>(piece.of);
    m.data = tensor.data + row_bytes * static_cast<size_t>(piece.first);
    return m;
  }
  m.rows_per_unit = table_->pack[format.index] == nullptr ? 1 : kGroupRows;
  m.matrix_stride = layout_bytes(*table_, format, piece.n, k);
  KEDGE_ASSIGN(data, laid(store, tensor, piece, keep_source, team));
  m.data = data;
  pieces_.push_back({piece, data, laid_bytes(*table_, format, piece)});
  return m;
}

Result<const std::byte*> PackedStore::laid(const TensorStore& store, const TensorRef& tensor, const PackedPiece& piece,
                                           bool keep_source, const ThreadTeam& team) {
  const std::byte* there = file_ ? file_->find(piece) : nullptr;
  if (there != nullptr) return there;
  const QuantFormat& format = *tensor.info->type;
  KEDGE_ASSIGN(out, take(static_cast<size_t>(laid_bytes(*table_, format, piece))));
  const size_t row_bytes = format.row_bytes(static_cast<size_t>(piece.k));
  const std::byte* source = tensor.data + row_bytes * static_cast<size_t>(piece.first);
  pack(format, source, row_bytes * static_cast<size_t>(piece.of), piece, out, team);
  // A mapped source that is looked up in later comes back page by page.
  store.advise(*tensor.info, keep_source ? MappedFile::Advice::kDrop : MappedFile::Advice::kDiscard);
  return static_cast<const std::byte*>(out);
}

void PackedStore::pack(const QuantFormat& format, const std::byte* source, size_t source_bytes,
                       const PackedPiece& piece, std::byte* out, const ThreadTeam& team) const {
  const auto n_matrices = static_cast<size_t>(piece.n_matrices);
  const size_t stride = layout_bytes(*table_, format, piece.n, piece.k);
  if (table_->pack[format.index] == nullptr) {
    // Kept as they are, but on huge pages: reading the mapped file is about a fifth slower.
    for (size_t i = 0; i < n_matrices; ++i) {
      std::byte* to = out + i * stride;
      const std::byte* from = source + i * source_bytes;
      team.split(stride, size_t{1} << 20,
                 [&](size_t begin, size_t end, int) { std::memcpy(to + begin, from + begin, end - begin); });
    }
    return;
  }
  const int n_groups = group_count(piece.n);
  constexpr int kGroupsAtOnce = 8;
  const auto pieces = static_cast<size_t>((n_groups + kGroupsAtOnce - 1) / kGroupsAtOnce);
  team.each(n_matrices * pieces, [&](size_t unit, int) {
    const size_t matrix = unit / pieces;
    const int first = static_cast<int>(unit % pieces) * kGroupsAtOnce;
    pack_groups(*table_, format, source + matrix * source_bytes, piece.n, piece.k, first,
                std::min(n_groups, first + kGroupsAtOnce), out + matrix * stride);
  });
}

}  // namespace kedge::weights
