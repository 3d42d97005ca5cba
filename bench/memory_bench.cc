// What the KV memory costs: `memory_bench MODEL`. Bringing a page back beside computing it again, and an eviction
// beside the tokens it makes room for. Medians of several, in one run, one thread.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"

namespace {

using namespace kedge::bench;

double seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

template <class R>
auto need(R&& result) {
  if (!result.ok()) {
    std::fprintf(stderr, "memory_bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (requires { std::forward<R>(result).value(); }) return std::forward<R>(result).value();
}

std::vector<int32_t> some_tokens(const Model& model, size_t n) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>(100 + (i * 7919) % 9000) % model.config().n_vocab;
  return tokens;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: memory_bench MODEL.gguf\n");
    return 2;
  }
  constexpr int kRounds = 15;
  const auto model = need(Model::load(argv[1]));
  const auto tokens = some_tokens(*model, 2048);
  const std::span<const int32_t> all(tokens);
  for (const auto cold : {KvOptions::Cold::kRam, KvOptions::Cold::kFile}) {
    SessionOptions options;
    options.n_threads = 1;
    options.kv.budget = 1024;
    options.kv.policy = "recency";
    options.kv.cold = cold;
    options.kv.cold_path = "/tmp/kedge-memory-bench-" + std::to_string(::getpid());
    const auto session = need(Session::create(model, options));
    need(session->eval(all));
    std::vector<double> recall;
    for (int i = 0; i < kRounds; ++i) {
      const int first = 32 * i;
      recall.push_back(seconds([&] { need(session->recall(first, first + 32)); }));
    }
    // The page's tokens again, at the depth they stand at: in one step, the fastest way there is.
    std::vector<double> compute;
    SessionOptions unbounded;
    unbounded.n_threads = 1;
    const auto plain = need(Session::create(model, unbounded));
    need(plain->eval(all.first(512)));
    for (int i = 0; i < kRounds; ++i) {
      compute.push_back(seconds([&] { need(plain->eval(all.subspan(512, 32))); }));
      need(plain->truncate(512));
    }
    std::printf(
        "a page (32 tokens) back from %s: %.1f us (an eviction to make room included); computed again: %.1f us; "
        "%.0f times\n",
        cold == KvOptions::Cold::kRam ? "RAM" : "a file", median(recall) * 1e6, median(compute) * 1e6,
        median(compute) / median(recall));
  }
  for (const char* policy : {"sinks", "anchor"}) {
    SessionOptions options;
    options.n_threads = 1;
    options.kv.budget = 1024;
    options.kv.policy = policy;
    const auto session = need(Session::create(model, options));
    need(session->eval(all.first(1024)));
    std::vector<double> with;
    std::vector<double> without;
    for (size_t i = 1024; i < tokens.size(); ++i) {
      const uint64_t events = session->memory().counts().events;
      const double t = seconds([&] { need(session->eval(all.subspan(i, 1))); });
      (session->memory().counts().events > events ? with : without).push_back(t);
    }
    const double token = median(without);
    const double event = median(with) - token;
    const int per = eviction_quantum(1024);
    std::printf("%s, budget 1024: a token %.1f us, an eviction %.1f us every %d tokens: %.2f %% of decoding\n", policy,
                token * 1e6, event * 1e6, per, 100 * event / (per * token));
  }
  return 0;
}
