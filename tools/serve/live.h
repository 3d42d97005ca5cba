// Numbers of this moment, for the page: once a second to everybody who listens.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>

#include "tools/serve/admission.h"
#include "tools/serve/catalog.h"
#include "tools/serve/http/http.h"
#include "tools/serve/request_metrics.h"

namespace kedge::tools::serve {

class Live {
 public:
  // `bandwidth`: bytes that the machine's memory gives in a second; 0: not known.
  Live(Catalog& catalog, const Admission& admission, const RequestMetrics& requests, double bandwidth)
      : catalog_(catalog), admission_(admission), requests_(requests), bandwidth_(bandwidth) {}

  // From now on the reply gets an event a second, until its client goes or all are told to.
  void listen(std::shared_ptr<HttpReply> reply);
  void end_all();

 private:
  Json now();

  Catalog& catalog_;
  const Admission& admission_;
  const RequestMetrics& requests_;
  const double bandwidth_;
  std::mutex mutex_;
  std::set<std::shared_ptr<HttpReply>> listeners_;
  bool ended_ = false;
  // What the rates are differences to.
  std::chrono::steady_clock::time_point last_time_;
  uint64_t last_decode_ = 0;
  uint64_t last_prefill_ = 0;
  uint64_t last_steps_ = 0;
  double last_step_ms_ = 0;
  double last_weight_bytes_ = 0;
  Json last_;
};

}  // namespace kedge::tools::serve
