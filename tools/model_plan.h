// A model file that is to be generated: its keys and tensors, written down architecture by architecture.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/base/result.h"
#include "kernels/quants.h"
#include "tools/generate_model.h"

namespace kedge::tools {

struct TensorPlan {
  std::string name;
  std::vector<int64_t> dims;
  const QuantFormat* format = nullptr;
  float fill = 0;  // every value, where it is not random
  bool random = true;

  uint64_t values() const {
    uint64_t n = 1;
    for (const int64_t d : dims) n *= static_cast<uint64_t>(d);
    return n;
  }
};

// Which type a matrix gets. The mix Q4_K_M is llama.cpp's: the output, and in about half of the layers attn_v and
// ffn_down, in Q6_K, the rest in Q4_K.
class TypeChoice {
 public:
  static Result<TypeChoice> make(const std::string& type, int n_layers);
  const QuantFormat* matrix() const { return main_; }
  const QuantFormat* output() const { return better_; }
  const QuantFormat* sensitive(int layer) const;

 private:
  const QuantFormat* main_ = nullptr;
  const QuantFormat* better_ = nullptr;
  bool mix_ = false;
  int n_layers_ = 0;
};

class ModelPlan {
 public:
  using Value = std::variant<uint32_t, float, bool, std::string, std::vector<int32_t>>;

  explicit ModelPlan(const TypeChoice& types) : types_(types) {}

  // Keys, without the architecture's prefix.
  void key(const std::string& name, int value) { keys_.emplace_back(name, static_cast<uint32_t>(value)); }
  void key(const std::string& name, float value) { keys_.emplace_back(name, value); }
  void key(const std::string& name, bool value) { keys_.emplace_back(name, value); }
  void key(const std::string& name, Value value) { keys_.emplace_back(name, std::move(value)); }

  // Tensors of the layer that was begun last, or of none.
  void begin_layer(int layer);
  void end_layers() { prefix_.clear(); }
  void matrix(const std::string& name, std::vector<int64_t> dims) { add(name, std::move(dims), types_.matrix()); }
  void sensitive(const std::string& name, std::vector<int64_t> dims) {
    add(name, std::move(dims), types_.sensitive(layer_));
  }
  void output(const std::string& name, std::vector<int64_t> dims) { add(name, std::move(dims), types_.output()); }
  void typed(const std::string& name, std::vector<int64_t> dims, const char* type) {
    add(name, std::move(dims), find_quant(type));
  }
  void floats(const std::string& name, std::vector<int64_t> dims) { typed(name, std::move(dims), "F32"); }
  void constant(const std::string& name, std::vector<int64_t> dims, float value);
  void norm(const std::string& name, int64_t n) { constant(name + ".weight", {n}, 1.0f); }

  // What decoders have in common.
  void attention(int64_t d, int64_t q, int64_t kv, int64_t out);             // attn_q, _k, _v, _output
  void feed_forward(int64_t d, int64_t ff, const std::string& suffix = "");  // ffn_gate, _up, _down
  void experts(int64_t d, int64_t ff, int64_t n);                            // with the router

  const std::vector<TensorPlan>& tensors() const { return tensors_; }
  const std::vector<std::pair<std::string, Value>>& keys() const { return keys_; }

 private:
  void add(const std::string& name, std::vector<int64_t> dims, const QuantFormat* format) {
    tensors_.push_back({prefix_ + name, std::move(dims), format, 0, true});
  }
  TypeChoice types_;
  int layer_ = 0;
  std::string prefix_;
  std::vector<TensorPlan> tensors_;
  std::vector<std::pair<std::string, Value>> keys_;
};

}  // namespace kedge::tools
