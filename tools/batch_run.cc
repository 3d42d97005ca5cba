#include "tools/batch_run.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tools/interrupt.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

Json error_answer(const BatchRow& row, kedge_status code, const std::string& message) {
  return {{"id", row.id},
          {"error", {{"code", kedge_status_name(code)}, {"message", format("line %zu: ", row.line) + message}}}};
}

void set(std::vector<std::pair<std::string, double>>& settings, const std::string& name, double value) {
  const auto known = std::find_if(settings.begin(), settings.end(), [&](const auto& s) { return s.first == name; });
  if (known != settings.end()) {
    known->second = value;
  } else {
    settings.emplace_back(name, value);
  }
}

kedge::EngineOptions engine_of(const BatchPlan& plan) {
  kedge::EngineOptions options = plan.session.engine(plan.parallel);
  options.memory = plan.memory;
  return options;
}

class BatchRunner {
 public:
  BatchRunner(const kedge::Model& model, const BatchPlan& plan, const std::vector<BatchRow>& rows, BatchFile& file)
      : model_(model),
        plan_(plan),
        rows_(rows),
        engine_(need(kedge::Engine::create(model, engine_of(plan)))),
        file_(file),
        next_(file.n_done()) {
    session_.n_ctx = plan.session.ctx;
    session_.kv = plan.kv.json();
  }

  BatchFigures run() {
    const double start = seconds_now();
    const InterruptGuard guard;
    std::vector<std::thread> threads;
    const size_t n = std::min(static_cast<size_t>(plan_.parallel), rows_.size() - file_.n_done());
    try {
      for (size_t i = 0; i < n; ++i) threads.emplace_back([this] { work(); });
    } catch (...) {  // no more threads to be had
      fail();
    }
    write_answers();
    for (std::thread& t : threads) t.join();
    if (failure_) std::rethrow_exception(failure_);
    figures_.seconds = seconds_now() - start;
    figures_.stopped = file_.n_done() < rows_.size();
    return figures_;
  }

 private:
  // A row that is still to be answered and near enough to the last one written: answers that wait for an earlier one
  // are lost when the run is stopped.
  const BatchRow* take() {
    std::unique_lock lock(mutex_);
    const size_t ahead = 16 * static_cast<size_t>(plan_.parallel);
    changed_.wait(lock, [&] { return end_ || next_ == rows_.size() || next_ < file_.n_done() + ahead; });
    return end_ || next_ == rows_.size() ? nullptr : &rows_[next_++];
  }

  void work() noexcept {
    while (const BatchRow* row = take()) {
      const auto index = static_cast<size_t>(row - rows_.data());
      try {
        std::optional<Json> answer = answer_to(*row, index);
        const std::lock_guard lock(mutex_);
        if (!answer) return;  // stopped in the middle of it
        waiting_.emplace(index, *std::move(answer));
      } catch (...) {
        fail();
      }
      changed_.notify_all();
    }
  }

  // With the exception that is being handled.
  void fail() noexcept {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    end_ = true;
  }

  // On the main thread: answers in the order of the rows, the bar, and the end of all work when Ctrl-C comes.
  void write_answers() {
    Progress progress("answering");
    std::unique_lock lock(mutex_);
    while (!end_ && file_.n_done() < rows_.size()) {
      changed_.wait_for(lock, std::chrono::milliseconds(50));
      try {
        for (auto it = waiting_.find(file_.n_done()); it != waiting_.end(); it = waiting_.find(file_.n_done())) {
          file_.append(it->second);
          waiting_.erase(it);
          changed_.notify_all();
        }
      } catch (...) {
        failure_ = std::current_exception();
        end_ = true;
      }
      progress.update(file_.n_done(), rows_.size());
      end_ = end_ || InterruptGuard::interrupted();
    }
    end_ = true;
    for (kedge::Session* session : running_) session->set_cancel(true);
    changed_.notify_all();
  }

