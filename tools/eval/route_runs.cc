#include "tools/eval/route_runs.h"

#include <atomic>
#include <mutex>
#include <thread>

namespace kedge::tools {

bool RouteRun::escalated() const {
  for (const Json& a : answer["attempts"]) {
    if (a["purpose"] == "escalate" || (a["alias"] == "deep" && answer["attempts"].size() == 1)) return true;
  }
  return false;
}

bool RouteRun::declined() const {
  const std::string outcome = answer.value("outcome", "");
  return outcome == "low_confidence" || outcome == "not_found" || outcome == "failed";
}

std::vector<RouteRun> run_rows(kedge::Router& router, const std::vector<const RouteRow*>& rows, const AskWays& how,
                               int jobs, const std::function<void(size_t done, size_t total)>& done) {
  std::vector<RouteRun> runs(rows.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  size_t finished = 0;
  std::string error;
  const auto work = [&] {
    for (;;) {
      const size_t i = next++;
      if (i >= rows.size()) return;
      Json request = rows[i]->request;
      request.update(how.members);
      request["record"] = false;
      const auto answer = router.ask(request_text(request));
      const std::lock_guard lock(mutex);
      if (!answer.ok()) {
        if (error.empty()) error = rows[i]->id + ": " + answer.error().message;
        next = rows.size();
        return;
      }
      RouteRun& run = runs[i];
      run.row = rows[i];
      run.answer = Json::parse(*answer);
      run.right = rows[i]->is_right(run.answer["answer"]);
      run.cpu_s = run.answer["cpu_s"].get<double>();
      done(++finished, rows.size());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  if (!error.empty()) throw Failure(error);
  return runs;
}

}  // namespace kedge::tools
