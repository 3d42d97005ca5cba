// Google Benchmark over the kernel registry, one thread: every weight format on every instruction set this machine
// runs, for one token (decode, weights from memory), a few (batch:n, likewise) and for many (prefill); attention and
// the small operations are in ops_bench.cc. GB/s counts bytes of weights as they lie in memory, GOP/s a multiply and an
// add as two; %bandwidth and %peak compare with what bench/probe.h measures on one thread (the "/s" behind them is
// Google Benchmark's). steps measures every batch from 1 to 64 and looks for holes: `worst%` is the smallest rate of
// tokens, in per cent of the best of the smaller batches, and `worst_at` the batch that has it.
//   kedge_bench --benchmark_filter=avx512vnni/Q4_0
//   kedge_bench --benchmark_filter='avx512vnni/.*/steps'
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bench/limits.h"
#include "kernels/base/aligned.h"
#include "kernels/isa.h"
#include "kernels/pack.h"

namespace kedge::bench {

void register_ops(const KernelTable* table);
void register_recurrent(const KernelTable* table);

namespace {

constexpr int kK = 2048;
constexpr int kDrawnRows = 64;  // quantised; more rows are copies of these, a whole number of groups
constexpr int kDecodeRows = 4096;
constexpr int kMostBatch = 64;
constexpr double kBatchSeconds = 0.05;
constexpr int kStepRounds = 24;
constexpr int kPrefillRows = 256;
constexpr int kPrefillTokens = 256;

size_t to_size(int x) { return static_cast<size_t>(x); }

// Random rows as the table's matmul wants them. All that knows how weights are laid out.
struct LaidRows {
  AlignedBytes bytes;
  size_t stride = 0;

  static LaidRows draw(const KernelTable& table, const QuantFormat& f) {
    const size_t row_bytes = f.row_bytes(kK);
    auto rows = AlignedBytes::make(row_bytes * kDrawnRows, "weights").value();
    std::mt19937 rng(1);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    std::vector<float> row(kK);
    for (size_t r = 0; r < kDrawnRows; ++r) {
      for (float& v : row) v = normal(rng);
      f.quantise(row.data(), nullptr, rows.data() + row_bytes * r, kK);
    }
    LaidRows laid;
    laid.stride = layout_stride(table, f, kK);
    if (table.pack[f.index] == nullptr) {
      laid.bytes = std::move(rows);
    } else {
      laid.bytes = AlignedBytes::make(layout_bytes(table, f, kDrawnRows, kK), "packed weights").value();
      pack_groups(table, f, rows.data(), kDrawnRows, kK, 0, group_count(kDrawnRows), laid.bytes.data());
    }
    return laid;
  }
  size_t bytes_of(int n_rows) const { return bytes.size() * to_size(n_rows / kDrawnRows); }
};

// Rows of activations in every form.
class Activations {
 public:
  Activations(const KernelTable& table, QuantFamily family, int n)
      : x_(to_size(n) * kK), d_(x_.size() / 32), q_(to_size(n) * kPitch), s16_(x_.size() / 16), s32_(x_.size() / 32) {
    std::mt19937 rng(2);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    for (float& v : x_) v = normal(rng);
    constexpr size_t k = kK;
    for (size_t i = 0; i < to_size(n); ++i) {
      if (family == QuantFamily::kBlock32) {
        table.quantise_block32(&x_[i * k], kK, &q_[i * kPitch], &d_[i * (k / 32)], &s32_[i * (k / 32)]);
      } else if (family == QuantFamily::kSuper256) {
        table.quantise_super256(&x_[i * k], kK, &q_[i * kPitch], &d_[i * (k / 256)], &s16_[i * (k / 16)],
                                &s32_[i * (k / 32)]);
      }
    }
    rows.n = n;
    rows.k = kK;
    rows.pitch = kPitch;
    rows.x = x_.data();
    rows.q = q_.data();
    rows.d = d_.data();
    rows.sums16 = s16_.data();
    rows.sums32 = s32_.data();
  }
  ActRows rows;

 private:
  static constexpr int kPitch = kK + kActPad;  // as the engine has them
  std::vector<float> x_, d_;
  std::vector<int8_t> q_;
  std::vector<int16_t> s16_, s32_;
};

// A token after the other through memory that is larger than the caches.
void decode(benchmark::State& state, const KernelTable* table, const QuantFormat* f) {
  const LaidRows drawn = LaidRows::draw(*table, *f);
  const auto memory = stream_memory();
  const size_t size = drawn.bytes.size();
  for (size_t at = 0; at + size <= memory.size(); at += size) std::memcpy(&memory[at], drawn.bytes.data(), size);
  const size_t slab = drawn.bytes_of(kDecodeRows);
  const Activations acts(*table, f->family, 1);
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  std::vector<float> y(kDecodeRows);
  size_t at = 0;
  for (auto _ : state) {
    const WeightRows w{&memory[at], drawn.stride, kDecodeRows};
    table->matmul[f->index](w, acts.rows, y.data(), kDecodeRows, scratch.data());
    benchmark::DoNotOptimize(y.data());
    at += slab;
    if (at + slab > memory.size()) at = 0;
  }
  count_bytes(state, static_cast<double>(slab));
}

// Weights of one format, many times over in memory that is larger than the caches: each call gets the next ones.
class Stream {
 public:
  Stream(const KernelTable& table, const QuantFormat& f) : drawn_(LaidRows::draw(table, f)), memory_(stream_memory()) {
    const size_t size = drawn_.bytes.size();
    static std::string filled_with;
    if (filled_with == f.name) return;  // every table packs alike
    for (size_t at = 0; at + size <= memory_.size(); at += size) {
      std::memcpy(&memory_[at], drawn_.bytes.data(), size);
    }
    filled_with = f.name;
  }
  size_t slab() const { return drawn_.bytes_of(kDecodeRows); }
  WeightRows next() {
    static size_t at = 0;
    if (at + slab() > memory_.size()) at = 0;
    const WeightRows w{&memory_[at], drawn_.stride, kDecodeRows};
    at += slab();
    return w;
  }

