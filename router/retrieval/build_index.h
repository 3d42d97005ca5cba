// Makes an index from files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "router/retrieval/embedder.h"
#include "router/retrieval/inputs.h"

namespace kedge::router {

inline constexpr int kDefaultPassageWords = 200;
inline constexpr int kMaxPassageWords = 10000;

struct BuildOptions {
  std::vector<std::string> paths;  // files and folders
  std::string root;                // a folder that sources are named from; empty: by their paths
  std::string out;                 // replaced when it is an index, and only by a complete one
  int passage_words = kDefaultPassageWords;
  bool skip_bad = false;  // leave files out that cannot be used, and report them; otherwise the first is the error
  // Done and total of a unit of its own; false cancels.
  std::function<bool(size_t done, size_t total)> progress;
};

struct BuildReport {
  int64_t n_documents = 0;
  int64_t n_passages = 0;
  int64_t n_hidden = 0;  // files and folders not looked at because their names begin with a dot
  int dim = 0;
  std::string sha256;  // of the contents
  std::string fingerprint;
  uint64_t n_bytes = 0;  // of the file
  std::vector<retrieval::Problem> skipped;
};

// Needs n_passages * dim * 4 bytes of memory, and the largest file's text. The same files under the same paths give the
// same contents. Errors: those of collect_inputs, read_pieces and IndexWriter; kInvalidArgument for two JSONL rows of
// the same id and when nothing is left to index; kCancelled.
Result<BuildReport> build_index(const BuildOptions& options, std::shared_ptr<const Embedder> embedder);

}  // namespace kedge::router
