#include "tools/store/store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>

#include "kernels/base/input_file.h"
#include "tools/variable.h"

namespace kedge::tools::store {

namespace {

namespace fs = std::filesystem;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Q4_K_M, Q8_0, IQ2_XXS, F16, BF16, F32, MXFP4, TQ1_0, ...; also with what some put in front of it ("UD-").
bool is_quant(std::string_view word) {
  for (const std::string_view exact : {"F16", "BF16", "F32", "FP16", "FP32", "MXFP4", "NVFP4", "MXFP4_MOE"}) {
    if (word == exact) return true;
  }
  for (const std::string_view prefix : {"IQ", "TQ", "Q"}) {
    if (!word.starts_with(prefix)) continue;
    const std::string_view rest = word.substr(prefix.size());
    return rest.size() >= 3 && is_digit(rest[0]) && rest[1] == '_' &&
           std::all_of(rest.begin() + 2, rest.end(),
                       [](char c) { return is_digit(c) || c == '_' || (c >= 'A' && c <= 'Z'); });
  }
  return false;
}

base::Json notes_of(const fs::path& file) {
  const auto text = base::read_input_file(file.string() + ".json", 1 << 20);
  if (!text.ok()) return {};
  auto json = base::parse_json(*text, "the notes of a model");
  return json.ok() && json->is_object() ? *std::move(json) : base::Json();
}

// owner/repo/file.gguf below the folder; the parts of a split model are one.
std::vector<StoredModel> own_models() {
  std::map<std::string, StoredModel> by_name;
  const fs::path root = models_folder();
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const fs::path& file = it->path();
    std::error_code ignored;
    if (file.extension() != ".gguf" || !it->is_regular_file(ignored)) continue;
    const std::string folder = fs::relative(file.parent_path(), root, ignored).generic_string();
    const std::string stem = file.stem().string();
    const std::string quant = quant_of(stem);
    std::string name = folder == "." ? stem : folder + ":" + (quant.empty() ? stem : quant);
    StoredModel& model = by_name[lower(name)];
    const SplitNumber split = split_of(file.filename().string());
    if (model.path.empty() || split.part <= 1) {
      model.path = file.string();
      model.notes = notes_of(file);
    }
    model.files = split.parts == 0 ? 1 : model.name.empty() ? 1 : model.files + 1;
    model.name = std::move(name);
    model.keeper = "kedge";
    model.bytes += it->file_size(ignored);
  }
  std::vector<StoredModel> models;
  for (auto& [key, model] : by_name) models.push_back(std::move(model));
  return models;
}

}  // namespace

std::string models_folder() {
  if (const std::string own = variable("KEDGE_MODELS"); !own.empty()) return own;
  return in_home("XDG_DATA_HOME", ".local/share") + "/kedge/models";
}

std::string quant_of(std::string_view file_name) {
  if (file_name.size() > 5 && lower(file_name.substr(file_name.size() - 5)) == ".gguf") {
    file_name.remove_suffix(5);
  }
  const SplitNumber split = split_of(std::string(file_name) + ".gguf");
  if (split.parts > 0) file_name.remove_suffix(std::string_view("-00001-of-00001").size());
  const std::string name = upper(file_name);
  // The last such word: words end at '-' and '.'.
  for (size_t end = name.size(); end != std::string::npos && end > 0;) {
    const size_t before = name.find_last_of("-.", end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    if (is_quant(std::string_view(name).substr(begin, end - begin))) return name.substr(begin, end - begin);
    end = before;
  }
  return {};
}

SplitNumber split_of(std::string_view file_name) {
  constexpr std::string_view kForm = "-00000-of-00000.gguf";
  if (file_name.size() < kForm.size()) return {};
  const std::string_view tail = file_name.substr(file_name.size() - kForm.size());
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == '0' ? !is_digit(tail[i]) : tail[i] != kForm[i]) return {};
  }
  SplitNumber n;
  std::from_chars(tail.data() + 1, tail.data() + 6, n.part);
  std::from_chars(tail.data() + 10, tail.data() + 15, n.parts);
  return n;
}

std::vector<StoredModel> stored_models() {
  std::vector<StoredModel> models = own_models();
  std::vector<StoredModel> foreign = foreign_models();
  std::move(foreign.begin(), foreign.end(), std::back_inserter(models));
  return models;
}

std::vector<StoredModel> find_models(std::string_view name) {
  const std::string wanted = lower(name);
  std::vector<StoredModel> equal;
  std::vector<StoredModel> family;
  for (StoredModel& model : stored_models()) {
    const std::string known = lower(model.name);
    if (known == wanted) {
      equal.push_back(std::move(model));
    } else if (wanted.find(':') == std::string::npos && known.starts_with(wanted + ":")) {
      family.push_back(std::move(model));
    }
  }
  return equal.empty() ? family : equal;
}

}  // namespace kedge::tools::store
