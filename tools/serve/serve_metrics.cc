#include "tools/serve/serve_metrics.h"

#include "kedge/kedge.h"

namespace kedge::tools::serve {
namespace {

// Seconds; a first token takes longer than the next ones.
const std::vector<double> kFirst = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
const std::vector<double> kNext = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
const std::vector<double> kWhole = {0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
const std::vector<double> kShares = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};

Counter& prompt_tokens(Metrics& all, const char* source) {
  return all.counter("kedge_prompt_tokens_total", "Tokens of prompts, computed or taken from the prefix cache.",
                     {{"source", source}});
}

}  // namespace

ServeMetrics::ServeMetrics(Metrics& all)
    : running(all.gauge("kedge_requests_running", "Requests that are being answered.")),
      waiting(all.gauge("kedge_requests_waiting", "Requests that wait for a place.")),
      prompt_computed(prompt_tokens(all, "computed")),
      prompt_cached(prompt_tokens(all, "cached")),
      generated(all.counter("kedge_generated_tokens_total", "Tokens generated.")),
      first_token_s(all.distribution("kedge_time_to_first_token_seconds",
                                     "From the arrival of a request to its first token.", kFirst)),
      between_tokens_s(
          all.distribution("kedge_inter_token_seconds", "Between one token of a stream and the next.", kNext)),
      confidence(all.distribution("kedge_answer_confidence",
                                  "Probability of being right that the router gave its answers.", kShares)),
      all_(all) {
  all.gauge("kedge_build_info", "1, with the version of the library.", {{"version", kedge_version()}}).set(1);
}

void ServeMetrics::model_loaded(const std::string& model, const std::string& digest) {
  all_.gauge("kedge_model_info", "1 for each model that was loaded, with the digest of its file.",
             {{"model", model}, {"digest", digest}})
      .set(1);
}

Counter& ServeMetrics::rejected(const std::string& reason) {
  return all_.counter("kedge_rejected_total", "Requests turned away before any model, by reason.",
                      {{"reason", reason}});
}

Counter& ServeMetrics::cancelled(const std::string& why) {
  return all_.counter("kedge_requests_cancelled_total", "Requests that ended early, by why.", {{"why", why}});
}

Counter& ServeMetrics::answers(const std::string& outcome, const std::string& alias) {
  return all_.counter("kedge_answers_total", "Answers of the router, by outcome and the alias that answered.",
                      {{"outcome", outcome}, {"alias", alias}});
}

void ServeMetrics::request(const std::string& route, int status, double seconds) {
  all_.counter("kedge_requests_total", "Requests by route and HTTP status.",
               {{"route", route}, {"status", std::to_string(status)}})
      .add();
  all_.distribution("kedge_request_seconds", "Time of requests, by route.", kWhole, {{"route", route}}).add(seconds);
}

}  // namespace kedge::tools::serve
