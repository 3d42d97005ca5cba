// What a model's file says of itself in its header, without loading it.
#pragma once

#include <cstdint>
#include <string>

namespace kedge::router {

struct ModelFile {
  std::string error;  // why it cannot be read; empty: it can, and the rest holds
  std::string architecture;
  int n_ctx_train = 0;  // 0: the file does not say
  bool has_chat_template = false;
  uint64_t bytes = 0;    // of all parts
  int64_t modified = 0;  // seconds since 1970, of the first part
};

// Maps the file and reads its header; tensor data is not touched.
ModelFile read_model_file(const std::string& path);
int64_t modified_seconds(const std::string& path);  // 0: no such file

}  // namespace kedge::router
