// Adapters made up for a model, as files, and the model with the same thing merged into its weights in double
// precision.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/adapter.h"
#include "tests/engine/golden.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::engine::testing_adapters {

struct Values {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<float> data;
  const char* type = "F32";

  size_t rows() const { return data.size() / static_cast<size_t>(dims[0]); }
};

// A file that is to be an adapter. Whoever wants a wrong one changes members before it is written.
struct Draft {
  std::string general_type = "adapter";
  std::string arch;
  std::string adapter_type = "lora";
  float alpha = 8;
  std::map<std::string, std::string> more_keys = {};  // with texts
  std::vector<Values> tensors = {};

  Values& tensor(const std::string& name) {
    for (Values& v : tensors) {
      if (v.name == name) return v;
    }
    ADD_FAILURE() << "no tensor " << name;
    return tensors.front();
  }
};

// Gone when the test program ends.
inline std::string scratch_file(const std::string& name) {
  struct Files {
    std::set<std::string> paths;
    ~Files() {
      for (const std::string& path : paths) unlink(path.c_str());
    }
  };
  static Files files;
  return *files.paths.insert(testing::TempDir() + "kedge_adapter_" + std::to_string(getpid()) + "_" + name + ".gguf")
              .first;
}

inline void write_tensors(GgufWriter& w, const std::vector<Values>& tensors, const std::string& path) {
  for (const Values& v : tensors) w.add_tensor(v.name, *find_quant(v.type), v.dims);
  const Status begun = w.begin(path);
  ASSERT_TRUE(begun.ok()) << begun.error().message;
  for (const Values& v : tensors) {
    const QuantFormat& format = *find_quant(v.type);
    std::vector<std::byte> bytes(format.row_bytes(static_cast<size_t>(v.dims[0])) * v.rows());
    format.quantise(v.data.data(), nullptr, bytes.data(), v.data.size());
    ASSERT_TRUE(w.write(v.name, bytes).ok()) << v.name;
  }
  ASSERT_TRUE(w.finish().ok());
}

inline std::string write(const Draft& d, const std::string& name) {
  GgufWriter w;
  if (!d.general_type.empty()) w.add_string("general.type", d.general_type);
  w.add_string("general.architecture", d.arch);
  w.add_string("general.name", name);
  if (!d.adapter_type.empty()) w.add_string("adapter.type", d.adapter_type);
  if (d.alpha != 0) w.add("adapter.lora.alpha", d.alpha);
  for (const auto& [key, text] : d.more_keys) w.add_string(key, text);
  std::string path = scratch_file(name);
  write_tensors(w, d.tensors, path);
  return path;
}

// For every tensor of the model that can be adapted (of those that `wanted` says yes to), ranks of all kinds.
inline Draft random_draft(const Model& model, unsigned seed, const char* type = "F32",
                          const std::function<bool(const AdapterSite&)>& wanted = {}) {
  constexpr int64_t kRanks[] = {4, 1, 16, 7, 20};
  std::mt19937 dice(seed);
  std::set<std::string> done;
  Draft d{.arch = model.config().arch};
  for (const AdapterSite& site : model.sites()) {
    if ((wanted && !wanted(site)) || !done.insert(site.tensor).second) continue;
    const bool quantised = find_quant(type)->family != QuantFamily::kFloat;
    const int64_t rank = quantised ? 32 : kRanks[dice() % std::size(kRanks)];
    const bool table = site.kind == AdapterSite::Kind::kTable;
    const bool stack = site.kind == AdapterSite::Kind::kExperts;
    const auto values = [&](const char* suffix, std::vector<int64_t> dims, double spread) {
      if (stack) dims.push_back(site.n_experts);
      int64_t n = 1;
      for (const int64_t dim : dims) n *= dim;
      Values v{site.tensor + suffix, std::move(dims), std::vector<float>(static_cast<size_t>(n)), type};
      if (v.dims[0] % find_quant(type)->block_values != 0) v.type = "F32";
      for (float& x : v.data) x = static_cast<float>(spread * (static_cast<double>(dice() % 2001) / 1000 - 1));
      return v;
    };
    const double of_a = 1 / std::sqrt(static_cast<double>(table ? rank : site.k));
    const double of_b = 0.02 * static_cast<double>(rank) / std::sqrt(static_cast<double>(rank));
    d.tensors.push_back(table ? values(".lora_a", {rank, site.all_rows}, of_a)
                              : values(".lora_a", {site.k, rank}, of_a));
    d.tensors.push_back(table ? values(".lora_b", {rank, site.k}, of_b)
                              : values(".lora_b", {rank, site.all_rows}, of_b));
  }
  return d;
}

