// kedge imatrix: what a text asks of a model's matrices, for kedge quantize --imatrix.
#include "tools/interrupt.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct ImatrixFlags {
  ModelFlags model;
  TextFlags text;
  std::string file;
  std::string out;
  kedge::ImatrixOptions options;
  bool json = false;
};

void imatrix(ImatrixFlags& flags) {
  need_outputs({flags.out});
  const std::string text = read_text(flags.file);
  const kedge::Model model = flags.model.open();
  const auto ids = flags.text.tokenize(model, text);
  const InterruptGuard guard;  // stopped, it leaves no part of a file behind
  Progress progress("reading the text");
  flags.options.dataset = flags.file;
  flags.options.on_progress = [&](size_t done, size_t total) {
    progress.update(done, total);
    return !InterruptGuard::interrupted();
  };
  const double start = seconds_now();
  Json report = Json::parse(need(model.write_imatrix(ids, flags.options, flags.out)));
  progress.finish();
  report["file"] = flags.out;
  report["seconds"] = seconds_now() - start;
  if (flags.json) return print_json(report);
  print(format("%s: %zu matrices, %zu chunks of %d tokens, %.1f s\n", flags.out.c_str(),
               report["tensors"].get<size_t>(), report["chunks"].get<size_t>(), flags.options.chunk,
               report["seconds"].get<double>()));
  const size_t unused = report["unused_experts"].get<size_t>();
  if (unused > 0) {
    print(
        format("no token came to %zu of the experts' matrices, which count as if all columns mattered the same: "
               "a longer or more varied text helps\n",
               unused));
  }
}

}  // namespace

void add_imatrix(CLI::App& app) {
  auto flags = std::make_shared<ImatrixFlags>();
  CLI::App* c = app.add_subcommand("imatrix", "Measure on a text what quantising has to be careful with");
  flags->model.add_to(c);
  c->add_option("-f,--file", flags->file, "The text ('-': standard input)")->required();
  c->add_option("-o,--out", flags->out, "File to write (GGUF, as llama-imatrix's); appears complete or not at all")
      ->required();
  c->add_option("-c,--ctx", flags->options.chunk, "Tokens per chunk, each evaluated by itself; the rest is left out")
      ->check(in_range(1, 1 << 24))
      ->capture_default_str();
  c->add_option("--chunks", flags->options.chunks, "Only the first N chunks; -1: all")->capture_default_str();
  c->add_option("-t,--threads", flags->options.n_threads, "Threads; 0: the cores this process may use")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  c->add_flag("--process-output", flags->options.output,
              "Measure the output matrix too, which takes the time of all logits");
  flags->text.add_to(c);
  c->add_flag("--json", flags->json, "Print the report as JSON");
  c->footer(
      "Example:\n"
      "  kedge imatrix -m model-f16.gguf -f calibration.txt -o model.imatrix.gguf\n"
      "  kedge quantize -m model-f16.gguf -o model-q4.gguf --type Q4_K_M --imatrix model.imatrix.gguf");
  c->callback([flags] { imatrix(*flags); });
}

}  // namespace kedge::tools
