// Documents in the order in which they answer a query, by what a model was made for: one that makes vectors compares
// them, one that writes is asked for yes or no about each, as Qwen3-Reranker was trained (Zhang et al. 2025, arXiv
// 2506.05176). Over the public headers only; `kedge rerank` and /v1/rerank.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/kedge.hpp"

namespace kedge::tools::serve {

enum class RankMethod { kCosine, kYesNo };
const char* name_of(RankMethod method);  // "cosine", "yes_no"

struct RankOptions {
  // Of kYesNo: what the documents are wanted for.
  std::string instruction = "Given a web search query, retrieve relevant passages that answer the query";
  // Of kCosine: put in front, where a model was trained with such ("search_query: ").
  std::string query_prefix = {};
  std::string document_prefix = {};
  std::string key = {};  // as kedge_embed has it
  const kedge::Cancel* cancel = nullptr;
};

// One document's score and place among those given.
struct Ranked {
  size_t index = 0;
  double score = 0;  // kCosine: -1 to 1; kYesNo: the share of yes, 0 to 1
};

struct Ranking {
  std::vector<Ranked> documents;  // the best first, of equals the one that was given first
  RankMethod method = RankMethod::kCosine;
  size_t n_tokens = 0;
};

// What the model is for: a file that says how its vectors are pooled makes vectors. Errors: KEDGE_UNSUPPORTED (a model
// without a chat's control tokens, which cannot be asked).
kedge::Result<RankMethod> rank_method(const kedge::Model& model);

// Errors: those of the engine; KEDGE_INVALID_ARGUMENT (no documents, an empty text).
kedge::Result<Ranking> rank(kedge::Engine& engine, const kedge::Model& model, std::string_view query,
                            const std::vector<std::string>& documents, const RankOptions& options = {});

}  // namespace kedge::tools::serve
