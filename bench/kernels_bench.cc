// Google Benchmark over the kernel registry: every weight format on every instruction set this machine runs, for one
// token (decode) and for many (prefill). GB/s counts weight bytes, GMAC/s multiply-adds.
//   kedge_bench --benchmark_filter=avx512vnni/Q4_0
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/isa.h"
#include "kernels/pack.h"

namespace kedge {
namespace {

constexpr int kK = 2048;

void matmul(benchmark::State& state, const KernelTable* table, const QuantFormat* f, int n_rows, int n_tokens) {
  const auto k = static_cast<size_t>(kK);
  const auto n = static_cast<size_t>(n_tokens);
  const size_t weight_bytes = f->row_bytes(k) * static_cast<size_t>(n_rows);
  auto weights = AlignedBytes::make(weight_bytes, "weights").value();
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> row(k);
  for (int r = 0; r < n_rows; ++r) {
    for (float& v : row) v = normal(rng);
    f->quantise(row.data(), nullptr, weights.data() + f->row_bytes(k) * static_cast<size_t>(r), k);
  }
  std::vector<float> x(n * k), d(n * k / 32), y(n * static_cast<size_t>(n_rows));
  std::vector<int8_t> q(n * k);
  std::vector<int16_t> s16(n * k / 16), s32(n * k / 32);
  for (float& v : x) v = normal(rng);
  for (size_t i = 0; i < n; ++i) {
    if (f->family == QuantFamily::kBlock32) {
      table->quantise_block32(&x[i * k], kK, &q[i * k], &d[i * (k / 32)], &s32[i * (k / 32)]);
    } else {
      table->quantise_super256(&x[i * k], kK, &q[i * k], &d[i * (k / 256)], &s16[i * (k / 16)], &s32[i * (k / 32)]);
    }
  }
  ActRows acts;
  acts.n = n_tokens;
  acts.k = kK;
  acts.x = x.data();
  acts.q = q.data();
  acts.d = d.data();
  acts.sums16 = s16.data();
  acts.sums32 = s32.data();
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  auto laid = AlignedBytes::make(layout_bytes(*table, *f, n_rows, kK), "laid weights").value();
  if (table->pack[f->index] != nullptr) {
    pack_groups(*table, *f, weights.data(), n_rows, kK, 0, group_count(n_rows), laid.data());
  } else {
    laid = std::move(weights);
  }
  const WeightRows w{laid.data(), layout_stride(*table, *f, kK), n_rows};
  for (auto _ : state) {
    table->matmul[f->index](w, acts, y.data(), static_cast<size_t>(n_rows), scratch.data());
    benchmark::DoNotOptimize(y.data());
  }
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(static_cast<double>(weight_bytes) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["GMAC/s"] = Counter(static_cast<double>(n * k) * n_rows * 1e-9, Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const KernelTable* table : usable_kernels()) {
    for (const QuantFormat& f : quant_formats()) {
      if (f.quantise == nullptr) continue;
      const std::string base = std::string(table->name) + "/" + f.name;
      // Decode streams weights larger than the second-level cache; prefill reuses a small matrix.
      benchmark::RegisterBenchmark((base + "/decode").c_str(), matmul, table, &f, 4096, 1);
      benchmark::RegisterBenchmark((base + "/prefill128").c_str(), matmul, table, &f, 256, 128);
    }
  }
}

}  // namespace
}  // namespace kedge

int main(int argc, char** argv) {
  kedge::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
