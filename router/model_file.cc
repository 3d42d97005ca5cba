#include "router/model_file.h"

#include <sys/stat.h>

#include "weights/tensor_store.h"

namespace kedge::router {

int64_t modified_seconds(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 ? static_cast<int64_t>(file.st_mtime) : 0;
}

ModelFile read_model_file(const std::string& path) {
  ModelFile file;
  file.modified = modified_seconds(path);
  const auto store = weights::TensorStore::open(path);
  if (!store.ok()) {
    file.error = store.error().message;
    return file;
  }
  const weights::GgufMetadata& m = store->metadata();
  file.bytes = store->file_bytes();
  file.has_chat_template = m.has("tokenizer.chat_template");
  if (const auto name = m.get_string("general.architecture"); name.ok()) file.architecture = *name;
  if (const auto n = m.get_i32(file.architecture + ".context_length"); n.ok()) file.n_ctx_train = *n;
  return file;
}

}  // namespace kedge::router
