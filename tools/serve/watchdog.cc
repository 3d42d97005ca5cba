#include "tools/serve/watchdog.h"

#include <algorithm>
#include <set>
#include <utility>

namespace kedge::tools::serve {

namespace {

constexpr std::chrono::milliseconds kSoonest{20};
constexpr std::chrono::milliseconds kLatest{10'000};  // a look reads headers of files
constexpr int kLooks = 4;  // within the limit

// Of a key and the user behind it, which clients name: for the log the key alone.
Json names_of(const Json& keys) {
  std::set<std::string> names;
  for (const Json& key : keys) {
    const auto text = key.get<std::string>();
    names.insert(text.substr(0, text.find('\n')));
  }
  return Json(std::vector<std::string>(names.begin(), names.end()));
}

std::string seconds(double ms) { return Json(static_cast<int64_t>(ms / 100) / 10.0).dump() + " s"; }

std::string words_of(const Watchdog::Watched& watched, std::chrono::milliseconds limit) {
  const Json& busy = watched.busy;
  const std::string what = busy["step"].is_null() ? "its memory"
                                                  : "step " + busy["step"].dump() + " (" + busy["decoding"].dump() +
                                                        " decode, " + busy["reading"].dump() + " read)";
  return "the engine of " + watched.model + " has been at " + what + " for " + seconds(busy["ms"].get<double>()) +
         ", more than " + seconds(static_cast<double>(limit.count()));
}

}  // namespace

Watchdog::Watchdog(Look look, std::chrono::milliseconds limit, Log& log, Metrics& metrics)
    : look_(std::move(look)), log_(log), metrics_(metrics), limit_(limit), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Watchdog::set_limit(std::chrono::milliseconds limit) {
  const std::lock_guard lock(mutex_);
  limit_ = limit;
  changed_.notify_all();
}

std::string Watchdog::overdue() const {
  const std::lock_guard lock(mutex_);
  return words_;
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    changed_.wait_for(lock, limit_.count() == 0 ? kLatest : std::clamp(limit_ / kLooks, kSoonest, kLatest));
    if (stop_) return;
    lock.unlock();
    check();
    lock.lock();
  }
}

void Watchdog::check() {
  const std::vector<Watched> all = look_();
  const std::lock_guard lock(mutex_);
  words_.clear();
  for (const Watched& watched : all) {
    const Json& busy = watched.busy;
    const bool over =
        limit_.count() > 0 && busy.is_object() && busy["ms"].get<double>() > static_cast<double>(limit_.count());
    const std::string step = over ? busy["step"].dump() : "";
    std::string& told = told_[watched.model];
    if (over) words_ += (words_.empty() ? "" : "; ") + words_of(watched, limit_);
    if (step == told) continue;
    if (!told.empty())
      log_.event("step_ended", {{"model", watched.model}, {"step", base::parse_json(told, "").value()}});
    told = step;
    if (!over) continue;
    metrics_
        .counter("kedge_steps_overdue_total", "Steps that took longer than watchdog.step_ms.",
                 {{"model", watched.model}})
        .add();
    log_.event("step_overdue", {{"model", watched.model},
                                {"step", busy["step"]},
                                {"ms", static_cast<int64_t>(busy["ms"].get<double>())},
                                {"decoding", busy["decoding"]},
                                {"reading", busy["reading"]},
                                {"keys", names_of(busy["keys"])},
                                {"sequences", watched.sequences}});
  }
}

}  // namespace kedge::tools::serve
