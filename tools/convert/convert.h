// A Hugging Face folder becomes a GGUF file: the folder is planned as a whole before the first byte is written, and
// tensors go through memory a piece at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tools::convert {

struct ConvertOptions {
  // "auto": matrices keep the folder's type; else one of weights::quantize_type_names().
  std::string type = "auto";
  std::vector<std::pair<std::string, std::string>> overrides = {};  // as QuantizeOptions has them
  std::vector<std::string> ignore = {};  // members of the folder's JSON files to leave out, on the caller's judgement
  int threads = 1;
  bool use_mmap = true;
  bool dry_run = false;  // plan only
  // Called on the calling thread after every piece with the values done and in total; false cancels. Does not throw.
  std::function<bool(uint64_t done, uint64_t total)> progress = nullptr;
};

struct ConvertReport {
  std::string model_type;  // of config.json
  std::string arch;        // general.architecture
  std::string type;        // what was asked for, or what "auto" found
  size_t tensors = 0;
  size_t tokens = 0;
  uint64_t folder_bytes = 0;  // of the weights
  uint64_t file_bytes = 0;
  std::map<std::string, size_t> types;  // tensors by type
  std::vector<std::string> notes;       // what the file cannot say
  std::vector<std::string> ignored;     // tensors that no token depends on
};

// `path` appears complete or not at all. Errors name the file of the folder, and its member or tensor:
//   kNotFound     a file, member or tensor is missing
//   kCorrupt      the folder contradicts itself
//   kUnsupported  it means something that Kedge does not know, or GGUF does not say
//   kCapacity     no room on the disk, or in memory
//   kCancelled, kIo
Result<ConvertReport> convert_folder(const std::string& folder, const std::string& path, const ConvertOptions& options);

}  // namespace kedge::tools::convert
