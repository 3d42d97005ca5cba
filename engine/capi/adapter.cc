// The C interface: adapters.
#include "engine/capi/handles.h"

namespace kedge::engine::capi {

Result<std::vector<AdapterUse>> adapter_uses(const kedge_adapter_use* given, size_t n) {
  KEDGE_ASSIGN(list, in_span(given, n, "adapters"));
  std::vector<AdapterUse> uses;
  for (const kedge_adapter_use& use : list) {
    KEDGE_TRY(not_null(use.adapter, "an adapter of the list"));
    uses.push_back({use.adapter->adapter, use.scale});
  }
  return uses;
}

}  // namespace kedge::engine::capi

using namespace kedge::engine;
using namespace kedge::engine::capi;

extern "C" {

kedge_status kedge_adapter_open(const kedge_model* model, const char* path, size_t path_size, kedge_adapter** adapter) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(adapter, "adapter"));
    *adapter = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(name, in_text(path, path_size, "path"));
    if (name.empty()) return invalid("path is empty");
    if (name.find('\0') != std::string_view::npos) return invalid("path contains a NUL byte");
    KEDGE_ASSIGN(opened, Adapter::open(*model->model, std::string(name)));
    *adapter = new kedge_adapter{std::move(opened)};
    return {};
  });
}

void kedge_adapter_close(kedge_adapter* adapter) { delete adapter; }

kedge_status kedge_adapter_describe(const kedge_adapter* adapter, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(adapter, "adapter"));
    return give_text(adapter->adapter->json(), json, json_size);
  });
}

}  // extern "C"
