#include "engine/arch.h"
#include "kernels/base/names.h"

namespace kedge::engine {

namespace archs {
#define KEDGE_ENTRY(stem) extern constinit const Architecture stem;
#include "registry/archs.inc"
#undef KEDGE_ENTRY
}  // namespace archs

namespace {
constexpr const Architecture* kArchitectures[] = {
#define KEDGE_ENTRY(stem) &archs::stem,
#include "registry/archs.inc"
#undef KEDGE_ENTRY
};
}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture* a : kArchitectures) {
    if (same_name(name, a->name)) return a;
  }
  return nullptr;
}

std::string known_architectures() {
  std::string names;
  for (const Architecture* a : kArchitectures) names.append(names.empty() ? "" : ", ").append(a->name);
  return names;
}

}  // namespace kedge::engine
