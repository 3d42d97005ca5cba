// Writes an index under a temporary name beside its target; the target changes only when commit() succeeds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/output_file.h"
#include "router/retrieval/index_file.h"
#include "router/retrieval/inputs.h"
#include "router/retrieval/language.h"

namespace kedge::router::retrieval {

// Stays where it was made; one thread at a time. Removes the temporary file unless committed. Errors: those of
// sqlite::Database and OutputFile; kInvalidArgument when the target exists and is not an index.
class IndexWriter {
 public:
  static Result<std::unique_ptr<IndexWriter>> create(const std::string& path);
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Both give the row, from 1.
  Result<int64_t> add_document(const InputFile& file, const std::string& sha256, size_t n_bytes);
  Result<int64_t> add_passage(int64_t document, const Piece& piece);
  Status set_id(int64_t passage, const std::string& id);
  Status add_vector(int64_t passage, std::span<const float> vector);
  Status set_meta(const char* key, std::string_view value);
  // Collects the statistics of the words, records the digest of everything, and puts the file in its place.
  Result<Contents> commit();

  sqlite::Database& database() { return database_; }

 private:
  IndexWriter() = default;
  Status prepare();
  Status publish();
  Result<const Stemmer*> stemmer_of(std::span<const FoldedWord> words);

  OutputFile file_;
  sqlite::Database database_;
  sqlite::Statement document_, passage_, words_, id_, vector_, meta_;
  std::vector<Stemmer> stemmers_;       // of the languages met so far
  const Language* language_ = nullptr;  // of the passage before, in the same document
  int64_t n_documents_ = 0;
  int64_t n_passages_ = 0;
};

}  // namespace kedge::router::retrieval
