// kedge quantize: a model file in fewer bits.
#include "tools/model_flags.h"
#include "tools/progress.h"
#include "tools/tensor_types.h"
#include "weights/quantize.h"
#include "weights/quantize_rules.h"

namespace kedge::tools {

namespace {

struct QuantizeFlags {
  ModelFlags model;
  std::string out;
  std::string type = "Q4_K_M";
  std::vector<std::string> overrides;
  std::string imatrix;
  int threads = 0;
  bool allow_requantize = false;
  bool dry_run = false;
  bool verbose = false;
  bool json = false;
};

Json report_json(const QuantizeReport& report, const QuantizeFlags& flags, double seconds) {
  Json tensors = Json::array();
  for (const QuantizedTensor& t : report.tensors) {
    Json row = {{"name", t.name}, {"shape", t.shape}, {"from", t.from->name}, {"to", t.to->name}, {"bytes", t.bytes}};
    if (!flags.dry_run) row.update({{"mse", t.mse}, {"max_error", t.max_error}});
    if (!t.note.empty()) row["note"] = t.note;
    tensors.push_back(std::move(row));
  }
  Json out = {{"file", flags.out},
              {"type", report.type},
              {"file_bytes", report.file_bytes},
              {"bits_per_value", report.bits_per_value}};
  if (!flags.imatrix.empty()) out["imatrix"] = flags.imatrix;
  if (!flags.dry_run) out.update({{"mse", report.mse}, {"seconds", seconds}});
  out["tensors"] = std::move(tensors);
  return out;
}

void print_report(const QuantizeReport& report, const QuantizeFlags& flags, double seconds) {
  for (const QuantizedTensor& t : report.tensors) {
    if (!flags.verbose && !flags.dry_run) break;
    const std::string error = flags.dry_run ? "" : format("  mse %.3g", t.mse);
    const std::string note = t.note.empty() ? "" : "  (" + t.note + ")";
    print(format("%-32s %-20s %5s -> %-5s%s%s\n", t.name.c_str(), t.shape.c_str(), t.from->name, t.to->name,
                 error.c_str(), note.c_str()));
  }
  const std::string size = human_bytes(static_cast<double>(report.file_bytes));
  if (flags.dry_run) {
    print(format("%s: would take %s, %.2f bits a weight\n", report.type.c_str(), size.c_str(), report.bits_per_value));
  } else {
    print(format("%s: %s, %s, %.2f bits a weight, mean squared error %.3g, %.1f s\n", flags.out.c_str(),
                 report.type.c_str(), size.c_str(), report.bits_per_value, report.mse, seconds));
  }
}

void quantize(const QuantizeFlags& flags) {
  if (flags.out.empty() && !flags.dry_run) throw Failure("--out is required (or --dry-run)", kExitUsage);
  need_outputs({flags.out});
  LoadOptions load;
  load.use_mmap = !flags.model.no_mmap;
  const TensorStore store = need(TensorStore::open(flags.model.path(), load));
  std::optional<ImportanceMatrix> importance;
  if (!flags.imatrix.empty()) importance = need(ImportanceMatrix::open(flags.imatrix));
  const InterruptGuard guard;  // stopped, it leaves no part of a file behind
  Progress progress("quantising");
  const QuantizeOptions options{.type = flags.type,
                                .threads = flags.threads > 0 ? flags.threads : kedge::default_threads(),
                                .overrides = parse_tensor_types(flags.overrides),
                                .allow_requantize = flags.allow_requantize,
                                .importance = importance ? &*importance : nullptr,
                                .progress = [&](const QuantizeProgress& p) {
                                  progress.update(p.values_done, p.values_total);
                                  return !InterruptGuard::interrupted();
                                }};
  const double start = seconds_now();
  const QuantizeReport report =
      need(flags.dry_run ? plan_quantize(store, options) : quantize_file(store, flags.out, options));
  const double seconds = seconds_now() - start;
  progress.finish();
  if (flags.json) {
    print_json(report_json(report, flags, seconds));
  } else {
    print_report(report, flags, seconds);
  }
}

std::string type_list() {
  std::string list;
  for (const std::string& name : quantize_type_names()) list += (list.empty() ? "" : ", ") + name;
  return list;
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* c = app.add_subcommand("quantize", "Write a model in a smaller type");
  flags->model.add_to(c);
  c->add_option("-o,--out", flags->out, "File to write; appears complete or not at all");
  c->add_option("--type", flags->type, "One of " + type_list())->capture_default_str();
  c->add_option("--tensor-type", flags->overrides, "Another type for some tensors, '*' for any characters; repeatable")
      ->type_name("PATTERN=TYPE");
  c->add_option("--imatrix", flags->imatrix,
                "Weigh errors by this importance matrix (GGUF, of kedge imatrix or llama-imatrix)")
      ->type_name("FILE");
  c->add_option("-t,--threads", flags->threads, "Threads; 0: the cores this process may use")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  c->add_flag("--allow-requantize", flags->allow_requantize,
              "Allow tensors that are quantised already: they lose twice");
  c->add_flag("--dry-run", flags->dry_run, "Show types and sizes, write nothing");
  c->add_flag("-v,--verbose", flags->verbose, "Show every tensor and its error");
  c->add_flag("--json", flags->json, "Print the report as JSON");
  c->footer(
      "Examples:\n"
      "  kedge quantize -m model-f16.gguf -o model-q4.gguf --type Q4_K_M\n"
      "  kedge quantize -m model-f16.gguf -o m.gguf --type Q4_0 --tensor-type 'blk.*.ffn_down.weight=Q6_K'");
  c->callback([flags] { quantize(*flags); });
}

}  // namespace kedge::tools
