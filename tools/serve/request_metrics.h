// What is counted of requests that generate, and a sink that counts.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tools/serve/job.h"
#include "tools/serve/metrics.h"

namespace kedge::tools::serve {

class RequestMetrics {
 public:
  explicit RequestMetrics(Metrics& metrics);

  // Counts what goes through it. `arrived`: when the request came.
  std::unique_ptr<Sink> count(std::unique_ptr<Sink> sink, std::chrono::steady_clock::time_point arrived);

  // Of the answers since the start, for the page; seconds.
  const Distribution& ttft() const { return ttft_; }
  const Distribution& inter_token() const { return inter_token_; }

  void done(const Outcome& outcome, double seconds);
  void failed(const ApiError& error);
  void first_text(double seconds) { ttft_.add(seconds); }
  void next_text(double seconds) { inter_token_.add(seconds); }

 private:
  void speculated(const Json* counts);  // kedge.speculation of an answer, or null

  Metrics& metrics_;
  Distribution& ttft_;
  Distribution& inter_token_;
  Distribution& request_;
  Distribution& queue_;
  Distribution& confidence_;
  Counter& computed_;
  Counter& cached_;
  Counter& generated_;
};

}  // namespace kedge::tools::serve
