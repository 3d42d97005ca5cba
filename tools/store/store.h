// The models on this machine, by name: those that `kedge pull` brought, and those that Ollama, LM Studio, llama.cpp and
// the Hugging Face tools keep, which are used where they lie.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::tools::store {

struct StoredModel {
  std::string name;    // "owner/repo:Q4_K_M", or what its keeper calls it ("qwen3:0.6b")
  std::string keeper;  // "kedge", "ollama", "lm-studio", "llama.cpp", "huggingface"
  std::string path;    // of the first file
  uint64_t bytes = 0;  // of all of them
  int files = 1;
  base::Json notes = {};  // of "kedge": what its sidecar says ("url", "sha256", ...)
};

// Where `kedge pull` puts models: KEDGE_MODELS, else $XDG_DATA_HOME/kedge/models, else ~/.local/share/kedge/models.
std::string models_folder();

// By keeper, then by name. What cannot be read is left out.
std::vector<StoredModel> stored_models();

// Those that `name` means: equal names first (case does not count); else every model of the repository or family
// `name`.
std::vector<StoredModel> find_models(std::string_view name);

// The quantisation in a file's name ("Qwen3-0.6B-Q4_K_M.gguf": "Q4_K_M"); empty when there is none.
std::string quant_of(std::string_view file_name);
// "-00002-of-00003.gguf" at the end: 2 and 3. Otherwise 0 and 0.
struct SplitNumber {
  int part = 0;
  int parts = 0;
};
SplitNumber split_of(std::string_view file_name);

// The models of others (foreign.cc).
std::vector<StoredModel> foreign_models();

}  // namespace kedge::tools::store
