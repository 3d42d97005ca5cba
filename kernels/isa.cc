#include "kernels/isa.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels/fast_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace kedge::kernels {

const KernelTable& reference_kernels();
#if defined(__x86_64__)
namespace avx2 {
const KernelTable& kernels();
}
namespace avx512vnni {
const KernelTable& kernels();
}
namespace avx512bf16 {
void make_table(KernelTable* table);
}
namespace amx {
void make_table(KernelTable* table);
}
#elif defined(__aarch64__)
namespace neon {
const KernelTable& kernels();
}
namespace neondot {
const KernelTable& kernels();
}
namespace neoni8mm {
const KernelTable& kernels();
}
#endif

namespace {

#if defined(__x86_64__)
// AVX512_BF16: products of vectors of bfloat16.
bool has_vector_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kVectorBf16 = 1u << 5;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kVectorBf16) != 0;
}

// The processor has 8-bit and bfloat16 tiles and the system lets this process keep them. Leave given, all threads have
// it.
bool amx_usable() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTiles = 1u << 24 | 1u << 25 | 1u << 22;  // tiles, of 8-bit integers, of bfloat16
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTiles) != kTiles || !has_vector_bf16()) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

std::vector<const KernelTable*> detect() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    static KernelTable amx_table;
    if (amx_usable()) {
      amx::make_table(&amx_table);
      tables.push_back(&amx_table);
    }
    static KernelTable bf16_table;
    if (has_vector_bf16()) {
      avx512bf16::make_table(&bf16_table);
      tables.push_back(&bf16_table);
    }
    tables.push_back(&avx512vnni::kernels());
  }
  if (has_avx2) tables.push_back(&avx2::kernels());
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) {
    if ((getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) tables.push_back(&neoni8mm::kernels());
    tables.push_back(&neondot::kernels());
  }
  tables.push_back(&neon::kernels());
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

std::string fast_numerics(const KernelTable& table) {
  const auto has = [&](bool floats) {
    return std::ranges::any_of(quant_formats(), [&](const QuantFormat& f) {
      return (f.family == QuantFamily::kFloat) == floats && table.fast[f.index] != nullptr;
    });
  };
  std::string name = has(false) ? "int8 per 256" : "";
  if (has(true)) name += name.empty() ? "bfloat16" : ", bfloat16";
  return name;
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

}  // namespace kedge::kernels
