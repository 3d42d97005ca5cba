// kedge pull, list, show, rm: models on this machine by name.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "kernels/base/output_file.h"
#include "tools/bench_bandwidth.h"
#include "tools/catalogue.h"
#include "tools/gguf_about.h"
#include "tools/model_flags.h"
#include "tools/progress.h"
#include "tools/store/repository.h"
#include "tools/store/store.h"

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;
using store::StoredModel;

store::HttpOptions http_options() {
  store::HttpOptions options;
  options.stop = [] { return InterruptGuard::interrupted(); };
  return options;
}

// The token is the hub's alone.
store::HttpOptions http_options(const std::string& url) {
  store::HttpOptions options = http_options();
  if (url.starts_with(store::hub_url() + "/")) options.token = store::hub_token();
  return options;
}

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

struct PullFlags {
  std::string name;
  std::string sha256;
  bool json = false;
};

// One file, unless it is there already with the right length.
Json pull_file(const store::RemoteFile& file, const std::string& folder, const std::string& license) {
  const std::string path = folder + "/" + file.name;
  std::error_code error;
  if (file.bytes > 0 && fs::file_size(path, error) == file.bytes && !error) {
    say(file.name + ": is there already");
    return {{"path", path}, {"bytes", file.bytes}, {"resumed", file.bytes}};
  }
  Progress progress("fetching " + file.name);
  store::FetchOptions options;
  options.http = http_options(file.url);
  options.expected_bytes = file.bytes;
  options.expected_sha256 = file.sha256;
  options.progress = [&](uint64_t done, uint64_t total) {
    if (total > 0) progress.update(done, total);
  };
  const double start = seconds_now();
  const auto fetched = store::http_fetch(file.url, path, options);
  progress.finish();
  if (!fetched.ok() && fetched.error().code == base::ErrorCode::kCancelled) {
    say("stopped; the next 'kedge pull' goes on from here");
    throw interrupted();
  }
  if (!fetched.ok()) throw Failure(fetched.error().message);
  const double seconds = std::max(seconds_now() - start, 1e-3);
  const double came = static_cast<double>(fetched->bytes - fetched->resumed);
  say(file.name + ": " + human_bytes(static_cast<double>(fetched->bytes)) + " in " + format("%.1f s", seconds) + " (" +
      human_bytes(came / seconds) + "/s)" + (fetched->resumed > 0 ? ", gone on with" : "") + ", SHA-256 " +
      (file.sha256.empty() ? "of what came: " + fetched->sha256 : "as the server says"));
  Json notes = {{"url", file.url},           {"bytes", fetched->bytes},
                {"sha256", fetched->sha256}, {"checked", !file.sha256.empty()},
                {"license", license},        {"pulled", std::time(nullptr)}};
  need(base::write_file(path + ".json", notes.dump(2) + "\n"));
  return {{"path", path}, {"bytes", fetched->bytes}, {"resumed", fetched->resumed}, {"sha256", fetched->sha256}};
}

void pull(const PullFlags& flags) {
  const InterruptGuard guard;
  store::HttpOptions options = http_options();
  options.token = store::hub_token();
  auto found = store::find_remote(flags.name, options);
  if (!found.ok() && found.error().code == base::ErrorCode::kCancelled) throw interrupted();
  store::RemoteModel model = need(std::move(found));
  if (!flags.sha256.empty()) {
    if (model.files.size() > 1) throw Failure("--sha256 is of one file; " + model.name + " has several", kExitUsage);
    model.files.front().sha256 = flags.sha256;
  }
  const std::string folder = store::models_folder() + "/" + model.folder;
  make_folder(folder);
  if (!model.license.empty()) say(model.name + ": licence " + model.license);
  Json files = Json::array();
  for (const store::RemoteFile& file : model.files) files.push_back(pull_file(file, folder, model.license));
  if (flags.json) return print_json({{"name", model.name}, {"license", model.license}, {"files", std::move(files)}});
  print("kedge chat -m " + model.name + "\n");
}

Json to_json(const StoredModel& m) {
  Json json = {{"name", m.name}, {"keeper", m.keeper}, {"path", m.path}, {"bytes", m.bytes}, {"files", m.files}};
  if (m.notes.is_object()) json["notes"] = m.notes;
  return json;
}

