// kedge session: a session that outlives the program.
#include <cstdio>

#include "tools/adapter_flags.h"
#include "tools/interrupt.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct SaveFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  AdapterFlags adapters;
  std::string prompt;
  std::string file;
  std::string out;
  TextFlags text;
  bool json = false;
};

struct LoadFlags {
  bool ignore_eos = false;
  ModelFlags model;
  AdapterFlags adapters;
  SamplerFlags sampler;
  std::string from;
  std::string prompt;
  std::string file;
  std::string out;
  int threads = 0;
  int chunk = 512;
  int n = -1;
  TextFlags text;
  bool json = false;
};

std::string size_text(const kedge::Session& session, const std::string& path) {
  return format("%s: %d tokens of %d, KV %s\n", path.c_str(), session.info().n_past, session.info().n_ctx,
                human_bytes(static_cast<double>(session.info().kv_bytes)).c_str());
}

void save(SaveFlags& flags, const std::string& prompt) {
  need_outputs({flags.out});
  const kedge::Model model = flags.model.open();
  const auto ids = flags.text.tokenize(model, prompt);
  if (ids.empty()) throw Failure("the prompt is empty");
  kedge::SessionOptions options = flags.session.options();
  options.kv = flags.kv.json();
  options.adapters = flags.adapters.open(model);
  auto session = need(kedge::Session::create(model, options));
  const InterruptGuard guard(session);
  Progress progress("reading the prompt");
  const auto status = session.eval(ids, [&](size_t done, size_t total) {
    progress.update(done, total);
    return true;
  });
  progress.finish();
  need(status);
  need(session.save(flags.out));
  if (!flags.json) return print(size_text(session, flags.out));
  print_json({{"file", flags.out}, {"n_past", session.info().n_past}, {"kv", Json::parse(need(session.kv()))}});
}

kedge::Session load_session(LoadFlags& flags, const kedge::Model& model) {
  kedge::SessionOptions options;
  options.n_threads = flags.threads;
  options.chunk = flags.chunk;
  options.adapters = flags.adapters.open(model);
  return need(kedge::Session::load(model, flags.from, options));
}

// A generation leaves its last token to be evaluated by whoever goes on, which here is another program: without it the
// next part would choose that token again. A token that ended the answer stays out, as it is no text to go on from.
void complete(kedge::Session& session, const kedge::Generation& generation) {
  const auto tokens = generation.tokens();
  const bool ended = generation.finish_reason() == KEDGE_FINISH_STOP_TOKEN;
  if (tokens.empty() || ended || session.info().n_past == session.info().n_ctx) return;
  need(session.eval(tokens.last(1)));
}

void load(LoadFlags& flags, const std::string& prompt) {
  need_outputs({flags.out});
  const kedge::Model model = flags.model.open();
  auto session = load_session(flags, model);
  const InterruptGuard guard(session);
  // The text goes on: no beginning-of-text token.
  std::vector<int32_t> ids;
  TextFlags reading = flags.text;
  reading.no_bos = true;
  if (!prompt.empty()) ids = reading.tokenize(model, prompt);
  if (ids.empty() && flags.n != 0 && session.info().n_past == session.info().n_ctx) {
    throw Failure(format("%s: the context of %d tokens is full", flags.from.c_str(), session.info().n_ctx));
  }
  Progress progress("reading the prompt");
  kedge::GenerateOptions options;
  flags.sampler.apply(options);
  options.max_tokens = flags.n;
  options.ignore_eos = flags.ignore_eos;
  options.on_prefill = [&](size_t done, size_t total) {
    progress.update(done, total);
    if (done == total) progress.finish();
    return true;
  };
  if (!flags.json) options.on_text = stream_text;
  const auto generation = need(session.generate(ids, options));
  progress.finish();
  if (flags.json) {
    print_json({{"text", std::string(generation.text())},
                {"tokens", std::vector<int32_t>(generation.tokens().begin(), generation.tokens().end())},
                {"finish_reason", finish_name(generation.finish_reason())},
                {"n_prompt", generation.result().n_prompt},
                {"n_past", session.info().n_past},
                {"seed", flags.sampler.seed()},
                {"kv", Json::parse(generation.kv())}});
  } else {
    print("\n");
    check_output();
    const std::string line = memory_line(generation.kv());
    if (!line.empty()) std::fprintf(stderr, "%s\n", line.c_str());
    const std::string seed = flags.sampler.seed_line();
    if (!seed.empty()) std::fprintf(stderr, "%s\n", seed.c_str());
  }
  if (generation.finish_reason() == KEDGE_FINISH_CANCELLED) throw interrupted();
  if (flags.out.empty()) return;
  complete(session, generation);
  need(session.save(flags.out));
}

