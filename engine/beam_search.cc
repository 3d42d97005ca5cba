#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/candidates.h"
#include "engine/engine.h"
#include "engine/sampler_math.h"
#include "engine/session.h"
#include "engine/token_filter.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8_stream.h"

namespace kedge::engine {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status check(const Session& session, std::span<const int32_t> prompt, const BeamOptions& o) {
  if (o.beams < 1 || o.beams > kMostBeams) {
    return invalid("beams = " + std::to_string(o.beams) + ", must be 1 to " + std::to_string(kMostBeams));
  }
  if (o.n_best < 0 || o.n_best > o.beams) {
    return invalid("n_best = " + std::to_string(o.n_best) + ", must be 0 (all) to the number of beams, " +
                   std::to_string(o.beams));
  }
  if (o.max_tokens < -1 || o.max_tokens == 0) {
    return invalid("max_tokens = " + std::to_string(o.max_tokens) + ", must be positive, or -1: no limit");
  }
  if (!(o.length_penalty >= 0 && o.length_penalty <= 10)) {
    return invalid("length_penalty = " + std::to_string(o.length_penalty) + ", must be 0 to 10");
  }
  if (prompt.empty() && session.logits().empty()) {
    return invalid("the prompt is empty and the session has no logits to go on from");
  }
  if (session.engine()->is_shared()) return {};
  return Error{ErrorCode::kUnsupported,
               "beam search needs a session of an engine for several sequences: this one has an engine of its own"};
}

// A beginning of answers. Its session has evaluated all its tokens.
struct Beam {
  std::unique_ptr<Session> session;
  std::vector<int32_t> tokens;
  double logprob = 0;
  std::unique_ptr<TokenFilter> filter;  // has accepted them; null: no constraint
};

// A beginning with a token more.
struct Extension {
  size_t beam;
  int32_t token;
  double logprob;  // of all together
};

// One that is evaluated next.
struct Chosen {
  Extension extension;
  std::unique_ptr<TokenFilter> filter;
};

// One that ends an answer.
struct Ended {
  Extension extension;
  FinishReason reason;
  bool unfinished;
};

bool likelier(const Extension& a, const Extension& b) {
  if (a.logprob != b.logprob) return a.logprob > b.logprob;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

class Search {
 public:
  Search(Session& session, const BeamOptions& options)
      : session_(session),
        o_(options),
        n_vocab_(static_cast<size_t>(session.model().config().n_vocab)),
        n_best_(static_cast<size_t>(options.n_best == 0 ? options.beams : options.n_best)),
        room_(static_cast<size_t>(session.n_ctx() - session.n_past()) + 1),  // the last token is not evaluated
        most_(options.max_tokens < 0 ? room_ : std::min(room_, static_cast<size_t>(options.max_tokens))),
        eog_(session.model().tokenizer().vocab().eog_ids),
        looked_at_(static_cast<size_t>(options.beams) + eog_.size()) {
    std::vector<int32_t> ids = session.model().tokenizer().vocab().suppress_ids;
    std::sort(ids.begin(), ids.end());
    for (const int32_t id : ids) suppressed_.push_back({-INFINITY, id});
  }

  Status run();
  std::vector<BeamAnswer> answers() { return std::move(answers_); }
  size_t steps() const { return steps_; }

 private:
  Status begin();
  Status extend();  // extensions_ of all beams, the likeliest first
  Status extend(size_t index);
  // What becomes of the extensions: answers, and the next beginnings. False: too few were looked at to know.
  Result<bool> sort_out(std::vector<Ended>& ended, std::vector<Chosen>& chosen) const;
  Status grow(std::vector<Chosen> chosen);
  bool settled(const std::vector<Chosen>& chosen) const;
  Result<std::unique_ptr<TokenFilter>> filter_of(std::span<const int32_t> tokens, int32_t more) const;
  Status keep(const Ended& ended);
  double score(double logprob, size_t n) const { return logprob / std::pow(static_cast<double>(n), o_.length_penalty); }
  bool ends(int32_t token) const { return std::binary_search(eog_.begin(), eog_.end(), token); }
  Result<std::string> text_of(std::span<const int32_t> tokens, bool whole) const;

  Session& session_;
  const BeamOptions& o_;
  const size_t n_vocab_;
  const size_t n_best_;
  const size_t room_;
  const size_t most_;                // tokens of an answer
  const std::vector<int32_t>& eog_;  // sorted
  size_t looked_at_;  // tokens of a beam: enough even when all that end an answer are among the likeliest
  std::vector<Candidate> suppressed_;
  std::vector<Beam> beams_;
  std::vector<Extension> extensions_;
  std::vector<BeamAnswer> answers_;  // at most n_best_, best first
  Candidates candidates_;
  std::vector<uint64_t> allowed_;
  size_t steps_ = 0;
};

Status Search::begin() {
  Beam first;
  KEDGE_ASSIGN(fork, session_.fork());
  first.session = std::move(fork);
  if (o_.constraint != nullptr) first.filter = o_.constraint->filter();
  beams_.push_back(std::move(first));
  return {};
}

Status Search::extend(size_t index) {
  const Beam& beam = beams_[index];
  const std::span<const float> logits = beam.session->logits();
  std::span<const uint64_t> allowed;
  if (beam.filter != nullptr && beam.filter->active()) {
    allowed_.assign(token_words(n_vocab_), ~uint64_t{0});
    if (n_vocab_ % 64 != 0) allowed_.back() = (uint64_t{1} << (n_vocab_ % 64)) - 1;
    KEDGE_TRY(beam.filter->allow(allowed_, most_ - beam.tokens.size()));
    allowed = allowed_;
  }
  candidates_.reset_to_best(logits, suppressed_, looked_at_, allowed);
  const double best = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float l : logits) total += stable_exp(l - best);
  const double log_total = best + stable_log(total);
  for (const Candidate& c : candidates_.items()) {
    extensions_.push_back({index, c.id, beam.logprob + (c.logit - log_total)});
  }
  return {};
}

Status Search::extend() {
  extensions_.clear();
  for (size_t i = 0; i < beams_.size(); ++i) KEDGE_TRY(extend(i));
  std::sort(extensions_.begin(), extensions_.end(), likelier);
  return {};
}

// A filter that has accepted the tokens and one more; null without a constraint.
Result<std::unique_ptr<TokenFilter>> Search::filter_of(std::span<const int32_t> tokens, int32_t more) const {
  std::unique_ptr<TokenFilter> filter;
  if (o_.constraint == nullptr) return filter;
  filter = o_.constraint->filter();
  for (const int32_t token : tokens) KEDGE_TRY(filter->accept(token));
  KEDGE_TRY(filter->accept(more));
  return filter;
}

Result<std::string> Search::text_of(std::span<const int32_t> tokens, bool whole) const {
  const Tokenizer& tokenizer = session_.model().tokenizer();
  const auto before = session_.tokens();
  Detokenizer detokenizer(tokenizer, {.skip_special = !o_.render_special, .at_text_start = before.empty()});
  std::string bytes;
  if (!before.empty() && tokenizer.contains(before.back())) KEDGE_TRY(detokenizer.push(before.back(), &bytes));
  bytes.clear();
  for (const int32_t token : tokens) {
    if (!ends(token) && tokenizer.contains(token)) KEDGE_TRY(detokenizer.push(token, &bytes));
  }
  Utf8Stream utf8(InvalidUtf8::kReplace);
  std::string text;
  utf8.push(bytes, &text);
  if (whole) utf8.flush(&text);
  return text;
}

Status Search::keep(const Ended& ended) {
  const Extension& e = ended.extension;
  BeamAnswer answer;
  answer.tokens = beams_[e.beam].tokens;
  answer.tokens.push_back(e.token);
  answer.logprob = e.logprob;
  answer.score = score(e.logprob, answer.tokens.size());
  answer.finish = ended.reason;
  answer.unfinished = ended.unfinished;
  const auto worse = [&](const BeamAnswer& other) { return other.score < answer.score; };
  const auto at = std::find_if(answers_.begin(), answers_.end(), worse);
  if (at == answers_.end() && answers_.size() == n_best_) return {};
  KEDGE_ASSIGN(text, text_of(answer.tokens, ended.reason == FinishReason::kStopToken));
  answer.text = std::move(text);
  answers_.insert(at, std::move(answer));
  if (answers_.size() > n_best_) answers_.pop_back();
  return {};
}

Result<bool> Search::sort_out(std::vector<Ended>& ended, std::vector<Chosen>& chosen) const {
  const auto wanted = static_cast<size_t>(o_.beams);
  const bool at_limit = steps_ + 1 == most_;
  const bool by_context = o_.max_tokens < 0 || static_cast<size_t>(o_.max_tokens) > room_;
  std::vector<size_t> seen(beams_.size());
  size_t living = 0;
  for (size_t rank = 0; rank < extensions_.size() && living < wanted; ++rank) {
    const Extension& e = extensions_[rank];
    ++seen[e.beam];
    KEDGE_ASSIGN(filter, filter_of(beams_[e.beam].tokens, e.token));
    if (ends(e.token) || (filter != nullptr && filter->over())) {
      if (rank < wanted) ended.push_back({e, FinishReason::kStopToken, false});
      continue;
    }
    ++living;
    if (at_limit) {
      const bool unfinished = filter != nullptr && !filter->may_end();
      ended.push_back({e, by_context ? FinishReason::kContextFull : FinishReason::kLength, unfinished});
    } else {
      chosen.push_back({e, std::move(filter)});
    }
  }
  // A constraint may end answers with any token: what was not looked at could then be better than what was chosen.
  return looked_at_ >= n_vocab_ || std::find(seen.begin(), seen.end(), looked_at_) == seen.end();
}

// Whether nothing that comes of `chosen`, the likeliest first, is to be waited for.
bool Search::settled(const std::vector<Chosen>& chosen) const {
  if (chosen.empty()) return true;
  if (answers_.size() < n_best_) return false;
  if (o_.stop == BeamStop::kFirst) return true;
  const size_t length = o_.stop == BeamStop::kProven ? most_ : steps_ + 1;
  return answers_.back().score >= score(chosen.front().extension.logprob, length);
}

Status Search::grow(std::vector<Chosen> chosen) {
  std::vector<Beam> next(chosen.size());
  std::vector<size_t> heirs(beams_.size());
  for (const Chosen& c : chosen) ++heirs[c.extension.beam];
  std::vector<Session*> sessions;
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const Extension& e = chosen[i].extension;
    Beam& parent = beams_[e.beam];
    next[i].filter = std::move(chosen[i].filter);
    next[i].tokens = parent.tokens;
    next[i].tokens.push_back(e.token);
    next[i].logprob = e.logprob;
    if (--heirs[e.beam] == 0) {  // the last one inherits
      next[i].session = std::move(parent.session);
    } else {
      KEDGE_ASSIGN(fork, parent.session->fork());
      next[i].session = std::move(fork);
    }
    sessions.push_back(next[i].session.get());
    tokens.push_back(e.token);
  }
  beams_ = std::move(next);  // those without heirs give back their pages
  ++steps_;
  const EvalHooks hooks{.progress = {}, .cancel = o_.cancel, .deadline = o_.deadline, .key = {}};
  return Session::eval_together(sessions, tokens, hooks);
}

