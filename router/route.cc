#include "router/route.h"

#include <algorithm>

#include "engine/guess/draft.h"
#include "kernels/base/at_once.h"
#include "router/prompt.h"
#include "router/score.h"

namespace kedge::router {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Mistakes of the caller, which no other model would mend.
bool is_callers_fault(ErrorCode code) {
  return code == ErrorCode::kInvalidArgument || code == ErrorCode::kUnsupported || code == ErrorCode::kCapacity;
}
bool is_models_fault(ErrorCode code) { return !is_callers_fault(code) && code != ErrorCode::kCancelled; }

class Route {
 public:
  Route(const AskRequest& request, const RouteTools& tools)
      : request_(request),
        tools_(tools),
        policy_(tools.config->policy),
        state_{.request = request, .policy = policy_} {}

  Result<RouteResult> run() {
    KEDGE_TRY(admit());
    RuleDecision next = decide(RulePhase::kBefore, state_);
    note("preroute", next.rule, next.decision.reason);
    for (;;) {
      if (cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
      switch (next.decision.action) {
        case Action::kDerive:
          return derived(next.decision);
        case Action::kCommit:
          return finish(Outcome::kAnswered, next.decision);
        case Action::kAbstain:
          return finish(Outcome::kLowConfidence, next.decision);
        case Action::kFail:
          return finish(Outcome::kFailed, next.decision);
        case Action::kVerify:
          KEDGE_TRY(verify());
          break;
        case Action::kGround:
          KEDGE_TRY(retrieve());
          if (state_.n_evidence == 0) return nothing_found();
          [[fallthrough]];
        default:
          if (const std::string limit = exceeded(next.decision); !limit.empty()) return give_up(limit);
          KEDGE_TRY(attempt(next.decision));
      }
      refresh();
      next = decide(RulePhase::kAfter, state_);
      if (!state_.attempts.empty()) {
        state_.attempts.back().action = action_name(next.decision.action);
        state_.attempts.back().reason = next.decision.reason;
      }
      note("score", next.rule, next.decision.reason);
    }
  }

 private:
  void note(std::string state, const RuleDef* rule, std::string detail, std::string draft = {}) {
    RouteStep step{std::move(state), rule == nullptr ? "" : rule->name, std::move(detail), std::move(draft)};
    if (tools_.on_event) tools_.on_event({{"state", step.state}, {"rule", step.rule}, {"detail", step.detail}});
    result_.steps.push_back(std::move(step));
  }

  // What takes time now; no step of the path.
  void doing(Json event) const {
    if (request_.progress && tools_.on_event) tools_.on_event(event);
  }
  void load_is_due(const std::string& alias) const {
    if (tools_.pool->loaded(alias) == nullptr) doing({{"state", "loading"}, {"alias", alias}});
  }

  bool cancelled() const { return tools_.cancel != nullptr && tools_.cancel->load(); }

  Status admit() {
    deadline_ = start_ + std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(request_.deadline_s.value_or(policy_.deadline_s)));
    if (request_.model != "auto" && !tools_.pool->has(request_.model)) {
      return tools_.pool->get(request_.model).error();
    }
    result_.evidence = request_.evidence;
    state_.n_evidence = result_.evidence.size();
    KEDGE_TRY(derive_checked());
    state_.task = task_of(request_, state_.derived, state_.n_evidence > 0);
    if (request_.grounding != Grounding::kNever) {
      const std::string& path = request_.index.empty() ? tools_.config->index : request_.index;
      if (path.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     "grounding was asked for, but neither request nor pool names an index"};
      }
      doing({{"state", "opening"}, {"index", path}});
      KEDGE_ASSIGN(index, tools_.open_index(path));
      index_ = std::move(index);
      state_.has_index = true;
    }
    if (!tools_.config->neighbours.empty()) KEDGE_TRY(look_at_neighbours());
    refresh();
    note("admit", nullptr,
         "task '" + state_.task + "'" +
             (state_.n_evidence > 0 ? ", " + std::to_string(state_.n_evidence) + " passages" : ""));
    return {};
  }

