#include "kernels/kv_format.h"

#include "kernels/base/names.h"

namespace kedge::kernels {

std::optional<KvFormat> kv_format_named(std::string_view name) {
  for (const KvFormat f : kKvFormats) {
    if (same_name(info(f).name, name)) return f;
  }
  return std::nullopt;
}

std::optional<KvFormat> kv_format_at(int64_t number) {
  if (number < 0 || number >= static_cast<int64_t>(kKvFormats.size())) return std::nullopt;
  return kKvFormats[static_cast<size_t>(number)];
}

std::string kv_format_names() {
  std::string names;
  for (const KvFormat f : kKvFormats) names.append(names.empty() ? "" : ", ").append(info(f).name);
  return names;
}

}  // namespace kedge::kernels
