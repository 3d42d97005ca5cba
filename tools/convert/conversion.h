// A folder on its way to a file: what was read, what is to be written, and what a user should know about it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/result.h"
#include "tools/convert/config.h"
#include "tools/convert/tensor_plan.h"
#include "weights/gguf_writer.h"
#include "weights/safetensors.h"

namespace kedge::tools::convert {

class Conversion {
 public:
  Conversion(std::string path, const SafetensorsStore& store, Config text_config, std::string gguf_arch)
      : folder(std::move(path)), weights(store), config(std::move(text_config)), arch(std::move(gguf_arch)) {}

  std::string folder;
  const SafetensorsStore& weights;
  Config config;     // config.json, or what it has for the text model
  std::string arch;  // general.architecture
  GgufWriter out;
  std::vector<PlannedTensor> tensors;
  std::vector<std::string> notes;    // what differs from the folder without being an error
  std::vector<std::string> ignored;  // tensors that no token depends on

  // A key of the architecture.
  template <class T>
  void add(std::string_view name, T value) {
    out.add(arch + "." + std::string(name), value);
  }
  void add_text(std::string_view name, std::string_view value) {
    out.add_string(arch + "." + std::string(name), value);
  }

  // Sizes by letter, as the tables of tensors have them: V vocabulary, D width, L blocks, N heads, M key heads, H head,
  // Q = N * H, K = M * H, F feed-forward, E experts, X expert width; others are the architecture's own.
  void set_count(char letter, int64_t n) { counts_[static_cast<size_t>(letter) % counts_.size()] = n; }
  int64_t count_of(char letter) const { return counts_[static_cast<size_t>(letter) % counts_.size()]; }

  std::string layer_kinds;  // a letter for every block; empty: all are alike

  // Names that begin with `from` are taken as if they began with `to`.
  void rename(std::string_view from, std::string_view to) { renames_.emplace_back(from, to); }
  std::string local_name(const std::string& name) const;
  // Tensors of this pattern ('*' for any characters) change no token.
  void leave_out(std::string_view pattern) { left_out_.emplace_back(pattern); }
  bool is_left_out(std::string_view name) const;

  // Values that are computed, not read.
  void add_vector(const std::string& name, std::vector<float> values);

 private:
  std::array<int64_t, 128> counts_{};
  std::vector<std::pair<std::string, std::string>> renames_;
  std::vector<std::string> left_out_;
};

// What can be converted: a file of tools/convert/arch/, found by the model_type of config.json.
struct Family {
  const char* model_types;  // separated by spaces
  const char* gguf;         // general.architecture
  // Writes the architecture's keys and plans its tensors.
  Status (*plan)(Conversion& c);
};

const Family* find_family(std::string_view model_type);  // null when there is none
std::string known_model_types();

}  // namespace kedge::tools::convert
