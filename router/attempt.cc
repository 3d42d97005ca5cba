#include "router/attempt.h"

#include <algorithm>

#include "engine/answer_json.h"
#include "engine/sampler_math.h"
#include "kernels/isa.h"
#include "router/answer_stream.h"

namespace kedge::router {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kLate = "deadline: the time for the answer ran out while it was written";

class AttemptRunner {
 public:
  AttemptRunner(Attempt& attempt, const AttemptRun& run, const KernelTable& kernels)
      : attempt_(attempt), run_(run), kernels_(kernels), trace_(kernels) {}

  // What was given up at the deadline is told apart from other failures by late().
  Status run(std::span<const Segment> segments) {
    const auto start = Clock::now();
    KEDGE_TRY(begin(segments));
    if (!in_time()) return {};
    if (run_.on_text) stream_.emplace(session_->model().tokenizer());
    const GenerateOptions wanted = options();
    const auto held = session_->use();  // until its memory has been looked at
    auto result = generate(*session_, std::span<const int32_t>(attempt_.prompt).subspan(n_read_), wanted, callbacks());
    attempt_.cpu_s = session_->cost_s();
    attempt_.wall_s = std::chrono::duration<double>(Clock::now() - start).count();
    KEDGE_TRY(result);
    late_ = late_ || result->finish == FinishReason::kDeadline;
    attempt_.finish = result->finish;
    attempt_.tokens = std::move(result->tokens);
    const std::string text = answer_text(session_->model().tokenizer(), attempt_.tokens);
    if (run_.on_text) give_text(stream_->rest(text));
    take(read_answer(attempt_.form, text));
    attempt_.logits_hash = trace_.logits_hash();
    attempt_.kv = kv_answer_json(session_->memory(), result->kv_before);
    attempt_.settings = generate_settings_json(wanted, *result);
    attempt_.speculation = speculation_json(wanted, *result);
    return {};
  }
  bool late() const { return late_; }
  std::span<const TokenStats> stats() const { return trace_.tokens(); }

 private:
  void take(AnswerParts parts) {
    attempt_.text = std::move(parts.content);
    attempt_.reasoning = std::move(parts.reasoning);
    attempt_.calls = std::move(parts.calls);
    attempt_.broken_call = std::move(parts.broken);
  }

  bool in_time() { return !(late_ = late_ || Clock::now() > run_.deadline); }

  // A session that has read the prompt as far as the question goes, where that is looked at.
  Status begin(std::span<const Segment> segments) {
    if (run_.from != nullptr && run_.from->serves(attempt_)) {
      KEDGE_ASSIGN(fork, run_.from->session->fork());
      session_ = std::move(fork);
      n_read_ = run_.from->n_tokens;
      attempt_.question = run_.from->question;
      return {};
    }
    KEDGE_ASSIGN(session, attempt_.model->session());
    session_ = std::move(session);
    if (!segments.empty()) KEDGE_TRY(session_->add_segments(segments));
    if (run_.question.first <= 0 || run_.question.last <= run_.question.first) return {};
    Status read = read_question();
    if (!read.ok() && in_time()) return read;
    return late_ || run_.keep == nullptr ? Status() : keep();
  }

  // Reads the prompt up to the last token of the question, and what the model thinks of the question's tokens and of
  // the one after them. How a prompt is cut into steps changes no number.
  Status read_question() {
    Session& s = *session_;
    const std::span<const int32_t> prompt = attempt_.prompt;
    const auto first = static_cast<size_t>(run_.question.first);
    const size_t end = std::min(static_cast<size_t>(run_.question.last), first + kQuestionTokens);
    const bool whole = end == static_cast<size_t>(run_.question.last) && end < prompt.size();
    const size_t stop = whole ? end : end - 1;  // the row before a token is the one it is chosen from
    const std::vector<TokenPart> parts = question_parts(s.model().tokenizer(), prompt.subspan(first, end - first));
    const EvalHooks hooks{.progress = [this](size_t done, size_t) { return tell_read(done), in_time(); },
                          .cancel = run_.cancel,
                          .deadline = run_.deadline,
                          .key = run_.key};
    if (first > 1) KEDGE_TRY(s.eval(prompt.first(first - 1), hooks));
    std::vector<float> scratch;
    const auto row = [&](int position, std::span<const float> logits) -> Status {
      const size_t at = static_cast<size_t>(position) + 1;
      const TokenPart part = at < end ? parts[at - first] : TokenPart::kEnd;
      attempt_.question.push_back({part, token_logprob(kernels_, logits, prompt[at], scratch)});
      return {};
    };
    KEDGE_TRY(s.eval_all(prompt.subspan(first - 1, stop - first + 1), row, hooks));
    n_read_ = stop;
    return {};
  }

  Status keep() {
    KEDGE_ASSIGN(fork, session_->fork());
    *run_.keep = {attempt_.model, attempt_.prompt, std::move(fork), n_read_, attempt_.question};
    return {};
  }

