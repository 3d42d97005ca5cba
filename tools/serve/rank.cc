#include "tools/serve/rank.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include "kernels/base/at_once.h"
#include "kernels/base/json.h"

namespace kedge::tools::serve {

namespace {

using Ids = std::vector<int32_t>;

// The turns of a question; what lies between are texts, in which control tokens are characters.
constexpr const char* kBefore =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
constexpr const char* kBehind = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

// The one token of a word.
kedge::Result<int32_t> word(const kedge::Model& model, const char* text) {
  auto ids = model.tokenize(text, false, false);
  if (!ids.ok()) return ids.error();
  if (ids->size() == 1) return (*ids)[0];
  return kedge::Error{KEDGE_UNSUPPORTED, std::string("the model cannot be asked: '") + text + "' is not one token"};
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Scores by document, several at once; the first error is kept.
class Scores {
 public:
  explicit Scores(size_t n) : scores_(n) {}
  void each(const std::function<kedge::Result<double>(size_t i)>& score) {
    constexpr size_t kAtOnce = 8;
    base::at_once(std::min(kAtOnce, scores_.size()), scores_.size(), [&](size_t i) {
      auto made = score(i);
      const std::lock_guard lock(mutex_);
      if (made.ok()) scores_[i] = *made;
      if (!made.ok() && !error_) error_ = made.error();
    });
  }
  kedge::Result<std::vector<Ranked>> sorted() const {
    if (error_) return *error_;
    std::vector<Ranked> all;
    for (size_t i = 0; i < scores_.size(); ++i) all.push_back({i, scores_[i]});
    std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
    return all;
  }

 private:
  std::vector<double> scores_;
  std::mutex mutex_;
  std::optional<kedge::Error> error_;
};

kedge::Result<std::vector<Ids>> all_tokens(const kedge::Model& model, std::string_view query,
                                           const std::vector<std::string>& documents, RankMethod method,
                                           const RankOptions& o) {
  std::vector<Ids> all;
  if (method == RankMethod::kCosine) {
    auto ids = model.tokenize(o.query_prefix + std::string(query), true, false);
    if (!ids.ok()) return ids.error();
    all.push_back(*std::move(ids));
  }
  for (const std::string& document : documents) {
    const bool asks = method == RankMethod::kYesNo;
    const std::string text =
        asks ? "<Instruct>: " + o.instruction + "\n<Query>: " + std::string(query) + "\n<Document>: " + document
             : o.document_prefix + document;
    auto ids = model.tokenize(text, !asks, false);
    if (!ids.ok()) return ids.error();
    if (asks) {
      auto before = model.tokenize(kBefore, true, true);
      auto behind = model.tokenize(kBehind, false, true);
      if (!before.ok()) return before.error();
      if (!behind.ok()) return behind.error();
      before->insert(before->end(), ids->begin(), ids->end());
      before->insert(before->end(), behind->begin(), behind->end());
      ids = std::move(before);
    }
    all.push_back(*std::move(ids));
  }
  return all;
}

kedge::Result<double> share_of_yes(kedge::Engine& engine, const Ids& tokens, size_t yes, size_t no) {
  SessionOptions options;
  options.n_ctx = static_cast<int>(tokens.size());
  auto session = engine.session(options);
  if (!session.ok()) return session.error();
  if (auto done = session->eval(tokens); !done.ok()) return done.error();
  const auto logits = session->logits();
  return 1 / (1 + std::exp(static_cast<double>(logits[no]) - static_cast<double>(logits[yes])));
}

}  // namespace

const char* name_of(RankMethod method) { return method == RankMethod::kCosine ? "cosine" : "yes_no"; }

kedge::Result<RankMethod> rank_method(const kedge::Model& model) {
  auto said = model.describe();
  if (!said.ok()) return said.error();
  const base::Json description = base::Json::parse(*said);
  const base::Json* pooling = description.pointee("/pooling");
  if (pooling != nullptr && pooling->is_string()) return RankMethod::kCosine;
  auto turn = model.tokenize("<|im_start|>", false, true);
  if (!turn.ok()) return turn.error();
  if (turn->size() == 1) return RankMethod::kYesNo;
  return kedge::Error{
      KEDGE_UNSUPPORTED,
      "the model cannot rank: its file does not say that it makes vectors (pooling_type), and it has no "
      "<|im_start|> to be asked with as Qwen3-Reranker is"};
}

kedge::Result<Ranking> rank(kedge::Engine& engine, const kedge::Model& model, std::string_view query,
                            const std::vector<std::string>& documents, const RankOptions& options) {
  if (query.empty() || documents.empty())
    return kedge::Error{KEDGE_INVALID_ARGUMENT, "no query, or no documents to rank"};
  for (size_t i = 0; i < documents.size(); ++i) {
    if (documents[i].empty()) {
      return kedge::Error{KEDGE_INVALID_ARGUMENT, "document " + std::to_string(i) + " is empty"};
    }
  }
  auto method = rank_method(model);
  if (!method.ok()) return method.error();
  auto tokens = all_tokens(model, query, documents, *method, options);
  if (!tokens.ok()) return tokens.error();
  Ranking ranking{.documents = {}, .method = *method};
  for (const Ids& ids : *tokens) ranking.n_tokens += ids.size();
  Scores scores(documents.size());
  if (*method == RankMethod::kYesNo) {
    const auto yes = word(model, "yes");
    const auto no = word(model, "no");
    if (!yes.ok()) return yes.error();
    if (!no.ok()) return no.error();
    scores.each([&](size_t i) {
      return share_of_yes(engine, (*tokens)[i], static_cast<size_t>(*yes), static_cast<size_t>(*no));
    });
  } else {
    kedge::EmbedOptions embed;
    embed.key = options.key;
    embed.cancel = options.cancel;
    const auto wanted = engine.embed((*tokens)[0], embed);
    if (!wanted.ok()) return wanted.error();
    scores.each([&](size_t i) -> kedge::Result<double> {
      const auto vector = engine.embed((*tokens)[i + 1], embed);
      if (!vector.ok()) return vector.error();
      return dot(*wanted, *vector);
    });
  }
  auto sorted = scores.sorted();
  if (!sorted.ok()) return sorted.error();
  ranking.documents = *std::move(sorted);
  return ranking;
}

}  // namespace kedge::tools::serve
