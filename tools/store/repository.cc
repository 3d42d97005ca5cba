#include "tools/store/repository.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "kernels/base/input_file.h"
#include "kernels/base/json.h"
#include "tools/store/store.h"
#include "tools/variable.h"

namespace kedge::tools::store {

namespace {

using base::Json;

constexpr size_t kMaxListing = 16 << 20;  // bytes of JSON

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool is_gguf(std::string_view name) { return name.size() > 5 && upper(name.substr(name.size() - 5)) == ".GGUF"; }

struct Wanted {
  std::string repository;  // owner/repo
  std::string quant;
  std::string file;
};

bool is_part_of_name(std::string_view word) {
  if (word.empty() || word == "." || word == "..") return false;
  return std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  });
}

// "owner/repo[:quant]" or "owner/repo/path/to/file.gguf".
Result<Wanted> wanted_of(std::string_view name) {
  Wanted wanted;
  const size_t colon = name.find(':');
  if (colon != std::string_view::npos) {
    wanted.quant = upper(name.substr(colon + 1));
    name = name.substr(0, colon);
    if (wanted.quant.empty()) return invalid("nothing stands behind the ':'");
  }
  const size_t owner = name.find('/');
  const size_t repo = owner == std::string_view::npos ? owner : name.find('/', owner + 1);
  wanted.repository = name.substr(0, repo);
  if (repo != std::string_view::npos) wanted.file = name.substr(repo + 1);
  const bool good = owner != std::string_view::npos && is_part_of_name(name.substr(0, owner)) &&
                    is_part_of_name(std::string_view(wanted.repository).substr(owner + 1));
  if (!good) return invalid("'" + std::string(name) + "' is not a repository (OWNER/REPO, OWNER/REPO:QUANT) nor a URL");
  if (!wanted.file.empty() && !is_gguf(wanted.file)) return invalid("'" + wanted.file + "' is not a .gguf file");
  return wanted;
}

std::string encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (is_part_of_name(std::string_view(&c, 1)) || c == '.' || c == '/') {
      out += c;
    } else {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += {'%', kHex[static_cast<unsigned char>(c) >> 4], kHex[static_cast<unsigned char>(c) & 15]};
    }
  }
  return out;
}

std::string base_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// {"type": "file", "path", "size", "lfs": {"oid": SHA-256, "size"}} as the hub's tree has it.
std::optional<RemoteFile> file_of(const Json& entry, const std::string& repository) {
  if (!entry.is_object() || entry.value("type", Json()) != Json("file") || !entry.value("path", Json()).is_string()) {
    return std::nullopt;
  }
  const auto path = entry["path"].get<std::string>();
  if (!is_gguf(path) || path.find("mmproj") != std::string::npos || path.find("..") != std::string::npos)
    return std::nullopt;
  RemoteFile file{.url = hub_url() + "/" + repository + "/resolve/main/" + encoded(path), .name = path};
  const Json size = entry.value("size", Json());
  if (size.is_number_unsigned() || size.is_number_integer()) file.bytes = size.get<uint64_t>();
  const Json lfs = entry.value("lfs", Json());
  if (lfs.is_object() && lfs.value("oid", Json()).is_string()) file.sha256 = lfs["oid"].get<std::string>();
  return file;
}

// The models of a repository: split ones are one. By the path of the first file.
std::map<std::string, std::vector<RemoteFile>> models_of(const Json& tree, const std::string& repository) {
  std::map<std::string, std::vector<RemoteFile>> models;
  for (const Json& entry : tree) {
    auto file = file_of(entry, repository);
    if (!file) continue;
    const SplitNumber split = split_of(file->name);
    std::string key = file->name;
    if (split.parts > 0) key = key.substr(0, key.size() - std::string_view("-00001-of-00001.gguf").size());
    models[key].push_back(std::move(*file));
  }
  for (auto& [key, files] : models) {
    std::sort(files.begin(), files.end(), [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; });
  }
  return models;
}

std::string listed(const std::map<std::string, std::vector<RemoteFile>>& models) {
  std::string text;
  for (const auto& [key, files] : models) text += "\n  " + files.front().name;
  return text;
}

using Found = const std::vector<RemoteFile>*;

