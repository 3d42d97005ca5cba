// What `kedge pull NAME` means: files of a Hugging Face repository, or of one mirror of it, or one URL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/store/http_get.h"

namespace kedge::tools::store {

struct RemoteFile {
  std::string url;
  std::string name;         // of the file
  uint64_t bytes = 0;       // 0: not known
  std::string sha256 = {};  // hex; empty: not known
};

struct RemoteModel {
  std::string name;               // "owner/repo:Q4_K_M"; of a URL: the file's name
  std::string folder;             // below models_folder(): "owner/repo"; of a URL "url/<host>"
  std::vector<RemoteFile> files;  // one, or the parts of a split model in order
  std::string license = {};       // as the repository says
};

// The host that repositories are asked of: KEDGE_MIRROR, else HF_ENDPOINT, else https://huggingface.co.
std::string hub_url();
// HF_TOKEN, or what is in $HF_HOME/token.
std::string hub_token();

// `name`: "owner/repo", "owner/repo:QUANT", "owner/repo/FILE.gguf", all with "hf.co/" or the hub's address in front if
// one likes, or the URL of a .gguf file. Without a quantisation: Q4_K_M, else the next best. Errors: kInvalidArgument
// (no such form; several files fit: they are listed), kNotFound (no repository; no file fits: those that are there are
// listed), and those of http_text.
Result<RemoteModel> find_remote(std::string_view name, const HttpOptions& options);

}  // namespace kedge::tools::store