void info(LoadFlags& flags) {
  const kedge::Model model = flags.model.open();
  const auto session = load_session(flags, model);
  const std::string kv = need(session.kv());
  flags.json ? print_json(Json::parse(kv)) : print(size_text(session, flags.from) + memory_report(kv) + "\n");
}

void add_save(CLI::App* parent) {
  auto flags = std::make_shared<SaveFlags>();
  CLI::App* c = parent->add_subcommand("save", "Read a text and save the session");
  flags->model.add_to(c);
  auto* prompt = c->add_option("-p,--prompt", flags->prompt, "The text to read");
  c->add_option("-f,--file", flags->file, "Read the text from a file ('-': standard input, also the default)")
      ->excludes(prompt);
  c->add_option("-o,--out", flags->out, "File to write: complete or not at all")->required();
  flags->session.add_to(c);
  flags->kv.add_to(c);
  flags->adapters.add_to(c);
  flags->text.add_to(c);
  c->add_flag("--json", flags->json, "Describe the session as JSON");
  c->footer("Example:\n  kedge session save -m model.gguf -f book.txt -o book.session");
  c->callback([flags, prompt] {
    save(*flags, prompt->count() > 0 ? flags->prompt : read_text(flags->file.empty() ? "-" : flags->file));
  });
}

void add_load_flags(CLI::App* c, LoadFlags& flags) {
  c->add_option("session", flags.from, "The saved session")->required()->type_name("FILE");
  flags.model.add_to(c);
  flags.adapters.add_to(c);
  c->add_option("-t,--threads", flags.threads, "Threads; 0: the cores this process may use, cgroup quota included")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  c->add_flag("--json", flags.json, "Print one JSON object");
}

void add_load(CLI::App* parent) {
  auto flags = std::make_shared<LoadFlags>();
  CLI::App* c = parent->add_subcommand("load", "Go on from a saved session");
  add_load_flags(c, *flags);
  auto* prompt = c->add_option("-p,--prompt", flags->prompt, "Text to add first [none]");
  c->add_option("-f,--file", flags->file, "Add the text of a file ('-': standard input)")->excludes(prompt);
  c->add_option("-n,--max-tokens", flags->n,
                "Tokens to generate at most; -1: until the model stops or the context is full")
      ->check(in_range(-1, 1 << 30))
      ->capture_default_str();
  c->add_option("--chunk", flags->chunk, "Prompt tokens computed at once; changes speed and memory, never a result")
      ->check(in_range(1, 1 << 20))
      ->capture_default_str();
  c->add_flag("--ignore-eos", flags->ignore_eos, "Go on when the model would stop");
  flags->text.add_to(c, TextFlags::kWithoutBos);
  c->add_option("-o,--out", flags->out, "Save the session again afterwards")->type_name("FILE");
  flags->sampler.add_to(c);
  c->footer(
      "Context, memory and types are those of the saved session; the model must be the same.\n"
      "Example:\n  kedge session load book.session -m model.gguf -p 'The moral is' -n 40 --temp 0");
  c->callback([flags] { load(*flags, flags->file.empty() ? flags->prompt : read_text(flags->file)); });
}

void add_info(CLI::App* parent) {
  auto flags = std::make_shared<LoadFlags>();
  CLI::App* c = parent->add_subcommand("info", "What a saved session holds");
  add_load_flags(c, *flags);
  c->footer("Example:\n  kedge session info book.session -m model.gguf --json");
  c->callback([flags] { info(*flags); });
}

}  // namespace

void add_session(CLI::App& app) {
  CLI::App* session = app.add_subcommand("session", "Save what a model has read, and go on later");
  session->require_subcommand(1);
  session->footer(
      "Examples:\n"
      "  kedge session save -m model.gguf -f book.txt -o book.session\n"
      "  kedge session load book.session -m model.gguf -p 'The moral is' -n 40");
  add_save(session);
  add_load(session);
  add_info(session);
}

}  // namespace kedge::tools
