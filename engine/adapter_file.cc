// Reads an adapter's file. Whatever is in it is used, or refused by name.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/adapter.h"
#include "engine/logits.h"
#include "engine/memory_plan.h"
#include "kernels/base/names.h"
#include "kernels/base/sha256.h"
#include "weights/mapped_file.h"
#include "weights/tensor_store.h"

namespace kedge::engine {

namespace {

constexpr std::string_view kA = ".lora_a";
constexpr std::string_view kB = ".lora_b";
constexpr int64_t kMostRank = 4096;
constexpr int kRankStep = 16;  // lanes of a product

int padded_rank(int64_t rank) { return static_cast<int>((rank + kRankStep - 1) / kRankStep * kRankStep); }

// Part of a stack of matrices of a file: rows [first, first + rows) of each. In memory rows have `width` values and
// there are `height` of them, the rest being zeros.
struct Part {
  int first;
  int rows;
  int height;
  int width;
};

}  // namespace

class AdapterReader {
 public:
  AdapterReader(const Model& model, const TensorStore& store)
      : model_(model), store_(store), metadata_(store.metadata()) {}

  Result<std::shared_ptr<const Adapter>> read(std::string digest);

 private:
  Status read_lora();
  Status read_control_vector();
  Status check_keys(std::string_view prefix, std::initializer_list<std::string_view> known) const;
  Status read_pair(const TensorInfo& a);
  Status read_site(size_t site, const TensorInfo& a, const TensorInfo& b);
  Status check_shape(const TensorInfo& t, std::initializer_list<int64_t> dims) const;
  Result<FloatMatrix> matrix(const TensorInfo& t, Part part);
  Result<std::byte*> take(size_t bytes);
  Error refused(const std::string& what) const { return {ErrorCode::kUnsupported, metadata_.file() + ": " + what}; }
  Error corrupt(const std::string& what) const { return {ErrorCode::kCorrupt, metadata_.file() + ": " + what}; }

