// What `kedge bench` measures: reading a prompt and generating, at every combination of threads and depth, as
// llama-bench does it: random tokens, one warm-up of each, then repetitions from the same depth.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/model_flags.h"

namespace kedge::tools {

struct BenchPlan {
  std::vector<int> prompts = {512};  // 0: do not measure
  int n_generate = 128;              // 0: do not measure
  std::vector<int> depths = {0};     // tokens already in the context
  std::vector<int> threads = {0};    // 0: the default
  std::vector<int> chunks = {512};   // prompt tokens per step
  int repetitions = 5;
  std::string kv;  // memory options, JSON
  std::vector<kedge_adapter_use> adapters = {};
  bool bandwidth = false;  // measure the read bandwidth of each number of threads first
};

struct BenchRun {
  bool prompt = false;  // or generation
  int n = 0;
  int threads = 0;
  int depth = 0;
  int chunk = 0;
  std::vector<double> tps = {};  // every sample
  // Of generation: weights and cache that a token reads on average, and at which rate at the median.
  double bytes_per_token = 0;
  double read_bytes_per_second = 0;

  std::string name() const { return (prompt ? "pp" : "tg") + std::to_string(n); }
};

struct BenchReport {
  kedge_model_info info{};
  double kv_bytes_per_token = 0;  // of the cache, for every token in the context
  std::vector<BenchRun> runs;
  std::map<int, double> bandwidth;  // bytes per second by number of threads; empty: not measured
  uint64_t kv_bytes = 0;            // of the last session
  uint64_t scratch_bytes = 0;

  double bytes_per_token(double depth) const {
    return static_cast<double>(info.bytes_per_token) + kv_bytes_per_token * depth;
  }
  // Of the measured bandwidth, in percent; 0: not measured.
  double percent(const BenchRun& run) const;
};

// Every depth with the largest chunk; the other chunks at the smallest depth.
BenchReport run_bench(const kedge::Model& model, const SessionFlags& session, const BenchPlan& plan);

// Time per token against depth, with the bound that memory sets; prompt speed against tokens per step.
std::string bench_plot(const std::string& heading, const BenchReport& report);

}  // namespace kedge::tools