Status Search::run() {
  KEDGE_TRY(begin());
  for (;;) {
    std::vector<Ended> ended;
    std::vector<Chosen> chosen;
    for (bool known = false; !known;) {
      ended.clear();
      chosen.clear();
      KEDGE_TRY(extend());
      KEDGE_ASSIGN(enough, sort_out(ended, chosen));
      known = enough;
      if (!known) looked_at_ = std::min(n_vocab_, looked_at_ * 8);
    }
    for (const Ended& e : ended) KEDGE_TRY(keep(e));
    if (settled(chosen)) break;
    KEDGE_TRY(grow(std::move(chosen)));
  }
  if (!answers_.empty()) return {};
  return invalid("there is no answer: the constraint and what the vocabulary suppresses leave no token");
}

}  // namespace

Result<BeamResult> beam_search(Session& session, std::span<const int32_t> prompt, const BeamOptions& options) {
  const auto held = session.use();
  KEDGE_TRY(session.settle());
  KEDGE_TRY(check(session, prompt, options));
  BeamResult result;
  const auto begun = Clock::now();
  if (!prompt.empty()) {
    const EvalHooks hooks{
        .progress = options.on_prefill, .cancel = options.cancel, .deadline = options.deadline, .key = {}};
    KEDGE_TRY(session.eval(prompt, hooks));
  }
  result.n_prompt = prompt.size();
  result.prefill_ms = ms_since(begun);
  const auto searching = Clock::now();
  Search search(session, options);
  KEDGE_TRY(search.run());
  result.steps = search.steps();
  result.answers = search.answers();
  result.search_ms = ms_since(searching);
  return result;
}

}  // namespace kedge::engine
