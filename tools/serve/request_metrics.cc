#include "tools/serve/request_metrics.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace kedge::tools::serve {

namespace {

const std::vector<double> kSeconds = {0.005, 0.01, 0.02, 0.04,  0.08,  0.16, 0.32, 0.64,
                                      1.28,  2.56, 5.12, 10.24, 20.48, 41,   82,   164};

class CountingSink final : public Sink {
 public:
  CountingSink(std::unique_ptr<Sink> sink, RequestMetrics& metrics, std::chrono::steady_clock::time_point arrived)
      : sink_(std::move(sink)), metrics_(metrics), arrived_(arrived) {}

  bool started(const Started& s) override { return sink_->started(s); }
  bool progress(size_t done, size_t total) override { return sink_->progress(done, total); }
  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    clock();
    return sink_->text(choice, text, tokens);
  }
  bool reasoning(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    clock();
    return sink_->reasoning(choice, text, tokens);
  }
  bool call(size_t choice, const ToolCall& call, std::span<const TokenInfo> tokens) override {
    clock();
    return sink_->call(choice, call, tokens);
  }
  bool arguments(size_t choice, std::string_view json, std::span<const TokenInfo> tokens) override {
    clock();
    return sink_->arguments(choice, json, tokens);
  }
  bool refused(size_t choice, std::string_view why) override {
    clock();
    return sink_->refused(choice, why);
  }
  bool finished(size_t choice, const Finish& finish) override { return sink_->finished(choice, finish); }
  bool ping() override { return sink_->ping(); }
  bool is_whole() const override { return sink_->is_whole(); }
  bool superseded(size_t choice, size_t by, std::string_view reason) override {
    return sink_->superseded(choice, by, reason);
  }
  bool can_supersede() const override { return sink_->can_supersede(); }
  void done(const Outcome& outcome) override {
    metrics_.done(outcome, seconds(arrived_, std::chrono::steady_clock::now()));
    sink_->done(outcome);
  }
  void failed(const ApiError& error) override {
    metrics_.failed(error);
    sink_->failed(error);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  static double seconds(Time from, Time to) { return std::chrono::duration<double>(to - from).count(); }
  void clock() {
    const auto now = std::chrono::steady_clock::now();
    if (!last_) {
      metrics_.first_text(seconds(arrived_, now));
    } else {
      metrics_.next_text(seconds(*last_, now));
    }
    last_ = now;
  }

  const std::unique_ptr<Sink> sink_;
  RequestMetrics& metrics_;
  const Time arrived_;
  std::optional<Time> last_;
};

}  // namespace

RequestMetrics::RequestMetrics(Metrics& m)
    : metrics_(m),
      ttft_(m.distribution("kedge_ttft_seconds", "From the arrival of a request to its first text.", kSeconds)),
      inter_token_(m.distribution("kedge_inter_token_seconds", "Between pieces of text of one request.", kSeconds)),
      request_(m.distribution("kedge_request_seconds", "From arrival to the end of the answer.", kSeconds)),
      queue_(
          m.distribution("kedge_request_queue_seconds", "Of an answer's time, neither reading nor writing.", kSeconds)),
      confidence_(m.distribution("kedge_confidence", "Confidence of the router's answers that have one.",
                                 {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99})),
      computed_(
          m.counter("kedge_prompt_tokens_total", "Prompt tokens, by where they came from.", {{"source", "computed"}})),
      cached_(
          m.counter("kedge_prompt_tokens_total", "Prompt tokens, by where they came from.", {{"source", "cached"}})),
      generated_(m.counter("kedge_generated_tokens_total", "Tokens generated for requests.")) {}

std::unique_ptr<Sink> RequestMetrics::count(std::unique_ptr<Sink> sink, std::chrono::steady_clock::time_point arrived) {
  return std::make_unique<CountingSink>(std::move(sink), *this, arrived);
}

void RequestMetrics::done(const Outcome& outcome, double seconds) {
  request_.add(seconds);
  queue_.add(outcome.queue_ms / 1e3);
  computed_.add(outcome.usage.prompt - std::min(outcome.usage.prompt, outcome.usage.cached));
  cached_.add(outcome.usage.cached);
  generated_.add(outcome.usage.generated);
  speculated(outcome.kedge.pointee("/speculation"));
  const Json* confidence = outcome.kedge.pointee("/confidence");
  if (confidence != nullptr && confidence->is_number()) confidence_.add(confidence->get<double>());
  // The way of the router's answers: the states it went through, of which there are few.
  const Json* how = outcome.kedge.pointee("/outcome");
  const std::string path = how == nullptr || !how->is_string() ? "direct" : how->get<std::string>();
  metrics_.counter("kedge_answers_total", "Answers given, by how they came about.", {{"path", path}}).add();
}

void RequestMetrics::speculated(const Json* counts) {
  if (counts == nullptr || !counts->is_object()) return;
  const std::string kind = counts->value("kind", "");
  const auto add = [&](const char* name, const char* help, const char* member) {
    metrics_.counter(name, help, {{"kind", kind}}).add(counts->value(member, uint64_t{0}));
  };
  add("kedge_speculation_steps_total", "Steps that checked guessed tokens.", "steps");
  add("kedge_speculation_guessed_total", "Tokens guessed ahead of the model.", "guessed");
  add("kedge_speculation_accepted_total", "Guessed tokens that the model chose too.", "accepted");
}

void RequestMetrics::failed(const ApiError& error) {
  if (error.status == 499) {
    metrics_.counter("kedge_requests_gone_total", "Requests whose client went away.").add();
    return;
  }
  metrics_.counter("kedge_rejected_total", "Requests that got an error, by its code.", {{"reason", error.code}}).add();
}

}  // namespace kedge::tools::serve
