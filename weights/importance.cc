#include "weights/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "weights/gguf_format.h"

namespace kedge::weights {

namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";
// Of the mean: a column that text did not touch is not worth nothing.
constexpr double kLeast = 1e-4;

float float_at(const TensorStore& store, const TensorInfo& t, size_t i) {
  float v;
  std::memcpy(&v, store.data(t).data() + i * sizeof v, sizeof v);
  return v;
}

}  // namespace

Result<ImportanceMatrix> ImportanceMatrix::open(const std::string& path) {
  ImportanceMatrix m;
  auto store = TensorStore::open(path);
  if (!store.ok()) {
    Error e = store.error();
    e.message += " (an importance matrix is a GGUF file here; llama-imatrix turns the older format, .dat, into one)";
    return e;
  }
  m.store_ = std::move(*store);
  KEDGE_ASSIGN(type, m.store_.metadata().get_string_or("general.type", ""));
  if (type != "imatrix") {
    return Error{ErrorCode::kUnsupported,
                 path + ": key 'general.type' is " + in_quotes(type) + ", an importance matrix has 'imatrix'"};
  }
  for (const TensorInfo& t : m.store_.tensors()) {
    const bool sums = t.name.ends_with(kSums);
    if (!sums && !t.name.ends_with(kCounts)) continue;
    const std::string stem(t.name.substr(0, t.name.size() - (sums ? kSums : kCounts).size()));
    const TensorInfo* other = m.store_.find(stem + std::string(sums ? kCounts : kSums));
    if (other == nullptr || other->rows() != t.rows() || std::string_view(t.type->name) != "F32" ||
        (!sums && t.row_values() != 1)) {
      return Error{ErrorCode::kCorrupt, path + ": tensor " + in_quotes(t.name) + " of shape " + t.shape() + ", " +
                                            t.type->name + ", has no partner of F32 with as many rows"};
    }
    m.n_ += sums ? 1 : 0;
    for (size_t i = 0; i < static_cast<size_t>(t.n_values()); ++i) {
      const float v = float_at(m.store_, t, i);
      if (std::isfinite(v) && v >= 0) continue;
      return Error{ErrorCode::kCorrupt,
                   path + ": tensor " + in_quotes(t.name) + " has a value that is no sum of squares"};
    }
  }
  if (m.n_ == 0) return Error{ErrorCode::kCorrupt, path + ": has no tensor with a name that ends with .in_sum2"};
  return m;
}

Status ImportanceMatrix::read(const TensorInfo& tensor, int64_t matrix, std::span<float> out) const {
  std::fill(out.begin(), out.end(), 1.0f);
  const TensorInfo* sums = store_.find(std::string(tensor.name) + std::string(kSums));
  if (sums == nullptr) return {};
  const int64_t n_matrices = tensor.n_dims > 2 ? tensor.rows() / tensor.dims[1] : 1;
  if (sums->row_values() != tensor.row_values() || (sums->rows() != n_matrices && sums->rows() != 1)) {
    return Error{ErrorCode::kInvalidArgument, path() + ": tensor " + in_quotes(sums->name) + " has shape " +
                                                  sums->shape() + ", but " + in_quotes(tensor.name) + " has " +
                                                  tensor.shape() + ": it belongs to another model"};
  }
  const auto row = static_cast<size_t>(sums->rows() == 1 ? 0 : matrix);
  const TensorInfo& counts = *store_.find(std::string(tensor.name) + std::string(kCounts));
  const float count = float_at(store_, counts, row);
  if (!(count > 0)) return {};
  double mean = 0;
  for (size_t i = 0; i < out.size(); ++i) mean += double{float_at(store_, *sums, row * out.size() + i)};
  mean /= static_cast<double>(out.size());
  if (!(mean > 0)) return {};
  for (size_t i = 0; i < out.size(); ++i) {  // relative to the mean: no scale of a search's weights matters
    const double v = double{float_at(store_, *sums, row * out.size() + i)} / mean;
    out[i] = static_cast<float>(std::max(v, kLeast));
  }
  return {};
}

}  // namespace kedge::weights
