#include "tools/gguf_about.h"

#include "tools/command.h"
#include "weights/tensor_store.h"

namespace kedge::tools {

Json gguf_about(const std::string& path) {
  const TensorStore store = need(TensorStore::open(path, {}));
  const auto& keys = store.metadata();
  const auto text = [&](const std::string& key) {
    const auto value = keys.get_string(key);
    return value.ok() && !value->empty() ? Json(*value) : Json();
  };
  const Json architecture = text("general.architecture");
  Json about = {{"architecture", architecture}, {"name", text("general.name")}, {"license", text("general.license")}};
  uint64_t parameters = 0;
  Json types = Json::object();
  for (const TensorInfo& t : store.tensors()) {
    parameters += static_cast<uint64_t>(t.n_values());
    types[t.type->name] = types.value(t.type->name, uint64_t{0}) + t.bytes;
  }
  about["parameters"] = parameters;
  about["types"] = std::move(types);
  about["n_ctx_train"] = nullptr;
  if (architecture.is_string()) {
    const auto n_ctx = keys.get_u32(architecture.get<std::string>() + ".context_length");
    if (n_ctx.ok()) about["n_ctx_train"] = *n_ctx;
  }
  about["chat_template"] = keys.has("tokenizer.chat_template");
  return about;
}

}  // namespace kedge::tools
