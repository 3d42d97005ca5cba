// kedge bench: tokens per second of reading a prompt (pp) and of generating (tg), measured as llama-bench does: random
// tokens, one warm-up of each, then r repetitions from the same depth.
#include <cstdio>
#include <random>

#include "tools/interrupt.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct BenchFlags {
  ModelFlags model;
  SessionFlags session;
  int n_prompt = 512;
  int n_generate = 128;
  int repetitions = 5;
  int depth = 0;
  bool json = false;
};

class Bench {
 public:
  Bench(api::Session& session, int32_t n_vocab, int depth) : session_(session), n_vocab_(n_vocab), depth_(depth) {}

  // Fills the cache up to the depth; measurements start from there.
  void prepare() {
    if (depth_ > 0) need(session_.eval(random_tokens(depth_)));
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

  api::Session& session_;
  int32_t n_vocab_;
  int depth_;
  std::mt19937 random_{42};
};

std::vector<double> rates(int n, int repetitions, Progress& progress, const std::function<double()>& measure) {
  std::vector<double> tps;
  for (int i = 0; i < repetitions; ++i) {
    tps.push_back(n / measure());
    progress.update(static_cast<size_t>(i) + 1, static_cast<size_t>(repetitions));
  }
  return tps;
}

std::string active_isa() { return Json::parse(need(api::system_info())).at("isa").at("active").get<std::string>(); }

std::string row(const char* name, const std::vector<double>& tps) {
  const auto [low, high] = std::minmax_element(tps.begin(), tps.end());
  return format("%-8s %10.2f %10.2f %10.2f\n", name, median(tps), *low, *high);
}

void bench(const BenchFlags& flags) {
  if (flags.n_prompt == 0 && flags.n_generate == 0) throw Failure("-p 0 and -n 0: nothing to measure", kExitUsage);
  const api::Model model = flags.model.open();
  api::SessionOptions options = flags.session.options();
  options.n_ctx = flags.depth + std::max(flags.n_prompt, flags.n_generate);
  auto session = need(api::Session::create(model, options));
  const InterruptGuard guard(session);
  const kedge_model_info info = model.info();

  Bench b(session, info.n_vocab, flags.depth);
  b.prepare();
  std::vector<double> pp;
  std::vector<double> tg;
  if (flags.n_prompt > 0) {
    Progress progress("prompt");
    b.seconds_of_prompt(flags.n_prompt);
    pp = rates(flags.n_prompt, flags.repetitions, progress, [&] { return b.seconds_of_prompt(flags.n_prompt); });
  }
  if (flags.n_generate > 0) {
    Progress progress("generation");
    b.seconds_of_generation(1);
    tg =
        rates(flags.n_generate, flags.repetitions, progress, [&] { return b.seconds_of_generation(flags.n_generate); });
  }
  const double read_gbps = static_cast<double>(info.bytes_per_token) * median(tg) / 1e9;
  const int threads = session.info().n_threads;
  const std::string isa = active_isa();
  if (flags.json) {
    print_json({{"model", flags.model.path()},
                {"n_prompt", flags.n_prompt},
                {"n_gen", flags.n_generate},
                {"depth", flags.depth},
                {"n_threads", threads},
                {"isa", isa},
                {"kv_type", flags.session.kv_type},
                {"pp_tps", pp},
                {"tg_tps", tg},
                {"pp_tps_median", median(pp)},
                {"tg_tps_median", median(tg)},
                {"bytes_per_token", info.bytes_per_token},
                {"read_gbps", read_gbps},
                {"n_parameters", info.n_parameters},
                {"weight_bytes", info.weight_bytes},
                {"kv_bytes", session.info().kv_bytes},
                {"scratch_bytes", session.info().scratch_bytes}});
    return;
  }
  print(format("%s, %d threads, %s, cache %s, depth %d\n", flags.model.path().c_str(), threads, isa.c_str(),
               flags.session.kv_type.c_str(), flags.depth));
  print(format("%-8s %10s %10s %10s  tokens/s\n", "test", "median", "lowest", "highest"));
  if (!pp.empty()) print(row(format("pp%d", flags.n_prompt).c_str(), pp));
  if (!tg.empty()) {
    print(row(format("tg%d", flags.n_generate).c_str(), tg));
    print(format("%s of weights a token, read at %.2f GB/s\n",
                 human_bytes(static_cast<double>(info.bytes_per_token)).c_str(), read_gbps));
  }
}

}  // namespace

void add_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* c = app.add_subcommand("bench", "Measure the speed of a model");
  flags->model.add_to(c);
  c->add_option("-p,--n-prompt", flags->n_prompt, "Prompt tokens; 0: do not measure")
      ->check(in_range(0, 1 << 30))
      ->capture_default_str();
  c->add_option("-n,--n-gen", flags->n_generate, "Tokens to generate; 0: do not measure")
      ->check(in_range(0, 1 << 30))
      ->capture_default_str();
  c->add_option("-r,--repetitions", flags->repetitions, "Measurements of each, after a warm-up")
      ->check(in_range(1, 1 << 30))
      ->capture_default_str();
  c->add_option("-d,--depth", flags->depth, "Tokens already in the context")
      ->check(in_range(0, 1 << 30))
      ->capture_default_str();
  flags->session.add_to(c, false);
  c->add_flag("--json", flags->json, "Print every sample as JSON");
  c->footer("Example:\n  kedge bench -m model.gguf -p 512 -n 128 -t 2 -r 3");
  c->callback([flags] { bench(*flags); });
}

}  // namespace kedge::tools
