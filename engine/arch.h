// What a file engine/arch/<stem>.cc provides: `constinit const Architecture <stem>` in namespace kedge::engine::archs,
// with its name (the value of `general.architecture`) and how it is loaded: a function that reads the configuration
// from metadata and the tensors with their shapes, and gives a Network (Decoder<Layer> mostly, engine/decoder.h). The
// registry is generated from the folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/config.h"
#include "kernels/base/result.h"

namespace kedge::engine {

class Step;
class ModelLoader;
struct Ends;

// The weights and the forward pass of one architecture. Const and shared between sessions.
class Network {
 public:
  virtual ~Network() = default;
  // Computes the rows of `step` through all layers and hands the logits over. Errors go into the step.
  virtual void forward(Step& step) const = 0;
  // Floats of activation buffers forward() takes per row.
  virtual size_t floats_per_row() const = 0;
  // What lies in front of and behind the layers, for a block that shares it; null: nobody can.
  virtual const Ends* ends() const { return nullptr; }
};

struct Architecture {
  const char* name;
  // Fills the loader's config and returns the network. Errors name the key or tensor.
  Result<std::unique_ptr<Network>> (*load)(ModelLoader& loader);
  // The same for the block that predicts further tokens (Prediction<Layer>, engine/prediction.h), of files that have
  // one; null: it is left out.
  Result<std::unique_ptr<Network>> (*predict)(ModelLoader& loader, const Network& model) = nullptr;
};

// Null when there is no such architecture. In names, - and _ are the same.
const Architecture* find_architecture(std::string_view name);
// "llama, qwen2, ..." for messages.
std::string known_architectures();

}  // namespace kedge::engine
