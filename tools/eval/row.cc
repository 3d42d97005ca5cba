// One row: its tokens and marks, the session, the answer and the judgement.
#include <algorithm>
#include <cmath>

#include "tools/eval/recall.h"
#include "tools/eval/score.h"
#include "tools/interrupt.h"

namespace kedge::tools {

namespace {

constexpr const char* kTemplateOptions = R"({"add_generation_prompt": true, "allow_special": true})";

Json kv_options(const RecallSetting& setting, const RecallPlan& plan, size_t budget) {
  Json kv = plan.kv;
  kv["policy"] = setting.policy;
  kv["anchor_detect"] = setting.marks == "detector";
  kv["cold"] = setting.cold;
  if (setting.bounded()) kv["budget"] = budget;
  return kv;
}

bool go_on() { return !InterruptGuard::interrupted(); }

}  // namespace

// Always with the marks, whose tokens decide which rows fit; the session hears of them only when the setting says so.
void RecallRun::tokenize(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting) {
  auto marked = need(model.chat_tokenize_marked(marked_messages(row), kTemplateOptions));
  tokens_ = std::move(marked.tokens);
  segments_ = Json::array();
  Json parsed = Json::parse(marked.segments);
  for (Json& segment : parsed) {
    const bool reference = segment.at("kind") == "reference";
    const Json& range = segment.at("range");
    if (reference) span_tokens_.emplace_back(range.at(0), range.at(1));
    if (!reference || setting.marks == "spans") segments_.push_back(std::move(segment));
  }
  if (span_tokens_.size() != row.spans.size()) {
    throw Failure(format("%s: %zu spans became %zu segments", row.id.c_str(), row.spans.size(), span_tokens_.size()));
  }
  std::sort(span_tokens_.begin(), span_tokens_.end());  // the row's spans are sorted too
}

kedge::Result<RecallRun> RecallRun::start(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting,
                                          const RecallPlan& plan) {
  RecallRun run;
  run.max_tokens_ = row.max_tokens();
  run.tokenize(model, row, setting);
  run.budget_ = static_cast<size_t>(budget_tokens(run.tokens_.size(), setting.budget));
  auto session = plan.engine->session({.n_ctx = static_cast<int>(run.tokens_.size()) + run.max_tokens_,
                                       .kv = kv_options(setting, plan, run.budget_).dump()});
  if (!session.ok()) return session.error();
  run.session_.emplace(*std::move(session));
  if (auto told = run.session_->add_segments(run.segments_.dump()); !told.ok()) return told.error();
  return run;
}

kedge::Result<kedge::Generation> RecallRun::generate(std::span<const int32_t> prompt, int max_tokens) {
  kedge::GenerateOptions options;
  options.max_tokens = max_tokens;
  options.render_special = true;  // <|ref|> is part of an answer
  options.settings = {{"temperature", 0.0}};
  options.on_prefill = [](size_t, size_t) { return go_on(); };
  options.on_token = [](int32_t, std::span<const kedge_logprob>) { return go_on(); };
  return session_->generate(prompt, options);
}

kedge::Result<bool> RecallRun::read() {
  const auto generation = generate(tokens_, 0);
  if (!generation.ok()) return generation.error();
  return generation->finish_reason() != KEDGE_FINISH_CANCELLED;
}

kedge::Result<std::optional<std::string>> RecallRun::answer() {
  const bool fresh = session_->tokens().empty();
  const auto generation = generate(fresh ? std::span<const int32_t>(tokens_) : std::span<const int32_t>(), max_tokens_);
  if (!generation.ok()) return generation.error();
  if (generation->finish_reason() == KEDGE_FINISH_CANCELLED) return std::optional<std::string>();
  return std::optional(std::string(generation->text()));
}

std::optional<RecallOutcome> run_row(const kedge::Model& model, const RecallRow& row, const RecallSetting& setting,
                                     const RecallPlan& plan) {
  const double start = seconds_now();
  RecallOutcome out;
  out.row = row.id;
  out.setting = setting;
  out.length = row.length;
  const auto failed = [&](const kedge::Error& error) {
    if (error.code != KEDGE_CAPACITY) throw Failure(row.id + ", " + setting.name() + ": " + error.message);
    out.error = error.message;
    out.seconds = seconds_now() - start;
    return out;
  };
  auto run = RecallRun::start(model, row, setting, plan);
  if (!run.ok()) return failed(run.error());
  out.n_prompt = run->n_prompt();
  out.budget_tokens = run->budget();
  out.n_spans = row.spans.size();
  for (const RecallSpan& span : row.spans) out.n_false += span.reference ? 0 : 1;
  for (const auto& [first, behind] : run->span_tokens()) out.ref_tokens += behind - first;
  auto answer = run->answer();
  if (!answer.ok()) return failed(answer.error());
  if (!answer->has_value()) return std::nullopt;

  out.text = normalised_answer(**answer);
  const RecallAnswer parsed = parse_answer(out.text);
  out.values = parsed.values == row.values;
  out.sources = parsed.sources == row.sources;
  const Json kv = run->kv();
  const auto figure = [&](const char* name) { return kv.value(name, 0.0); };
  out.hot_bytes = figure("hot_bytes");
  out.cold_bytes = figure("cold_bytes");
  out.evicted = figure("evicted");
  out.demoted = figure("demoted");
  out.recalled = figure("recalled");
  out.lost = figure("lost");
  out.detached = figure("detached_total");
  out.seconds = seconds_now() - start;
  return out;
}

}  // namespace kedge::tools