  // What became of the past questions nearest to this one (k nearest neighbours on embeddings).
  Status look_at_neighbours() {
    constexpr int kNearest = 32;
    const auto start = Clock::now();
    KEDGE_ASSIGN(index, tools_.open_index(tools_.config->neighbours));
    KEDGE_ASSIGN(hits, index->search(request_.question(), kNearest, SearchBy::kVectors));
    Neighbours found;
    for (const Hit& hit : hits) {
      KEDGE_ASSIGN(past, parse_json(hit.metadata, hit.source.c_str()));
      if (!past.is_object() || !past.value("fast", Json()).is_boolean() || !past.value("deep", Json()).is_boolean()) {
        return Error{ErrorCode::kCorrupt,
                     tools_.config->neighbours + ": " + hit.id + " does not say whether fast and deep were right"};
      }
      ++found.n;
      found.fast_right += past["fast"].get<bool>();
      found.deep_right += past["deep"].get<bool>();
    }
    if (found.n > 0) {
      found.fast_right /= found.n;
      found.deep_right /= found.n;
      state_.neighbours = result_.neighbours = found;
    }
    result_.retrieval_s += seconds_since(start);
    return {};
  }

  std::span<const Evidence> passages_of(const Attempt& a) const {
    return std::span(result_.evidence).first(a.n_evidence);
  }

  CheckInput check_input(std::string_view answer, std::span<const Evidence> evidence) const {
    CheckInput input;
    input.question = request_.question();
    input.answer = answer;
    input.evidence = evidence;
    input.schema = request_.schema.is_null() ? nullptr : &request_.schema;
    input.pattern = request_.pattern;
    input.derived = &state_.derived;
    return input;
  }

  // A schema or pattern that is none is refused before any model is asked.
  Status derive_checked() {
    // With tools a model may mean to call one; and what is worked out here is under no constraint.
    if (request_.tools.is_null() && request_.constraint.is_null()) state_.derived = derive(request_.question());
    KEDGE_TRY(check_answer(check_input("", request_.evidence)));
    if (!state_.derived) return {};
    KEDGE_ASSIGN(checks, check_answer(check_input(state_.derived->answer, {})));
    state_.derived_obeys =
        std::none_of(checks.begin(), checks.end(), [](const CheckResult& c) { return c.verdict == Verdict::kFail; });
    return {};
  }

  Result<RouteResult> derived(const Decision& decision) {
    result_.derived = state_.derived;
    result_.reason = decision.reason;
    note("derive", nullptr, state_.derived->kind + ": " + decision.reason, state_.derived->answer);
    return close(Outcome::kAnswered);
  }

  // What changes between hops.
  void refresh() {
    state_.remaining_s = std::chrono::duration<double>(deadline_ - Clock::now()).count();
    const bool free_choice = request_.model == "auto";
    if (!free_choice) return;
    state_.has_verifier = tools_.pool->has("verifier");
    state_.has_deep = tools_.pool->has("deep") && tools_.pool->resolve("deep") != tools_.pool->resolve("fast");
    const auto fast = tools_.pool->health("fast");
    state_.fast_open = fast->breaker.is_open();
    state_.fast_cost = fast->cost.p95();
    if (!state_.has_deep) return;
    const auto deep = tools_.pool->health("deep");
    state_.has_deep = !deep->breaker.is_open();
    state_.deep_cost = deep->cost.p95();
  }

  size_t n_attempts() const { return state_.attempts.size() + draws_.size(); }
  int max_attempts() const { return request_.max_attempts.value_or(policy_.max_attempts); }

  std::string exceeded(const Decision& next) const {
    const int allowed = max_attempts();
    if (static_cast<int>(n_attempts()) >= allowed) return "all " + std::to_string(allowed) + " attempts are used";
    if (state_.remaining_s <= 0) return "the deadline has passed";
    const bool deep = next.model == "deep";
    const double expected = deep ? state_.deep_cost.wall_s : state_.fast_cost.wall_s;
    if (!state_.attempts.empty() && expected > state_.remaining_s) {
      return "no time for another attempt before the deadline";
    }
    const double cap = policy_.cost_cap * state_.deep_cost.cpu_s;
    if (!state_.attempts.empty() && cap > 0 && result_.cpu_s > cap) return "the CPU time allowed is used";
    return {};
  }

