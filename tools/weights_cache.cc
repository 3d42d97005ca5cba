#include "tools/weights_cache.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/variable.h"

namespace kedge::tools {

namespace {

// How long a command that is done waits at most.
constexpr auto kPatience = std::chrono::seconds(8);

class Keeper {
 public:
  Keeper(const kedge::Model& model, bool said) : said_(said) {
    thread_ = std::thread([this, &model] {
      struct sched_param none = {};
      ::sched_setscheduler(0, SCHED_IDLE, &none);  // of this thread; a refusal only means: beside the others
      const auto written = model.write_weights_cache([this](size_t done, size_t total) {
        const std::lock_guard lock(mutex_);
        done_ = done;
        total_ = total;
        held_ = true;
        changed_.notify_all();
        return !stop_;
      });
      const std::lock_guard lock(mutex_);
      if (!written.ok()) error_ = written.error();
      held_ = true;
      over_ = true;
      changed_.notify_all();
    });
    // From then on the library holds the model.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  ~Keeper() {
    stop();
    thread_.join();
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void stop() {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  void finish() {
    // Nobody else is waited for any more; a refusal only means: as idle as before.
    struct sched_param none = {};
    ::pthread_setschedparam(thread_.native_handle(), SCHED_OTHER, &none);
    Progress progress("keeping the packed weights for the next time");
    bool late = false;
    {
      const InterruptGuard guard;
      const auto end = std::chrono::steady_clock::now() + kPatience;
      std::unique_lock lock(mutex_);
      while (!over_) {
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        late = std::chrono::steady_clock::now() > end;
        stop_ = stop_ || late || InterruptGuard::interrupted();
        progress.update(done_, total_);
      }
    }
    progress.finish();
    if (late && error_ && stderr_is_terminal()) {
      std::fprintf(stderr,
                   "note: the packed weights are not kept: the machine was too busy; the next command tries again\n");
    }
    const bool told = said_ || (stderr_is_terminal() && error_ && error_->code == KEDGE_IO);
    if (error_ && error_->code != KEDGE_CANCELLED && told) {
      std::fprintf(stderr, "note: the packed weights are not kept: %s\n", error_->message.c_str());
    }
    error_.reset();
  }

 private:
  const bool said_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  size_t done_ = 0;
  size_t total_ = 0;
  bool held_ = false;
  bool over_ = false;
  bool stop_ = false;
  std::optional<kedge::Error> error_;
  std::thread thread_;
};

std::vector<std::unique_ptr<Keeper>>& keepers() {
  static std::vector<std::unique_ptr<Keeper>> all;
  return all;
}

}  // namespace

std::string weights_cache_folder(const std::string& wanted) {
  std::string word = wanted;
  if (word == "auto") word = variable("KEDGE_WEIGHTS_CACHE");
  if (word == "off") return {};
  if (!word.empty() && word != "auto") return word;
  std::string base = variable("XDG_CACHE_HOME");
  if (!base.starts_with('/')) base = variable("HOME").starts_with('/') ? variable("HOME") + "/.cache" : "";
  return base.empty() ? "" : base + "/kedge/packed";
}

void keep_weights(const kedge::Model& model, bool said) {
  try {
    keepers().push_back(std::make_unique<Keeper>(model, said));
  } catch (const std::system_error&) {
    // No thread to be had: the next command packs again.
  }
}

void finish_keeping_weights() {
  for (const auto& keeper : keepers()) keeper->finish();
  keepers().clear();
}

}  // namespace kedge::tools