  // Nothing when the run was stopped before the row was answered.
  std::optional<Json> answer_to(const BatchRow& row, size_t index) {
    if (!row.problem.empty()) return error_answer(row, KEDGE_INVALID_ARGUMENT, row.problem);
    const auto tokens = row.messages.is_null() ? model_.tokenize(row.prompt, !plan_.text.no_bos, plan_.text.special,
                                                                 plan_.text.exact_bytes)
                                               : chat_tokens(row);
    if (!tokens.ok()) return error_answer(row, tokens.error().code, tokens.error().message);
    if (tokens->empty()) return error_answer(row, KEDGE_INVALID_ARGUMENT, "the prompt is empty");
    auto session = engine_.session(session_);
    if (!session.ok()) return error_answer(row, session.error().code, session.error().message);
    const Running running(*this, *session);
    const kedge::GenerateOptions options = options_of(row, index);
    const auto generation = session->generate(*tokens, options);
    if (!generation.ok()) return error_answer(row, generation.error().code, generation.error().message);
    if (generation->finish_reason() == KEDGE_FINISH_CANCELLED) return std::nullopt;
    return answer_json(row, options, *generation);
  }

  kedge::Result<std::vector<int32_t>> chat_tokens(const BatchRow& row) const {
    Json options = row.chat;
    options["add_generation_prompt"] = true;
    options["exact_bytes"] = plan_.text.exact_bytes;
    return model_.chat_tokenize(row.messages.dump(), options.dump());
  }

  kedge::GenerateOptions options_of(const BatchRow& row, size_t index) const {
    kedge::GenerateOptions options;
    plan_.sampler.apply(options);
    for (const auto& [name, value] : row.settings) set(options.settings, name, value);
    options.seed = row.seed.value_or(plan_.seed + index);
    options.stop = row.stop.value_or(options.stop);
    options.max_tokens = row.max_tokens.value_or(plan_.max_tokens);
    options.ignore_eos = row.ignore_eos.value_or(plan_.ignore_eos);
    options.logprobs = row.logprobs.value_or(-1);
    return options;
  }

  Json answer_json(const BatchRow& row, const kedge::GenerateOptions& options, const kedge::Generation& g) {
    const kedge_generation_result& r = g.result();
    Json answer = {{"id", row.id},
                   {"text", std::string(g.text())},
                   {"finish_reason", finish_name(g.finish_reason())},
                   {"prompt_tokens", r.n_prompt},
                   {"completion_tokens", r.n_tokens},
                   {"seed", options.seed}};
    if (options.logprobs >= 0) answer["logprobs"] = logprobs_json(model_, g);
    if (plan_.kv.given()) answer["kv"] = Json::parse(g.kv());
    const std::lock_guard lock(mutex_);
    ++figures_.rows;
    figures_.prompt_tokens += r.n_prompt;
    figures_.tokens += r.n_tokens;
    return answer;
  }

  // While it lives the session is cancelled when the run ends.
  class Running {
   public:
    Running(BatchRunner& run, kedge::Session& session) : run_(run), session_(session) {
      const std::lock_guard lock(run_.mutex_);
      run_.running_.insert(&session_);
      if (run_.end_) session_.set_cancel(true);
    }
    ~Running() {
      const std::lock_guard lock(run_.mutex_);
      run_.running_.erase(&session_);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    BatchRunner& run_;
    kedge::Session& session_;
  };

  const kedge::Model& model_;
  const BatchPlan& plan_;
  const std::vector<BatchRow>& rows_;
  kedge::Engine engine_;
  kedge::SessionOptions session_;
  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  BatchFile& file_;
  size_t next_;                     // the first row nobody has taken
  std::map<size_t, Json> waiting_;  // answers for an earlier one
  std::set<kedge::Session*> running_;
  bool end_ = false;  // nothing more is begun: all is done, Ctrl-C came or something failed
  BatchFigures figures_;
  std::exception_ptr failure_;
};

}  // namespace

BatchFigures run_batch(const kedge::Model& model, const BatchPlan& plan, const std::vector<BatchRow>& rows,
                       BatchFile& file) {
  if (file.n_done() == rows.size()) return {};
  return BatchRunner(model, plan, rows, file).run();
}

}  // namespace kedge::tools
