// A job for a model by its name: every prompt is read once, its choices go on from there together.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "kernels/base/at_once.h"
#include "tools/serve/answer_form.h"
#include "tools/serve/answer_reader.h"
#include "tools/serve/echo.h"
#include "tools/serve/prompt_tokens.h"
#include "tools/serve/runner.h"

namespace kedge::tools::serve {

namespace {

// Sequences that can be looked at while they work. What was not ended is gone.
struct Showing {
  Showing(Sequences& sequences, const std::string& key, const std::shared_ptr<ServedModel>& model,
          std::span<kedge::Session> sessions, std::span<const int32_t> prompt, int slot) {
    for (kedge::Session& session : sessions) {
      all.push_back(sequences.begin(key, model, session, std::exchange(slot, -1)));
      all.back()->prompt(prompt);
    }
  }
  ~Showing() {
    for (const auto& sequence : all) sequence->dropped();
  }
  Showing(const Showing&) = delete;
  Showing& operator=(const Showing&) = delete;

  std::vector<std::shared_ptr<Sequences::Sequence>> all;
};

// All prompts and choices of a job. Its first error ends it.
class DirectRun {
 public:
  DirectRun(const Run& run, const std::shared_ptr<ServedModel>& model, const std::shared_ptr<ServedModel>& draft)
      : run_(run), shared_model_(model), model_(*model), draft_(draft) {
    outcome_.kedge = Json::object();
    if (!run.job.kedge.kv.is_null()) kv_ = run.job.kedge.kv.dump();
    seed_ = run.job.seeded ? run.job.options.seed : drawn_seed();
  }

  void all() {
    const int n_vocab = model_.model().info().n_vocab;
    for (const kedge_logit_bias& bias : run_.job.options.logit_bias) {
      if (bias.token < n_vocab) continue;
      return run_.out.failed(bad_request("'logit_bias' is of token " + std::to_string(bias.token) +
                                             "; the vocabulary has " + std::to_string(n_vocab) + " tokens",
                                         "logit_bias"));
    }
    auto adapters = model_.adapters(run_.job.lora);
    if (!adapters.ok()) return run_.out.failed(adapters.error());
    adapters_ = std::move(*adapters);
    std::vector<PromptTokens> prompts;
    for (const Prompt& prompt : run_.job.prompts) {
      auto tokens = prompt_tokens(prompt, model_.model());
      if (!tokens.ok()) return run_.out.failed(tokens.error());
      if (!run_.job.kedge.segments.is_null()) tokens->segments = run_.job.kedge.segments.dump();
      if (tokens->ids.size() >= static_cast<size_t>(model_.n_ctx())) {
        return run_.out.failed(context_exceeded(tokens->ids.size(), model_.n_ctx()));
      }
      outcome_.usage.prompt += tokens->ids.size();
      auto form = answer_form(run_.job, prompt, model_.model(), tokens->ids);
      if (!form.ok()) return run_.out.failed(form.error());
      forms_.push_back(std::move(*form));
      prompts.push_back(*std::move(tokens));
    }
    prepare();
    for (size_t i = 0; i < prompts.size(); ++i) {
      if (const auto error = one(i, prompts[i])) return run_.out.failed(*error);
    }
    finish();
  }

 private:
  void prepare() { run_.out.prepare({.model = model_.name(), .created = std::time(nullptr), .usage = outcome_.usage}); }

  // A prompt and its choices.
  std::optional<ApiError> one(size_t index, const PromptTokens& prompt) {
    const auto n = static_cast<size_t>(run_.job.n);
    const std::string scope = run_.asker.key + '\n' + run_.job.cache_salt;
    std::vector<kedge::Session> sessions;
    std::shared_ptr<kedge::PrefixCache> cache;
    std::span<const int32_t> rest(prompt.ids);
    if (run_.job.echo) {
      auto session = model_.session(kv_, adapters_);
      if (!session.ok()) return session.error();
      if (const auto error = echo(index * n, prompt.ids, *session)) return error;
      sessions.push_back(std::move(*session));
      rest = {};
    } else {
      auto acquired = model_.acquire(scope, kv_, adapters_, prompt.ids, prompt.segments);
      if (!acquired.ok()) return acquired.error();
      outcome_.usage.cached += acquired->cached;
      prepare();
      cache = acquired->cache;
      rest = rest.subspan(acquired->cached);
      sessions.push_back(std::move(acquired->session));
    }
    if (n > 1 && !rest.empty()) {  // the forks share what is read here
      if (const auto error = read_prompt(sessions.front(), rest)) return error;
      rest = {};
    }
    while (sessions.size() < n) {
      auto fork = sessions.front().fork();
      if (!fork.ok()) return library_error(fork.error());
      sessions.push_back(*std::move(fork));
    }
    const Showing showing(*run_.options.sequences, run_.asker.key, shared_model_, sessions, prompt.ids,
                          index == 0 ? run_.job.slot : -1);
    base::at_once(n, n, [&](size_t i) { choice(index * n + i, i, forms_[index], sessions[i], rest, *showing.all[i]); });
    if (!error_ && cache) (void)cache->store(sessions.front());  // one that cannot be kept is only computed again
    for (size_t i = 0; i < n; ++i) showing.all[i]->ended(std::move(sessions[i]));
    return error_;
  }