void list(bool as_json) {
  const std::vector<StoredModel> models = store::stored_models();
  if (as_json) {
    Json all = Json::array();
    for (const StoredModel& m : models) all.push_back(to_json(m));
    return print_json(all);
  }
  if (models.empty()) {
    return print("no models yet in " + store::models_folder() +
                 " (kedge pull OWNER/REPO brings one); embedded: scout, sage\n");
  }
  size_t width = 4;
  for (const StoredModel& m : models) width = std::max(width, m.name.size());
  print(format("%-*s  %9s  %s\n", static_cast<int>(width), "NAME", "SIZE", "KEPT BY"));
  for (const StoredModel& m : models) {
    print(format("%-*s  %9s  %s\n", static_cast<int>(width), m.name.c_str(), human_bytes(double(m.bytes)).c_str(),
                 m.keeper.c_str()));
  }
}

// What a machine needs for a model, beside the file: so much context, and what the command itself and its buffers take.
constexpr double kCatalogueContext = 8192;
constexpr double kOverheadBytes = 0.5e9;
// Of the bandwidth, what a generation makes of it: attention, norms and the output matrix are read too.
constexpr double kReached = 0.8;

void list_catalogue(bool as_json) {
  const Json info = Json::parse(need(kedge::system_info()));
  const Json& memory = info["memory"];
  const double usable = std::min(memory["total_bytes"].get<double>(), memory["usable_bytes"].get<double>());
  const double bandwidth = read_bandwidth(info);
  Json rows = Json::array();
  for (const CatalogueModel& m : catalogue()) {
    const double needs = 1e9 * m.file_gb + 1024 * m.kv_kib * kCatalogueContext + kOverheadBytes;
    const double token_bytes = 1e9 * m.file_gb * m.active / m.parameters;
    rows.push_back({{"name", m.name},
                    {"pull", m.pull},
                    {"parameters", 1e9 * m.parameters},
                    {"active_parameters", 1e9 * m.active},
                    {"file_bytes", 1e9 * m.file_gb},
                    {"memory_bytes", needs},
                    {"fits", needs <= usable},
                    {"tokens_per_second", kReached * bandwidth / token_bytes},
                    {"licence", m.licence},
                    {"good_for", m.good_for}});
  }
  if (as_json) {
    return print_json({{"memory_bytes", usable},
                       {"read_bytes_per_second", bandwidth},
                       {"context", kCatalogueContext},
                       {"models", std::move(rows)}});
  }
  print(format("This machine: %s of memory, read at %.1f GB/s.\n\n", human_bytes(usable).c_str(), bandwidth / 1e9));
  print(format("%-21s %9s %9s %6s  %-10s  %s\n", "MODEL", "FILE", "MEMORY", "TOK/S", "LICENCE", "GOOD FOR"));
  for (const Json& row : rows) {
    const bool fits = row["fits"].get<bool>();
    print(format("%-21s %9s %9s %6s  %-10.10s  %s\n", row["name"].get<std::string>().c_str(),
                 human_bytes(row["file_bytes"].get<double>()).c_str(),
                 human_bytes(row["memory_bytes"].get<double>()).c_str(),
                 fits ? format("%.3g", row["tokens_per_second"].get<double>()).c_str() : "-",
                 row["licence"].get<std::string>().c_str(), row["good_for"].get<std::string>().c_str()));
    print("  kedge pull " + row["pull"].get<std::string>() + (fits ? "\n" : "   (does not fit)\n"));
  }
  print(
      "\nMEMORY: with a context of 8192 tokens. TOK/S: at most about that many a second, from the bandwidth; a prompt "
      "is\n"
      "read faster. Sizes are computed from what is published, licences as their publishers name them: look at the\n"
      "model's page, whose licence 'kedge pull' shows.\n");
}

// The one model of that name.
StoredModel the_model(const std::string& name) {
  const std::vector<StoredModel> found = store::find_models(name);
  if (found.empty()) throw Failure("no model is called '" + name + "' ('kedge list' shows what there is)");
  if (found.size() == 1 || found.front().name != found.back().name) {
    if (found.size() == 1) return found.front();
    std::string names;
    for (const StoredModel& m : found) names += "\n  " + m.name;
    throw Failure("several models are called '" + name + "':" + names);
  }
  return found.front();  // of several keepers: our own comes first
}

std::string human_count(double n) {
  return n >= 999.5e6 ? format("%.3g billion", n / 1e9) : format("%.3g million", n / 1e6);
}

