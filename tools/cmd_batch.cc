// kedge batch: many prompts, several at once; answers in the order of the prompts, and a run that was stopped goes on.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "kernels/base/sha256.h"
#include "tools/batch_file.h"
#include "tools/batch_run.h"
#include "tools/interrupt.h"

namespace kedge::tools {

namespace {

struct BatchFlags {
  BatchPlan plan;
  std::string in = "-";
  std::string out = "-";
  bool restart = false;
  bool stats = false;
};

std::string digest(std::string_view text) {
  base::Sha256 sum;
  sum.bytes(text);
  return sum.hex();
}

// Everything that an answer depends on; neither threads, memory nor how many rows are answered at once are among it.
Json setup_of(const BatchFlags& flags, const kedge::Model& model, std::string_view input) {
  const BatchPlan& p = flags.plan;
  kedge::GenerateOptions options;
  p.sampler.apply(options);
  Json settings = Json::object();
  for (const auto& [name, value] : options.settings) settings[name] = value;
  const bool drawn = !p.sampler.seed_line().empty();
  Json setup = {{"input", digest(input)},
                {"model", std::filesystem::path(p.model.path()).filename().string()},
                {"weight_bytes", model.info().weight_bytes},
                {"ctx", p.session.ctx},
                {"kv_type", p.session.kv_type},
                {"numerics", p.session.numerics},
                {"kv", p.kv.options()},
                {"max_tokens", p.max_tokens},
                {"settings", settings},
                {"stop", p.sampler.stop},
                {"ignore_eos", p.ignore_eos},
                {"no_bos", p.text.no_bos},
                {"special", p.text.special},
                {"exact_bytes", p.text.exact_bytes},
                {"seed", drawn ? Json() : Json(options.seed)},
                {"drawn_seed", options.seed}};
  if (!options.samplers.empty()) setup["samplers"] = options.samplers;
  return setup;
}

void print_summary(const BatchFile& file, const BatchFigures& f) {
  const double seconds = std::max(1e-9, f.seconds);
  std::fprintf(stderr,
               "%zu rows answered, %zu of them now: %zu prompt tokens, %zu generated, in %.1f s (%.1f generated/s)\n",
               file.n_done() - file.n_failed(), f.rows, f.prompt_tokens, f.tokens, f.seconds,
               static_cast<double>(f.tokens) / seconds);
}

void batch(BatchFlags& flags) {
  const std::string input = read_text(flags.in);
  const std::string name = flags.in == "-" ? "standard input" : flags.in;
  const std::vector<BatchRow> rows = read_batch_rows(input, name);
  const kedge::Model model = flags.plan.model.open();
  BatchFile file(flags.out, setup_of(flags, model, input), rows, flags.restart);
  flags.plan.seed = file.setup().at("drawn_seed");
  const size_t before = file.n_done();
  const BatchFigures figures = run_batch(model, flags.plan, rows, file);
  if (figures.stopped) {
    if (flags.out != "-") {
      std::fprintf(stderr, "kedge: stopped; %s has %zu of %zu answers, the same command goes on\n", flags.out.c_str(),
                   file.n_done(), rows.size());
    }
    throw interrupted();
  }
  if (before == rows.size()) std::fprintf(stderr, "kedge: %s has all answers already\n", flags.out.c_str());
  if (flags.stats) print_summary(file, figures);
  if (file.n_failed() > 0) {
    constexpr int kSomeFailed = 3;
    throw Failure(format("%zu of %zu rows have no answer but an error", file.n_failed(), rows.size()), kSomeFailed);
  }
}

}  // namespace

void add_batch(CLI::App& app) {
  auto flags = std::make_shared<BatchFlags>();
  BatchPlan& plan = flags->plan;
  CLI::App* c = app.add_subcommand("batch", "Answer many prompts, several at once");
  plan.model.add_to(c);
  c->add_option("-i,--in", flags->in, "The rows, a JSON object a line ('-': standard input)")
      ->type_name("FILE.jsonl")
      ->capture_default_str();
  c->add_option("-o,--out", flags->out, "The answers, in the order of the rows ('-': standard output)")
      ->type_name("FILE.jsonl")
      ->capture_default_str();
  c->add_option("--parallel", plan.parallel, "Rows answered at once; changes speed and memory, never an answer")
      ->check(in_range(1, 4096))
      ->capture_default_str();
  add_memory(c, plan.memory);
  c->add_flag("--restart", flags->restart, "Throw away the answers that --out has and begin anew");
  c->add_option(
       "-n,--max-tokens", plan.max_tokens,
       "Tokens to generate at most, for rows that do not say; -1: until the model stops or the context is full")
      ->check(in_range(-1, 1 << 30))
      ->capture_default_str();
  plan.session.add_to(c);
  plan.kv.add_to(c);
  plan.sampler.add_to(c);
  plan.text.add_to(c);
  c->add_flag("--ignore-eos", plan.ignore_eos, "Go on when the model would stop, for rows that do not say");
  c->add_flag("--stats", flags->stats, "Print times and sizes afterwards, to standard error");
  c->footer(
      "A row is {\"id\", \"prompt\" or \"messages\", \"max_tokens\", \"seed\", \"stop\", \"ignore_eos\", \"logprobs\", "
      "settings of the\n"
      "sampler by name (\"temperature\", \"top_p\", ...)}; with messages also \"tools\", \"enable_thinking\". Only "
      "the\n"
      "prompt or the messages are needed: the flags decide the rest, the id is the line's number and the seed\n"
      "--seed plus the row's index. An answer is {\"id\", \"text\", \"finish_reason\", \"prompt_tokens\",\n"
      "\"completion_tokens\", \"seed\"}, or {\"id\", \"error\": {\"code\", \"message\"}}; then the exit code is 3.\n"
      "Ctrl-C stops; the same command goes on behind the last answer (FILE.jsonl.state says what they were made\n"
      "with).\n"
      "Examples:\n"
      "  kedge batch -m model.gguf --in prompts.jsonl --out answers.jsonl --parallel 8\n"
      "  printf '{\"prompt\": \"Once\"}\\n{\"prompt\": \"Twice\"}\\n' | kedge batch -n 20 --temp 0");
  c->callback([flags] { batch(*flags); });
}

}  // namespace kedge::tools
