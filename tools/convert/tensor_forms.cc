#include <algorithm>
#include <cmath>
#include <memory>

#include "tools/convert/conversion.h"

namespace kedge::tools::convert {
namespace {

Error misfit(const PlannedTensor& t, const std::string& what) {
  return {ErrorCode::kCorrupt,
          "tensor " + in_quotes(t.sources.front()->name) + " of shape " + t.sources.front()->shape_text() + " " + what};
}

// Rows [head][half][pair] to [head][pair][half].
Status pair_rows(PlannedTensor& t, int64_t heads) {
  const bool vector = t.dims.size() == 1;
  const int64_t all = vector ? t.dims[0] : t.dims[1];
  if (t.dims.size() > 2 || heads < 1 || all % (2 * heads) != 0) {
    return misfit(t, "does not have pairs of rows for " + std::to_string(heads) + " heads");
  }
  const auto head = static_cast<size_t>(all / heads);
  const auto from = [head](size_t r) { return r / head * head + r % head % 2 * (head / 2) + r % head / 2; };
  vector ? choose_columns(t, from) : choose_rows(t, all, from);
  return {};
}

Status half_rows(PlannedTensor& t, bool second) {
  if (t.dims.size() < 2 || t.dims[1] % 2 != 0) return misfit(t, "cannot be halved");
  const auto half = static_cast<size_t>(t.dims[1] / 2);
  choose_rows(t, t.dims[1] / 2,
              [half, second](size_t r) { return r / half * 2 * half + (second ? half : 0) + r % half; });
  return {};
}

}  // namespace

size_t PlannedTensor::rows() const {
  size_t n = 1;
  for (size_t i = 1; i < dims.size(); ++i) n *= static_cast<size_t>(dims[i]);
  return n;
}

void choose_rows(PlannedTensor& t, int64_t rows, std::function<size_t(size_t)> from) {
  t.dims[1] = rows;
  t.read = [read = std::move(t.read), from](size_t row, float* out) { read(from(row), out); };
  if (t.read_blocks) {
    t.read_blocks = [read = std::move(t.read_blocks), from](size_t row, std::byte* out) { read(from(row), out); };
  }
}

void choose_columns(PlannedTensor& t, std::function<size_t(size_t)> from) {
  const size_t n = t.row_values();
  t.read = [read = std::move(t.read), from = std::move(from), n](size_t row, float* out) {
    std::vector<float> old(n);
    read(row, old.data());
    for (size_t k = 0; k < n; ++k) out[k] = old[from(k)];
  };
}

void change_values(PlannedTensor& t, float (*change)(float)) {
  const size_t n = t.row_values();
  t.read = [read = std::move(t.read), change, n](size_t row, float* out) {
    read(row, out);
    std::transform(out, out + n, out, change);
  };
}

Status pair_query_rows(const Conversion& c, PlannedTensor& t) { return pair_rows(t, c.count_of('N')); }
Status pair_key_rows(const Conversion& c, PlannedTensor& t) { return pair_rows(t, c.count_of('M')); }

Status add_one(const Conversion&, PlannedTensor& t) {
  change_values(t, [](float v) { return v + 1.0f; });
  return {};
}

Status minus_exp(const Conversion&, PlannedTensor& t) {
  change_values(t, [](float v) { return static_cast<float>(-std::exp(double{v})); });
  return {};
}

Status transpose(const Conversion&, PlannedTensor& t) {
  if (t.dims.size() != 2 || t.sources.size() != 1) return misfit(t, "is no matrix that could be transposed");
  std::swap(t.dims[0], t.dims[1]);
  t.read = [source = t.sources.front(), n = t.row_values(), stride = t.rows()](size_t row, float* out) {
    for (size_t k = 0; k < n; ++k) read_safetensors_floats(*source, k * stride + row, 1, out + k);
  };
  return {};
}

Status squeeze(const Conversion&, PlannedTensor& t) {
  std::erase(t.dims, 1);
  if (t.dims.empty()) t.dims = {1};
  return {};
}

Status as_column(const Conversion&, PlannedTensor& t) {
  if (t.dims.size() != 1) return misfit(t, "is no vector");
  const size_t n = t.row_values();
  t.dims = {1, t.dims[0]};
  t.read = [read = std::move(t.read), n](size_t row, float* out) {
    std::vector<float> all(n);
    read(0, all.data());
    *out = all[row];
  };
  return {};
}

Status first_half_rows(const Conversion&, PlannedTensor& t) { return half_rows(t, false); }
Status second_half_rows(const Conversion&, PlannedTensor& t) { return half_rows(t, true); }

}  // namespace kedge::tools::convert