  std::optional<ApiError> read_prompt(kedge::Session& session, std::span<const int32_t> tokens) {
    const Cancel::Hears hears(run_.cancel, session);
    kedge::GenerateOptions options;
    options.max_tokens = 0;
    options.key = fairness_key();
    options.weight = run_.asker.weight;
    options.on_prefill = [this](size_t done, size_t total) { return run_.out.progress(done, total); };
    const auto deadline = run_.deadline_left_ms();
    if (!deadline.ok()) return deadline.error();
    options.deadline_ms = *deadline;
    const auto read = session.generate(tokens, options);
    if (!read.ok()) return failure(read.error());
    if (read->finish_reason() == KEDGE_FINISH_CANCELLED) return run_.cancelled();
    outcome_.prefill_ms += read->result().prefill_ms;
    return std::nullopt;
  }

  // The prompt as part of the answer, with its log-probabilities when they are asked for.
  std::optional<ApiError> echo(size_t choice, std::span<const int32_t> prompt, kedge::Session& session) {
    const Cancel::Hears hears(run_.cancel, session);
    auto said = echo_prompt(model_.model(), session, prompt, run_.job.options.logprobs);
    if (!said.ok()) return run_.cancel.reason() != Cancel::kNone ? run_.cancelled() : said.error();
    for (size_t i = 0; i < static_cast<size_t>(run_.job.n); ++i) {
      if (!run_.out.text(choice + i, said->text, said->tokens)) return run_.cancelled();
    }
    return std::nullopt;
  }

  void choice(size_t number, size_t draw, const AnswerForm& form, kedge::Session& session,
              std::span<const int32_t> rest, Sequences::Sequence& shown) {
    const Cancel::Hears hears(run_.cancel, session);
    auto reader = chat_reader(form);
    if (!reader.ok()) return fail(reader.error());
    AnswerReader answer(run_.out, number, std::move(*reader));
    kedge::GenerateOptions options = run_.job.options;
    options.max_tokens = run_.max_tokens();
    options.seed = seed_;
    options.request = draw;
    options.key = fairness_key();
    options.weight = run_.asker.weight;
    options.constraint = form.constraint;
    options.render_special = !form.reader.empty();
    auto drafts = speculate(options);
    if (!drafts.ok()) return fail(drafts.error());
    if (*drafts) options.draft = &**drafts;
    const auto deadline = run_.deadline_left_ms();
    if (!deadline.ok()) return fail(deadline.error());
    options.deadline_ms = *deadline;
    options.on_prefill = [this](size_t done, size_t total) { return run_.out.progress(done, total); };
    options.on_token = [&](int32_t token, std::span<const kedge_logprob> top) {
      shown.token(token);
      answer.token();
      if (!top.empty()) answer.token(token_info(model_.model(), top));
      return true;
    };
    options.on_text = [&](std::string_view text) { return answer.text(text); };
    const auto made = session.generate(rest, options);
    if (!made.ok()) return fail(failure(made.error()));
    answer.end();
    note(*made, options, answer);
    if (made->finish_reason() == KEDGE_FINISH_CANCELLED) return fail(run_.cancelled());
    if (made->finish_reason() == KEDGE_FINISH_DEADLINE && made->tokens().empty()) {
      return fail(
          {.status = 504, .code = "deadline_exceeded", .message = "the deadline passed before the first token"});
    }
    const int stop = made->result().stop_index;
    run_.out.finished(number, {.reason = made->finish_reason(),
                               .stop = stop >= 0 ? options.stop[static_cast<size_t>(stop)] : std::string(),
                               .calls = answer.calls()});
  }

  Answer<std::optional<kedge::ChatReader>> chat_reader(const AnswerForm& form) const {
    if (form.reader.empty()) return std::optional<kedge::ChatReader>();
    auto reader = kedge::ChatReader::create(model_.model(), form.reader);
    if (!reader.ok()) return library_error(reader.error());
    return std::optional(*std::move(reader));
  }

  // How tokens are guessed ahead, where they are; a session of the draft model is the caller's while it generates.
  Answer<std::optional<kedge::Session>> speculate(kedge::GenerateOptions& options) const {
    const std::string& kind =
        run_.job.kedge.speculation.empty() ? run_.options.speculation : run_.job.kedge.speculation;
    if (kind == "none" || (kind == "draft" && draft_ == nullptr)) return std::optional<kedge::Session>();
    options.speculation = Json{{"kind", kind}}.dump();
    if (kind != "draft") return std::optional<kedge::Session>();
    auto session = draft_->session("", {});
    if (!session.ok()) return session.error();
    return std::optional(std::move(*session));
  }

