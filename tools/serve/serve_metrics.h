// What the server counts about requests, by name. What engines count is read from them (add_engine_metrics).
#pragma once

#include <string>

#include "tools/serve/metrics.h"

namespace kedge::tools::serve {

struct ServeMetrics {
  // In `all`, which outlives it.
  explicit ServeMetrics(Metrics& all);
  // Once for each model, with the digest of its file.
  void model_loaded(const std::string& model, const std::string& digest);

  Gauge& running;  // requests with a place
  Gauge& waiting;  // requests that were admitted and have none yet
  Counter& prompt_computed;
  Counter& prompt_cached;
  Counter& generated;
  Distribution& first_token_s;     // from the arrival of a request
  Distribution& between_tokens_s;  // of one stream
  Distribution& confidence;        // of the router's answers that have one

  // Requests that were turned away before any model: "queue_full", "rate", "too_large", "draining", "key", ...
  Counter& rejected(const std::string& reason);
  // Requests that ended early: "client" (hung up), "deadline", "shutdown".
  Counter& cancelled(const std::string& why);
  // Answers of the router by what became of them: "answered", "not_found", "low_confidence", "failed".
  Counter& answers(const std::string& outcome, const std::string& alias);
  // Requests by route and status, and how long they took.
  void request(const std::string& route, int status, double seconds);

 private:
  Metrics& all_;
};

}  // namespace kedge::tools::serve