  Result<RouteResult> give_up(const std::string& limit) {
    note("limit", nullptr, limit);
    const int best = state_.best_accepted();
    if (best >= 0) return finish(Outcome::kAnswered, {Action::kCommit, "", limit, best});
    const bool any = std::any_of(state_.attempts.begin(), state_.attempts.end(), [](auto& a) { return a.answered(); });
    return finish(any ? Outcome::kLowConfidence : Outcome::kFailed, {Action::kAbstain, "", limit});
  }

  Status retrieve() {
    const auto start = Clock::now();
    doing({{"state", "retrieving"}});
    KEDGE_ASSIGN(hits, index_->search(request_.question(), policy_.passages));
    state_.has_index = false;
    result_.evidence_index = index_->sha256();
    double best = 0;
    for (const Hit& hit : hits) best = std::max(best, hit.bm25_score);
    for (const Hit& hit : hits) {
      if (hit.bm25_score < policy_.passage_share * best) continue;
      if (hit.bm25_score <= 0 && policy_.passage_share > 0) continue;  // near in meaning, but shares no word
      result_.evidence.push_back({.id = hit.id, .text = hit.text, .source = hit.source});
    }
    state_.n_evidence = result_.evidence.size();
    state_.task = task_of(request_, state_.derived, state_.n_evidence > 0);
    result_.retrieval_s += seconds_since(start);
    std::string ids;
    for (const Evidence& e : result_.evidence) ids += (ids.empty() ? "" : ", ") + e.id;
    note("retrieve", nullptr, std::to_string(state_.n_evidence) + " passages: " + ids);
    return {};
  }

  Result<RouteResult> nothing_found() {
    result_.reason = "no passage of the index shares a word with the question";
    note("not_found", nullptr, result_.reason);
    return close(Outcome::kNotFound);
  }

  Status attempt(const Decision& decision) {
    Attempt a;
    a.purpose = action_name(decision.action);
    a.alias = decision.model.empty() ? state_.last().alias : decision.model;
    a.temperature = request_.temperature;
    if (decision.action == Action::kConservative) a.temperature = 0;
    a.seed = request_.seed;
    a.request = n_attempts();
    a.n_evidence = state_.n_evidence;
    load_is_due(a.alias);
    auto model = tools_.pool->get(a.alias);
    if (!model.ok()) return failed_to_load(std::move(a), model.error());
    a.model = *model;
    if (Clock::now() > deadline_) return too_late(std::move(a));
    a.calibration = a.model->calibration(state_.task);
    set_threshold(a);
    if (decision.action == Action::kSample) return sample(a);
    KEDGE_TRY(generate(a));
    note(a.purpose, nullptr, describe(a), a.error.empty() ? a.text + (a.aborted ? " ..." : "") : "");
    state_.attempts.push_back(std::move(a));
    return {};
  }

  static std::string breaker_message(const std::string& model) {
    return "the breaker of model '" + model + "' is open: it failed too often lately";
  }
  static std::string describe(const Attempt& a) {
    if (!a.error.empty()) return a.alias + ": " + a.error;
    return a.alias + " (" + a.model->name() + "), " + std::to_string(a.tokens.size()) + " tokens";
  }

  Status failed_to_load(Attempt a, const Error& error) {
    if (request_.model != "auto") return error;
    a.error = error.message;
    note(a.purpose, nullptr, a.alias + ": " + error.message);
    state_.attempts.push_back(std::move(a));
    return {};
  }

  // Loading is not interrupted, but it counts.
  Status too_late(Attempt a) {
    a.error = "deadline: the time for the answer ran out while model '" + a.model->name() + "' was loaded";
    result_.failure = ErrorCode::kCancelled;
    note(a.purpose, nullptr, a.alias + ": " + a.error);
    state_.attempts.push_back(std::move(a));
    return {};
  }

  void set_threshold(Attempt& a) const {
    if (a.calibration == nullptr) return;
    const RiskThreshold* t = a.calibration->threshold(policy_.alpha);
    const double floor = request_.min_confidence.value_or(policy_.min_confidence);
    if (t != nullptr) a.threshold = std::max(t->tau, floor);
    if (t == nullptr && floor > 0) a.threshold = std::max(floor, risk_floor(policy_.alpha));
  }

