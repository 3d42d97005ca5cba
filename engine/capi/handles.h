// What the files of the C interface share beside kernels/base/capi.h: the handles.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/adapter.h"
#include "engine/engine.h"
#include "engine/generate.h"
#include "engine/model.h"
#include "engine/session.h"
#include "include/kedge/kedge.h"
#include "kernels/base/capi.h"

struct kedge_model {
  std::shared_ptr<const kedge::engine::Model> model;
};

struct kedge_adapter {
  std::shared_ptr<const kedge::engine::Adapter> adapter;
};

struct kedge_engine {
  std::shared_ptr<kedge::engine::Engine> engine;
};

struct kedge_session {
  enum State { kIdle, kInUse, kInUseAndFreed };

  std::unique_ptr<kedge::engine::Session> session;
  std::atomic<bool> cancel{false};
  mutable std::atomic<int> state{kIdle};
  const pid_t process = getpid();
};
static_assert(std::atomic<bool>::is_always_lock_free, "kedge_session_set_cancel is called from signal handlers");

struct kedge_checkpoint {
  std::shared_ptr<const kedge::engine::Session::Checkpoint> state;
};

struct kedge_generation {
  kedge::engine::GenerateResult result;
  std::string settings;  // JSON
  std::string kv;
  std::string speculation;
  std::vector<kedge_logprob> logprobs;
};

namespace kedge::engine::capi {

using namespace base::capi;  // NOLINT(google-build-using-namespace)

// Whether it may be looked at by this process, in use or not. Errors: null, or made by the parent of this process with
// a cold tier in a file or in an engine, which are the parent's.
Status check_lookable(const kedge_session* session);

// A session for the time of one call. Errors: those of check_lookable, in use by another call (of another thread, or
// the one whose callback this is).
class SessionUse {
 public:
  static Result<SessionUse> begin(const kedge_session* session);
  SessionUse(SessionUse&& other) noexcept = default;
  SessionUse& operator=(SessionUse&&) = delete;
  ~SessionUse();

 private:
  explicit SessionUse(const kedge_session* session) : held_(session->session->use()), session_(session) {}
  std::unique_lock<std::recursive_mutex> held_;  // empty when moved from
  const kedge_session* session_;
};

// So many milliseconds from now; 0: none. Error: kInvalidArgument.
Result<std::chrono::steady_clock::time_point> deadline_in(double ms);

Result<std::vector<AdapterUse>> adapter_uses(const kedge_adapter_use* given, size_t n);

// What answers of the model have to obey; null for an empty text. Errors: kedge.h, "Constraints".
Result<std::shared_ptr<const grammar::Constraint>> constraint_in(const Model& model, const kedge_str& text);

Result<SessionOptions> session_options(const Model& model, const kedge_session_options* given);

}  // namespace kedge::engine::capi
