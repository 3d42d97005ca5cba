#include "tools/bench_measure.h"

#include <algorithm>
#include <random>
#include <set>

#include "bench/probe.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

constexpr size_t kProbeBytes = size_t{2} << 30;  // far beyond any cache
constexpr int kProbePasses = 7;

std::vector<int> sorted(const std::vector<int>& values) {
  const std::set<int> distinct(values.begin(), values.end());
  return {distinct.begin(), distinct.end()};
}

class Bench {
 public:
  Bench(kedge::Session& session, int32_t n_vocab) : session_(session), n_vocab_(n_vocab) {}

  // Fills the cache up to the depth, from the last one on; measurements start from there.
  void go_to(int depth) {
    need(session_.truncate(depth_));
    if (depth > depth_) need(session_.eval(random_tokens(depth - depth_)));
    depth_ = depth;
  }
  double seconds_of_prompt(int n) {
    need(session_.truncate(depth_));
    const auto tokens = random_tokens(n);
    const double start = seconds_now();
    need(session_.eval(tokens));
    return seconds_now() - start;
  }
  double seconds_of_generation(int n) {
    need(session_.truncate(depth_));
    const auto tokens = random_tokens(n);
    const std::span<const int32_t> all(tokens);
    const double start = seconds_now();
    for (size_t i = 0; i < all.size(); ++i) need(session_.eval(all.subspan(i, 1)));
    return seconds_now() - start;
  }

 private:
  std::vector<int32_t> random_tokens(int n) {
    std::vector<int32_t> tokens(static_cast<size_t>(n));
    for (int32_t& t : tokens) t = static_cast<int32_t>(random_() % static_cast<uint32_t>(n_vocab_));
    return tokens;
  }

  kedge::Session& session_;
  int32_t n_vocab_;
  int depth_ = 0;
  std::mt19937 random_{42};
};

class Measurement {
 public:
  Measurement(const kedge::Model& model, const SessionFlags& flags, const BenchPlan& plan)
      : model_(model), flags_(flags), plan_(plan), depths_(sorted(plan.depths)), chunks_(sorted(plan.chunks)) {
    report_.info = model.info();
    const int longest = std::max(*std::max_element(plan.prompts.begin(), plan.prompts.end()), plan.n_generate);
    n_ctx_ = depths_.back() + longest;
  }

  BenchReport run() {
    measure_cache();
    std::set<int> done;
    for (const int wanted : plan_.threads) {
      const int threads = wanted > 0 ? wanted : kedge::default_threads();
      if (!done.insert(threads).second) continue;
      if (plan_.bandwidth) measure_bandwidth(threads);
      // The largest chunk first: it has the generation too.
      for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
        measure_session(threads, *chunk, chunk == chunks_.rbegin());
      }
    }
    return std::move(report_);
  }

 private:
  void measure_cache() {
    kedge::SessionOptions plan = flags_.options();
    plan.n_ctx = n_ctx_;
    plan.n_threads = 1;
    plan.chunk = 1;
    const Json memory = Json::parse(need(model_.describe(plan))).at("memory");
    report_.kv_bytes_per_token = memory.at("kv_bytes").at(kv_type_name(flags_.options().kv_type)).get<double>() /
                                 std::max(1.0, memory.at("n_ctx").get<double>());
  }

  void measure_bandwidth(int threads) {
    const Json memory = Json::parse(need(kedge::system_info())).at("memory");
    const auto available =
        std::min(memory.at("available_bytes").get<size_t>(), memory.at("usable_bytes").get<size_t>());
    const bench::ReadProbe probe = need(bench::ReadProbe::make(std::min(kProbeBytes, available / 4), threads));
    report_.bandwidth[threads] = need(probe.bytes_per_second(threads, kProbePasses));
  }

  void measure_session(int threads, int chunk, bool full) {
    kedge::SessionOptions options = flags_.options();
    options.n_ctx = full ? n_ctx_ : n_ctx_ - depths_.back() + depths_.front();
    options.n_threads = threads;
    options.chunk = chunk;
    options.kv = plan_.kv;
    options.adapters = plan_.adapters;
    auto session = need(kedge::Session::create(model_, options));
    const InterruptGuard guard(session);
    Bench bench(session, report_.info.n_vocab);
    for (const int depth : depths_) {
      bench.go_to(depth);
      for (const int n : plan_.prompts) {
        if (n == 0) continue;
        add({.prompt = true, .n = n, .threads = threads, .depth = depth, .chunk = chunk},
            [&](int tokens) { return bench.seconds_of_prompt(tokens); });
      }
      if (!full) return;
      if (plan_.n_generate > 0) {
        add({.prompt = false, .n = plan_.n_generate, .threads = threads, .depth = depth, .chunk = chunk},
            [&](int tokens) { return bench.seconds_of_generation(tokens); });
      }
    }
    report_.kv_bytes = session.info().kv_bytes;
    report_.scratch_bytes = session.info().scratch_bytes;
  }

  template <class Seconds>
  void add(BenchRun run, Seconds&& seconds) {
    Progress progress(format("%s, %d threads, depth %d", run.name().c_str(), run.threads, run.depth));
    seconds(run.prompt ? run.n : 1);
    for (int i = 0; i < plan_.repetitions; ++i) {
      run.tps.push_back(run.n / seconds(run.n));
      progress.update(static_cast<size_t>(i) + 1, static_cast<size_t>(plan_.repetitions));
    }
    if (!run.prompt) {
      run.bytes_per_token = report_.bytes_per_token(run.depth + run.n / 2.0);
      run.read_bytes_per_second = run.bytes_per_token * median(run.tps);
    }
    report_.runs.push_back(std::move(run));
  }

  const kedge::Model& model_;
  const SessionFlags& flags_;
  const BenchPlan& plan_;
  std::vector<int> depths_;
  std::vector<int> chunks_;
  int n_ctx_ = 0;
  BenchReport report_;
};

}  // namespace

double BenchReport::percent(const BenchRun& run) const {
  const auto it = bandwidth.find(run.threads);
  return it == bandwidth.end() || it->second <= 0 ? 0 : 100 * run.read_bytes_per_second / it->second;
}

BenchReport run_bench(const kedge::Model& model, const SessionFlags& session, const BenchPlan& plan) {
  return Measurement(model, session, plan).run();
}

}  // namespace kedge::tools
