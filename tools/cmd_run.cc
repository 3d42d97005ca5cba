// kedge run: one prompt, continued.
#include <cstdio>
#include <optional>

#include "tools/adapter_flags.h"
#include "tools/constraint_flags.h"
#include "tools/interrupt.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/progress.h"
#include "tools/reasoning.h"
#include "tools/run_beams.h"
#include "tools/speculation_flags.h"

namespace kedge::tools {

namespace {

struct RunFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  AdapterFlags adapters;
  SamplerFlags sampler;
  ConstraintFlags constraint;
  SpeculationFlags speculation;
  BeamFlags beam;
  ReasoningBudget reasoning;
  std::string prompt;
  std::string file;
  int n = -1;
  int logprobs = -1;
  TextFlags text;
  bool ignore_eos = false;
  bool json = false;
  bool echo = false;
  bool stats = false;
};

void print_result(const RunFlags& flags, const kedge::Model& model, const kedge::Session& session,
                  const kedge::Generation& g) {
  const kedge_generation_result& r = g.result();
  const double prefill_tps = r.prefill_ms > 0 ? static_cast<double>(r.n_prompt) * 1000 / r.prefill_ms : 0;
  // The first token comes from the prompt's logits; the others each took one step.
  const double steps = static_cast<double>(r.n_tokens) - 1;
  const double decode_tps = r.decode_ms > 0 && steps > 0 ? steps * 1000 / r.decode_ms : 0;
  if (flags.json) {
    Json out = {{"model", flags.model.path()},
                {"text", std::string(g.text())},
                {"tokens", std::vector<int32_t>(g.tokens().begin(), g.tokens().end())},
                {"finish_reason", finish_name(g.finish_reason())},
                {"n_prompt", r.n_prompt},
                {"n_generated", r.n_tokens},
                {"prefill_ms", r.prefill_ms},
                {"decode_ms", r.decode_ms},
                {"prefill_tps", prefill_tps},
                {"decode_tps", decode_tps},
                {"kv_bytes", session.info().kv_bytes},
                {"seed", flags.sampler.seed()},
                {"settings", Json::parse(g.settings())}};
    if (flags.constraint.given()) out["unfinished"] = g.unfinished();
    if (!g.kv().empty()) out["kv"] = Json::parse(g.kv());
    if (flags.adapters.given()) out["adapters"] = flags.adapters.json();
    if (!g.speculation().empty()) out["speculation"] = Json::parse(g.speculation());
    if (flags.logprobs >= 0) out["logprobs"] = logprobs_json(model, g);
    print_json(out);
    return;
  }
  print("\n");
  if (g.finish_reason() == KEDGE_FINISH_CONTEXT_FULL) {
    std::fprintf(stderr, "kedge: stopped: the context of %d tokens is full (--ctx sets its size)\n",
                 session.info().n_ctx);
  }
  std::fflush(stdout);
  const std::string memory = memory_line(g.kv());
  if (!memory.empty()) std::fprintf(stderr, "%s\n", memory.c_str());
  const std::string seed = flags.sampler.seed_line();
  if (!seed.empty()) std::fprintf(stderr, "%s\n", seed.c_str());
  if (flags.stats) {
    std::fprintf(stderr,
                 "%zu prompt tokens in %.0f ms (%.1f tokens/s), %zu generated in %.0f ms (%.1f tokens/s), "
                 "end: %s, %d threads, KV %s\n",
                 r.n_prompt, r.prefill_ms, prefill_tps, r.n_tokens, r.decode_ms, decode_tps,
                 finish_name(g.finish_reason()), session.info().n_threads,
                 human_bytes(static_cast<double>(session.info().kv_bytes)).c_str());
    const std::string guesses = speculation_line(g.speculation());
    if (!guesses.empty()) std::fprintf(stderr, "%s\n", guesses.c_str());
  }
}

void check_beam_flags(const RunFlags& flags) {
  std::string drawn = flags.sampler.first_given();
  if (flags.speculation.given()) drawn = "--speculate";
  if (!drawn.empty()) throw Failure(drawn + " is about drawing tokens: --beams searches and draws none", kExitUsage);
}

// What the answer has to obey, and how long the model may think before it.
std::string constraint_of(const RunFlags& flags, const kedge::Model& model, std::span<const int32_t> prompt) {
  if (!flags.reasoning.given()) return flags.constraint.json();
  const Json marks = reasoning_marks(model);
  if (marks.is_null() && !flags.reasoning.on_command_line()) return flags.constraint.json();  // of other models
  if (marks.is_null()) throw Failure("--reasoning-budget: between which marks this model thinks is not known");
  Json constraint = flags.constraint.given() ? flags.constraint.options() : Json::object();
  constraint["reasoning"] = flags.reasoning.of(marks, reasoning_is_open(model, prompt, marks));
  return request_text(constraint);
}

void run(RunFlags& flags, const std::string& prompt) {
  if (flags.beam.wanted()) check_beam_flags(flags);
  const kedge::Model model = flags.model.open();
  const auto ids = flags.text.tokenize(model, prompt);
  if (ids.empty()) throw Failure("the prompt is empty");
  const std::string constraint = constraint_of(flags, model, ids);
  kedge::SessionOptions session_options = flags.session.options();
  auto draft = flags.speculation.draft(session_options);
  session_options.kv = flags.kv.json();
  session_options.adapters = flags.adapters.open(model);
  if (flags.beam.wanted()) {
    run_beams({flags.beam, flags.session, session_options, flags.n, constraint, flags.json}, model, ids);
    return;
  }
  const auto prompt_tokens = static_cast<int64_t>(ids.size());
  auto session = open_session(model, session_options, flags.n < 0 ? 0 : prompt_tokens + flags.n);
  const InterruptGuard guard(session);

  Progress progress("reading the prompt");
  kedge::GenerateOptions options;
  flags.sampler.apply(options);
  options.constraint = constraint;
  options.speculation = flags.speculation.json();
  if (draft) options.draft = &*draft;
  options.max_tokens = flags.n;
  options.logprobs = flags.logprobs;
  options.ignore_eos = flags.ignore_eos;
  options.on_prefill = [&](size_t done, size_t total) {
    progress.update(done, total);
    if (done == total) progress.finish();
    return true;
  };
  if (!flags.json) {
    if (flags.echo) print(prompt);
    options.on_text = stream_text;
  }
  const auto generation = need(session.generate(ids, options));
  progress.finish();
  print_result(flags, model, session, generation);
  check_output();
  if (generation.finish_reason() == KEDGE_FINISH_CANCELLED) throw interrupted();
  if (generation.unfinished()) throw Failure(kUnfinished);
}

}  // namespace

