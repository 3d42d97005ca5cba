#include "router/attempt.h"

#include <ctime>

#include <algorithm>

#include "engine/sampler_math.h"
#include "kernels/isa.h"
#include "tokenizer/utf8_stream.h"

namespace kedge::router {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kLate = "deadline: the time for the answer ran out while it was written";

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The text of the answer with control tokens such as <|ref|> written out, without the token that ended it. Bytes that
// are no UTF-8, such as a character that was given up in the middle, become U+FFFD; the tokens keep them.
std::string answer_text(const Tokenizer& tokenizer, std::span<const int32_t> tokens) {
  while (!tokens.empty() && tokenizer.is_eog(tokens.back())) tokens = tokens.first(tokens.size() - 1);
  auto bytes = tokenizer.decode(tokens, {.skip_special = false});
  if (!bytes.ok()) return {};
  Utf8Stream stream;
  std::string text;
  stream.push(*bytes, &text);
  stream.flush(&text);
  return trimmed(text);
}

// Reads the prompt up to the last token of the question, and what the model thinks of the question's tokens and of the
// one after them. How a prompt is cut into steps changes no number. Returns how many tokens were read.
Result<size_t> read_question(Session& s, const KernelTable& kernels, std::span<const int32_t> prompt, TokenRange range,
                             const std::function<bool(size_t, size_t)>& progress, const std::atomic<bool>* cancel,
                             std::vector<QuestionToken>& out) {
  const auto first = static_cast<size_t>(range.first);
  const size_t end = std::min(static_cast<size_t>(range.last), first + kQuestionTokens);
  const bool whole = end == static_cast<size_t>(range.last) && end < prompt.size();
  const size_t stop = whole ? end : end - 1;  // the row before a token is the one it is chosen from
  const std::vector<TokenPart> parts = question_parts(s.model().tokenizer(), prompt.subspan(first, end - first));
  if (first > 1) KEDGE_TRY(s.eval(prompt.first(first - 1), {.progress = progress, .cancel = cancel}));
  std::vector<float> scratch;
  const auto row = [&](int position, std::span<const float> logits) -> Status {
    const size_t at = static_cast<size_t>(position) + 1;
    const TokenPart part = at < end ? parts[at - first] : TokenPart::kEnd;
    out.push_back({part, token_logprob(kernels, logits, prompt[at], scratch)});
    return {};
  };
  KEDGE_TRY(s.eval_all(prompt.subspan(first - 1, stop - first + 1), row, {.progress = progress, .cancel = cancel}));
  return stop;
}

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

double cpu_seconds(int n_threads) {
  timespec t{};
  clock_gettime(n_threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
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
  const double cpu = cpu_seconds(run.n_threads);
  const auto start = Clock::now();
  auto session = attempt.model->session(run.n_threads);
  if (!session.ok()) return fail(session.error());
  Session& s = **session;
  if (!segments.empty()) {
    const auto added = s.add_segments(segments);
    if (!added.ok()) return fail(added.error());
  }
  TraceCollector trace(**kernels);
  bool late = false;
  const auto in_time = [&] { return !(late = late || Clock::now() > run.deadline); };
  GenerateOptions options;
  options.max_tokens = run.max_tokens;
  options.sampler.settings = {{"temperature", attempt.temperature}};
  options.sampler.seed = attempt.seed;
  options.sampler.request = attempt.request;
  GenerateCallbacks callbacks;
  callbacks.cancel = run.cancel;
  callbacks.on_prefill = [&](size_t, size_t) { return in_time(); };
  callbacks.on_token = [&](int32_t token, std::span<const TokenLogprob>) {
    const auto began = Clock::now();
    trace.add(s.logits(), token);
    attempt.aborted = !s.model().tokenizer().is_eog(token) && run.hopeful && !run.hopeful(trace.tokens());
    attempt.measure_s += std::chrono::duration<double>(Clock::now() - began).count();
    return in_time() && !attempt.aborted;
  };
  std::span<const int32_t> prompt = attempt.prompt;
  if (run.question.first > 0 && run.question.last > run.question.first) {
    const auto read =
        read_question(s, **kernels, prompt, run.question, callbacks.on_prefill, run.cancel, attempt.question);
    if (!read.ok() && !late) return fail(read.error());
    prompt = read.ok() ? prompt.subspan(*read) : std::span<const int32_t>();
  }
  if (late) return fail({ErrorCode::kCancelled, kLate});
  auto result = generate(s, prompt, options, callbacks);
  attempt.cpu_s = cpu_seconds(run.n_threads) - cpu;
  attempt.wall_s = std::chrono::duration<double>(Clock::now() - start).count();
  if (!result.ok()) return fail(result.error());

  attempt.finish = result->finish;
  attempt.tokens = std::move(result->tokens);
  attempt.text = answer_text(s.model().tokenizer(), attempt.tokens);
  attempt.logits_hash = trace.logits_hash();
  attempt.kv = std::move(result->kv);
  attempt.settings = std::move(result->settings);
  outcome.stats.assign(trace.tokens().begin(), trace.tokens().end());
  if (late) return fail({ErrorCode::kCancelled, kLate});
  if (attempt.finish == FinishReason::kCancelled && !attempt.aborted) {
    return fail({ErrorCode::kCancelled, "cancelled"});
  }
  return outcome;
}

Result<double> probability_of_yes(LoadedModel& model, std::span<const int32_t> prompt, int n_threads,
                                  Clock::time_point deadline) {
  const Tokenizer& tokenizer = model.model()->tokenizer();
  KEDGE_ASSIGN(yes, tokenizer.encode("yes", {.add_special = false}));
  KEDGE_ASSIGN(no, tokenizer.encode("no", {.add_special = false}));
  if (yes.empty() || no.empty() || yes[0] == no[0]) {
    return Error{ErrorCode::kUnsupported, "model '" + model.name() + "': yes and no begin with the same token"};
  }
  KEDGE_ASSIGN(session, model.session(n_threads));
  const Status evaluated =
      session->eval(prompt, {.progress = [&](size_t, size_t) { return Clock::now() <= deadline; }, .cancel = nullptr});
  if (!evaluated.ok()) {
    if (evaluated.error().code != ErrorCode::kCancelled) return evaluated.error();
    return Error{ErrorCode::kCancelled, "the deadline passed while the verifier read"};
  }
  const auto logits = session->logits();
  const double difference =
      static_cast<double>(logits[static_cast<size_t>(no[0])]) - logits[static_cast<size_t>(yes[0])];
  return 1.0 / (1.0 + stable_exp(std::min(700.0, difference)));
}

}  // namespace kedge::router
