// One step: of every call with a share the transaction of its memory is begun, the rows of all go through the network
// together, and what came of it is committed sequence by sequence.
#include <algorithm>

#include "engine/engine_state.h"
#include "engine/sampler.h"
#include "engine/step.h"

namespace kedge::engine {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

// Every row of logits comes through here, whoever asked for it: what is no number goes no further.
Status Engine::Call::take_row(int row, std::span<const float> logits, bool alone) {
  Status finite = check_finite(logits, first_position + row);
  if (!finite.ok()) {
    Error error = std::move(finite).error();
    if (sequence->options.kv_type != KvFormat::kF32) error.message += "; a float32 cache (--kv-type f32) holds more";
    return error;
  }
  sequence->last_logits.assign(logits.begin(), logits.end());
  if (rows == nullptr) return {};
  if (alone) return (*rows)(first_position + row, logits);  // the leader is the caller itself
  kept_rows.insert(kept_rows.end(), logits.begin(), logits.end());
  return {};
}

Status Engine::Call::hand_over() {
  const size_t width = sequence->last_logits.size();
  for (size_t at = 0; at < kept_rows.size(); at += width) {
    const int position = first_position + static_cast<int>(at / width);
    KEDGE_TRY((*rows)(position, std::span(kept_rows).subspan(at, width)));
  }
  kept_rows.clear();
  if (hooks->progress && !hooks->progress(done, tokens.size())) {
    return Error{ErrorCode::kCancelled,
                 "cancelled after " + std::to_string(done) + " of " + std::to_string(tokens.size()) + " tokens"};
  }
  return {};
}

Result<KvStep> Engine::State::begin(Call& call, int wanted) {
  Session::State& s = *call.sequence;
  KEDGE_TRY(swap_in(s));
  s.read_texts(call.tokens.subspan(call.done, static_cast<size_t>(wanted)));
  return KvStep::begin(*s.memory, s.texts, wanted, team);
}

// Recalls that a commit could not do for want of pages.
Status Engine::State::settle(Session::State& sequence) {
  for (;;) {
    Status settled = sequence.memory->settle(team);
    if (settled.ok() || sequence.memory->missing_pages() == 0) return settled;
    const Relief relief = relieve(sequence);
    if (relief == Relief::kNone) return settled;
    if (relief == Relief::kLater) return {};  // not while this step lasts: the next one of this sequence begins with it
  }
}

Engine::Outcome Engine::State::end(Call& call, KvStep& kv, StepPart& part) {
  Session::State& s = *call.sequence;
  const auto n = static_cast<size_t>(kv.n());
  if (!part.status.ok()) return {.wasted = n, .status = std::move(part.status)};
  const auto added = part.tokens;
  Status committed = kv.commit(team);
  s.tokens.insert(s.tokens.end(), added.begin(), added.end());
  if (!committed.ok() && s.memory->missing_pages() > 0) committed = settle(s);
  s.has_logits = call.done + n == call.tokens.size();
  return {.tokens = n, .status = std::move(committed)};
}

Engine::StepResult Engine::State::run_step(std::span<Call* const> ready, std::span<const Scheduler::Share> shares) {
  const auto start = std::chrono::steady_clock::now();
  StepResult result;
  result.outcomes.resize(shares.size());
  std::vector<StepPart> parts;
  std::vector<KvStep> steps;
  std::vector<size_t> share_of;
  std::vector<std::pair<size_t, Error>> starved;
  steps.reserve(shares.size());
  for (size_t i = 0; i < shares.size(); ++i) {
    Call& call = *ready[shares[i].demand];
    Session::State& s = *call.sequence;
    auto begun = begin(call, shares[i].tokens);
    if (!begun.ok()) {
      if (s.memory->missing_pages() > 0 && !alone) {
        starved.emplace_back(i, std::move(begun).error());
      } else {
        result.outcomes[i].status = std::move(begun).error();
      }
      continue;
    }
    steps.push_back(std::move(begun).value());
    const int n = steps.back().n();
    const bool last = static_cast<size_t>(n) == call.remaining();
    s.has_logits = false;
    call.first_position = steps.back().first_position();
    call.sink = [&call, this](int row, std::span<const float> logits) { return call.take_row(row, logits, alone); };
    // Without a use for them not even one row of logits is computed.
    const int first_logit_row = call.rows != nullptr ? 0 : last ? n - 1 : n;
    parts.push_back({.tokens = call.tokens.subspan(call.done, static_cast<size_t>(n)),
                     .first_logit_row = first_logit_row,
                     .sink = &call.sink,
                     .experts = &s.experts,
                     .cancel = call.hooks->cancel,
                     .status = {}});
    share_of.push_back(i);
    (call.tokens.size() == 1 ? result.decode_rows : result.prompt_rows) += n;
  }
  for (size_t p = 0; p < parts.size(); ++p) parts[p].kv = &steps[p];
  if (!parts.empty()) {
    StepParts all(parts, buffers);
    Step pass({model->config(), *kernels, fast, team, buffers}, all);
    model->network().forward(pass);
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    Call& call = *ready[shares[share_of[p]].demand];
    result.outcomes[share_of[p]] = end(call, steps[p], parts[p]);
  }
  result.seconds = seconds_since(start);
  const double rows = result.decode_rows + result.prompt_rows;
  for (size_t p = 0; p < parts.size(); ++p) {
    ready[shares[share_of[p]].demand]->sequence->cost_s += result.seconds * team.size() * parts[p].n() / rows;
  }
  steps.clear();
  // No step is open any more: whoever has pages can be made to wait.
  for (auto& [i, error] : starved) {
    if (relieve(*ready[shares[i].demand]->sequence) == Relief::kNone) result.outcomes[i].status = std::move(error);
  }
  return result;
}

}  // namespace kedge::engine
