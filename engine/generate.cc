#include "engine/generate.h"

#include <algorithm>
#include <cmath>

#include "engine/generation_run.h"
#include "engine/guess/guesser.h"

namespace kedge::engine {
namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status check(const GenerationSource& source, std::span<const int32_t> prompt, const GenerateOptions& options) {
  if (options.max_tokens < -1) {
    return invalid("max_tokens = " + std::to_string(options.max_tokens) + " is below -1 (no limit)");
  }
  if (options.logprobs < -1 || options.logprobs > kMaxTopLogprobs) {
    return invalid("logprobs = " + std::to_string(options.logprobs) + " is outside -1 to " +
                   std::to_string(kMaxTopLogprobs));
  }
  if (options.logprobs > 0 && static_cast<size_t>(options.logprobs) > source.n_vocab()) {
    return invalid("logprobs = " + std::to_string(options.logprobs) + ", but the vocabulary has only " +
                   std::to_string(source.n_vocab()) + " tokens");
  }
  const size_t past = source.tokens().size();
  const size_t room = source.n_ctx() - std::min(past, source.n_ctx());
  if (prompt.size() > room) {
    return Error{ErrorCode::kCapacity, "the prompt has " + std::to_string(prompt.size()) +
                                           " tokens, the context has room for " + std::to_string(room) + " (" +
                                           std::to_string(source.n_ctx()) + ", of which " + std::to_string(past) +
                                           " are in use)"};
  }
  if (prompt.empty() && source.logits().empty()) {
    return invalid("the prompt is empty and the session has no logits to go on from");
  }
  return {};
}

bool asks_for_dry(const SamplerOptions& options) {
  return std::any_of(options.settings.begin(), options.settings.end(),
                     [](const auto& s) { return s.first == "dry_multiplier" && s.second != 0.0; });
}

}  // namespace

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContextFull:
      return "context_full";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
  }
  return "unknown";
}

const char* speculation_kind_name(SpeculationOptions::Kind kind) {
  switch (kind) {
    case SpeculationOptions::Kind::kNone:
      return "none";
    case SpeculationOptions::Kind::kNgram:
      return "ngram";
    case SpeculationOptions::Kind::kDraft:
      return "draft";
    case SpeculationOptions::Kind::kTokens:
      return "tokens";
    case SpeculationOptions::Kind::kMtp:
      return "mtp";
  }
  return "unknown";
}

Generation::Generation(std::unique_ptr<Run> run) : run_(std::move(run)) {}
Generation::~Generation() = default;
bool Generation::over() const { return run_->over(); }
std::span<const int32_t> Generation::wanted() const { return run_->wanted(); }
std::span<const int32_t> Generation::guesses() const { return run_->guesses(); }
Status Generation::advance(Status evaluated) { return run_->advance(std::move(evaluated)); }
GenerateResult Generation::result() { return run_->result(); }

Result<std::unique_ptr<Generation>> Generation::begin(GenerationSource& source, std::span<const int32_t> prompt,
                                                      const GenerateOptions& options,
                                                      const GenerateCallbacks& callbacks) {
  KEDGE_TRY(check(source, prompt, options));
  SamplerOptions sampling = options.sampler;
  if (options.ignore_eos) {
    for (const int32_t id : source.eog_tokens()) sampling.logit_bias.push_back({id, -INFINITY});
  }
  for (const int32_t id : source.suppressed_tokens()) sampling.logit_bias.push_back({id, -INFINITY});
  if (asks_for_dry(sampling)) sampling.breakers = source.breaker_tokens();
  KEDGE_ASSIGN(sampler, Sampler::create(sampling, source.n_vocab()));
  KEDGE_ASSIGN(stops, StopMatcher::create(options.stop));
  KEDGE_ASSIGN(guesser, make_guesser(options, sampling, callbacks.cancel, source.n_vocab(), source.session()));
  AnswerFilter filter;
  if (options.constraint != nullptr) {
    filter = AnswerFilter(options.constraint->filter(), source.n_vocab());
    // A limit that no text fits in is refused before the prompt is read.
    if (options.max_tokens > 0) KEDGE_TRY(filter.allowed(static_cast<size_t>(options.max_tokens)));
  }
  auto run = std::make_unique<Run>(source, prompt, options, callbacks,
                                   Run::Parts{std::move(sampler), std::move(stops), std::move(filter),
                                              Speculation(std::move(guesser), options.speculation)});
  return std::unique_ptr<Generation>(new Generation(std::move(run)));
}

Result<GenerateResult> drive(Generation& generation, GenerationSource& source, const GenerateCallbacks& callbacks) {
  const double cost_before = source.cost_s();
  for (bool first = true; !generation.over(); first = false) {
    const auto tokens = generation.wanted();
    Status evaluated;
    if (!tokens.empty()) {
      evaluated = first ? source.eval(tokens, callbacks.on_prefill, callbacks.cancel)
                        : source.eval_ahead(tokens, generation.guesses(), callbacks.cancel);
    }
    KEDGE_TRY(generation.advance(std::move(evaluated)));
  }
  GenerateResult result = generation.result();
  result.cost_s = source.cost_s() - cost_before;
  return result;
}

Result<GenerateResult> generate(GenerationSource& source, std::span<const int32_t> prompt,
                                const GenerateOptions& options, const GenerateCallbacks& callbacks) {
  KEDGE_ASSIGN(generation, Generation::begin(source, prompt, options, callbacks));
  return drive(*generation, source, callbacks);
}

}  // namespace kedge::engine