  const Model& model_;
  const TensorStore& store_;
  const GgufMetadata& metadata_;
  std::shared_ptr<Adapter> adapter_ = std::make_shared<Adapter>();
  size_t used_ = 0;  // of the last block of its memory
};

Result<std::shared_ptr<const Adapter>> AdapterReader::read(std::string digest) {
  Adapter& a = *adapter_;
  a.digest_ = std::move(digest);
  a.model_ = model_.fingerprint();
  KEDGE_ASSIGN(name, metadata_.get_string_or("general.name", ""));
  KEDGE_ASSIGN(type, metadata_.get_string_or("general.type", ""));
  KEDGE_ASSIGN(arch, metadata_.get_string("general.architecture"));
  a.name_ = std::string(name);
  const bool control = arch == "controlvector";
  if (!control && type != "adapter") {
    return refused("general.type is " + in_quotes(type) + " and general.architecture " + in_quotes(arch) +
                   ": neither an adapter nor a control vector");
  }
  if (store_.tensors().empty()) return corrupt("holds no tensors");
  uint64_t values = 0;
  for (const TensorInfo& t : store_.tensors()) values += static_cast<uint64_t>(t.n_values());
  KEDGE_TRY(check_memory(values * sizeof(float), metadata_.file() + ": the adapter takes", ""));
  KEDGE_TRY(control ? read_control_vector() : read_lora());
  return std::shared_ptr<const Adapter>(std::move(adapter_));
}

Status AdapterReader::check_keys(std::string_view prefix, std::initializer_list<std::string_view> known) const {
  for (const GgufEntry& e : metadata_.entries()) {
    if (!e.key.starts_with(prefix) || std::find(known.begin(), known.end(), e.key) != known.end()) continue;
    return refused("key " + in_quotes(e.key) + " is not supported, and what it means would be left out");
  }
  return {};
}

Status AdapterReader::read_lora() {
  Adapter& a = *adapter_;
  a.kind_ = Adapter::Kind::kLora;
  KEDGE_ASSIGN(type, metadata_.get_string("adapter.type"));
  if (type != "lora") return refused("adapter.type is " + in_quotes(type) + ", 'lora' is supported");
  KEDGE_ASSIGN(arch, metadata_.get_string("general.architecture"));
  if (!same_name(arch, model_.config().arch)) {
    return refused("the adapter is for architecture " + in_quotes(arch) + ", the model is " +
                   in_quotes(model_.config().arch));
  }
  KEDGE_TRY(check_keys("adapter.",
                       {"adapter.type", "adapter.lora.alpha", "adapter.lora.task_name", "adapter.lora.prompt_prefix"}));
  KEDGE_ASSIGN(alpha, metadata_.get_f32_or("adapter.lora.alpha", 0));
  if (!std::isfinite(alpha) || alpha < 0) {
    return corrupt("adapter.lora.alpha is " + std::to_string(alpha) + ", must be a number from 0 on");
  }
  KEDGE_ASSIGN(task, metadata_.get_string_or("adapter.lora.task_name", ""));
  KEDGE_ASSIGN(prompt_prefix, metadata_.get_string_or("adapter.lora.prompt_prefix", ""));
  a.alpha_ = static_cast<double>(alpha);
  a.task_ = std::string(task);
  a.prompt_prefix_ = std::string(prompt_prefix);
  a.sites_.resize(model_.sites().size());
  for (const TensorInfo& t : store_.tensors()) {
    if (t.name.ends_with(kA)) {
      KEDGE_TRY(read_pair(t));
      continue;
    }
    const bool is_b = t.name.ends_with(kB);
    if (!is_b) return refused("tensor " + in_quotes(t.name) + " is neither of .lora_a nor .lora_b");
    const std::string other = std::string(t.name.substr(0, t.name.size() - kB.size())).append(kA);
    if (store_.find(other) == nullptr) return corrupt("tensor " + in_quotes(other) + " is missing");
  }
  for (const LowRank& l : a.sites_) a.widest_rank_ = std::max(a.widest_rank_, l.rank);
  return {};
}

Status AdapterReader::read_pair(const TensorInfo& a) {
  const std::string base(a.name.substr(0, a.name.size() - kA.size()));
  const TensorInfo* b = store_.find(base + std::string(kB));
  if (b == nullptr) return corrupt("tensor " + in_quotes(base + std::string(kB)) + " is missing");
  bool found = false;
  for (size_t i = 0; i < model_.sites().size(); ++i) {
    if (model_.sites()[i].tensor != base) continue;
    KEDGE_TRY(read_site(i, a, *b));
    found = true;
  }
  if (!found && model_.store().find(base) == nullptr) {
    return refused("it adapts tensor " + in_quotes(base) + ", which the model does not have");
  }
  if (!found) {
    return refused("it adapts tensor " + in_quotes(base) +
                   ", which is no matrix that rows of tokens are multiplied by: not supported");
  }
  ++adapter_->n_tensors_;
  return {};
}

Status AdapterReader::check_shape(const TensorInfo& t, std::initializer_list<int64_t> dims) const {
  const auto found = store_.require(t.name, dims);
  return found.ok() ? Status() : Status(found.error());
}

Status AdapterReader::read_site(size_t index, const TensorInfo& a, const TensorInfo& b) {
  const AdapterSite& site = model_.sites()[index];
  const bool table = site.kind == AdapterSite::Kind::kTable;
  const int64_t rank = table ? a.dims[0] : a.dims[1];
  if (rank < 1 || rank > kMostRank) {
    return refused("tensor " + in_quotes(a.name) + " has rank " + std::to_string(rank) + ", must be 1 to " +
                   std::to_string(kMostRank));
  }
  const int64_t n = site.n_experts;
  KEDGE_TRY(table ? check_shape(a, {rank, site.all_rows}) : check_shape(a, {site.k, rank, n}));
  KEDGE_TRY(table ? check_shape(b, {rank, site.k}) : check_shape(b, {rank, site.all_rows, n}));
  const int padded = padded_rank(rank);
  const int n_a = static_cast<int>(table ? site.all_rows : rank);
  const int n_b = table ? site.k : site.rows;
  LowRank low;
  low.rank = padded;
  // As others read it too: without an alpha the product is what it is.
  low.scale = adapter_->alpha_ == 0 ? 1 : adapter_->alpha_ / static_cast<double>(rank);
  KEDGE_ASSIGN(down, matrix(a, {0, n_a, table ? n_a : padded, table ? padded : site.k}));
  KEDGE_ASSIGN(up, matrix(b, {table ? 0 : site.first_row, n_b, n_b, padded}));
  low.a = down;
  low.b = up;
  adapter_->sites_[index] = low;
  std::vector<int>& ranks = adapter_->ranks_;
  const auto at = std::lower_bound(ranks.begin(), ranks.end(), static_cast<int>(rank));
  if (at == ranks.end() || *at != rank) ranks.insert(at, static_cast<int>(rank));
  return {};
}

// In large blocks, one part behind the other as they are read: a step goes through all of them, and small pages apart
// from each other would cost it more than the arithmetic.
Result<std::byte*> AdapterReader::take(size_t bytes) {
  constexpr size_t kBlock = size_t{2} << 20;  // a huge page
  constexpr size_t kAlign = 64;
  std::vector<AlignedBytes>& blocks = adapter_->memory_;
  if (blocks.empty() || blocks.back().size() - used_ < bytes) {
    KEDGE_ASSIGN(block, AlignedBytes::make(std::max(bytes, kBlock), "an adapter's tensors"));
    blocks.push_back(std::move(block));
    used_ = 0;
  }
  std::byte* at = blocks.back().data() + used_;
  used_ = std::min(blocks.back().size(), used_ + (bytes + kAlign - 1) / kAlign * kAlign);
  return at;
}

// In the type of the file where that is a float's, otherwise F32.
Result<FloatMatrix> AdapterReader::matrix(const TensorInfo& t, Part part) {
  const bool as_it_is = t.type->family == QuantFamily::kFloat;
  FloatMatrix m{.format = as_it_is ? t.type : find_quant("F32"), .rows = part.height, .k = part.width};
  const auto k = static_cast<size_t>(t.dims[0]);
  const auto n_matrices = static_cast<size_t>(t.dims[2]);
  const auto all_rows = static_cast<size_t>(t.dims[1]);
  const size_t matrix_bytes = m.row_bytes() * static_cast<size_t>(m.rows);
  KEDGE_ASSIGN(memory, take(matrix_bytes * n_matrices));
  const std::byte* from = store_.data(t).data();
  std::vector<float> values(k);
  for (size_t i = 0; i < n_matrices; ++i) {
    for (size_t r = 0; r < static_cast<size_t>(part.rows); ++r) {
      const std::byte* row = from + (i * all_rows + static_cast<size_t>(part.first) + r) * t.row_bytes();
      std::byte* to = memory + i * matrix_bytes + r * m.row_bytes();
      t.type->dequantise(row, values.data(), k);
      if (!all_finite(values)) return corrupt("tensor " + in_quotes(t.name) + " holds values that are no numbers");
      if (as_it_is) {
        std::memcpy(to, row, t.row_bytes());
      } else {
        std::memcpy(to, values.data(), k * sizeof(float));
      }
    }
  }
  m.data = memory;
  return m;
}

// "direction.<i>" is added behind block i.
Status AdapterReader::read_control_vector() {
  Adapter& a = *adapter_;
  const ModelConfig& c = model_.config();
  a.kind_ = Adapter::Kind::kControlVector;
  KEDGE_TRY(check_keys("controlvector.", {"controlvector.model_hint", "controlvector.layer_count"}));
  a.directions_.resize(static_cast<size_t>(c.n_layers));
  constexpr std::string_view kPrefix = "direction.";
  for (const TensorInfo& t : store_.tensors()) {
    int layer = -1;
    const char* end = t.name.data() + t.name.size();
    if (t.name.starts_with(kPrefix)) {
      const auto [rest, error] = std::from_chars(t.name.data() + kPrefix.size(), end, layer);
      if (error != std::errc() || rest != end) layer = -1;
    }
    if (layer < 0 || t.name != std::string(kPrefix) + std::to_string(layer)) {
      return refused("tensor " + in_quotes(t.name) + " is no direction.<block>");
    }
    if (layer >= c.n_layers) {
      return refused("tensor " + in_quotes(t.name) + ": the model has " + std::to_string(c.n_layers) + " blocks");
    }
    KEDGE_TRY(check_shape(t, {c.d_model}));
    KEDGE_ASSIGN(memory, take(static_cast<size_t>(c.d_model) * sizeof(float)));
    auto* values = reinterpret_cast<float*>(memory);
    const std::span<float> row(values, static_cast<size_t>(c.d_model));
    t.type->dequantise(store_.data(t).data(), row.data(), row.size());
    if (!all_finite(row)) return corrupt("tensor " + in_quotes(t.name) + " holds values that are no numbers");
    a.directions_[static_cast<size_t>(layer)] = values;
    ++a.n_tensors_;
  }
  return {};
}

Result<std::shared_ptr<const Adapter>> Adapter::open(const Model& model, const std::string& path) {
  if (!model.has_network()) {
    return Error{ErrorCode::kInvalidArgument, path +
                                                  ": the model was opened for its vocabulary only: it has no use "
                                                  "for an adapter"};
  }
  // Read, not mapped: what the digest is of is what is used.
  KEDGE_ASSIGN(file, MappedFile::open(path, {.use_mmap = false, .progress = {}}));
  const std::span<const std::byte> bytes = file.bytes();
  KEDGE_ASSIGN(store, TensorStore::from_bytes(bytes, path));
  return AdapterReader(model, store).read(sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

}  // namespace kedge::engine
