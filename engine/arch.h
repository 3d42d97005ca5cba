// What a file engine/arch/<name>.cc provides: a function `load` that reads the configuration from metadata and the
// tensors with their shapes, and a Network whose forward() reads top to bottom. The registry is generated from the
// folder; the file's stem is the value of `general.architecture`.
#pragma once

#include <memory>
#include <string_view>

#include "engine/config.h"
#include "kernels/base/result.h"

namespace kedge::engine {

class Step;
class ModelLoader;

// The weights and the forward pass of one architecture. Const and shared between sessions.
class Network {
 public:
  virtual ~Network() = default;
  // Computes the rows of `step` through all layers and hands the logits over. Errors go into the step.
  virtual void forward(Step& step) const = 0;
  // Floats of activation buffers forward() takes per row.
  virtual size_t floats_per_row() const = 0;
};

struct Architecture {
  const char* name;
  // Fills the loader's config and returns the network. Errors name the key or tensor.
  Result<std::unique_ptr<Network>> (*load)(ModelLoader& loader);
};

// Null when there is no such architecture.
const Architecture* find_architecture(std::string_view name);
// "llama, qwen2, ..." for messages.
const char* known_architectures();

}  // namespace kedge::engine
