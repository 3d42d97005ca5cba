// kedge convert: a Hugging Face folder as a GGUF file.
#include <filesystem>

#include "tools/command.h"
#include "tools/convert/convert.h"
#include "tools/progress.h"
#include "tools/tensor_types.h"
#include "weights/quantize_rules.h"

namespace kedge::tools {

namespace {

struct ConvertFlags {
  std::string folder;
  std::string out;
  std::string type = "auto";
  std::vector<std::string> overrides;
  std::vector<std::string> ignore;
  int threads = 0;
  bool force = false;
  bool no_mmap = false;
  bool dry_run = false;
  bool verbose = false;
  bool json = false;
};

// "models/Qwen3-0.6B/" and BF16: "Qwen3-0.6B-bf16.gguf", here.
std::string default_name(const std::string& folder, std::string type) {
  std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  for (char& c : type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return path.filename().string() + "-" + type + ".gguf";
}

Json report_json(const convert::ConvertReport& r, const ConvertFlags& flags, double seconds) {
  Json types = Json::object();
  for (const auto& [name, n] : r.types) types[name] = n;
  Json out = {{"folder", flags.folder},           {"file", flags.out},  {"model_type", r.model_type},
              {"architecture", r.arch},           {"type", r.type},     {"tensors", r.tensors},
              {"tensor_types", std::move(types)}, {"tokens", r.tokens}, {"folder_bytes", r.folder_bytes},
              {"file_bytes", r.file_bytes},       {"notes", r.notes},   {"ignored", r.ignored}};
  if (!flags.dry_run) out["seconds"] = seconds;
  return out;
}

void print_report(const convert::ConvertReport& r, const ConvertFlags& flags, double seconds) {
  for (const std::string& note : r.notes) print("note: " + note + "\n");
  if (!r.ignored.empty()) {
    print(format("%zu tensors that no token depends on are left out%s\n", r.ignored.size(), flags.verbose ? ":" : ""));
  }
  for (const std::string& name : r.ignored) {
    if (flags.verbose) print("  " + name + "\n");
  }
  std::string types;
  for (const auto& [name, n] : r.types) types += (types.empty() ? "" : ", ") + std::to_string(n) + " " + name;
  const std::string size = human_bytes(static_cast<double>(r.file_bytes));
  print(format("%s: %s from %s, %zu tokens, %zu tensors (%s), %s of %s", flags.out.c_str(), r.arch.c_str(),
               r.model_type.c_str(), r.tokens, r.tensors, types.c_str(), size.c_str(),
               human_bytes(static_cast<double>(r.folder_bytes)).c_str()));
  print(flags.dry_run ? std::string(", not written\n") : format(", %.1f s\n", seconds));
}

void run_convert(ConvertFlags flags) {
  convert::ConvertOptions options{.type = flags.type,
                                  .overrides = parse_tensor_types(flags.overrides),
                                  .ignore = flags.ignore,
                                  .threads = flags.threads > 0 ? flags.threads : kedge::default_threads(),
                                  .use_mmap = !flags.no_mmap};
  const InterruptGuard guard;  // stopped, it leaves no part of a file behind
  if (flags.out.empty() || flags.dry_run) {
    options.dry_run = true;
    const convert::ConvertReport planned = need(convert::convert_folder(flags.folder, flags.out, options));
    if (flags.out.empty()) flags.out = default_name(flags.folder, planned.type);
    if (flags.dry_run) {
      flags.json ? print_json(report_json(planned, flags, 0)) : print_report(planned, flags, 0);
      return;
    }
    options.dry_run = false;
  }
  std::error_code error;
  if (!flags.force && std::filesystem::exists(flags.out, error)) {
    throw Failure(flags.out + ": exists already; --force replaces it");
  }
  need_outputs({flags.out});
  Progress progress("converting");
  options.progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !InterruptGuard::interrupted();
  };
  const double start = seconds_now();
  const convert::ConvertReport report = need(convert::convert_folder(flags.folder, flags.out, options));
  const double seconds = seconds_now() - start;
  progress.finish();
  flags.json ? print_json(report_json(report, flags, seconds)) : print_report(report, flags, seconds);
}

std::string type_list() {
  std::string list = "auto (that of the folder)";
  for (const std::string& name : quantize_type_names()) list += ", " + name;
  return list;
}

}  // namespace

void add_convert(CLI::App& app) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* c = app.add_subcommand("convert", "Make a GGUF file of a Hugging Face folder");
  c->add_option("folder", flags->folder, "Folder with config.json, model.safetensors and a tokenizer")->required();
  c->add_option("-o,--out", flags->out,
                "File to write; appears complete or not at all (default: FOLDER-TYPE.gguf here)");
  c->add_option("--type", flags->type, "Type of the matrices: " + type_list())->capture_default_str();
  c->add_option("--tensor-type", flags->overrides, "Another type for some tensors, '*' for any characters; repeatable")
      ->type_name("PATTERN=TYPE");
  c->add_option("--ignore", flags->ignore,
                "Leave out this member of the folder's JSON files, on your own judgement; repeatable")
      ->type_name("NAME");
  c->add_option("-t,--threads", flags->threads, "Threads; 0: the cores this process may use")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  c->add_flag("--force", flags->force, "Replace a file that is there");
  c->add_flag("--no-mmap", flags->no_mmap, "Read the weights instead of mapping them");
  c->add_flag("--dry-run", flags->dry_run, "Plan and check, write nothing");
  c->add_flag("-v,--verbose", flags->verbose, "Show every tensor that is left out");
  c->add_flag("--json", flags->json, "Print the report as JSON");
  c->footer(
      "Examples:\n"
      "  kedge convert Qwen3-0.6B                         a file with the folder's own types\n"
      "  kedge convert Llama-3.2-1B -o m.gguf --type Q8_0");
  c->callback([flags] { run_convert(*flags); });
}

}  // namespace kedge::tools
