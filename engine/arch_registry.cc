#include "engine/arch.h"

namespace kedge::engine {

#define KEDGE_ENTRY(name)                                       \
  namespace arch_##name {                                       \
    Result<std::unique_ptr<Network>> load(ModelLoader& loader); \
  }
#include "registry/archs.inc"
#undef KEDGE_ENTRY

namespace {
constexpr Architecture kArchitectures[] = {
#define KEDGE_ENTRY(name) {#name, &arch_##name::load},
#include "registry/archs.inc"
#undef KEDGE_ENTRY
};
constexpr char kNames[] =
#define KEDGE_ENTRY(name) #name " "
#include "registry/archs.inc"
#undef KEDGE_ENTRY
    ;
}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& a : kArchitectures) {
    if (name == a.name) return &a;
  }
  return nullptr;
}

const char* known_architectures() { return kNames; }

}  // namespace kedge::engine
