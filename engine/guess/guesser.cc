#include "engine/guess/guesser.h"

#include <algorithm>
#include <cmath>

#include "engine/guess/draft.h"
#include "engine/guess/lookup.h"
#include "engine/guess/prediction.h"

namespace kedge::engine {

namespace {

Error invalid(const std::string& what) { return {ErrorCode::kInvalidArgument, "speculation: " + what}; }

// A draft that gives its own choice less than this is not worth a row of the large model.
constexpr double kLeastProbability = 0.25;

EvalHooks hooks_of(const GenerateOptions& options, const std::atomic<bool>* cancel) {
  return {.progress = {}, .cancel = cancel, .deadline = options.deadline, .key = options.key, .weight = options.weight};
}

Result<std::unique_ptr<Guesser>> make_draft(const GenerateOptions& options, SamplerOptions sampling,
                                            const std::atomic<bool>* cancel, size_t n_vocab) {
  Session* draft = options.speculation.draft;
  if (draft == nullptr) return invalid("kind 'draft' needs the session of a draft model");
  const auto rows = static_cast<size_t>(draft->model().config().n_vocab);
  std::erase_if(sampling.logit_bias, [&](const LogitBias& b) { return static_cast<size_t>(b.token) >= rows; });
  KEDGE_ASSIGN(sampler, Sampler::create(sampling, rows));
  return std::unique_ptr<Guesser>(
      std::make_unique<DraftGuesser>(*draft, std::move(sampler), hooks_of(options, cancel), n_vocab));
}

Result<std::unique_ptr<Guesser>> make_prediction(const GenerateOptions& options, const SamplerOptions& sampling,
                                                 const std::atomic<bool>* cancel, size_t n_vocab, Session* session) {
  if (session == nullptr) return invalid("kind 'mtp' needs a session of a model");
  KEDGE_ASSIGN(predictor, session->predictor());
  KEDGE_ASSIGN(sampler, Sampler::create(sampling, n_vocab));
  return std::unique_ptr<Guesser>(
      std::make_unique<PredictionGuesser>(*session, *predictor, std::move(sampler), hooks_of(options, cancel)));
}

}  // namespace

Result<int32_t> choose_if_likely(Sampler& sampler, std::span<const float> logits, std::span<const int32_t> history) {
  KEDGE_ASSIGN(token, sampler.next(logits, history, static_cast<int>(history.size())));
  TokenLogprob own{};
  log_probabilities(logits, token, {&own, 1});
  return own.logprob >= std::log(kLeastProbability) ? token : -1;
}

Result<std::unique_ptr<Guesser>> make_guesser(const GenerateOptions& options, const SamplerOptions& sampling,
                                              const std::atomic<bool>* cancel, size_t n_vocab, Session* session) {
  const SpeculationOptions& o = options.speculation;
  using Kind = SpeculationOptions::Kind;
  if (o.kind == Kind::kNone) return std::unique_ptr<Guesser>();
  if (o.most < 1 || o.most > kMostGuesses) {
    return invalid("max is " + std::to_string(o.most) + ", must be 1 to " + std::to_string(kMostGuesses));
  }
  if (o.kind == Kind::kNgram) return std::unique_ptr<Guesser>(std::make_unique<LookupGuesser>());
  if (o.kind == Kind::kDraft) return make_draft(options, sampling, cancel, n_vocab);
  if (o.kind == Kind::kTokens) {
    for (const int32_t token : o.tokens) {
      if (token >= 0 && static_cast<size_t>(token) < n_vocab) continue;
      return invalid("token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(n_vocab));
    }
    return std::unique_ptr<Guesser>(std::make_unique<LookupGuesser>(o.tokens));
  }
  return make_prediction(options, sampling, cancel, n_vocab, session);
}

}  // namespace kedge::engine