  Result<Prompt> prompt_of(Attempt& a) {
    const auto start = Clock::now();
    KEDGE_TRY(a.model->check_askable());
    KEDGE_ASSIGN(prompt, build_prompt(*a.model->model(), request_, passages_of(a)));
    model_s_ += seconds_since(start);
    a.prompt = std::move(prompt.tokens);
    KEDGE_ASSIGN(form, answer_form(*a.model->model(), request_, a.prompt));
    a.form = std::move(form);
    if (!a.form.unenforced.empty()) note("constraint", nullptr, "the schema is only checked: " + a.form.unenforced);
    return prompt;
  }

  AttemptRun run_of(const Prompt& prompt) const {
    return {.question = prompt.question,
            .max_tokens = request_.max_tokens,
            .deadline = deadline_,
            .cancel = tools_.cancel,
            .key = request_.key.empty() ? request_.conversation : request_.key};
  }

  // An attempt's text while it is written, before anybody knows what it is worth; reasoning and calls are not said.
  void stream(AttemptRun& run, const Attempt& a) const {
    if (!request_.stream || !tools_.on_event) return;
    std::shared_ptr<ChatReader> reader;
    if (a.form.format != nullptr) reader = a.form.format->reader(a.form.read);
    run.on_text = [this, &a, reader, number = state_.attempts.size()](std::string_view text) {
      const std::string content = reader == nullptr ? std::string(text) : content_of(*reader, text);
      if (content.empty()) return;
      tools_.on_event(
          {{"state", "text"}, {"attempt", number}, {"model", a.model->name()}, {"alias", a.alias}, {"text", content}});
    };
  }
  static std::string content_of(ChatReader& reader, std::string_view text) {
    std::vector<ChatEvent> events;
    (void)reader.push(text, events);  // what cannot be read is said of the whole answer, at its end
    std::string content;
    for (const ChatEvent& event : events) {
      if (event.kind == ChatEvent::Kind::kContent) content += event.text;
    }
    return content;
  }

  // The last answer in this model's vocabulary: who takes over often says much of it again.
  std::span<const int32_t> draft_for(const Attempt& a) const {
    const Tokenizer& tokenizer = a.model->model()->tokenizer();
    for (size_t i = state_.attempts.size(); i-- > 0;) {
      const Attempt& earlier = state_.attempts[i];
      if (earlier.tokens.empty()) continue;
      const bool same =
          earlier.model == a.model || check_same_vocabulary(tokenizer, earlier.model->model()->tokenizer()).ok();
      if (same) return earlier.tokens;
    }
    return {};
  }

  static bool admitted(Attempt& a) {
    if (a.model->health().breaker.admit()) return true;
    a.error = breaker_message(a.model->name());
    return false;
  }

  // Generates, checks and scores.
  Status generate(Attempt& a) {
    KEDGE_ASSIGN(prompt, prompt_of(a));
    AttemptRun run = run_of(prompt);
    const bool is_last = static_cast<int>(n_attempts()) + 1 >= max_attempts();
    const bool could_go_on = policy_.abort_after > 0 && !is_last && state_.may_escalate() && a.alias != "deep" &&
                             a.calibration != nullptr && a.threshold.value_or(0) > 0 && a.temperature == 0;
    double lowest = 0;  // log-probability so far: other tokens hardly change the best completion
    if (could_go_on) {
      run.hopeful = [&](std::span<const TokenStats> stats) {
        const bool fell = stats.back().logprob < lowest;
        lowest = std::min(lowest, stats.back().logprob);
        const auto n = static_cast<int>(stats.size());
        return n < policy_.abort_after || (n > policy_.abort_after && !fell) ||
               is_hopeful(a, stats, request_.question());
      };
    }
    if (policy_.samples > 0 && !is_last) run.keep = &read_;
    run.draft = draft_for(a);
    if (!admitted(a)) return {};
    stream(run, a);
    if (request_.progress && tools_.on_event) {
      run.on_read = [this, &a, number = state_.attempts.size()](size_t done, size_t total) {
        doing({{"state", "reading"},
               {"attempt", number},
               {"model", a.model->name()},
               {"alias", a.alias},
               {"done", done},
               {"total", total}});
      };
    }
    const AttemptOutcome outcome = run_attempt(a, prompt.segments, run);
    model_s_ += a.wall_s - a.measure_s;
    if (!outcome.failure) a.model->health().cost.add(a.wall_s, a.cpu_s);
    return conclude(a, outcome);
  }

