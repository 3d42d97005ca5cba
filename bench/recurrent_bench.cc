// What carries a state from token to token, one head at a time in shapes that models have, and latent attention. A step
// of decode streams its state from memory; a prompt's tokens are done in the caches.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "bench/limits.h"
#include "kernels/base/aligned.h"
#include "kernels/kernel_table.h"

namespace kedge::bench {

namespace {

constexpr int kPrompt = 512;

size_t to_size(int x) { return static_cast<size_t>(x); }

std::vector<float> random_floats(size_t n, float from, float to) {
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> d(from, to);
  std::vector<float> v(n);
  for (float& x : v) x = d(rng);
  return v;
}

// A state for every iteration, from memory that no cache holds where one token is done.
class States {
 public:
  States(int floats, int n_tokens)
      : floats_(to_size(floats)), count_(n_tokens == 1 ? memory_.size() / (floats_ * 4) : 1) {
    for (size_t i = 0; i < floats_ * count_; ++i) data()[i] = 0.5f;
  }
  float* next() { return data() + floats_ * (at_++ % count_); }

 private:
  float* data() { return reinterpret_cast<float*>(memory_.data()); }
  std::span<std::byte> memory_ = stream_memory();
  size_t floats_;
  size_t count_;
  size_t at_ = 0;
};

void count(benchmark::State& state, const KernelTable* table, int n_tokens, int floats, double operations) {
  if (n_tokens == 1) return count_bytes(state, 4.0 * floats);
  count_operations(state, operations * n_tokens * floats, peak_f32(table->name));
}

// Qwen3.5, Qwen3-Next: heads of 128 x 128.
void delta_net(benchmark::State& state, const KernelTable* table, int n_tokens) {
  constexpr int kHead = 128;
  std::vector<float> rows = random_floats(to_size(n_tokens) * 3 * kHead, -0.1f, 0.1f);
  const std::vector<float> decay = random_floats(to_size(n_tokens), -0.1f, 0.0f);
  const std::vector<float> beta = random_floats(to_size(n_tokens), 0.0f, 1.0f);
  std::vector<float> out(to_size(n_tokens) * kHead);
  States states(kHead * kHead, n_tokens);
  DeltaRows r;
  r.n = n_tokens;
  r.d_k = r.d_v = r.end = kHead;
  r.q = rows.data();
  r.k = r.q + kHead;
  r.v = r.k + kHead;
  r.ldq = r.ldk = r.ldv = 3 * kHead;
  r.log_decay = decay.data();
  r.beta = beta.data();
  r.ld_decay = r.ld_beta = 1;
  r.out = out.data();
  r.ld_out = kHead;
  for (auto _ : state) {
    r.state = r.next_state = states.next();
    table->delta_net(r);
    benchmark::ClobberMemory();
  }
  count(state, table, n_tokens, kHead * kHead, 7);
}

// Nemotron-H, Granite 4, Falcon-H1: heads of 64, states of 128.
void mamba2(benchmark::State& state, const KernelTable* table, int n_tokens) {
  constexpr int kHead = 64;
  constexpr int kState = 128;
  const std::vector<float> x = random_floats(to_size(n_tokens) * kHead, -1.0f, 1.0f);
  const std::vector<float> bc = random_floats(to_size(n_tokens) * 2 * kState, -1.0f, 1.0f);
  const std::vector<float> dt = random_floats(to_size(n_tokens), 0.0f, 0.2f);
  std::vector<float> y(x.size());
  States states(kHead * kState, n_tokens);
  Mamba2Rows r;
  r.n = n_tokens;
  r.d_state = kState;
  r.head_dim = r.end = kHead;
  r.x = x.data();
  r.ldx = r.ldy = kHead;
  r.b = bc.data();
  r.c = r.b + kState;
  r.ldb = r.ldc = 2 * kState;
  r.dt = dt.data();
  r.ld_dt = 1;
  r.a = -1.0f;
  r.d = 1.0f;
  r.y = y.data();
  for (auto _ : state) {
    r.state = r.next_state = states.next();
    table->mamba2_scan(r);
    benchmark::ClobberMemory();
  }
  count(state, table, n_tokens, kHead * kState, 5);
}

// Jamba: states of 16 per channel.
void mamba1(benchmark::State& state, const KernelTable* table, int n_tokens) {
  constexpr int kChannels = 1024;
  constexpr int kState = 16;
  const std::vector<float> x = random_floats(to_size(n_tokens) * kChannels, 0.0f, 0.2f);
  const std::vector<float> bc = random_floats(to_size(n_tokens) * 2 * kState, -1.0f, 1.0f);
  const std::vector<float> a = random_floats(kState * kChannels, -16.0f, -1.0f);
  std::vector<float> y(x.size());
  States states(kChannels * kState, n_tokens);
  Mamba1Rows r;
  r.n = n_tokens;
  r.d_state = kState;
  r.channels = r.end = kChannels;
  r.x = r.dt = x.data();
  r.ldx = r.ld_dt = r.ldy = kChannels;
  r.b = bc.data();
  r.c = r.b + kState;
  r.ldb = r.ldc = 2 * kState;
  r.a = a.data();
  r.d = x.data();
  r.y = y.data();
  for (auto _ : state) {
    r.state = r.next_state = states.next();
    table->mamba1_scan(r);
    benchmark::ClobberMemory();
  }
  count(state, table, n_tokens, kChannels * kState, 5 + 22);  // an exp is about 22 operations
}

void rwkv7(benchmark::State& state, const KernelTable* table, int n_tokens) {
  constexpr int kHead = 64;
  const std::vector<float> rows = random_floats(to_size(n_tokens) * 6 * kHead, 0.0f, 0.1f);
  std::vector<float> out(to_size(n_tokens) * kHead);
  States states(kHead * kHead, n_tokens);
  Rwkv7Rows r;
  r.n = n_tokens;
  r.d = r.end = kHead;
  r.ld = 6 * kHead;
  const float** parts[] = {&r.r, &r.w, &r.k, &r.v, &r.a, &r.b};
  for (size_t i = 0; i < 6; ++i) *parts[i] = rows.data() + i * kHead;
  r.out = out.data();
  r.ld_out = kHead;
  for (auto _ : state) {
    r.state = r.next_state = states.next();
    table->rwkv7_mix(r);
    benchmark::ClobberMemory();
  }
  count(state, table, n_tokens, kHead * kHead, 9);
}

void conv1d(benchmark::State& state, const KernelTable* table) {
  constexpr int kChannels = 6144;
  const std::vector<float> x = random_floats(to_size(kPrompt) * kChannels, -1.0f, 1.0f);
  const std::vector<float> weight = random_floats(4 * kChannels, -1.0f, 1.0f);
  std::vector<float> y(x.size());
  std::vector<float> tail(3 * kChannels);
  ConvRows r;
  r.n = kPrompt;
  r.channels = r.end = kChannels;
  r.taps = 4;
  r.silu = true;
  r.x = x.data();
  r.ldx = r.ldy = kChannels;
  r.weight = weight.data();
  r.state = r.next_state = tail.data();
  r.y = y.data();
  for (auto _ : state) {
    table->conv1d(r);
    benchmark::ClobberMemory();
  }
  count_bytes(state, 8.0 * kPrompt * kChannels);
}

// Rows of DeepSeek's latent, 512 + 64 dimensions, whose values are its first 512.
void latent(benchmark::State& state, const KernelTable* table, KvFormat format, int n_rows) {
  constexpr int kTokens = 1024;
  const KvLayout layout{format, 576, 512, true};
  auto memory = AlignedBytes::make(layout.page_bytes() * kTokens / kPageTokens, "pages").value();
  auto scratch = AlignedBytes::make(kAttendScratchBytes, "scratch").value();
  const std::vector<float> q = random_floats(576, -1.0f, 1.0f);
  std::vector<float> out(to_size(n_rows) * 512);
  std::vector<const std::byte*> pages;
  for (int i = 0; i < kTokens; ++i) {
    std::byte* page = memory.data() + layout.page_bytes() * to_size(i / kPageTokens);
    if (i % kPageTokens == 0) pages.push_back(page);
    table->kv_store(layout, page, i % kPageTokens, q.data(), nullptr);
  }
  AttendRows rows;
  rows.n = n_rows;
  rows.layout = layout;
  rows.pages = pages.data();
  rows.scale = 1.0f / 24;
  rows.scratch = scratch.data();
  for (int i = 0; i < n_rows; ++i) {
    rows.q[i] = q.data();
    rows.out[i] = &out[to_size(i) * 512];
    rows.begin[i] = 0;
    rows.end[i] = kTokens;
  }
  for (auto _ : state) {
    table->attend(rows);
    benchmark::DoNotOptimize(out.data());
  }
  count_operations(state, 2.0 * n_rows * kTokens * (576 + 512), peak_f32(table->name));
}

}  // namespace

void register_recurrent(const KernelTable* table) {
  const std::string base = std::string(table->name) + "/";
  for (const auto& [call, name] : {std::pair{&delta_net, "delta_net"}, std::pair{&mamba2, "mamba2_scan"},
                                   std::pair{&mamba1, "mamba1_scan"}, std::pair{&rwkv7, "rwkv7_mix"}}) {
    benchmark::RegisterBenchmark((base + name + "/decode").c_str(), call, table, 1);
    benchmark::RegisterBenchmark((base + name + "/prefill").c_str(), call, table, kPrompt);
  }
  benchmark::RegisterBenchmark((base + "conv1d").c_str(), conv1d, table);
  for (const auto& [format, name] : {std::pair{KvFormat::kF16, "f16"}, std::pair{KvFormat::kQ8_0, "q8_0"}}) {
    benchmark::RegisterBenchmark((base + "latent_" + name + "/16_rows").c_str(), latent, table, format, 16);
    benchmark::RegisterBenchmark((base + "latent_" + name + "/64_rows").c_str(), latent, table, format, kMaxAttendRows);
  }
}

}  // namespace kedge::bench
