// A call that takes long: it runs on a thread of its own, so that Node's loop goes on, and ends as a promise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "tools/node/src/value.h"

namespace kedge::tools::node {

struct Running;

class Job {
 public:
  virtual ~Job() = default;
  virtual Status run() = 0;                         // on its thread
  virtual napi_value value(napi_env env) = 0;       // on the loop, when run() succeeded: what the promise gives
  virtual void stop() {}                            // from any thread: run() is to end soon
  bool stopped() const { return stopped_.load(); }  // a callback threw, or Node ends
  void stop_now() { stopped_.store(true), stop(); }

 protected:
  // From the job's thread: calls the callback on the loop with what `make` gives, later, in order. False: end the call.
  bool tell(std::function<napi_value(napi_env)> make);

 private:
  friend struct Running;
  friend napi_value start(napi_env env, std::shared_ptr<Job> job, Value callback);
  Running* running_ = nullptr;
  std::atomic<bool> stopped_ = false;
};

// Begins the job. `callback` may be missing; what it throws ends the job and is what the promise is rejected with.
napi_value start(napi_env env, std::shared_ptr<Job> job, Value callback);

// A job of two functions.
template <class T>
napi_value start_task(napi_env env, std::function<Result<T>()> work, napi_value (*give)(napi_env, T)) {
  class Task : public Job {
   public:
    Task(std::function<Result<T>()> work, napi_value (*give)(napi_env, T)) : work_(std::move(work)), give_(give) {}
    Status run() override {
      Result<T> result = work_();
      work_ = nullptr;  // what it kept
      if (!result) return result.error();
      result_.emplace(*std::move(result));
      return {};
    }
    napi_value value(napi_env env) override { return give_(env, *std::move(result_)); }

   private:
    std::function<Result<T>()> work_;
    napi_value (*give_)(napi_env, T);
    std::optional<T> result_;
  };
  return start(env, std::make_shared<Task>(std::move(work), give), Value(env, undefined(env)));
}

// Called once for each environment (a worker thread has its own): its jobs end with it.
void watch_environment(napi_env env);

}  // namespace kedge::tools::node