  GenerateOptions options() const {
    GenerateOptions options;
    options.max_tokens = run_.max_tokens;
    options.sampler.settings = {{"temperature", attempt_.temperature}};
    options.sampler.seed = attempt_.seed;
    options.sampler.request = attempt_.request;
    options.every_logits = true;  // of the trace
    if (!run_.draft.empty()) {
      options.speculation.kind = SpeculationOptions::Kind::kTokens;
      options.speculation.tokens.assign(run_.draft.begin(), run_.draft.end());
    }
    options.constraint = attempt_.form.constraint;
    options.every_logits = true;  // the trace is of every token, and so is the hash of the logits
    options.key = run_.key;
    options.deadline = run_.deadline;
    return options;
  }

  GenerateCallbacks callbacks() {
    GenerateCallbacks callbacks;
    callbacks.cancel = run_.cancel;
    callbacks.on_prefill = [this](size_t done, size_t) { return tell_read(n_read_ + done), in_time(); };
    callbacks.on_token = [this](int32_t token, std::span<const TokenLogprob>) {
      const auto began = Clock::now();
      trace_.add(session_->logits(), token);
      attempt_.aborted = !session_->model().tokenizer().is_eog(token) && run_.hopeful && !run_.hopeful(trace_.tokens());
      attempt_.measure_s += std::chrono::duration<double>(Clock::now() - began).count();
      if (run_.on_text) give_text(stream_->push(token));
      return in_time() && !attempt_.aborted;
    };
    return callbacks;
  }

  void tell_read(size_t done) const {
    const size_t total = attempt_.prompt.size();
    if (run_.on_read) run_.on_read(std::min(done, total), total);
  }

  void give_text(std::string_view text) const {
    if (!text.empty()) run_.on_text(text);
  }

  Attempt& attempt_;
  const AttemptRun& run_;
  const KernelTable& kernels_;
  TraceCollector trace_;
  std::unique_ptr<Session> session_;
  std::optional<AnswerStream> stream_;
  size_t n_read_ = 0;  // tokens of the prompt
  bool late_ = false;
};

}  // namespace

bool Attempt::failed_check() const {
  return uncited() ||
         std::any_of(checks.begin(), checks.end(), [](const CheckResult& c) { return c.verdict == Verdict::kFail; });
}

bool Attempt::passed(std::string_view comparator) const {
  return std::any_of(checks.begin(), checks.end(),
                     [&](const CheckResult& c) { return c.name == comparator && c.verdict == Verdict::kPass; });
}

bool Attempt::uncited() const {
  if (n_evidence == 0 || !answered() || declines(text)) return false;
  return citations.empty() || std::any_of(citations.begin(), citations.end(),
                                          [](const ResolvedCitation& c) { return c.by == ResolvedBy::kNone; });
}

AttemptOutcome run_attempt(Attempt& attempt, std::span<const Segment> segments, const AttemptRun& run) {
  AttemptOutcome outcome;
  const auto fail = [&](const Error& e) {
    attempt.error = e.message;
    outcome.failure = e.code;
    return outcome;
  };
  const auto kernels = active_kernels();
  if (!kernels.ok()) return fail(kernels.error());
  AttemptRunner runner(attempt, run, **kernels);
  const Status ran = runner.run(segments);
  if (!ran.ok()) return fail(ran.error());
  outcome.stats.assign(runner.stats().begin(), runner.stats().end());
  if (runner.late()) return fail({ErrorCode::kCancelled, kLate});
  if (attempt.finish == FinishReason::kCancelled && !attempt.aborted) {
    return fail({ErrorCode::kCancelled, "cancelled"});
  }
  return outcome;
}

Result<YesProbability> probability_of_yes(LoadedModel& model, std::span<const int32_t> prompt, const AttemptRun& run) {
  const Tokenizer& tokenizer = model.model()->tokenizer();
  KEDGE_ASSIGN(yes, tokenizer.encode("yes", {.add_special = false}));
  KEDGE_ASSIGN(no, tokenizer.encode("no", {.add_special = false}));
  if (yes.empty() || no.empty() || yes[0] == no[0]) {
    return Error{ErrorCode::kUnsupported, "model '" + model.name() + "': yes and no begin with the same token"};
  }
  KEDGE_ASSIGN(session, model.session());
  const Status evaluated =
      session->eval(prompt, {.progress = [&](size_t, size_t) { return Clock::now() <= run.deadline; },
                             .cancel = run.cancel,
                             .deadline = run.deadline,
                             .key = run.key});
  if (!evaluated.ok()) {
    const bool cancelled = run.cancel != nullptr && run.cancel->load();
    if (evaluated.error().code != ErrorCode::kCancelled || cancelled) return evaluated.error();
    return Error{ErrorCode::kCancelled, "the deadline passed while the verifier read"};
  }
  const auto logits = session->logits();
  const double difference =
      static_cast<double>(logits[static_cast<size_t>(no[0])]) - logits[static_cast<size_t>(yes[0])];
  return YesProbability{1.0 / (1.0 + stable_exp(std::min(700.0, difference))), session->cost_s()};
}

}  // namespace kedge::router