  Status conclude(Attempt& a, const AttemptOutcome& outcome) {
    result_.cpu_s += a.cpu_s;
    a.model->health().breaker.record(!outcome.failure || !is_models_fault(*outcome.failure));
    if (outcome.failure) {
      result_.failure = outcome.failure;
      if (is_callers_fault(*outcome.failure)) return Error{*outcome.failure, a.error};
      if (cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
      return {};
    }
    CheckInput input = check_input(a.text, passages_of(a));
    const Json calls = calls_json(a.calls);
    if (!request_.tools.is_null() && request_.tool_choice != "none") {
      input.tools = &request_.tools;
      input.calls = &calls;
      input.call_required = request_.tool_choice != "auto";
      input.broken_call = a.broken_call;
      if (!calls.empty()) input.schema = nullptr;  // it is of answers
    }
    return score(a, outcome.stats, input);
  }

  // Further answers at a temperature, all at once and of one reading of the prompt; how many agree says more than any
  // one's logits. They are attempts too, and kept behind those that could be the answer.
  Status sample(const Attempt& base) {
    std::vector<Attempt> draws;
    const auto allowed = static_cast<size_t>(std::max(0, max_attempts() - static_cast<int>(n_attempts())));
    const auto wanted = std::min(static_cast<size_t>(policy_.samples), allowed);
    for (size_t i = 0; i < wanted; ++i) {
      Attempt a = base;
      a.n_evidence = state_.last().n_evidence;
      a.temperature = policy_.sample_temperature;
      a.request = n_attempts() + i;
      a.reason = "a draw, to see whether it agrees";
      draws.push_back(std::move(a));
    }
    KEDGE_TRY(draw(draws));
    std::vector<std::string> samples;
    for (Attempt& a : draws) {
      if (a.answered()) samples.push_back(a.text);
      draws_.push_back(std::move(a));
    }
    refresh();
    Attempt& asked = state_.attempts.back();
    const auto same = std::count(samples.begin(), samples.end(), asked.text);
    asked.agreement = samples.empty() ? 0 : static_cast<double>(same) / static_cast<double>(samples.size());
    CheckInput input = check_input(asked.text, {});
    input.samples = samples;
    KEDGE_ASSIGN(checks, check_answer(input));
    for (CheckResult& c : checks) {
      if (c.name == "majority") asked.checks.push_back(std::move(c));
    }
    note("sample", nullptr, std::to_string(same) + " of " + std::to_string(samples.size()) + " draws say the same");
    return {};
  }

  Status draw(std::vector<Attempt>& draws) {
    if (draws.empty()) return {};
    KEDGE_ASSIGN(prompt, prompt_of(draws.front()));
    AttemptRun run = run_of(prompt);
    run.from = &read_;
    std::vector<Attempt*> asked;
    for (Attempt& a : draws) {
      if (a.prompt.empty()) a.prompt = draws.front().prompt;
      a.form = draws.front().form;
      if (admitted(a)) asked.push_back(&a);
    }
    std::vector<AttemptOutcome> outcomes(asked.size());
    const auto start = Clock::now();
    at_once(asked.size(), asked.size(), [&](size_t i) { outcomes[i] = run_attempt(*asked[i], prompt.segments, run); });
    // What they measure, they measure side by side.
    if (!asked.empty()) model_s_ += seconds_since(start) - asked.front()->measure_s;
    for (size_t i = 0; i < asked.size(); ++i) KEDGE_TRY(conclude(*asked[i], outcomes[i]));
    return {};
  }

  // A verifier that cannot be asked leaves the answer unverified; it never passes or fails one by breaking.
  Status verify() {
    Attempt& a = state_.attempts.back();
    const auto start = Clock::now();
    load_is_due("verifier");
    doing({{"state", "verifying"}});
    const auto p = [&]() -> Result<YesProbability> {
      KEDGE_ASSIGN(model, tools_.pool->get("verifier"));
      if (model->digest() == a.model->digest()) {
        return Error{ErrorCode::kUnsupported, "the verifier is the model that answered"};
      }
      const std::string proposed = a.text.substr(0, a.text.find("<|"));
      KEDGE_ASSIGN(prompt, build_verifier_prompt(*model->model(), request_, passages_of(a), proposed));
      Breaker& breaker = model->health().breaker;
      if (!breaker.admit()) return Error{ErrorCode::kIo, breaker_message(model->name())};
      auto answer = probability_of_yes(*model, prompt.tokens, run_of(prompt));
      breaker.record(answer.ok() || !is_models_fault(answer.error().code));
      return answer;
    }();
    model_s_ += seconds_since(start);
    if (p.ok()) {
      result_.cpu_s += p->cpu_s;
      a.p_true = p->p;
      a.verifier = p->p >= 0.5 ? "supported" : "unsupported";
      note("verify", nullptr, a.verifier + ", P(yes) = " + show_probability(p->p));
    } else {
      a.verifier = "unverified: " + p.error().message;
      note("verify", nullptr, a.verifier);
    }
    return {};
  }

  Result<RouteResult> finish(Outcome outcome, const Decision& decision) {
    result_.reason = decision.reason;
    result_.chosen = decision.attempt >= 0                ? decision.attempt
                     : outcome == Outcome::kLowConfidence ? likeliest()
                                                          : last_answered();
    if (result_.chosen >= 0) {
      const Attempt& a = state_.attempts[static_cast<size_t>(result_.chosen)];
      if (outcome == Outcome::kAnswered && declines(a.text)) outcome = Outcome::kNotFound;
      result_.citations = a.citations;
      a.model->health().breaker.record_confidence(outcome != Outcome::kLowConfidence);
    }
    note(outcome_name(outcome), nullptr, decision.reason);
    return close(outcome);
  }

  // The draft that would be given if one had to be: of the highest p that no check failed, else the last.
  int likeliest() const {
    int best = -1;
    for (size_t i = 0; i < state_.attempts.size(); ++i) {
      const Attempt& a = state_.attempts[i];
      if (!a.answered() || a.failed_check() || !a.p) continue;
      if (best < 0 || *a.p >= *state_.attempts[static_cast<size_t>(best)].p) best = static_cast<int>(i);
    }
    return best >= 0 ? best : last_answered();
  }

  int last_answered() const {
    for (size_t i = state_.attempts.size(); i-- > 0;) {
      if (state_.attempts[i].answered()) return static_cast<int>(i);
    }
    return -1;
  }

  Result<RouteResult> close(Outcome outcome) {
    result_.outcome = outcome;
    result_.withheld = outcome == Outcome::kLowConfidence && request_.abstain.value_or(policy_.abstain);
    result_.task = state_.task;
    result_.attempts = std::move(state_.attempts);
    std::move(draws_.begin(), draws_.end(), std::back_inserter(result_.attempts));
    result_.wall_s = seconds_since(start_);
    result_.overhead_s = result_.wall_s - model_s_ - result_.retrieval_s;
    return std::move(result_);
  }

  const AskRequest& request_;
  const RouteTools& tools_;
  const RoutePolicy& policy_;
  RouteState state_;
  std::vector<Attempt> draws_;
  RouteResult result_;
  std::shared_ptr<const RetrievalIndex> index_;
  PromptRead read_;  // of the attempt that further draws would go on from
  Clock::time_point start_ = Clock::now();
  Clock::time_point deadline_;
  double model_s_ = 0;
};

}  // namespace

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kNotFound:
      return "not_found";
    case Outcome::kLowConfidence:
      return "low_confidence";
    case Outcome::kFailed:
      return "failed";
  }
  return "unknown";
}

Result<RouteResult> run_route(const AskRequest& request, const RouteTools& tools) {
  return Route(request, tools).run();
}

}  // namespace kedge::router
