// Compares quantised models with their source, tensor by tensor:
//
//   quantize_mse source.gguf ours.gguf [theirs.gguf] [--tensors]
//
// prints the mean squared error per tensor type over all tensors whose type differs from the source's. With two files,
// side by side with their ratio; tensors that have different types in the two are counted apart and named, because
// their errors cannot be compared.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "weights/tensor_store.h"

namespace {

using kedge::weights::TensorInfo;
using kedge::weights::TensorStore;

struct Sum {
  double squared = 0;
  double largest = 0;
  double values = 0;
  int tensors = 0;
  double mse() const { return values > 0 ? squared / values : 0; }
  void add(const Sum& o) {
    squared += o.squared;
    largest = std::fmax(largest, o.largest);
    values += o.values;
    tensors += o.tensors;
  }
};

std::vector<float> row(const TensorStore& store, const TensorInfo& t, int64_t r) {
  std::vector<float> out(static_cast<size_t>(t.row_values()));
  t.type->dequantise(store.data(t).data() + static_cast<size_t>(r) * t.row_bytes(), out.data(), out.size());
  return out;
}

Sum difference(const TensorStore& source, const TensorInfo& a, const TensorStore& other, const TensorInfo& b) {
  Sum s;
  s.tensors = 1;
  s.values = static_cast<double>(a.n_values());
  for (int64_t r = 0; r < a.rows(); ++r) {
    const auto x = row(source, a, r);
    const auto y = row(other, b, r);
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = double{y[i]} - double{x[i]};
      s.squared += e * e;
      s.largest = std::fmax(s.largest, std::fabs(e));
    }
  }
  return s;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

int compare(const TensorStore& source, const std::vector<TensorStore>& files, bool each) {
  std::map<std::string, std::vector<Sum>> by_type;
  std::vector<Sum> all(files.size());
  for (const TensorInfo& t : source.tensors()) {
    std::vector<const TensorInfo*> found;
    for (const TensorStore& f : files) {
      found.push_back(f.find(t.name));
      if (found.back() == nullptr) return fail(f.path() + ": tensor " + std::string(t.name) + " is missing");
      if (found.back()->dims != t.dims) return fail(f.path() + ": tensor " + std::string(t.name) + ": other shape");
    }
    if (found.size() == 2 && found[0]->type != found[1]->type) {
      std::printf("%.*s: %s and %s, not compared\n", static_cast<int>(t.name.size()), t.name.data(),
                  found[0]->type->name, found[1]->type->name);
      continue;
    }
    if (found[0]->type == t.type) continue;
    auto& sums = by_type[found[0]->type->name];
    sums.resize(files.size());
    if (each) std::printf("%-28.*s %-7s", static_cast<int>(t.name.size()), t.name.data(), found[0]->type->name);
    for (size_t i = 0; i < files.size(); ++i) {
      const Sum s = difference(source, t, files[i], *found[i]);
      sums[i].add(s);
      all[i].add(s);
      if (each) std::printf("  mse %.4e max %.3e", s.mse(), s.largest);
    }
    if (each) std::printf("\n");
  }
  by_type["all"] = all;
  std::printf("%-8s %7s %12s", "type", "tensors", "values");
  for (const TensorStore& f : files) std::printf("  %s: mse, max", f.path().c_str());
  std::printf("\n");
  for (const auto& [type, sums] : by_type) {
    std::printf("%-8s %7d %12.0f", type.c_str(), sums[0].tensors, sums[0].values);
    for (const Sum& s : sums) std::printf("  %.4e %.3e", s.mse(), s.largest);
    if (sums.size() == 2 && sums[1].squared > 0) std::printf("  ratio %.4f", sums[0].mse() / sums[1].mse());
    std::printf("\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<TensorStore> stores;
  bool each = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--tensors") == 0) {
      each = true;
      continue;
    }
    auto store = TensorStore::open(argv[i]);
    if (!store.ok()) return fail(store.error().message);
    stores.push_back(std::move(store).value());
  }
  if (stores.size() < 2 || stores.size() > 3) {
    return fail("usage: quantize_mse source.gguf ours.gguf [theirs.gguf] [--tensors]");
  }
  const TensorStore source = std::move(stores.front());
  stores.erase(stores.begin());
  return compare(source, stores, each);
}
