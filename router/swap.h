// Another model behind an alias while answers go on: load, check the contract, check known logits, let it answer a
// share of questions in the shadow, repoint the alias, drain; or leave everything as it was.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/background.h"
#include "router/pool.h"
#include "router/route.h"

namespace kedge::router {

// What a model's logits have to be: the hash of a greedy generation (Attempt::logits_hash).
struct GoldenLogits {
  std::vector<int32_t> prompt;
  int n_tokens = 1;
  std::string logits_hash;
};

struct SwapRequest {
  std::string alias;        // "fast", "deep", ...
  std::string path;         // of the new model
  bool rollback = false;    // back to what the alias meant before its last swap; path stays empty
  bool retokenise = false;  // the caller knows that tokenizer or embeddings differ and keeps none of either
  std::vector<GoldenLogits> golden;
  double shadow_share = 0;        // of questions that the new model answers too, unseen; 0: none, it takes over at once
  int shadow_count = 20;          // answers in the shadow before it takes over
  double shadow_agreement = 0.8;  // share of them that have to agree with those given
};
// Members: see kedge_router_swap. Errors: kInvalidArgument.
Result<SwapRequest> parse_swap_request(std::string_view json);

// Thread-safe.
class Swaps {
 public:
  explicit Swaps(Pool& pool) : pool_(&pool) {}

  // Loads and checks; then repoints the alias, or begins the shadow. Errors: those of the load; kInvalidArgument (the
  // contract differs, with both fingerprints; nothing to roll back to), kCorrupt (golden logits differ): the alias
  // means what it meant.
  Result<Json> begin(const SwapRequest& request, const RouterConfig& config);

  // After an answer of the alias' model: lets the shadow answer when it is its turn, and ends the shadow when enough
  // is known. Nobody waits for that: the shadow answers on a thread of its own, and when it cannot keep up, questions
  // pass it by ("skipped").
  void observe(const AskRequest& request, const RouteResult& result);
  // Returns when the shadows have answered what they were to answer so far.
  void settle() { background_.settle(); }

  Json state() const;

 private:
  struct Shadow {
    SwapRequest request;
    std::shared_ptr<LoadedModel> model;
    uint64_t seen = 0;
    uint64_t skipped = 0;
    int answered = 0;
    int agreed = 0;
  };
  Result<Json> roll_back(const SwapRequest& request, const RouterConfig& config);
  // What the shadow is asked: an attempt of a route, and what was given there.
  struct Question {
    std::string alias;
    std::shared_ptr<LoadedModel> shadow;
    AskRequest request;
    std::vector<Evidence> evidence;
    std::string given;
  };
  bool is_its_turn(const std::string& alias, std::shared_ptr<LoadedModel>& shadow);
  void answer(const Question& question, const std::atomic<bool>& cancel);
  void count(const Question& question, bool agrees);
  Json take_over(const std::string& alias, std::shared_ptr<LoadedModel> model);
  void log(Json event) { history_.push_back(std::move(event)); }

  static constexpr size_t kBacklog = 64;  // questions

  Pool* pool_;
  mutable std::mutex mutex_;
  std::map<std::string, Shadow> shadows_;        // by alias
  std::map<std::string, std::string> previous_;  // by alias: the name it had before its last swap
  Json history_ = Json::array();
  Background background_{kBacklog};  // last: its thread uses the others
};

}  // namespace kedge::router
