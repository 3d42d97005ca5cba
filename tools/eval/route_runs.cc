#include "tools/eval/route_runs.h"

#include <mutex>

#include "kernels/base/at_once.h"

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
  std::mutex mutex;  // of `finished`
  size_t finished = 0;
  at_once(static_cast<size_t>(jobs), rows.size(), [&](size_t i) {
    Json request = rows[i]->request;
    request.update(how.members);
    request["record"] = false;
    const auto answer = router.ask(request_text(request));
    if (!answer.ok()) throw Failure(rows[i]->id + ": " + answer.error().message);
    RouteRun& run = runs[i];
    run.row = rows[i];
    run.answer = Json::parse(*answer);
    run.right = rows[i]->is_right(run.answer["answer"]);
    run.cpu_s = run.answer["cpu_s"].get<double>();
    const std::lock_guard lock(mutex);
    done(++finished, rows.size());
  });
  return runs;
}

}  // namespace kedge::tools