void add_run(CLI::App& app) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* c = app.add_subcommand("run", "Continue a text");
  flags->model.add_to(c);
  auto* prompt = c->add_option("-p,--prompt", flags->prompt, "The text to continue");
  c->add_option("-f,--file", flags->file, "Read the text from a file ('-': standard input, also the default)")
      ->excludes(prompt);
  c->add_option("-n,--max-tokens", flags->n,
                "Tokens to generate at most; -1: until the model stops or the context is full")
      ->check(in_range(-1, 1 << 30))
      ->capture_default_str();
  flags->session.add_to(c);
  flags->kv.add_to(c);
  flags->adapters.add_to(c);
  flags->sampler.add_to(c);
  flags->constraint.add_to(c);
  flags->reasoning.add_to(c);
  flags->speculation.add_to(c);
  auto* beams = flags->beam.add_to(c);
  c->add_option("--logprobs", flags->logprobs,
                "With --json: log-probabilities of the chosen and the N likeliest tokens")
      ->check(in_range(0, 100))
      ->excludes(beams);
  flags->text.add_to(c);
  c->add_flag("--ignore-eos", flags->ignore_eos, "Go on when the model would stop")->excludes(beams);
  c->add_flag("--echo", flags->echo, "Print the prompt before its continuation")->excludes(beams);
  c->add_flag("--stats", flags->stats, "Print times and sizes afterwards, to standard error")->excludes(beams);
  c->add_flag("--json", flags->json, "Print one JSON object when done instead of the text as it comes");
  c->footer(
      "Which model for this machine: kedge list --catalogue\n"
      "Examples:\n"
      "  kedge run -p 'The capital of France is' -n 20 --temp 0\n"
      "  kedge run -m model.gguf -f story.txt -n 200 --seed 7\n"
      "  kedge run -m sage -p 'Water boils' -n 8 --json\n"
      "  kedge run -p 'The sky is' -n 12 --beams 4 --n-best 2\n"
      "  kedge run -p 'A person: ' --json-schema '{\"type\": \"array\", \"items\": {\"type\": \"integer\"}, "
      "\"maxItems\": 3}'\n"
      "  kedge run -p 'Is water wet? ' --choice yes,no");
  c->callback([flags, prompt] {
    const bool given = prompt->count() > 0;
    run(*flags, given ? flags->prompt : read_text(flags->file.empty() ? "-" : flags->file));
  });
}

}  // namespace kedge::tools
