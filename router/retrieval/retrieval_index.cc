#include "router/retrieval/retrieval_index.h"

#include <algorithm>
#include <mutex>

#include "router/retrieval/index_file.h"
#include "router/retrieval/pooling.h"
#include "router/retrieval/text_clean.h"
#include "router/retrieval/word_search.h"
#include "router/sqlite_schema.h"

namespace kedge::router {

namespace {

using retrieval::Contents;
using retrieval::Fused;
using retrieval::Ranked;

// Candidates of each ranking. More change nothing near the top, and the first k hits are the same for every k up to it.
constexpr size_t kCandidates = 100;
// Words that passages have, names above all, decide, and vectors then only order what is left. Where the index does not
// know most of what a query says (a misspelt name, other words for the same), words hit passages at random and the
// vectors, which see the pieces of names, decide. docs/retrieval.md has the figures.
constexpr retrieval::FusionWeights kByWords = {.bm25 = 1, .vectors = 0.05};
constexpr retrieval::FusionWeights kByVectors = {.bm25 = 0.05, .vectors = 1};
constexpr double kKnown = 0.4;
constexpr int64_t kSearchSteps = 1'000'000;  // a search takes a few dozen for each passage it ranks
constexpr int64_t kStepsPerPassage = 1'000;
constexpr size_t kMaxQueryBytes = size_t{1} << 20;

class SqliteIndex final : public RetrievalIndex {
 public:
  Status open(const std::string& path, std::shared_ptr<const Embedder> embedder) {
    path_ = path;
    KEDGE_ASSIGN(database, retrieval::open_index_file(path));
    database_ = std::move(database);
    KEDGE_TRY(check_embedder(embedder.get()));
    KEDGE_ASSIGN(contents, retrieval::read_contents(database_, embedder != nullptr));
    if (contents.sha256 != contents.recorded_sha256) {
      return Error{ErrorCode::kCorrupt, path + ": its contents have the digest " + contents.sha256 + ", not the " +
                                            contents.recorded_sha256 + " they were built with; build the index anew"};
    }
    contents_ = std::move(contents);
    if (embedder != nullptr) {
      if (contents_.dim != embedder->dim() || contents_.counts.size() != static_cast<size_t>(embedder->n_tokens())) {
        return Error{ErrorCode::kCorrupt, path + ": its vectors have " + std::to_string(contents_.dim) +
                                              " dimensions, those of its model " + std::to_string(embedder->dim())};
      }
      pooling_ = std::make_unique<Pooling>(std::move(embedder), contents_.counts);
      pooling_->set_mean(contents_.mean);
    }
    KEDGE_TRY(words_.open(database_, contents_.n_passages, contents_.languages));
    KEDGE_ASSIGN(passage, database_.prepare("SELECT p.id, p.title, p.text, d.source, p.metadata, d.sha256, p.begin, "
                                            "p.end, p.line FROM passages p JOIN documents d ON d.row = p.document "
                                            "WHERE p.row = ?1"));
    passage_ = std::move(passage);
    return {};
  }

  using RetrievalIndex::search;
  Result<std::vector<Hit>> search(std::string_view query, int k, SearchBy by) const override {
    if (k < 1 || k > kMaxHits) {
      return Error{ErrorCode::kInvalidArgument,
                   "k = " + std::to_string(k) + "; the range is 1 to " + std::to_string(kMaxHits)};
    }
    if (query.size() > kMaxQueryBytes) {
      return Error{ErrorCode::kCapacity, "the query has " + std::to_string(query.size()) + " bytes, the limit is " +
                                             std::to_string(kMaxQueryBytes)};
    }
    if (by != SearchBy::kBm25 && !has_vectors()) {
      return Error{ErrorCode::kInvalidArgument, path_ + ": was opened without a model, for a search by words only"};
    }
    KEDGE_ASSIGN(clean, retrieval::clean_text(query, "the query"));  // as the passages are
    const size_t count = std::max(kCandidates, static_cast<size_t>(k));
    std::vector<Ranked> near;
    if (by != SearchBy::kBm25) {
      KEDGE_ASSIGN(found, nearest(clean, count));
      near = std::move(found);
    }
    const std::lock_guard lock(mutex_);
    const sqlite::StepLimit limit(database_, kSearchSteps + kStepsPerPassage * contents_.n_passages);
    retrieval::WordHits worded;
    if (by != SearchBy::kVectors) {
      KEDGE_ASSIGN(found, words_.search(clean, count));
      worded = std::move(found);
    }
    std::vector<Hit> hits;
    for (const Fused& fused :
         retrieval::fuse(worded.ranked, near, worded.known >= kKnown ? kByWords : kByVectors, static_cast<size_t>(k))) {
      KEDGE_ASSIGN(hit, read_hit(fused));
      if (fused.bm25_rank > 0) hit.bm25_score = worded.ranked[static_cast<size_t>(fused.bm25_rank) - 1].score;
      if (fused.vector_rank > 0) hit.vector_score = near[static_cast<size_t>(fused.vector_rank) - 1].score;
      hits.push_back(std::move(hit));
    }
    return hits;
  }