inline std::shared_ptr<const Adapter> open(const Model& model, const std::string& path) {
  auto adapter = Adapter::open(model, path);
  EXPECT_TRUE(adapter.ok()) << adapter.error().message;
  return adapter.ok() ? *adapter : nullptr;
}

// What an adapter's F32 tensors add to a tensor [n][rows][k], in double precision.
inline void merge(const Draft& d, double scale, Values& to) {
  for (size_t i = 0; i < d.tensors.size(); i += 2) {
    const Values& a = d.tensors[i];
    const Values& b = d.tensors[i + 1];
    if (a.name != to.name + ".lora_a") continue;
    const bool table = to.name == "token_embd.weight";
    const auto k = static_cast<size_t>(to.dims[0]);
    const auto rows = static_cast<size_t>(to.dims.size() > 1 ? to.dims[1] : 1);
    const auto rank = static_cast<size_t>(table ? a.dims[0] : a.dims[1]);
    const double s = scale * (d.alpha == 0 ? 1 : static_cast<double>(d.alpha) / static_cast<double>(rank));
    for (size_t at = 0; at < to.data.size(); ++at) {
      const size_t matrix = at / (rows * k);
      const size_t row = at / k % rows;
      const size_t col = at % k;
      double sum = 0;
      for (size_t r = 0; r < rank; ++r) {
        const double down = static_cast<double>(table ? a.data[row * rank + r] : a.data[(matrix * rank + r) * k + col]);
        const double up =
            static_cast<double>(table ? b.data[col * rank + r] : b.data[(matrix * rows + row) * rank + r]);
        sum += up * down;
      }
      to.data[at] = static_cast<float>(static_cast<double>(to.data[at]) + s * sum);
    }
  }
}

// The model file with `change` applied to every tensor, and `added` ones; an output tied to the embedding becomes a
// tensor of its own. All tensors must be F32.
inline std::string rewritten(const std::string& path, const std::string& name,
                             const std::function<void(Values&)>& change, const std::vector<Values>& added = {}) {
  const TensorStore store = TensorStore::open(path).value();
  GgufWriter w;
  for (const GgufEntry& e : store.metadata().entries()) w.copy(e);
  std::vector<Values> tensors;
  for (const TensorInfo& t : store.tensors()) {
    EXPECT_STREQ("F32", t.type->name) << t.name;
    Values v{std::string(t.name), {t.dims.begin(), t.dims.begin() + t.n_dims}, {}};
    v.data.resize(static_cast<size_t>(t.n_values()));
    std::memcpy(v.data.data(), store.data(t).data(), t.bytes);
    tensors.push_back(std::move(v));
  }
  if (store.find("output.weight") == nullptr) {
    Values output = tensors[static_cast<size_t>(store.find("token_embd.weight") - store.tensors().data())];
    output.name = "output.weight";
    tensors.push_back(std::move(output));
  }
  for (Values& v : tensors) change(v);
  tensors.insert(tensors.end(), added.begin(), added.end());
  std::string to = scratch_file(name);
  write_tensors(w, tensors, to);
  return to;
}

}  // namespace kedge::engine::testing_adapters