void show(const std::string& name, bool as_json) {
  const StoredModel m = the_model(name);
  const Json about = gguf_about(m.path);
  if (as_json) {
    Json json = to_json(m);
    json["model"] = about;
    return print_json(json);
  }
  const auto line = [](const char* what, const std::string& value) {
    if (!value.empty()) print(format("%-14s %s\n", what, value.c_str()));
  };
  const auto text = [](const Json& from, const char* member) {
    const Json value = from.is_object() ? from.value(member, Json()) : Json();
    return value.is_string() ? value.get<std::string>() : value.is_null() ? std::string() : value.dump();
  };
  line("name", m.name);
  line("kept by", m.keeper);
  line("file", m.path + (m.files > 1 ? " and " + std::to_string(m.files - 1) + " more" : ""));
  line("size", human_bytes(double(m.bytes)));
  line("architecture", text(about, "architecture"));
  line("parameters", human_count(about["parameters"].get<double>()));
  line("context", text(about, "n_ctx_train"));
  line("chat template", about["chat_template"].get<bool>() ? "yes" : "none");
  const std::string license = text(m.notes, "license");
  line("licence", license.empty() ? text(about, "license") : license);
  line("from", text(m.notes, "url"));
  line("SHA-256", text(m.notes, "sha256"));
  print("\n'kedge inspect -m " + m.name + "' shows everything in it.\n");
}

void remove(const std::string& name) {
  const StoredModel m = the_model(name);
  if (m.keeper != "kedge") {
    throw Failure("'" + m.name + "' belongs to " + m.keeper + " (" + m.path + "): let that remove it");
  }
  const fs::path first = m.path;
  std::vector<fs::path> files = {first};
  const std::string file_name = first.filename().string();
  const std::string form = "-00001-of-00001.gguf";
  if (m.files > 1) {
    const std::string stem = file_name.substr(0, file_name.size() - form.size());
    for (const auto& entry : fs::directory_iterator(first.parent_path())) {
      const std::string other = entry.path().filename().string();
      if (other != file_name && other.size() == file_name.size() && other.starts_with(stem) &&
          store::split_of(other).parts > 0) {
        files.push_back(entry.path());
      }
    }
  }
  for (const fs::path& file : files) {
    std::error_code error;
    if (!fs::remove(file, error) && error) throw Failure(file.string() + ": " + error.message());
    fs::remove(file.string() + ".json", error);
  }
  std::error_code error;  // folders that are empty now; the others stay
  const fs::path root = store::models_folder();
  for (fs::path at = first.parent_path(); at != root && fs::is_empty(at, error) && !error; at = at.parent_path())
    fs::remove(at, error);
  print("removed " + m.name + " (" + human_bytes(double(m.bytes)) + ")\n");
}

}  // namespace

void add_models(CLI::App& app) {
  auto pull_flags = std::make_shared<PullFlags>();
  CLI::App* pull_command = app.add_subcommand("pull", "Bring a model: from Hugging Face, a mirror of it, or a URL");
  pull_command
      ->add_option(
          "name", pull_flags->name,
          "OWNER/REPO, OWNER/REPO:QUANT (Q4_K_M when there is none), OWNER/REPO/FILE.gguf, or the URL of a .gguf file")
      ->required();
  pull_command->add_option("--sha256", pull_flags->sha256, "What the file's SHA-256 has to be (hexadecimal)");
  pull_command->add_flag("--json", pull_flags->json, "Machine-readable output");
  pull_command->footer(
      "Which model for this machine: kedge list --catalogue\n"
      "Goes on where it broke off. Variables: KEDGE_MODELS (the folder), KEDGE_MIRROR (in place of\n"
      "https://huggingface.co), HF_TOKEN (for gated repositories; sent to the hub only).");
  pull_command->callback([pull_flags] { pull(*pull_flags); });

  auto json = std::make_shared<bool>(false);
  CLI::App* list_command = app.add_subcommand(
      "list", "Models on this machine: pulled ones, and those of Ollama, LM Studio, llama.cpp, Hugging Face");
  auto catalogue_wanted = std::make_shared<bool>(false);
  list_command->add_flag("--json", *json, "Machine-readable output");
  list_command->add_flag("--catalogue", *catalogue_wanted,
                         "Instead: models to bring, the memory each needs and how fast this machine can run it");
  list_command->callback([json, catalogue_wanted] { *catalogue_wanted ? list_catalogue(*json) : list(*json); });

  auto name = std::make_shared<std::string>();
  CLI::App* show_command = app.add_subcommand("show", "What is known about a model of 'kedge list'");
  show_command->add_option("name", *name, "Its name")->required();
  show_command->add_flag("--json", *json, "Machine-readable output");
  show_command->callback([name, json] { show(*name, *json); });

  CLI::App* rm_command = app.add_subcommand("rm", "Remove a pulled model");
  rm_command->add_option("name", *name, "Its name")->required();
  rm_command->callback([name] { remove(*name); });
}

}  // namespace kedge::tools
