#include "kernels/isa.h"

#include <cstdlib>
#include <vector>

namespace kedge {

const KernelTable& reference_kernels();
#if defined(__x86_64__)
namespace avx2 {
const KernelTable& kernels();
}
namespace avx512vnni {
const KernelTable& kernels();
}
#endif

namespace {

std::vector<const KernelTable*> detect() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    tables.push_back(&avx512vnni::kernels());
  }
  if (has_avx2) tables.push_back(&avx2::kernels());
#endif
  tables.push_back(&reference_kernels());
  return tables;
}

const std::vector<const KernelTable*>& tables() {
  static const std::vector<const KernelTable*> t = detect();
  return t;
}

}  // namespace

std::span<const KernelTable* const> usable_kernels() { return tables(); }

Result<const KernelTable*> find_kernels(const std::string& name) {
  std::string known;
  for (const KernelTable* t : tables()) {
    if (name == t->name) return t;
    known += known.empty() ? "" : ", ";
    known += t->name;
  }
  return Error{ErrorCode::kUnsupported,
               "instruction set '" + name + "' is not usable on this machine (usable: " + known + ")"};
}

Result<const KernelTable*> active_kernels() {
  static const Result<const KernelTable*> chosen = []() -> Result<const KernelTable*> {
    const char* forced = std::getenv("KEDGE_ISA");
    if (forced == nullptr || *forced == '\0') return tables().front();
    auto found = find_kernels(forced);
    if (!found.ok()) return Error{found.error().code, "KEDGE_ISA: " + found.error().message};
    return found;
  }();
  return chosen;
}

}  // namespace kedge
