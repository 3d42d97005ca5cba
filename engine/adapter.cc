#include "engine/adapter.h"

#include <bit>
#include <cmath>

#include "kernels/base/hex.h"
#include "kernels/base/json.h"

namespace kedge::engine {

std::string Adapter::json() const {
  const bool lora = kind_ == Kind::kLora;
  size_t bytes = 0;
  for (const AlignedBytes& m : memory_) bytes += m.size();
  return Json{{"kind", lora ? "lora" : "control_vector"},
              {"digest", digest_},
              {"alpha", lora ? Json(alpha_) : Json()},
              {"tensors", n_tensors_},
              {"ranks", ranks_},
              {"bytes", bytes},
              {"name", name_},
              {"task_name", task_},
              {"prompt_prefix", prompt_prefix_}}
      .dump();
}

Result<std::vector<AdapterUse>> checked_adapters(std::span<const AdapterUse> given, const Model& model) {
  std::vector<AdapterUse> uses;
  for (const AdapterUse& use : given) {
    if (use.adapter == nullptr) return Error{ErrorCode::kInvalidArgument, "an adapter is null"};
    const std::string& name = use.adapter->name();
    const std::string which = "adapter " + (name.empty() ? use.adapter->digest() : "'" + name + "'");
    if (!std::isfinite(use.scale)) return Error{ErrorCode::kInvalidArgument, which + ": its scale is no number"};
    if (use.adapter->model() != model.fingerprint()) {
      return Error{ErrorCode::kInvalidArgument, which + " was opened for another model than the session's"};
    }
    if (use.scale != 0) uses.push_back(use);
  }
  if (uses.size() <= kMostAdapters) return uses;
  return Error{ErrorCode::kInvalidArgument,
               std::to_string(uses.size()) + " adapters, a session has at most " + std::to_string(kMostAdapters)};
}

std::string identity(std::span<const AdapterUse> uses) {
  std::string id;
  for (const AdapterUse& use : uses) {
    id += use.adapter->digest() + hex(uint64_t{std::bit_cast<uint32_t>(use.scale)});
  }
  return id;
}

std::string listed(std::span<const AdapterUse> uses) {
  std::string list;
  for (const AdapterUse& use : uses) {
    constexpr size_t kDigits = 12;  // enough to tell files apart
    const std::string& name = use.adapter->name();
    list += (list.empty() ? "" : ", ") + (name.empty() ? "" : "'" + name + "' ") + "(" +
            use.adapter->digest().substr(0, kDigits) + ", scale " + Json(use.scale).dump() + ")";
  }
  return list.empty() ? "none" : list;
}

}  // namespace kedge::engine
