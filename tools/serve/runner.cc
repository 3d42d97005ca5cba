#include "tools/serve/runner.h"

#include <sys/random.h>

#include <algorithm>
#include <exception>
#include <new>

namespace kedge::tools::serve {

double Run::ms_since_arrival() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - asker.arrived).count();
}

Answer<double> Run::deadline_left_ms() const {
  const double deadline = job.kedge.deadline_ms.value_or(options.deadline_ms);
  if (deadline <= 0) return 0.0;
  const double left = deadline - ms_since_arrival();
  if (left > 0) return left;
  return ApiError{.status = 504,
                  .code = "deadline_exceeded",
                  .message = "the deadline of " + Json(deadline).dump() + " ms passed before work began"};
}

ApiError Run::cancelled() const {
  if (cancel.reason() == Cancel::kDraining) {
    return {.status = 503, .code = "draining", .message = "the server is shutting down", .retry_after_ms = 2000};
  }
  return {.status = 499, .code = "cancelled", .message = "the client has gone"};
}

uint64_t drawn_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = 1;
  return seed >> 11;
}

namespace {

std::optional<ApiError> over(const char* what, size_t given, int most) {
  if (given <= static_cast<size_t>(most)) return std::nullopt;
  return bad_request(
      "'" + std::string(what) + "' is " + std::to_string(given) + ", at most " + std::to_string(most) + " are given",
      what);
}

std::optional<ApiError> over_limits(const Job& job, const RunnerOptions& options) {
  const size_t tokens = static_cast<size_t>(std::max(0, job.options.max_tokens));
  if (auto error = over("max_tokens", tokens, options.max_tokens)) return error;
  if (auto error = over("n", static_cast<size_t>(job.n), options.max_choices)) return error;
  if (auto error = over("stop", job.options.stop.size(), options.max_stops)) return error;
  if (auto error = over("kedge.evidence", job.kedge.evidence.size(), options.max_documents)) return error;
  return over("top_logprobs", static_cast<size_t>(std::max(0, job.options.logprobs)), options.max_logprobs);
}

// What only chats of the router can be asked, or only models by name.
std::optional<ApiError> unfit(const Job& job, bool routed, const RunnerOptions& options) {
  if (auto error = over_limits(job, options)) return error;
  const KedgeOptions& k = job.kedge;
  if (!routed) {
    const char* wrong = k.min_confidence || k.max_attempts          ? "confidence and attempts are the router's"
                        : !k.index.empty() || !k.evidence.is_null() ? "grounding is the router's"
                        : k.compare                                 ? "comparing is the router's"
                                                                    : nullptr;
    if (wrong != nullptr) return bad_request(std::string(wrong) + ": ask the model 'auto'", "kedge");
    return std::nullopt;
  }
  if (job.prompts.size() != 1 || job.prompts.front().messages.is_null()) {
    return bad_request("the model 'auto' answers chats; name a model to continue a text", "model");
  }
  if (job.n > 1) return bad_request("the model 'auto' gives one answer; name a model for 'n' choices", "n");
  if (job.options.logprobs >= 0) {
    return bad_request("the model 'auto' gives a confidence in place of 'logprobs'; name a model for those",
                       "logprobs");
  }
  if (!job.options.stop.empty()) return bad_request("the model 'auto' takes no 'stop'; name a model", "stop");
  if (!job.options.logit_bias.empty()) {
    return bad_request("the model 'auto' takes no 'logit_bias'; name a model", "logit_bias");
  }
  if (job.lora) return bad_request("adapters are a model's: name one", "lora");
  if (!k.kv.is_null()) return bad_request("memory options are a model's: name one", "kedge.kv");
  return std::nullopt;
}

// The model that guesses ahead for another. One that cannot be had only makes the answer slower.
std::shared_ptr<ServedModel> draft_of(const ServedModel& model, Catalog& catalog, const Run& run) {
  const std::string& asked = run.job.kedge.speculation;
  const std::string& kind = asked.empty() ? run.options.speculation : asked;
  if (kind != "draft" || run.options.draft.empty()) return nullptr;
  const auto draft = catalog.open(run.options.draft);
  if (!draft.ok() || (*draft)->name() == model.name() || (*draft)->vocabulary() != model.vocabulary()) return nullptr;
  return *draft;
}

}  // namespace

void Runner::run(const Job& job, const Asker& asker, Cancel& cancel, Speaker& out) const noexcept {
  try {
    const RunnerOptions options = this->options();
    const Run run{job, asker, cancel, out, options};
    const auto alias = catalog_.resolve(job.model);
    if (!alias.ok()) return out.failed(alias.error());
    const bool routed = *alias == "auto";
    if (const auto wrong = unfit(job, routed, options)) return out.failed(*wrong);
    if (routed) return run_routed(run, catalog_);
    const auto model = catalog_.open(*alias);
    if (!model.ok()) return out.failed(model.error());
    run_direct(run, *model, draft_of(**model, catalog_, run));
  } catch (const std::bad_alloc&) {
    out.failed({.status = 503, .code = "out_of_memory", .message = "out of memory", .retry_after_ms = 2000});
  } catch (const std::exception& e) {
    out.failed({.status = 500, .code = "internal", .message = e.what()});
  }
}

}  // namespace kedge::tools::serve
