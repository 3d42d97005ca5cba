#include "tools/eval/recall.h"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <set>
#include <tuple>

#include "kernels/base/at_once.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct Task {
  const RecallRow* row;
  const RecallSetting* setting;
};

// A bar on a terminal; in a log, a line every now and then.
class RecallProgress {
 public:
  explicit RecallProgress(const std::vector<Task>& tasks) : n_(tasks.size()), bar_("recall"), start_(seconds_now()) {
    for (const Task& t : tasks) total_ += t.row->bytes();
  }
  void finished(const Task& task) {
    ++n_done_;
    done_ += task.row->bytes();
    bar_.update(done_, total_);
    const double now = seconds_now();
    if (stderr_is_terminal() || now - last_line_ < kLineSeconds) return;
    last_line_ = now;
    const double left = (now - start_) * static_cast<double>(total_ - done_) / static_cast<double>(done_);
    std::fprintf(stderr, "recall: %zu of %zu done, %.1f minutes left\n", n_done_, n_, left / 60);
  }
  void finish() { bar_.finish(); }

 private:
  static constexpr double kLineSeconds = 60;
  size_t n_;
  size_t n_done_ = 0;
  size_t done_ = 0;
  size_t total_ = 0;
  Progress bar_;
  double start_;
  double last_line_ = start_;
};

// Takes one task after another until there are none, one fails or Ctrl-C comes.
std::vector<RecallOutcome> run_tasks(const kedge::Model& model, const RecallPlan& plan, const std::vector<Task>& tasks,
                                     OutcomeFile& file) {
  RecallProgress progress(tasks);
  std::mutex mutex;  // of what follows, the file and the progress
  std::vector<RecallOutcome> done;
  at_once(static_cast<size_t>(plan.jobs), tasks.size(), [&](size_t i) {
    if (InterruptGuard::interrupted()) return;
    auto outcome = run_row(model, *tasks[i].row, *tasks[i].setting, plan);
    if (!outcome) return;
    const std::lock_guard lock(mutex);
    file.append(*outcome);
    done.push_back(*std::move(outcome));
    progress.finished(tasks[i]);
  });
  progress.finish();
  return done;
}

}  // namespace

std::vector<RecallSetting> recall_settings(const std::vector<std::string>& policies, const std::vector<double>& budgets,
                                           const std::vector<std::string>& marks, const std::vector<std::string>& colds,
                                           bool recall_by_attention) {
  std::vector<RecallSetting> settings;
  const auto add = [&](RecallSetting setting) {
    if (std::find(settings.begin(), settings.end(), setting) == settings.end()) settings.push_back(std::move(setting));
  };
  for (const std::string& policy : policies) {
    if (policy == "full") {
      add({.policy = policy});
      continue;
    }
    const bool anchored = policy.rfind("anchor", 0) == 0;
    for (const double budget : budgets) {
      for (const std::string& mark : anchored ? marks : std::vector<std::string>{"none"}) {
        const bool recalls = recall_by_attention || mark != "none";
        for (const std::string& cold : recalls ? colds : std::vector<std::string>{"off"}) {
          add({.policy = policy, .budget = budget, .marks = mark, .cold = cold});
        }
      }
    }
  }
  return settings;
}

std::vector<RecallOutcome> run_recall(const kedge::Model& model, const std::vector<RecallRow>& rows,
                                      const std::vector<RecallSetting>& settings, const RecallPlan& plan,
                                      OutcomeFile& file, bool& stopped) {
  std::set<std::pair<std::string, RecallSetting>> known;
  for (const RecallOutcome& o : file.earlier()) known.emplace(o.row, o.setting);
  std::vector<Task> tasks;
  for (const RecallRow& row : rows) {
    for (const RecallSetting& setting : settings) {
      if (!known.count({row.id, setting})) tasks.push_back({&row, &setting});
    }
  }
  // Long rows first: none is left alone with the engine at the end.
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.row->bytes() > b.row->bytes(); });
  const InterruptGuard guard;
  std::vector<RecallOutcome> all = run_tasks(model, plan, tasks, file);
  stopped = InterruptGuard::interrupted();
  all.insert(all.end(), file.earlier().begin(), file.earlier().end());
  std::sort(all.begin(), all.end(), [](const RecallOutcome& a, const RecallOutcome& b) {
    return std::tie(a.setting, a.row) < std::tie(b.setting, b.row);
  });
  return all;
}

}  // namespace kedge::tools
