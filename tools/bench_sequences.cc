#include "tools/bench_sequences.h"

#include <algorithm>
#include <random>

#include "kernels/base/at_once.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

class SequencesBench {
 public:
  SequencesBench(const kedge::Model& model, const SessionFlags& flags, const BenchPlan& plan, int threads,
                 int sequences)
      : n_vocab_(model.info().n_vocab),
        run_{.sequences = sequences, .threads = threads, .prompt = plan.prompts.front(), .n = plan.n_generate} {
    const kedge::SessionOptions options{.n_ctx = run_.prompt + run_.n, .kv = plan.kv, .adapters = plan.adapters};
    kedge::EngineOptions engine = flags.engine(sequences);
    engine.n_threads = threads;
    engine.step_tokens = plan.chunks.front();
    engine_.emplace(need(kedge::Engine::create(model, engine)));
    for (int i = 0; i < sequences; ++i) sessions_.push_back(need(engine_->session(options)));
  }

  SequencesRun measure(int repetitions) {
    Progress progress(format("%d sequences, %d threads", run_.sequences, run_.threads));
    for (int i = 0; i <= repetitions; ++i) {  // the first one warms up
      for (kedge::Session& s : sessions_) need(s.truncate(0));
      const double pp = run_.prompt == 0 ? 0 : seconds([this](kedge::Session& s, size_t at) { read(s, at); });
      const double tg = run_.n == 0 ? 0 : seconds([this](kedge::Session& s, size_t at) { generate(s, at); });
      if (i == 0) continue;
      if (pp > 0) run_.pp_tps.push_back(run_.sequences * run_.prompt / pp);
      if (tg > 0) run_.tg_tps.push_back(run_.sequences * run_.n / tg);
      progress.update(static_cast<size_t>(i), static_cast<size_t>(repetitions));
    }
    for (const kedge::Session& s : sessions_) run_.kv_bytes += s.info().kv_bytes;
    return run_;
  }

 private:
  template <class Work>
  double seconds(Work&& work) {
    const double start = seconds_now();
    at_once(sessions_.size(), sessions_.size(), [&](size_t i) { work(sessions_[i], i); });
    return seconds_now() - start;
  }

  std::vector<int32_t> random_tokens(size_t sequence, int n) const {
    std::mt19937 random(static_cast<uint32_t>(sequence));
    std::vector<int32_t> tokens(static_cast<size_t>(n));
    for (int32_t& t : tokens) t = static_cast<int32_t>(random() % static_cast<uint32_t>(n_vocab_));
    return tokens;
  }
  static void check_interrupt() {
    if (InterruptGuard::interrupted()) throw interrupted();
  }

  void read(kedge::Session& session, size_t at) const {
    need(session.eval(random_tokens(at, run_.prompt), [](size_t, size_t) { return !InterruptGuard::interrupted(); }));
  }
  // One token goes in and n - 1 of those that come out: n rows of work for n tokens.
  void generate(kedge::Session& session, size_t at) const {
    kedge::GenerateOptions options;
    options.max_tokens = run_.n;
    options.ignore_eos = true;
    options.settings = {{"temperature", 0.0}};
    options.on_token = [](int32_t, std::span<const kedge_logprob>) { return !InterruptGuard::interrupted(); };
    const auto generation = need(session.generate(random_tokens(at + 1000, 1), options));
    check_interrupt();
    if (generation.result().n_tokens != static_cast<size_t>(run_.n)) throw Failure("a sequence ended too early");
  }

  int32_t n_vocab_;
  SequencesRun run_;
  std::optional<kedge::Engine> engine_;
  std::vector<kedge::Session> sessions_;
};

}  // namespace

SequencesReport run_sequences(const kedge::Model& model, const SessionFlags& session, const BenchPlan& plan,
                              const std::vector<int>& sequences) {
  const InterruptGuard guard;
  SequencesReport report{.info = model.info(), .runs = {}};
  for (const int wanted : plan.threads) {
    const int threads = wanted > 0 ? wanted : kedge::default_threads();
    for (const int n : sequences) {
      report.runs.push_back(SequencesBench(model, session, plan, threads, n).measure(plan.repetitions));
    }
  }
  return report;
}

}  // namespace kedge::tools
