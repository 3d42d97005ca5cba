// kedge cache: packed weights that are kept, and how to be rid of them.
#include <algorithm>
#include <filesystem>

#include "kernels/base/parallel.h"
#include "tools/command.h"
#include "tools/weights_cache.h"
#include "weights/packed_folder.h"

namespace kedge::tools {

namespace {

struct CacheFlags {
  std::string folder = "auto";
  std::string model;
  bool all = false;
  bool json = false;
};

std::string folder_of(const CacheFlags& flags) {
  const std::string folder = weights_cache_folder(flags.folder);
  if (folder.empty())
    throw Failure("packed weights are kept nowhere (KEDGE_WEIGHTS_CACHE is off, or there is no home)");
  return folder;
}

std::string name_of(const PackedFolderEntry& entry) {
  const std::string& path = entry.problem.empty() ? entry.facts.source : entry.path;
  return std::filesystem::path(path).filename().string();
}

void list(const CacheFlags& flags) {
  const std::string folder = folder_of(flags);
  const auto entries = packed_folder_entries(folder);
  uint64_t bytes = 0;
  Json all = Json::array();
  for (const PackedFolderEntry& e : entries) {
    bytes += e.facts.bytes;
    std::error_code error;
    all.push_back({{"path", e.path},
                   {"model", e.problem.empty() ? Json(e.facts.source) : Json()},
                   {"model_exists", e.problem.empty() && std::filesystem::exists(e.facts.source, error)},
                   {"bytes", e.facts.bytes},
                   {"last_used", e.facts.last_used / 1'000'000'000},
                   {"problem", e.problem.empty() ? Json() : Json(e.problem)}});
  }
  if (flags.json)
    return print_json({{"folder", folder}, {"bytes", bytes}, {"limit", kPackedFolderBytes}, {"files", all}});
  if (entries.empty()) return print("no packed weights are kept in " + folder + "\n");
  for (size_t i = 0; i < entries.size(); ++i) {
    const PackedFolderEntry& e = entries[i];
    const char* note = !e.problem.empty()                        ? "  cannot be used"
                       : all.at(i)["model_exists"] == Json(true) ? ""
                                                                 : "  model is gone";
    print(format("%9s  %s%s\n", human_bytes(static_cast<double>(e.facts.bytes)).c_str(), name_of(e).c_str(), note));
  }
  print(format("%9s  in %s\n", human_bytes(static_cast<double>(bytes)).c_str(), folder.c_str()));
}

void check(const CacheFlags& flags) {
  auto team = need(base::ThreadTeam::make(kedge::default_threads()));
  size_t damaged = 0;
  for (const PackedFolderEntry& e : packed_folder_entries(folder_of(flags))) {
    const auto whole = check_packed_file(e.path, team);
    print(format("%s  %s\n", whole.ok() ? "whole  " : "damaged", name_of(e).c_str()));
    damaged += whole.ok() ? 0 : 1;
  }
  if (damaged > 0) throw Failure(format("%zu of them cannot be used; the next load of the model replaces it", damaged));
}

void remove(const CacheFlags& flags) {
  if (flags.all != flags.model.empty()) throw Failure("name a model, or give --all", kExitUsage);
  uint64_t bytes = 0;
  size_t n = 0;
  for (const PackedFolderEntry& e : packed_folder_entries(folder_of(flags))) {
    if (!flags.all && name_of(e) != flags.model && e.facts.source != flags.model) continue;
    need(remove_packed(e.path));
    bytes += e.facts.bytes;
    ++n;
  }
  if (n == 0 && !flags.all) throw Failure("no packed weights of '" + flags.model + "' are kept ('kedge cache list')");
  print(format("removed %zu file%s, %s\n", n, n == 1 ? "" : "s", human_bytes(static_cast<double>(bytes)).c_str()));
}

}  // namespace

void add_cache(CLI::App& app) {
  auto flags = std::make_shared<CacheFlags>();
  CLI::App* cache = app.add_subcommand("cache", "Packed weights that are kept so that models load at once");
  cache->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, void (*run)(const CacheFlags&)) {
    CLI::App* c = cache->add_subcommand(name, help);
    c->add_option("--weights-cache", flags->folder, "The folder; auto: as other commands have it")
        ->type_name("auto|FOLDER")
        ->capture_default_str();
    c->callback([flags, run] { run(*flags); });
    return c;
  };
  add("list", "Which models' weights are kept, the last used first", list)
      ->add_flag("--json", flags->json, "Machine-readable output");
  add("check", "Compare the files with their digests", check);
  CLI::App* rm = add("rm", "Remove packed weights; the next load packs them again", remove);
  rm->add_option("model", flags->model, "The model's file, as 'list' shows it");
  rm->add_flag("--all", flags->all, "All of them");
  cache->footer(
      "A file is as large as the model's. Together they take at most 32 GiB, and a new one at most half of what the\n"
      "disk has free; those not used for longest make room. '--weights-cache off' or KEDGE_WEIGHTS_CACHE=off keeps "
      "none.");
}

}  // namespace kedge::tools