  ApiError failure(const kedge::Error& error) const {
    if (error.code == KEDGE_CANCELLED) return run_.cancelled();
    return library_error(error);
  }

  void note(const kedge::Generation& g, const kedge::GenerateOptions& options, const AnswerReader& answer) {
    const std::lock_guard lock(mutex_);
    const kedge_generation_result& r = g.result();
    outcome_.usage.generated += r.n_tokens;
    outcome_.usage.reasoning += answer.reasoning_tokens();
    outcome_.prefill_ms += r.prefill_ms;
    outcome_.decode_ms = std::max(outcome_.decode_ms, r.decode_ms);
    Json& k = outcome_.kedge;
    warn(g, answer);
    if (!g.speculation().empty()) add_speculation(Json::parse(g.speculation()));
    if (k.contains("settings")) return;  // all choices have the same
    k["settings"] = Json::parse(g.settings())["settings"];
    k["seed"] = options.seed;
    k["max_tokens"] = options.max_tokens;
    k["kv"] = Json::parse(g.kv());
    k["detached"] = k["kv"].value("detached", Json::array());
    k["finish"] = finish_word(g.finish_reason());
  }

  // What a client would not see from the answer itself.
  void warn(const kedge::Generation& g, const AnswerReader& answer) {
    const auto add = [&](const char* code, std::string message) {
      outcome_.kedge["warnings"].push_back({{"code", code}, {"message", std::move(message)}});
    };
    if (g.unfinished()) outcome_.kedge["unfinished"] = true;
    if (answer.reasoning_tokens() > 0 && !answer.said_something() && g.finish_reason() == KEDGE_FINISH_LENGTH) {
      add("reasoning_used_max_tokens", "all " + std::to_string(g.tokens().size()) +
                                           " tokens went into reasoning, none are left for the answer: raise "
                                           "max_tokens, or give a reasoning_budget_tokens");
    }
    if (answer.broken()) add("call_cut_off", answer.broken()->message);
  }

  void add_speculation(const Json& counts) {
    Json& sum = outcome_.kedge["speculation"];
    if (sum.is_null()) {
      sum = counts;
      return;
    }
    for (const char* name : {"steps", "guessed", "accepted"}) {
      sum[name] = sum.value(name, uint64_t{0}) + counts.value(name, uint64_t{0});
    }
  }

  static const char* finish_word(kedge_finish_reason reason) {
    switch (reason) {
      case KEDGE_FINISH_STOP_TOKEN:
        return "stop_token";
      case KEDGE_FINISH_STOP_STRING:
        return "stop_string";
      case KEDGE_FINISH_LENGTH:
        return "max_tokens";
      case KEDGE_FINISH_CONTEXT_FULL:
        return "context_full";
      case KEDGE_FINISH_DEADLINE:
        return "deadline";
      default:
        return "cancelled";
    }
  }

  void fail(ApiError error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    run_.cancel.now(Cancel::kFailed);  // its other choices are for nobody
  }

  void finish() {
    Json& k = outcome_.kedge;
    k["model"] = model_.name();
    k["alias"] = run_.job.model.empty() ? model_.name() : run_.job.model;
    k["confidence"] = Json();
    k["record"] = Json();
    k["ignored"] = run_.job.ignored;
    if (!adapters_.empty()) k["lora"] = model_.adapters_json(adapters_);
    outcome_.queue_ms = std::max(0.0, run_.ms_since_arrival() - outcome_.prefill_ms - outcome_.decode_ms);
    k["timings"] = {
        {"queue_ms", outcome_.queue_ms}, {"prefill_ms", outcome_.prefill_ms}, {"decode_ms", outcome_.decode_ms}};
    run_.out.done(outcome_);
  }

  std::string fairness_key() const { return run_.asker.key + '\n' + run_.job.user; }

  const Run& run_;
  const std::shared_ptr<ServedModel> shared_model_;
  ServedModel& model_;
  const std::shared_ptr<ServedModel> draft_;  // null: there is none
  std::string kv_;
  std::vector<LoraUse> adapters_;
  std::vector<AnswerForm> forms_;  // of the prompts
  uint64_t seed_ = 0;
  std::mutex mutex_;  // of what follows, while choices are made
  Outcome outcome_;
  std::optional<ApiError> error_;
};

}  // namespace

void run_direct(const Run& run, const std::shared_ptr<ServedModel>& model, const std::shared_ptr<ServedModel>& draft) {
  DirectRun(run, model, draft).all();
}

}  // namespace kedge::tools::serve
