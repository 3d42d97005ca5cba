// What other programs keep, as their own folders say it. Nothing is ever written there.
//   Ollama       manifests/<host>/<owner>/<model>/<tag> names the blob of the layer
//   "application/vnd.ollama.image.model" LM Studio    models/<owner>/<repo>/<file>.gguf llama.cpp
//   <owner>_<repo>_<file>.gguf in one folder (LLAMA_CACHE) Hugging Face
//   hub/models--<owner>--<repo>/snapshots/<commit>/<file>.gguf, links to blobs
#include <algorithm>
#include <filesystem>
#include <functional>

#include "kernels/base/input_file.h"
#include "tools/store/store.h"
#include "tools/variable.h"

namespace kedge::tools::store {

namespace {

namespace fs = std::filesystem;
using base::Json;

fs::path home() { return variable("HOME"); }

fs::path cache_folder() { return in_home("XDG_CACHE_HOME", ".cache"); }

// Regular files below a folder, at most so deep; links are followed to files only.
void each_file(const fs::path& root, int depth, const std::function<void(const fs::path&)>& visit) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(root, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    std::error_code ignored;
    if (fs::is_regular_file(entry, ignored)) {
      visit(entry);
    } else if (depth > 0 && fs::is_directory(entry, ignored) && !fs::is_symlink(entry, ignored)) {
      each_file(entry, depth - 1, visit);
    }
  }
}

uint64_t size_of(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

void add(std::vector<StoredModel>& models, const char* keeper, const std::string& name, const fs::path& file) {
  const SplitNumber split = split_of(file.filename().string());
  if (split.part > 1) {  // files come in order: the first part is there already
    if (models.empty() || models.back().name != name) return;
    models.back().bytes += size_of(file);
    ++models.back().files;
    return;
  }
  models.push_back({.name = name, .keeper = keeper, .path = file.string(), .bytes = size_of(file)});
}

bool is_model(const fs::path& file) {
  // "mmproj": the eyes of a model, not one
  return file.extension() == ".gguf" && file.filename().string().find("mmproj") == std::string::npos;
}

std::string tagged(const std::string& repository, const fs::path& file) {
  const std::string quant = quant_of(file.filename().string());
  return repository + ":" + (quant.empty() ? file.stem().string() : quant);
}

// The manifest of one model: {"layers": [{"mediaType", "digest": "sha256:..."}]}.
void add_manifest(std::vector<StoredModel>& models, const fs::path& root, const fs::path& manifest) {
  const auto text = base::read_input_file(manifest.string(), 1 << 20);
  if (!text.ok()) return;
  const auto json = base::parse_json(*text, "a manifest");
  if (!json.ok() || !json->is_object() || !json->contains("layers")) return;
  for (const Json& layer : (*json)["layers"]) {
    if (!layer.is_object() || layer.value("mediaType", Json()) != Json("application/vnd.ollama.image.model")) continue;
    const Json digest = layer.value("digest", Json());
    if (!digest.is_string()) continue;
    std::string blob = digest.get<std::string>();
    std::replace(blob.begin(), blob.end(), ':', '-');
    if (blob.find('/') != std::string::npos) continue;
    std::vector<std::string> parts;  // registry.ollama.ai / library / qwen3 / 0.6b
    for (const fs::path& part : manifest.lexically_relative(root / "manifests")) parts.push_back(part.string());
    if (parts.size() < 3) return;
    std::string name = parts[parts.size() - 2] + ":" + parts.back();
    if (const std::string& owner = parts[parts.size() - 3]; owner != "library") name = owner + "/" + name;
    std::error_code error;
    if (fs::exists(root / "blobs" / blob, error)) add(models, "ollama", name, root / "blobs" / blob);
  }
}

void add_ollama(std::vector<StoredModel>& models) {
  std::vector<fs::path> roots = {in_home("OLLAMA_MODELS", ".ollama/models")};
  if (variable("OLLAMA_MODELS").empty()) roots.emplace_back("/usr/share/ollama/.ollama/models");
  for (const fs::path& root : roots) {
    each_file(root / "manifests", 5, [&](const fs::path& file) { add_manifest(models, root, file); });
  }
}

void add_lm_studio(std::vector<StoredModel>& models) {
  for (const fs::path& root : {home() / ".lmstudio/models", cache_folder() / "lm-studio/models"}) {
    each_file(root, 3, [&](const fs::path& file) {
      if (!is_model(file)) return;
      add(models, "lm-studio", tagged(file.parent_path().lexically_relative(root).generic_string(), file), file);
    });
  }
}

void add_llama_cpp(std::vector<StoredModel>& models) {
  const std::string own = variable("LLAMA_CACHE");
  const fs::path root = own.empty() ? cache_folder() / "llama.cpp" : fs::path(own);
  each_file(root, 0, [&](const fs::path& file) {
    if (!is_model(file)) return;
    // The owner of a repository has no '_' in its name; the repository may have some: then the file's own name stands
    // for it.
    const std::string stem = file.stem().string();
    const size_t owner = stem.find('_');
    const size_t repo = owner == std::string::npos ? owner : stem.find('_', owner + 1);
    const bool whole = repo != std::string::npos && stem.substr(owner + 1, repo - owner - 1).ends_with("GGUF");
    add(models, "llama.cpp",
        whole ? tagged(stem.substr(0, owner) + "/" + stem.substr(owner + 1, repo - owner - 1), file) : stem, file);
  });
}

void add_hugging_face(std::vector<StoredModel>& models) {
  const std::string home_folder = variable("HF_HOME");
  const fs::path root = (home_folder.empty() ? cache_folder() / "huggingface" : fs::path(home_folder)) / "hub";
  each_file(root, 4, [&](const fs::path& file) {
    if (!is_model(file)) return;
    const std::string first = file.lexically_relative(root).begin()->string();  // "models--owner--repo"
    constexpr std::string_view kBegin = "models--";
    if (!first.starts_with(kBegin)) return;
    std::string repository = first.substr(kBegin.size());
    if (const size_t at = repository.find("--"); at != std::string::npos) repository.replace(at, 2, "/");
    add(models, "huggingface", tagged(repository, file), file);
  });
}

}  // namespace

std::vector<StoredModel> foreign_models() {
  std::vector<StoredModel> models;
  add_ollama(models);
  add_lm_studio(models);
  add_llama_cpp(models);
  add_hugging_face(models);
  return models;
}

}  // namespace kedge::tools::store