 private:
  LaidRows drawn_;
  std::span<std::byte> memory_;
};

// Seconds of one product with these rows.
double seconds_of(const KernelTable& table, const QuantFormat& f, const WeightRows& w, const ActRows& rows,
                  std::vector<float>& y, std::byte* scratch) {
  const auto start = std::chrono::steady_clock::now();
  table.matmul[f.index](w, rows, y.data(), kDecodeRows, scratch);
  benchmark::DoNotOptimize(y.data());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak_of(const KernelTable& table, const QuantFormat& f) {
  return f.family == QuantFamily::kFloat ? peak_f32(table.name) : peak_int8(table.name);
}

// As decode, with several tokens: what a step costs that serves as many sequences. rows/s is the rate of the fastest
// call in units of tokens, which a busy machine disturbs least.
void batch(benchmark::State& state, const KernelTable* table, const QuantFormat* f, int n) {
  Stream weights(*table, *f);
  const Activations acts(*table, f->family, n);
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  std::vector<float> y(to_size(kDecodeRows) * to_size(n));
  double best = 1e9;
  for (auto _ : state) {
    best = std::min(best, seconds_of(*table, *f, weights.next(), acts.rows, y, scratch.data()));
  }
  state.counters["rows/s"] = n / best;
  const double peak = peak_of(*table, *f);
  if (peak > 0) state.counters["%peak"] = 100 * 2.0 * n * kDecodeRows * kK / best / peak;
}

// Every batch up to kMostBatch, the fastest of many rounds: is a larger one ever slower per token?
void steps(benchmark::State& state, const KernelTable* table, const QuantFormat* f) {
  Stream weights(*table, *f);
  const Activations acts(*table, f->family, kMostBatch);
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  std::vector<float> y(to_size(kDecodeRows) * kMostBatch);
  std::vector<double> best(kMostBatch + 1, 1e9);
  for (auto _ : state) {
    for (int round = 0; round < kStepRounds; ++round) {
      for (int n = 1; n <= kMostBatch; ++n) {
        ActRows rows = acts.rows;
        rows.n = n;
        double& least = best[to_size(n)];
        least = std::min(least, seconds_of(*table, *f, weights.next(), rows, y, scratch.data()));
      }
    }
  }
  double fastest = 0;
  double worst = 1e9;
  int worst_at = 0;
  for (int n = 1; n <= kMostBatch; ++n) {
    const double rate = n / best[to_size(n)];
    if (n > 1 && rate / fastest < worst) {
      worst = rate / fastest;
      worst_at = n;
    }
    fastest = std::max(fastest, rate);
    if ((n & (n - 1)) == 0) state.counters["n" + std::to_string(n)] = rate;
  }
  state.counters["worst%"] = 100 * worst;
  state.counters["worst_at"] = worst_at;
}

// Many tokens times a matrix that the second-level cache holds.
void prefill(benchmark::State& state, const KernelTable* table, const QuantFormat* f) {
  const LaidRows drawn = LaidRows::draw(*table, *f);
  auto weights = AlignedBytes::make(drawn.bytes_of(kPrefillRows), "weights").value();
  for (size_t at = 0; at < weights.size(); at += drawn.bytes.size()) {
    std::memcpy(weights.data() + at, drawn.bytes.data(), drawn.bytes.size());
  }
  const Activations acts(*table, f->family, kPrefillTokens);
  auto scratch = AlignedBytes::make(matmul_scratch_bytes(kK), "scratch").value();
  std::vector<float> y(to_size(kPrefillRows) * kPrefillTokens);
  const WeightRows w{weights.data(), drawn.stride, kPrefillRows};
  for (auto _ : state) {
    table->matmul[f->index](w, acts.rows, y.data(), kPrefillRows, scratch.data());
    benchmark::DoNotOptimize(y.data());
  }
  count_operations(state, 2.0 * kPrefillRows * kPrefillTokens * kK, peak_of(*table, *f));
}

void register_all() {
  for (const KernelTable* table : usable_kernels()) {
    for (const QuantFormat& f : quant_formats()) {
      if (f.quantise == nullptr) continue;
      const std::string base = std::string(table->name) + "/" + f.name;
      benchmark::RegisterBenchmark((base + "/decode").c_str(), decode, table, &f);
      benchmark::RegisterBenchmark((base + "/prefill").c_str(), prefill, table, &f);
      if (std::string(table->name) == "reference") continue;
      benchmark::RegisterBenchmark((base + "/steps").c_str(), steps, table, &f)->Iterations(1);
      for (int n = 1; n <= kMostBatch; ++n) {
        const std::string name = base + "/batch:" + std::to_string(n);
        benchmark::RegisterBenchmark(name.c_str(), batch, table, &f, n)->MinTime(kBatchSeconds);
      }
    }
    register_ops(table);
    register_recurrent(table);
  }
}

}  // namespace
}  // namespace kedge::bench

int main(int argc, char** argv) {
  kedge::bench::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