  bool has_vectors() const override { return pooling_ != nullptr; }
  const std::string& sha256() const override { return contents_.sha256; }
  const std::string& fingerprint() const override { return contents_.fingerprint; }
  const std::string& model() const override { return contents_.model; }
  const std::string& path() const override { return path_; }
  size_t n_passages() const override { return static_cast<size_t>(contents_.n_passages); }
  size_t n_documents() const override { return static_cast<size_t>(contents_.n_documents); }
  int passage_words() const override { return contents_.passage_words; }
  int dim() const override { return contents_.dim; }

 private:
  // Before the vectors are read, which may take a while.
  Status check_embedder(const Embedder* embedder) const {
    if (embedder == nullptr) return {};
    KEDGE_ASSIGN(fingerprint, retrieval::read_meta(database_, "fingerprint"));
    if (fingerprint == embedder->fingerprint()) return {};
    KEDGE_ASSIGN(model, retrieval::read_meta(database_, "model"));
    return Error{ErrorCode::kInvalidArgument,
                 path_ + ": its vectors were made with " + model + " (embedding fingerprint " + fingerprint +
                     "), the model given is " + embedder->name() + " (" + embedder->fingerprint() +
                     "); build the index anew with it, or give the model it was built with, or search by words only"};
  }

  Result<std::vector<Ranked>> nearest(std::string_view query, size_t count) const {
    KEDGE_ASSIGN(vector, pooling_->embed(query));
    const size_t n = vector.size();
    std::vector<float> scores(n_passages());
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = dot(contents_.vectors.data() + i * n, vector.data(), n);
    return retrieval::best_rows(scores, count);
  }

  Result<Hit> read_hit(const Fused& fused) const {
    KEDGE_TRY(passage_.bind(fused.row));
    KEDGE_ASSIGN(found, passage_.step());
    if (!found) return Error{ErrorCode::kCorrupt, path_ + ": passage " + std::to_string(fused.row) + " is missing"};
    const int64_t line = passage_.integer(8);
    Hit hit{.id = passage_.bytes(0),
            .title = passage_.bytes(1),
            .text = passage_.bytes(2),
            .source = passage_.bytes(3) + (line > 0 ? ":" + std::to_string(line) : ""),
            .metadata = passage_.bytes(4),
            .doc_sha256 = passage_.bytes(5),
            .begin = passage_.integer(6),
            .end = passage_.integer(7),
            .score = fused.score};
    hit.bm25_rank = fused.bm25_rank;
    hit.vector_rank = fused.vector_rank;
    passage_.reset();
    return hit;
  }

  std::string path_;
  sqlite::Database database_;
  Contents contents_;
  std::unique_ptr<Pooling> pooling_;
  mutable std::mutex mutex_;  // of the connection and its statements
  mutable retrieval::WordSearch words_;
  mutable sqlite::Statement passage_;
};

}  // namespace

Result<std::shared_ptr<const RetrievalIndex>> RetrievalIndex::open(const std::string& path,
                                                                   std::shared_ptr<const Embedder> embedder) {
  auto index = std::make_shared<SqliteIndex>();
  KEDGE_TRY(index->open(path, std::move(embedder)));
  return std::shared_ptr<const RetrievalIndex>(std::move(index));
}

}  // namespace kedge::router
