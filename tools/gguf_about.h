// What the header of a GGUF file says a model is, of any architecture and without reading weights.
#pragma once

#include <string>

#include "kernels/base/json.h"

namespace kedge::tools {

// {"architecture", "name", "license", "parameters", "n_ctx_train", "types": {tensor type: bytes}, "chat_template":
// bool}; null for what the file does not say. A Failure when it is no GGUF file.
base::Json gguf_about(const std::string& path);

}  // namespace kedge::tools