// By quantisation: the one asked for, or the first that is there of those most people should have.
Result<Found> choose(const std::map<std::string, std::vector<RemoteFile>>& models, const Wanted& wanted) {
  static constexpr std::array<const char*, 9> kPreferred = {"Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q6_K",
                                                            "Q8_0",   "MXFP4",  "F16",    "BF16"};
  const auto fitting = [&](std::string_view quant) {
    std::vector<Found> found;
    for (const auto& [key, files] : models) {
      if (quant_of(base_name(files.front().name)) == quant) found.push_back(&files);
    }
    return found;
  };
  if (!wanted.file.empty()) {
    for (const auto& [key, files] : models) {
      if (files.front().name == wanted.file) return &files;
    }
    return Error{ErrorCode::kNotFound,
                 wanted.repository + " has no model '" + wanted.file + "'; there are:" + listed(models)};
  }
  std::vector<Found> found;
  if (!wanted.quant.empty()) found = fitting(wanted.quant);
  for (size_t i = 0; wanted.quant.empty() && found.empty() && i < kPreferred.size(); ++i)
    found = fitting(kPreferred[i]);
  if (found.empty() && wanted.quant.empty() && models.size() == 1) found.push_back(&models.begin()->second);
  if (found.size() == 1) return found.front();
  if (!found.empty()) {
    std::string names;
    for (const Found f : found) names += "\n  " + wanted.repository + "/" + f->front().name;
    return invalid("several files fit; name one of:" + names);
  }
  const std::string what = wanted.quant.empty() ? "no quantisation that is known" : "no " + wanted.quant;
  return Error{ErrorCode::kNotFound, wanted.repository + " has " + what + "; there are:" + listed(models)};
}

std::string license_of(const std::string& text) {
  const auto json = base::parse_json(text, "the description of a repository");
  if (!json.ok() || !json->is_object()) return {};
  const Json card = json->value("cardData", Json());
  if (card.is_object() && card.value("license", Json()).is_string()) return card["license"].get<std::string>();
  return {};
}

Result<RemoteModel> of_url(std::string_view url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return invalid("'" + std::string(url) + "': only http and https are spoken");
  }
  const std::string_view path = url.substr(0, url.find_first_of("?#"));
  const std::string name = base_name(path);
  if (!is_gguf(name)) return invalid("'" + std::string(url) + "' does not end with the name of a .gguf file");
  std::string_view host = url.substr(url.find("://") + 3);
  host = host.substr(0, host.find_first_of("/:?#"));
  if (!is_part_of_name(host) || !is_part_of_name(name))
    return invalid("'" + std::string(url) + "' is no URL of a file");
  if (split_of(name).parts > 1) return invalid("'" + name + "' is one part of several; pull the repository");
  return RemoteModel{
      .name = name, .folder = "url/" + std::string(host), .files = {{.url = std::string(url), .name = name}}};
}

}  // namespace

std::string hub_url() {
  std::string url = variable("KEDGE_MIRROR");
  if (url.empty()) url = variable("HF_ENDPOINT");
  if (url.empty()) url = "https://huggingface.co";
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string hub_token() {
  if (const std::string token = variable("HF_TOKEN"); !token.empty()) return token;
  const std::string home = in_home("HF_HOME", ".cache/huggingface");
  const auto text = base::read_input_file(home + "/token", 4096);
  if (!text.ok()) return {};
  return text->substr(0, text->find_first_of("\r\n \t"));
}

Result<RemoteModel> find_remote(std::string_view name, const HttpOptions& options) {
  for (const std::string& front :
       {hub_url() + "/", std::string("https://huggingface.co/"), std::string("https://hf.co/"),
        std::string("huggingface.co/"), std::string("hf.co/")}) {
    // ... but the address of a file is that: a repository's name, with a quantisation perhaps, does not end so.
    if (name.starts_with(front) &&
        !(front.find("://") != std::string::npos && is_gguf(name.substr(0, name.find('?'))))) {
      name.remove_prefix(front.size());
    }
  }
  if (name.find("://") != std::string_view::npos) return of_url(name);
  KEDGE_ASSIGN(wanted, wanted_of(name));
  const std::string api = hub_url() + "/api/models/" + wanted.repository;
  const std::string url = api + "/tree/main?recursive=true";
  auto text = http_text(url, kMaxListing, options);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound, hub_url() + " has no repository '" + wanted.repository + "'"};
  }
  if (!text.ok()) return text.error();
  KEDGE_ASSIGN(tree, base::parse_json(*text, "the list of files"));
  if (!tree.is_array()) return Error{ErrorCode::kCorrupt, url + ": not a list of files"};
  const auto models = models_of(tree, wanted.repository);
  if (models.empty()) {
    return Error{ErrorCode::kNotFound,
                 wanted.repository + " has no GGUF file (repositories that have some often end in -GGUF)"};
  }
  KEDGE_ASSIGN(files, choose(models, wanted));
  const SplitNumber split = split_of(files->front().name);
  if (split.parts > 0 && static_cast<size_t>(split.parts) != files->size()) {
    return Error{ErrorCode::kNotFound, wanted.repository + " has " + std::to_string(files->size()) + " of the " +
                                           std::to_string(split.parts) + " parts of " + files->front().name};
  }
  RemoteModel model{.name = {}, .folder = wanted.repository, .files = *files};
  const std::string quant = quant_of(base_name(files->front().name));
  model.name = wanted.repository + ":" + (quant.empty() ? base_name(files->front().name) : quant);
  for (RemoteFile& file : model.files) file.name = base_name(file.name);
  if (const auto card = http_text(api, kMaxListing, options); card.ok()) model.license = license_of(*card);
  return model;
}

}  // namespace kedge::tools::store
