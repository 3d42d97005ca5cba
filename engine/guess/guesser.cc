#include "engine/guess/guesser.h"

#include <algorithm>

#include "engine/guess/draft.h"
#include "engine/guess/lookup.h"

namespace kedge::engine {

namespace {

Error invalid(const std::string& what) { return {ErrorCode::kInvalidArgument, "speculation: " + what}; }

Result<std::unique_ptr<Guesser>> make_draft(const GenerateOptions& options, SamplerOptions sampling,
                                            const std::atomic<bool>* cancel, size_t n_vocab) {
  Session* draft = options.speculation.draft;
  if (draft == nullptr) return invalid("kind 'draft' needs the session of a draft model");
  const auto rows = static_cast<size_t>(draft->model().config().n_vocab);
  std::erase_if(sampling.logit_bias, [&](const LogitBias& b) { return static_cast<size_t>(b.token) >= rows; });
  KEDGE_ASSIGN(sampler, Sampler::create(sampling, rows));
  const EvalHooks hooks{
      .progress = {}, .cancel = cancel, .deadline = options.deadline, .key = options.key, .weight = options.weight};
  return std::unique_ptr<Guesser>(std::make_unique<DraftGuesser>(*draft, std::move(sampler), hooks, n_vocab));
}

}  // namespace

Result<std::unique_ptr<Guesser>> make_guesser(const GenerateOptions& options, const SamplerOptions& sampling,
                                              const std::atomic<bool>* cancel, size_t n_vocab) {
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
  return Error{ErrorCode::kUnsupported,
               "speculation: kind 'mtp': blocks that predict further tokens are left out when a model is loaded; "
               "'ngram' and 'draft' guess for every model"};
}

}  // namespace kedge::engine
