// kedge generate-model: a GGUF file of a known shape with random weights.
#include "tools/command.h"
#include "tools/generate_model.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct GenerateModelFlags {
  std::string shape = "tiny";
  std::string type = "Q8_0";
  std::string out;
  uint64_t seed = 0;
  int layers = 0;
  int vocab = 0;
  int ctx = 0;
  bool json = false;
};

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const ModelShape& s : preset_shapes()) names.push_back(s.name);
  return names;
}

void generate(const GenerateModelFlags& flags) {
  need_outputs({flags.out});
  GenerateModelOptions options;
  options.type = flags.type;
  options.seed = flags.seed;
  for (const ModelShape& s : preset_shapes()) {
    if (s.name == flags.shape) options.shape = s;
  }
  if (flags.layers > 0) options.shape.n_layers = flags.layers;
  if (flags.vocab > 0) options.shape.n_vocab = flags.vocab;
  if (flags.ctx > 0) options.shape.n_ctx = flags.ctx;
  Progress progress("writing");
  const InterruptGuard guard;  // stopped, it leaves no part of a file behind
  options.progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !InterruptGuard::interrupted();
  };
  const double start = seconds_now();
  const GeneratedModel made = need(generate_model(flags.out, options));
  const double seconds = seconds_now() - start;
  progress.finish();
  if (flags.json) {
    print_json({{"file", flags.out},
                {"shape", flags.shape},
                {"type", flags.type},
                {"seed", flags.seed},
                {"n_parameters", made.n_parameters},
                {"n_tensors", made.n_tensors},
                {"file_bytes", made.file_bytes},
                {"seconds", seconds}});
  } else {
    print(format("%s: %s in %s, %.0f million parameters, %s, %.1f s\n", flags.out.c_str(), flags.shape.c_str(),
                 flags.type.c_str(), static_cast<double>(made.n_parameters) / 1e6,
                 human_bytes(static_cast<double>(made.file_bytes)).c_str(), seconds));
  }
}

}  // namespace

void add_generate_model(CLI::App& app) {
  auto flags = std::make_shared<GenerateModelFlags>();
  CLI::App* c = app.add_subcommand("generate-model", "Write a model file with random weights, for measuring");
  c->add_option("-s,--shape", flags->shape, "Whose shape")->check(CLI::IsMember(shape_names()))->capture_default_str();
  c->add_option("--type", flags->type, "Type of the matrices")
      ->check(CLI::IsMember({"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M"}, CLI::ignore_case))
      ->capture_default_str();
  c->add_option("--seed", flags->seed, "The same seed gives the same file")->capture_default_str();
  c->add_option("--layers", flags->layers, "Another number of layers")->check(in_range(1, 1000));
  c->add_option("--vocab", flags->vocab, "Another size of the vocabulary")->check(in_range(1, 1 << 22));
  c->add_option("--ctx", flags->ctx, "Another trained context")->check(in_range(1, 1 << 24));
  c->add_option("-o,--out", flags->out, "File to write")->required();
  c->add_flag("--json", flags->json, "Describe the file as JSON");
  c->footer(
      "A '-slice' has fewer layers than the model it is named after, each of true size.\n"
      "Example:\n  kedge generate-model --shape qwen3-0.6b --type Q4_0 -o qwen3-0.6b-q4_0.gguf");
  c->callback([flags] { generate(*flags); });
}

}  // namespace kedge::tools
