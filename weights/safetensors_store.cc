#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "kernels/base/input_file.h"
#include "kernels/base/json_object.h"
#include "weights/gguf_format.h"
#include "weights/safetensors.h"

namespace kedge::weights {
namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;
constexpr size_t kMaxParts = 4096;

bool is_there(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) && !error;
}

// A file of this folder and of no other: an index does not lead elsewhere.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Error no_weights(const std::string& folder) {
  std::string message = folder + ": has neither " + kWhole + " nor " + kIndex;
  for (const char* other : {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.safetensors"}) {
    if (is_there(folder + "/" + other)) message += std::string("; ") + other + " is not read";
  }
  return {ErrorCode::kNotFound, std::move(message)};
}

}  // namespace

Result<SafetensorsStore> SafetensorsStore::open(const std::string& folder, const LoadOptions& options) {
  return without_bad_alloc(folder, [&]() -> Result<SafetensorsStore> {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
      return Error{ErrorCode::kNotFound, folder + ": no such folder"};
    }
    SafetensorsStore store;
    if (is_there(folder + "/" + kWhole)) {
      KEDGE_TRY(store.add(folder, kWhole, options));
    } else if (is_there(folder + "/" + kIndex)) {
      KEDGE_TRY(store.add_indexed(folder, options));
    } else {
      return no_weights(folder);
    }
    KEDGE_TRY(store.finish(folder));
    return store;
  });
}

Status SafetensorsStore::add(const std::string& folder, const std::string& name, const LoadOptions& options) {
  KEDGE_ASSIGN(file, MappedFile::open(folder + "/" + name, options));
  KEDGE_ASSIGN(tensors, parse_safetensors(file.bytes(), file.path()));
  for (SafetensorsTensor& t : tensors) {
    t.file = static_cast<uint32_t>(files_.size());
    tensors_.push_back(std::move(t));
  }
  files_.push_back(std::move(file));
  names_.push_back(name);
  return {};
}

Status SafetensorsStore::add_indexed(const std::string& folder, const LoadOptions& options) {
  const std::string path = folder + "/" + kIndex;
  KEDGE_ASSIGN(text, base::read_input_file(path, kMaxIndexBytes));
  KEDGE_ASSIGN(object, base::JsonObject::parse(text, path));
  object.find("metadata");  // the sum of all sizes, which the parts say themselves
  const base::Json* map = object.find("weight_map");
  KEDGE_TRY(object.finish({"weight_map"}));
  if (!map->is_object()) return Error{ErrorCode::kCorrupt, path + ": weight_map is no object"};
  std::map<std::string, std::string, std::less<>> file_of;
  std::set<std::string> parts;
  for (const base::Json::Member& member : map->items()) {
    if (!member.value.is_string() || !is_plain_name(member.value.get_ref<const std::string&>())) {
      return Error{ErrorCode::kCorrupt, path + ": weight_map of " + in_quotes(member.key) +
                                            " is no name of a file of this folder: " + in_quotes(member.value.dump())};
    }
    file_of.emplace(member.key, member.value.get<std::string>());
    parts.insert(member.value.get<std::string>());
  }
  if (parts.size() > kMaxParts) {
    return Error{ErrorCode::kCapacity,
                 path + ": " + std::to_string(parts.size()) + " parts; the limit is " + std::to_string(kMaxParts)};
  }
  for (const std::string& part : parts) KEDGE_TRY(add(folder, part, options));
  std::set<std::string_view> found;
  for (const SafetensorsTensor& t : tensors_) {
    const auto at = file_of.find(t.name);
    if (at == file_of.end() || at->second != names_[t.file]) {
      return Error{ErrorCode::kCorrupt, path + ": tensor " + in_quotes(t.name) + " is in " + names_[t.file] +
                                            (at == file_of.end() ? ", but not in weight_map"
                                                                 : ", but weight_map says " + in_quotes(at->second))};
    }
    found.insert(t.name);
  }
  for (const auto& [name, part] : file_of) {
    if (found.contains(name)) continue;
    return Error{ErrorCode::kCorrupt, path + ": tensor " + in_quotes(name) + " should be in " + in_quotes(part) +
                                          ", which does not have it"};
  }
  return {};
}

Status SafetensorsStore::finish(const std::string& folder) {
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice == tensors_.end()) return {};
  return Error{ErrorCode::kCorrupt, folder + ": tensor " + in_quotes(twice->name) + " is in " + names_[twice->file] +
                                        " and in " + names_[(twice + 1)->file]};
}

const SafetensorsTensor* SafetensorsStore::find(std::string_view name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const SafetensorsTensor& t, std::string_view n) { return t.name < n; });
  return at == tensors_.end() || at->name != name ? nullptr : &*at;
}

uint64_t SafetensorsStore::file_bytes() const {
  uint64_t sum = 0;
  for (const MappedFile& file : files_) sum += file.bytes().size();
  return sum;
}

void SafetensorsStore::drop(const SafetensorsTensor& tensor) const {
  const MappedFile& file = files_[tensor.file];
  if (!file.mapped() || tensor.data.empty()) return;
  const auto offset = static_cast<uint64_t>(tensor.data.data() - file.bytes().data());
  file.advise(offset, tensor.data.size(), MappedFile::Advice::kDrop);
}

}  // namespace kedge::weights
