// Attention over a long cache, and the operations on rows of activations.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bench/limits.h"
#include "kernels/base/aligned.h"
#include "kernels/kernel_table.h"

namespace kedge::bench {

namespace {

constexpr int kHeadDim = 128;
constexpr int kContext = 4096;
constexpr int kDecodeRows = 4;  // query heads that share a kv-head
constexpr size_t kWidth = 4096;

size_t to_size(int x) { return static_cast<size_t>(x); }

std::vector<float> random_floats(size_t n) {
  std::mt19937 rng(3);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

// `n_rows` queries over kContext tokens of one kv-head: few rows stream the pages from memory, many compute.
void attend(benchmark::State& state, const KernelTable* table, KvFormat format, int n_rows) {
  const KvLayout layout{format, kHeadDim, kHeadDim};
  const auto memory = stream_memory();
  const size_t page = layout.page_bytes();
  const size_t n_pages = kContext / kPageTokens;
  std::vector<float> kv = random_floats(2 * kHeadDim);
  for (int slot = 0; slot < kPageTokens; ++slot) table->kv_store(layout, &memory[0], slot, &kv[0], &kv[kHeadDim]);
  const bool streams = n_rows == kDecodeRows;
  const size_t heads = streams ? memory.size() / (page * n_pages) : 1;
  for (size_t p = 1; p < heads * n_pages; ++p) std::memcpy(&memory[p * page], &memory[0], page);

  std::vector<const std::byte*> pages(heads * n_pages);
  for (size_t p = 0; p < pages.size(); ++p) pages[p] = &memory[p * page];
  std::vector<float> q = random_floats(to_size(n_rows) * kHeadDim);
  std::vector<float> out(q.size());
  auto scratch = AlignedBytes::make(kAttendScratchBytes, "scratch").value();
  AttendRows rows;
  rows.n = n_rows;
  rows.layout = layout;
  rows.scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  rows.scratch = scratch.data();
  for (int i = 0; i < n_rows; ++i) {
    rows.q[i] = &q[to_size(i) * kHeadDim];
    rows.out[i] = &out[to_size(i) * kHeadDim];
    rows.begin[i] = 0;
    rows.end[i] = kContext;
  }
  size_t head = 0;
  for (auto _ : state) {
    rows.pages = &pages[head * n_pages];
    table->attend(rows);
    benchmark::DoNotOptimize(out.data());
    head = (head + 1) % heads;
  }
  if (streams) {
    count_bytes(state, static_cast<double>(page * n_pages));
  } else {
    count_operations(state, 4.0 * n_rows * kContext * kHeadDim, peak_f32(table->name));
  }
}

// `bytes` read and written by a call; from the caches, so there is nothing to compare with.
template <class Call>
void run(benchmark::State& state, size_t bytes, Call&& call) {
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(bytes) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

enum class Op {
  kRmsNorm,
  kAdd,
  kAddScaled,
  kSiluMul,
  kLayerNorm,
  kGeluTanh,
  kGeluErf,
  kSoftplus,
  kSwigluClipped,
  kSoftmax,
  kRopeHalf,
  kRopeInterleaved,
  kQuantise32,
  kQuantise256
};

void row_operation(benchmark::State& state, const KernelTable* table, Op op) {
  constexpr int n = static_cast<int>(kWidth);
  constexpr size_t bytes = kWidth * sizeof(float);
  const std::vector<float> a = random_floats(kWidth);
  const std::vector<float> b = random_floats(kWidth);
  std::vector<float> y(kWidth);
  std::vector<float> d(kWidth / 32);
  std::vector<int8_t> q(kWidth);
  std::vector<int16_t> s16(kWidth / 16);
  std::vector<int16_t> s32(kWidth / 32);
  switch (op) {
    case Op::kRmsNorm:
      return run(state, 3 * bytes, [&] { table->rms_norm(a.data(), b.data(), y.data(), n, 1e-5f); });
    case Op::kAdd:
      return run(state, 3 * bytes, [&] { table->add(a.data(), y.data(), n); });
    case Op::kAddScaled:
      return run(state, 3 * bytes, [&] { table->add_scaled(a.data(), 0.5f, y.data(), n); });
    case Op::kSiluMul:
      return run(state, 3 * bytes, [&] { table->silu_mul(a.data(), b.data(), y.data(), n); });
    case Op::kLayerNorm:
      return run(state, 4 * bytes, [&] { table->layer_norm(a.data(), b.data(), b.data(), y.data(), n, 1e-5f); });
    case Op::kGeluTanh:
      return run(state, 2 * bytes, [&] { table->activate(Activation::kGeluTanh, a.data(), y.data(), n); });
    case Op::kGeluErf:
      return run(state, 2 * bytes, [&] { table->activate(Activation::kGeluErf, a.data(), y.data(), n); });
    case Op::kSoftplus:
      return run(state, 2 * bytes, [&] { table->activate(Activation::kSoftplus, a.data(), y.data(), n); });
    case Op::kSwigluClipped:
      return run(state, 3 * bytes, [&] { table->swiglu_clipped(a.data(), b.data(), y.data(), n, 1.702f, 7.0f); });
    case Op::kSoftmax:
      return run(state, 2 * bytes, [&] { table->softmax(y.data(), n); });
    case Op::kRopeHalf:
      return run(state, 3 * bytes, [&] { table->rope_half(y.data(), a.data(), n / 2); });
    case Op::kRopeInterleaved:
      return run(state, 3 * bytes, [&] { table->rope_interleaved(y.data(), a.data(), n / 2); });
    case Op::kQuantise32:
      return run(state, bytes + kWidth, [&] { table->quantise_block32(a.data(), n, q.data(), d.data(), s32.data()); });
    case Op::kQuantise256:
      return run(state, bytes + kWidth,
                 [&] { table->quantise_super256(a.data(), n, q.data(), d.data(), s16.data(), s32.data()); });
  }
}

}  // namespace

void register_ops(const KernelTable* table) {
  const std::string base = std::string(table->name) + "/";
  for (const auto& [format, name] : {std::pair{KvFormat::kF32, "f32"}, std::pair{KvFormat::kF16, "f16"},
                                     std::pair{KvFormat::kQ8_0, "q8_0"}, std::pair{KvFormat::kQ4_0, "q4_0"}}) {
    benchmark::RegisterBenchmark((base + "attend_" + name + "/decode").c_str(), attend, table, format, kDecodeRows);
    benchmark::RegisterBenchmark((base + "attend_" + name + "/prefill").c_str(), attend, table, format, kMaxAttendRows);
  }
  for (const auto& [op, name] :
       {std::pair{Op::kRmsNorm, "rms_norm"}, std::pair{Op::kAdd, "add"}, std::pair{Op::kAddScaled, "add_scaled"},
        std::pair{Op::kSiluMul, "silu_mul"}, std::pair{Op::kLayerNorm, "layer_norm"},
        std::pair{Op::kGeluTanh, "gelu_tanh"}, std::pair{Op::kGeluErf, "gelu_erf"},
        std::pair{Op::kSoftplus, "softplus"}, std::pair{Op::kSwigluClipped, "swiglu_clipped"},
        std::pair{Op::kSoftmax, "softmax"}, std::pair{Op::kRopeHalf, "rope_half"},
        std::pair{Op::kRopeInterleaved, "rope_interleaved"}, std::pair{Op::kQuantise32, "quantise_block32"},
        std::pair{Op::kQuantise256, "quantise_super256"}}) {
    benchmark::RegisterBenchmark((base + name).c_str(), row_operation, table, op);
  }
}

}  // namespace kedge::bench
