#include "kernels/quants.h"

#include "kernels/base/names.h"
#include "kernels/packed.h"
#include "kernels/quant_contract.h"
#include "registry/quants_headers.inc"

namespace kedge::kernels {

namespace {

template <class F>
void dequantise_block(const typename F::Block& b, float* out) {
  if constexpr (F::kFamily == QuantFamily::kFloat) {
    *out = F::to_float(b);
  } else if constexpr (F::kFamily == QuantFamily::kBlock32) {
    for (int part = 0; part < quants::parts<F>(); ++part) {
      uint8_t u[32];
      quants::unpack32<F>(&b, part, u);
      for (int i = 0; i < 32; ++i) {
        const float v =
            quants::scale32<F>(&b, part, i / quants::scale_values<F>()) * static_cast<float>(u[i] - F::kZero);
        if constexpr (F::kHasMin) {
          out[part * 32 + i] = v + quants::minimum<F>(b);
        } else {
          out[part * 32 + i] = v;
        }
      }
    }
  } else {
    constexpr int kSubs = 256 / F::kSub;
    uint8_t u[256];
    F::unpack(b, u);
    int8_t sc[kSubs];
    F::scales(b, sc);
    [[maybe_unused]] uint8_t mn[kSubs] = {};
    if constexpr (F::kHasMin) F::mins(b, mn);
    for (int i = 0; i < 256; ++i) {
      const int j = i / F::kSub;
      const float v = (quants::scale<F>(b) * static_cast<float>(sc[j])) * static_cast<float>(u[i] - F::kZero);
      if constexpr (F::kHasMin) {
        out[i] = v - quants::minimum<F>(b) * static_cast<float>(mn[j]);
      } else {
        out[i] = v;
      }
    }
  }
}

template <class F>
void dequantise(const void* blocks, float* out, size_t n) {
  const auto* b = static_cast<const typename F::Block*>(blocks);
  constexpr size_t kValues = quants::kBlockValues<F>;
  for (size_t i = 0; i < n / kValues; ++i) dequantise_block<F>(b[i], out + i * kValues);
}

template <class F>
concept Writable = requires(const float* x, typename F::Block* out) {
  F::quantise(x, x, out);
};

template <class F>
void quantise(const float* x, const float* weights, void* blocks, size_t n) {
  auto* b = static_cast<typename F::Block*>(blocks);
  constexpr size_t kValues = quants::kBlockValues<F>;
  for (size_t i = 0; i < n / kValues; ++i) {
    F::quantise(x + i * kValues, weights == nullptr ? nullptr : weights + i * kValues, b + i);
  }
}

template <class F>
constexpr QuantFormat describe(int index) {
  QuantFormat q{};
  q.name = F::kName;
  q.gguf_id = F::kGgufId;
  q.block_values = quants::kBlockValues<F>;
  q.block_bytes = static_cast<int>(sizeof(typename F::Block));
  q.family = F::kFamily;
  q.index = index;
  if constexpr (F::kFamily != QuantFamily::kFloat)
    q.packed_block_bytes = PackedBlock<PackedAs<F>>::kBytes * quants::parts<F>();
  q.dequantise = &dequantise<F>;
  if constexpr (Writable<F>) q.quantise = &quantise<F>;
  return q;
}

enum Index : int {
#define KEDGE_ENTRY(name) k_##name,
#include "registry/quants.inc"
#undef KEDGE_ENTRY
  kCount
};
static_assert(kCount <= kMaxQuantFormats);

constexpr QuantFormat kFormats[] = {
#define KEDGE_ENTRY(name) describe<quants::name::Format>(k_##name),
#include "registry/quants.inc"
#undef KEDGE_ENTRY
};

}  // namespace

std::span<const QuantFormat> quant_formats() { return kFormats; }

const QuantFormat* find_quant(uint32_t gguf_id) {
  for (const QuantFormat& f : kFormats) {
    if (f.gguf_id == gguf_id) return &f;
  }
  return nullptr;
}

const QuantFormat* find_quant(std::string_view name) {
  for (const QuantFormat& f : kFormats) {
    if (same_name_any_case(f.name, name)) return &f;
  }
  return nullptr;
}

}  // namespace kedge::kernels
