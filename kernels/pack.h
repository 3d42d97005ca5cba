// A whole matrix into the layout an instruction set's matmul reads.
#pragma once

#include "kernels/kernel_table.h"

namespace kedge::kernels {

// Bytes of `n_rows` rows of k values as `table`'s matmul wants them: packed groups, or the file's rows.
size_t layout_bytes(const KernelTable& table, const QuantFormat& format, int n_rows, int k);

// Bytes from row to row, or from group to group where the layout is packed.
size_t layout_stride(const KernelTable& table, const QuantFormat& format, int k);

// Groups [first, last) of the matrix `rows` ([n_rows][k] in the file's layout) to `out`, where the first group of the
// whole matrix goes. Only for formats the table packs.
void pack_groups(const KernelTable& table, const QuantFormat& format, const std::byte* rows, int n_rows, int k,
                 int first, int last, std::byte* out);

inline int group_count(int n_rows) { return (n_rows + kGroupRows - 1) / kGroupRows; }

}  // namespace kedge::kernels
