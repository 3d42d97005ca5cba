// Does what a job asks for, on the caller's thread: by the model it names (direct.cc) or through the router
// (routed.cc).
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "tools/serve/cancel.h"
#include "tools/serve/catalog.h"
#include "tools/serve/job.h"
#include "tools/serve/sequences.h"
#include "tools/serve/speaker.h"
#include "tools/serve/state_directory.h"

namespace kedge::tools::serve {

struct RunnerOptions {
  int default_max_tokens = 2048;  // of requests that do not say
  // More is refused.
  int max_tokens = 1 << 20;
  int max_choices = 8;
  int max_logprobs = 20;
  int max_stops = 16;
  int max_documents = 256;
  std::string speculation = "none";       // of requests that do not say: "none", "ngram" or "draft"
  std::string draft;                      // alias of the small model that guesses; empty: none
  double deadline_ms = 0;                 // of requests that do not say; 0: none
  Sequences* sequences = nullptr;         // where they can be looked at
  const StateDirectory* state = nullptr;  // where the indexes are that requests name
};

// Who asks, and since when.
struct Asker {
  double weight = 1;  // of the key, against others
  std::string key;    // name of the access key: fairness and cached prefixes are by it
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  std::string request_id;
};

class Runner {
 public:
  Runner(Catalog& catalog, const RunnerOptions& options) : catalog_(catalog), options_(options) {}

  // Everything that becomes of the job is said to `out`, the end of it too. Returns when all is said.
  void run(const Job& job, const Asker& asker, Cancel& cancel, Speaker& out) const noexcept;
  void set_options(const RunnerOptions& options) {
    const std::lock_guard lock(mutex_);
    options_ = options;
  }

 private:
  RunnerOptions options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

  Catalog& catalog_;
  mutable std::mutex mutex_;
  RunnerOptions options_;
};

// What both ways share.
struct Run {
  const Job& job;
  const Asker& asker;
  Cancel& cancel;
  Speaker& out;
  const RunnerOptions& options;

  int max_tokens() const { return job.options.max_tokens < 0 ? options.default_max_tokens : job.options.max_tokens; }
  double ms_since_arrival() const;
  // What is left of the client's deadline; 0: there is none. Error: 504, it has passed.
  Answer<double> deadline_left_ms() const;
  // Of what ended because of `cancel`.
  ApiError cancelled() const;
};

// `draft`: a model of the same vocabulary that guesses ahead, or null.
void run_direct(const Run& run, const std::shared_ptr<ServedModel>& model, const std::shared_ptr<ServedModel>& draft);
void run_routed(const Run& run, Catalog& catalog);

// A seed from the system, for requests that give none. Below 2^53, so that every client can write it.
uint64_t drawn_seed();

}  // namespace kedge::tools::serve
