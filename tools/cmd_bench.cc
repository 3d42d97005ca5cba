// kedge bench: tokens per second of reading a prompt (pp) and of generating (tg).
#include <algorithm>
#include <filesystem>

#include "tools/adapter_flags.h"
#include "tools/bench_measure.h"
#include "tools/bench_sequences.h"
#include "tools/kv_flags.h"
#include "tools/weights_cache.h"

namespace kedge::tools {

namespace {

struct BenchFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  AdapterFlags adapters;
  BenchPlan plan;
  std::vector<int> sequences;  // empty: one alone
  std::string plot;
  bool bandwidth = false;
  bool json = false;
};

std::string active_isa() { return Json::parse(need(kedge::system_info())).at("isa").at("active").get<std::string>(); }

Json run_json(const BenchReport& report, const BenchRun& run) {
  Json json = {{"test", run.name()}, {"prompt", run.prompt}, {"n", run.n},     {"n_threads", run.threads},
               {"depth", run.depth}, {"chunk", run.chunk},   {"tps", run.tps}, {"tps_median", median(run.tps)}};
  if (!run.prompt) {
    json["bytes_per_token"] = run.bytes_per_token;
    json["read_gbps"] = run.read_bytes_per_second / 1e9;
    if (!report.bandwidth.empty()) json["read_percent"] = report.percent(run);
  }
  return json;
}

// The first prompt and the first generation stand at the top level too, as they do when nothing else was asked for.
void print_report_json(const BenchFlags& flags, const BenchReport& report) {
  BenchRun pp;
  BenchRun tg;
  for (auto run = report.runs.rbegin(); run != report.runs.rend(); ++run) (run->prompt ? pp : tg) = *run;
  const BenchRun& first = report.runs.front();
  const double tg_median = median(tg.tps);
  Json json = {{"model", flags.model.path()},
               {"n_prompt", pp.n},
               {"n_gen", tg.n},
               {"depth", first.depth},
               {"n_threads", first.threads},
               {"isa", active_isa()},
               {"kv_type", flags.session.kv_type},
               {"numerics", flags.session.numerics},
               {"pp_tps", pp.tps},
               {"tg_tps", tg.tps},
               {"pp_tps_median", median(pp.tps)},
               {"tg_tps_median", tg_median},
               {"bytes_per_token", report.info.bytes_per_token},
               {"read_gbps", static_cast<double>(report.info.bytes_per_token) * tg_median / 1e9},
               {"kv_bytes_per_token", report.kv_bytes_per_token},
               {"n_parameters", report.info.n_parameters},
               {"weight_bytes", report.info.weight_bytes},
               {"kv_bytes", report.kv_bytes},
               {"scratch_bytes", report.scratch_bytes}};
  if (!report.bandwidth.empty()) {
    Json bandwidth = Json::array();
    for (const auto& [threads, rate] : report.bandwidth)
      bandwidth.push_back({{"n_threads", threads}, {"gbps", rate / 1e9}});
    json["read_bandwidth"] = std::move(bandwidth);
    json["read_percent"] = tg.n > 0 ? Json(report.percent(tg)) : Json();
  }
  if (flags.kv.given()) json["kv"] = flags.kv.options();
  if (flags.adapters.given()) json["adapters"] = flags.adapters.json();
  Json runs = Json::array();
  for (const BenchRun& run : report.runs) runs.push_back(run_json(report, run));
  json["runs"] = std::move(runs);
  print_json(json);
}

// "fast" with what it is here.
std::string numerics_name(const std::string& numerics) {
  if (numerics != "fast") return numerics;
  const Json products = Json::parse(need(kedge::system_info())).at("isa").at("fast");
  return products.is_string() ? numerics + " (" + products.get<std::string>() + ")" : numerics;
}

std::string heading(const BenchFlags& flags) {
  return format("%s, %s, %s numerics, cache %s", flags.model.path().c_str(), active_isa().c_str(),
                numerics_name(flags.session.numerics).c_str(), flags.session.kv_type.c_str()) +
         (flags.kv.given() ? ", memory " + flags.kv.json() : "");
}

void print_report(const BenchFlags& flags, const BenchReport& report) {
  print(heading(flags) + format("; a token reads %s of weights and %s of cache per token before it\n",
                                human_bytes(static_cast<double>(report.info.bytes_per_token)).c_str(),
                                human_bytes(report.kv_bytes_per_token).c_str()));
  for (const auto& [threads, rate] : report.bandwidth) {
    print(format("read bandwidth with %d thread%s: %.1f GB/s\n", threads, threads == 1 ? "" : "s", rate / 1e9));
  }
  print(format("%-8s %7s %7s %6s %10s %10s %10s %8s%s\n", "test", "threads", "depth", "chunk", "tokens/s", "lowest",
               "highest", "GB/s", report.bandwidth.empty() ? "" : "  % of bandwidth"));
  for (const BenchRun& run : report.runs) {
    const auto [low, high] = std::minmax_element(run.tps.begin(), run.tps.end());
    std::string row = format("%-8s %7d %7d %6s %10.2f %10.2f %10.2f", run.name().c_str(), run.threads, run.depth,
                             run.prompt ? std::to_string(run.chunk).c_str() : "", median(run.tps), *low, *high);
    if (!run.prompt) row += format(" %8.2f", run.read_bytes_per_second / 1e9);
    if (!run.prompt && !report.bandwidth.empty()) row += format(" %10.1f", report.percent(run));
    print(row + "\n");
  }
}

void write_plot(const BenchFlags& flags, const BenchReport& report) {
  const std::string model = std::filesystem::path(flags.model.path()).filename().string();
  const std::string cpu = Json::parse(need(kedge::system_info())).at("cpu").at("model").get<std::string>();
  const std::string title = "kedge bench: " + model + ", " + active_isa() + ", " + flags.session.numerics +
                            " numerics, cache " + flags.session.kv_type + (cpu.empty() ? "" : ", " + cpu);
  write_text(flags.plot, bench_plot(title, report));
}

Json sequences_json(const BenchFlags& flags, const SequencesReport& report) {
  Json runs = Json::array();
  for (const SequencesRun& run : report.runs) {
    const double tg = median(run.tg_tps);
    runs.push_back({{"sequences", run.sequences},
                    {"n_threads", run.threads},
                    {"n_prompt", run.prompt},
                    {"n_gen", run.n},
                    {"pp_tps", run.pp_tps},
                    {"pp_tps_median", median(run.pp_tps)},
                    {"tg_tps", run.tg_tps},
                    {"tg_tps_median", tg},
                    {"tg_tps_each", tg / run.sequences},
                    {"kv_bytes", run.kv_bytes}});
  }
  Json json = {{"model", flags.model.path()},
               {"isa", active_isa()},
               {"kv_type", flags.session.kv_type},
               {"numerics", flags.session.numerics},
               {"n_parameters", report.info.n_parameters},
               {"weight_bytes", report.info.weight_bytes},
               {"runs", runs}};
  if (flags.kv.given()) json["kv"] = flags.kv.options();
  if (flags.adapters.given()) json["adapters"] = flags.adapters.json();
  return json;
}

void print_sequences(const BenchFlags& flags, const SequencesReport& report) {
  print(heading(flags) + "; tokens per second of all sequences together\n");
  print(format("%-9s %7s %7s %6s %11s %11s %8s %8s %8s\n", "sequences", "threads", "prompt", "tokens", "prompt t/s",
               "tokens/s", "lowest", "highest", "each"));
  for (const SequencesRun& run : report.runs) {
    const double tg = median(run.tg_tps);
    const auto [low, high] = std::minmax_element(run.tg_tps.begin(), run.tg_tps.end());
    print(format("%-9d %7d %7d %6d %11.2f %11.2f %8.2f %8.2f %8.2f\n", run.sequences, run.threads, run.prompt, run.n,
                 median(run.pp_tps), tg, run.tg_tps.empty() ? 0 : *low, run.tg_tps.empty() ? 0 : *high,
                 tg / run.sequences));
  }
}

void bench_sequences(BenchFlags& flags) {
  BenchPlan& plan = flags.plan;
  const auto one = [](const std::vector<int>& values) { return values.size() == 1; };
  if (!one(plan.prompts) || plan.depths != std::vector<int>{0} || !one(plan.chunks)) {
    throw Failure("--sequences has one prompt, which is the depth too: no lists of -p and --chunk, no --depth",
                  kExitUsage);
  }
  if (flags.bandwidth || !flags.plot.empty()) {
    throw Failure("--sequences has neither --bandwidth nor --plot", kExitUsage);
  }
  const kedge::Model model = flags.model.open();
  finish_keeping_weights();
  plan.adapters = flags.adapters.open(model);
  const SequencesReport report = run_sequences(model, flags.session, plan, flags.sequences);
  flags.json ? print_json(sequences_json(flags, report)) : print_sequences(flags, report);
}

void bench(BenchFlags& flags) {
  need_outputs({flags.plot});
  BenchPlan& plan = flags.plan;
  plan.bandwidth = flags.bandwidth || !flags.plot.empty();
  if (plan.n_generate == 0 && *std::max_element(plan.prompts.begin(), plan.prompts.end()) == 0) {
    throw Failure("-p 0 and -n 0: nothing to measure", kExitUsage);
  }
  plan.kv = flags.kv.json();
  if (!flags.sequences.empty()) return bench_sequences(flags);
  const kedge::Model model = flags.model.open();
  finish_keeping_weights();
  plan.adapters = flags.adapters.open(model);
  const BenchReport report = run_bench(model, flags.session, plan);
  flags.json ? print_report_json(flags, report) : print_report(flags, report);
  if (!flags.plot.empty()) write_plot(flags, report);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  BenchPlan& plan = flags->plan;
  CLI::App* c = app.add_subcommand("bench", "Measure the speed of a model");
  const auto list = [c](const char* name, std::vector<int>& values, const char* help, double low, double high) {
    c->add_option(name, values, help)
        ->delimiter(',')
        ->type_name("INT,...")
        ->check(in_range(low, high))
        ->capture_default_str();
  };
  flags->model.add_to(c);
  list("-p,--n-prompt", plan.prompts, "Prompt tokens; 0: do not measure", 0, 1 << 23);
  c->add_option("-n,--n-gen", plan.n_generate, "Tokens to generate; 0: do not measure")
      ->check(in_range(0, 1 << 23))
      ->capture_default_str();
  c->add_option("-r,--repetitions", plan.repetitions, "Measurements of each, after a warm-up")
      ->check(in_range(1, 1 << 30))
      ->capture_default_str();
  list("-d,--depth", plan.depths, "Tokens already in the context", 0, 1 << 23);
  list("-t,--threads", plan.threads, "Threads; 0: the cores this process may use, cgroup quota included", 0, 1024);
  list("--chunk", plan.chunks, "Prompt tokens computed at once; others than the largest at the smallest depth only", 1,
       1 << 16);
  c->add_option("--sequences", flags->sequences,
                "Sequences of one engine at once, each with a prompt of -p tokens: tokens per second of all together")
      ->delimiter(',')
      ->type_name("INT,...")
      ->check(in_range(1, 4096));
  flags->session.add_to(c, SessionFlags::kOnlyTypes);
  flags->kv.add_to(c);
  flags->adapters.add_to(c);
  c->add_flag("--bandwidth", flags->bandwidth, "Measure the read bandwidth too, and what part of it generating uses");
  c->add_option("--plot", flags->plot,
                "Write charts: time per token against depth, prompt speed against tokens per step")
      ->type_name("FILE.svg");
  c->add_flag("--json", flags->json, "Print every sample as JSON");
  c->footer(
      "Lists are separated by commas; every combination is measured.\n"
      "Examples:\n  kedge bench -m model.gguf -p 512 -n 128 -t 2 -r 3\n"
      "  kedge bench -m model.gguf -t 1,2 --depth 0,4096,16384 --chunk 1,4,16,64,512 --plot speed.svg\n"
      "  kedge bench -m model.gguf -p 128 -n 64 --sequences 1,2,4,8,16");
  c->callback([flags] { bench(*flags); });
}

}  // namespace kedge::tools
