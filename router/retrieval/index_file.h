// The format of an index: one SQLite database. docs/retrieval.md describes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "router/sqlite.h"

namespace kedge::router::retrieval {

inline constexpr int64_t kApplicationId = 0x4b494458;  // "KIDX"
inline constexpr int64_t kVersion = 2;

extern const char* const kSchema;

// What a search keeps in memory, and the digest that covers all passages and vectors.
struct Contents {
  int64_t n_passages = 0;
  int64_t n_documents = 0;
  int dim = 0;
  int passage_words = 0;
  std::string fingerprint;       // of the embedder
  std::string model;             // its name, for people
  std::string languages;         // whose stems the word index is made of: names of language.h, separated by commas
  std::vector<uint64_t> counts;  // of each token of its vocabulary in the passages
  std::vector<float> mean;       // [dim]
  std::vector<float> vectors;    // [n_passages][dim], row r at r - 1; empty unless wanted
  std::string sha256;            // recomputed from what was read
  std::string recorded_sha256;   // as the file has it; empty while it is being built
};

// Reads every passage and vector once. Errors: kCorrupt for what does not fit together.
Result<Contents> read_contents(const sqlite::Database& database, bool keep_vectors);

// Opens a finished index for reading. Errors: kNotFound, kCorrupt (not an index), kUnsupported (another version).
Result<sqlite::Database> open_index_file(const std::string& path);
Result<bool> is_index_file(const std::string& path);

// One value of the table meta; kCorrupt when it is not there.
Result<std::string> read_meta(const sqlite::Database& database, const char* key);

}  // namespace kedge::router::retrieval
