// Finds the passages that bear on a question: by words (BM25) and by vectors, the two rankings made one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "router/retrieval/embedder.h"

namespace kedge::router {

inline constexpr int kMaxHits = 1000;

struct Hit {
  std::string id;          // of the passage: what a citation names
  std::string title;       // headings, or a JSONL row's title; may be empty
  std::string text;        // NFC, without control characters
  std::string source;      // path of the file as it was given, with ":line" for a JSONL row
  std::string metadata;    // JSON object of a JSONL row's other members; may be empty
  std::string doc_sha256;  // of the file's bytes
  int64_t begin = 0;       // bytes of the extracted document (of a JSONL row: its text) that `text` is
  int64_t end = 0;
  double score = 0;         // of the fusion
  double bm25_score = 0;    // larger is better; 0 when bm25_rank is -1
  double vector_score = 0;  // cosine; 0 when vector_rank is -1
  int bm25_rank = -1;       // from 1; -1: not among the candidates of that ranking
  int vector_rank = -1;
};

enum class SearchBy { kBoth, kBm25, kVectors };

class RetrievalIndex {
 public:
  // Reads the whole index once, checks its digest and keeps its vectors (n_passages * dim * 4 bytes). A null embedder
  // opens it for words only: the caller wants that, it is never a fallback. Errors: kNotFound; kCorrupt;
  // kUnsupported (another version); kInvalidArgument (built with another embedder: names both fingerprints).
  static Result<std::shared_ptr<const RetrievalIndex>> open(const std::string& path,
                                                            std::shared_ptr<const Embedder> embedder);
  virtual ~RetrievalIndex() = default;

  // At most k passages, best first. The same query gives the same hits in the same order. Any text is a query; one
  // without words that the index knows is answered by vectors alone, and one that neither knows by nothing. Threads may
  // search at once; the word part runs for one at a time. Errors: kInvalidArgument (k not 1 to kMaxHits, a query that
  // is not UTF-8, vectors of an index opened for words only); those of Embedder and SQLite.
  virtual Result<std::vector<Hit>> search(std::string_view query, int k, SearchBy by) const = 0;
  Result<std::vector<Hit>> search(std::string_view query, int k) const {
    return search(query, k, has_vectors() ? SearchBy::kBoth : SearchBy::kBm25);
  }

  virtual bool has_vectors() const = 0;                // false after opening for words only
  virtual const std::string& sha256() const = 0;       // hex, of the contents: all passages and vectors
  virtual const std::string& fingerprint() const = 0;  // of the embedder it was built with
  virtual const std::string& model() const = 0;        // file name of that embedder's model
  virtual const std::string& path() const = 0;
  virtual size_t n_passages() const = 0;
  virtual size_t n_documents() const = 0;
  virtual int passage_words() const = 0;  // the longest passage
  virtual int dim() const = 0;
};

}  // namespace kedge::router
