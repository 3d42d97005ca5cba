#include "tools/node/src/job.h"

#include <mutex>
#include <set>
#include <system_error>
#include <thread>

namespace kedge::tools::node {

struct Message {
  std::function<napi_value(napi_env)> make;  // none: the job is done
};

struct Running {
  std::shared_ptr<Job> job;
  napi_deferred deferred = nullptr;
  napi_ref callback = nullptr;
  napi_ref thrown = nullptr;
  napi_threadsafe_function to_loop = nullptr;
  std::thread thread;
  bool loop_is_gone = false;  // of the job's thread: after napi_closing nothing more may be said
  std::optional<Error> error;

  bool say(Message* message) {
    if (!loop_is_gone && napi_call_threadsafe_function(to_loop, message, napi_tsfn_blocking) == napi_ok) return true;
    loop_is_gone = true;
    delete message;
    return false;
  }

  void work() {
    try {
      const Status status = job->run();
      if (!status) error = status.error();
    } catch (const Failure& failure) {
      error = failure.error;
    } catch (const std::bad_alloc&) {
      error = Error{KEDGE_CAPACITY, "out of memory"};
    }
    say(new Message{});
  }
};

namespace {

// The jobs of an environment; its data, freed by Node after the hook below.
struct Environment {
  std::set<Running*> running;
};

Environment* of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

void release(napi_env env, Running* running) {
  if (running->thread.joinable()) running->thread.join();
  if (running->callback != nullptr) napi_delete_reference(env, running->callback);
  if (running->thrown != nullptr) napi_delete_reference(env, running->thrown);
  of(env)->running.erase(running);
  delete running;
}

// What the callback threw is kept; the job ends, and its promise says it.
void keep_exception(napi_env env, Running* running) {
  napi_value exception = nullptr;
  if (napi_get_and_clear_last_exception(env, &exception) != napi_ok || running->thrown != nullptr) return;
  napi_value box = nullptr;  // references are to objects, and anything may be thrown
  napi_create_array_with_length(env, 1, &box);
  napi_set_element(env, box, 0, exception);
  napi_create_reference(env, box, 1, &running->thrown);
  running->job->stop_now();
}

void settle(napi_env env, Running* running) {
  napi_value outcome = nullptr;
  bool good = false;
  if (running->thrown != nullptr) {
    napi_value box = nullptr;
    napi_get_reference_value(env, running->thrown, &box);
    napi_get_element(env, box, 0, &outcome);
  } else if (running->error) {
    outcome = to_error(env, *running->error);
  } else {
    try {
      outcome = running->job->value(env);
      good = true;
    } catch (const Failure& failure) {
      outcome = to_error(env, failure.error);
    } catch (const Pending&) {
      napi_get_and_clear_last_exception(env, &outcome);
    }
  }
  const napi_deferred deferred = running->deferred;
  napi_release_threadsafe_function(running->to_loop, napi_tsfn_release);
  release(env, running);
  if (good) {
    napi_resolve_deferred(env, deferred, outcome);
  } else {
    napi_reject_deferred(env, deferred, outcome);
  }
}

void hear(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  auto* running = static_cast<Running*>(context);
  if (env == nullptr) return;  // Node ends: the hook below waits for the thread
  if (!message->make) {
    settle(env, running);
    return;
  }
  if (running->callback == nullptr || running->thrown != nullptr) return;
  napi_value callback = nullptr;
  napi_value result = nullptr;
  napi_get_reference_value(env, running->callback, &callback);
  try {
    napi_value argument = message->make(env);
    if (napi_call_function(env, undefined(env), callback, 1, &argument, &result) != napi_ok) {
      keep_exception(env, running);
    }
  } catch (const Pending&) {
    keep_exception(env, running);
  } catch (const Failure& failure) {
    napi_throw(env, to_error(env, failure.error));
    keep_exception(env, running);
  }
}

}  // namespace

bool Job::tell(std::function<napi_value(napi_env)> make) {
  return running_->say(new Message{std::move(make)}) && !stopped();
}

napi_value start(napi_env env, std::shared_ptr<Job> job, Value callback) {
  auto running = std::make_unique<Running>();
  running->job = std::move(job);
  running->job->running_ = running.get();
  napi_value promise = nullptr;
  check(env, napi_create_promise(env, &running->deferred, &promise));
  if (!callback.missing()) check(env, napi_create_reference(env, callback.raw(), 1, &running->callback));
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, to_js(env, std::string_view("kedge")), 0, 1,
                                             nullptr, nullptr, running.get(), hear, &running->to_loop));
  Running* raw = running.release();
  of(env)->running.insert(raw);
  try {
    raw->thread = std::thread([raw] { raw->work(); });
  } catch (const std::system_error&) {
    raw->error = Error{KEDGE_CAPACITY, "no thread can be started"};
    raw->say(new Message{});
  }
  return promise;
}

void watch_environment(napi_env env) {
  auto* environment = new Environment;
  napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  napi_add_env_cleanup_hook(
      env,
      [](void* data) {
        auto* leaving = static_cast<Environment*>(data);
        for (Running* running : leaving->running) running->job->stop_now();
        for (Running* running : leaving->running) {
          if (running->thread.joinable()) running->thread.join();
          delete running;
        }
        leaving->running.clear();
      },
      environment);
}

}  // namespace kedge::tools::node
