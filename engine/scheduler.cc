#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>

namespace kedge::engine {

namespace {

constexpr double kLearn = 0.2;  // weight of the latest step

void mean(double* value, double latest) { *value = *value == 0 ? latest : *value + kLearn * (latest - *value); }

}  // namespace

void Scheduler::learn(int decode_rows, int prompt_rows, double ms) {
  if (prompt_rows == 0) return mean(&decode_ms_, ms);
  const double decoding = decode_rows == 0 ? 0 : std::min(decode_ms_, ms);
  mean(&prompt_token_ms_, (ms - decoding) / prompt_rows);
}

int Scheduler::prompt_budget(int decode_rows) const {
  const int room = std::max(limits_.step_tokens - decode_rows, 0);
  if (decode_rows == 0 || limits_.step_ms < 0 || prompt_token_ms_ <= 0) return room;
  const double wanted = limits_.step_ms > 0 ? limits_.step_ms : std::max(kStepMs, 2 * decode_ms_);
  const double tokens = (wanted - decode_ms_) / prompt_token_ms_;
  return static_cast<int>(std::clamp<double>(tokens, std::min(kLeastShare, room), room));
}

// Who has waited longest first; whoever does not fit beside those waits for the next step.
std::vector<Scheduler::Share> Scheduler::plan_whole(std::span<const Demand> demands) const {
  std::vector<size_t> order(demands.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return demands[a].waiting_since < demands[b].waiting_since; });
  std::vector<Share> shares;
  int left = limits_.step_tokens;
  for (const size_t i : order) {
    if (demands[i].remaining > left || shares.size() == static_cast<size_t>(limits_.sequences)) continue;
    shares.push_back({i, demands[i].remaining});
    left -= demands[i].remaining;
  }
  std::sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) { return a.demand < b.demand; });
  return shares;
}

std::vector<Scheduler::Share> Scheduler::plan(std::span<const Demand> demands, uint64_t step) {
  if (!demands.empty() && demands[0].whole) return plan_whole(demands);  // those of an engine all are, or none
  if (limits_.sequences == 1 && !demands.empty()) {
    const auto oldest = std::min_element(demands.begin(), demands.end(), [](const Demand& a, const Demand& b) {
      return a.waiting_since < b.waiting_since;
    });
    return {{static_cast<size_t>(oldest - demands.begin()),
             std::min({oldest->remaining, oldest->most, limits_.step_tokens})}};
  }
  std::vector<int> tokens(demands.size());
  // Who has waited longest decodes first, when there are more than a step has room for.
  std::vector<size_t> decoding;
  for (size_t i = 0; i < demands.size(); ++i) {
    if (demands[i].decodes()) decoding.push_back(i);
  }
  std::stable_sort(decoding.begin(), decoding.end(),
                   [&](size_t a, size_t b) { return demands[a].waiting_since < demands[b].waiting_since; });
  const bool prompts = decoding.size() < demands.size();
  // A prompt is never kept out by decoding alone.
  const auto most =
      static_cast<size_t>(std::min(limits_.sequences, limits_.step_tokens) - (prompts && limits_.sequences > 1));
  decoding.resize(std::min(decoding.size(), std::max(most, size_t{1})));
  const int n_decode = static_cast<int>(decoding.size());
  const int rows = share_decoding(demands, std::move(decoding), prompts, &tokens);
  if (prompts && n_decode < limits_.sequences) {
    share_prompts(demands, step, prompt_budget(rows), limits_.sequences - n_decode, &tokens);
  }
  std::vector<Share> shares;
  for (size_t i = 0; i < demands.size(); ++i) {
    if (tokens[i] > 0) shares.push_back({i, tokens[i]});
  }
  return shares;
}

// A token each, then what is left of the step to those who came first. Returns the rows.
int Scheduler::share_decoding(std::span<const Demand> demands, std::vector<size_t> decoding, bool prompts,
                              std::vector<int>* tokens) const {
  int rows = static_cast<int>(decoding.size());
  int room = std::max(limits_.step_tokens - rows - (prompts ? kLeastShare : 0), 0);
  for (const size_t i : decoding) {
    const int more = std::min(std::min(demands[i].remaining, demands[i].most) - 1, room);
    (*tokens)[i] = 1 + more;
    room -= more;
    rows += more;
  }
  return rows;
}

void Scheduler::share_prompts(std::span<const Demand> demands, uint64_t step, int budget, int sequences,
                              std::vector<int>* tokens) {
  std::map<std::string_view, std::vector<size_t>> by_key;
  for (size_t i = 0; i < demands.size(); ++i) {
    if (!demands[i].decodes()) by_key[demands[i].key].push_back(i);
  }
  std::erase_if(deficit_, [&](const auto& entry) { return !by_key.contains(entry.first); });
  const auto urgency = [&](size_t i) {
    const auto waited = static_cast<int64_t>(step - std::min(step, demands[i].arrived));
    return int64_t{demands[i].remaining} - kAgeing * waited;
  };
  for (auto& [key, prompts] : by_key) {
    std::stable_sort(prompts.begin(), prompts.end(), [&](size_t a, size_t b) { return urgency(a) < urgency(b); });
    if (!deficit_.contains(key)) deficit_.emplace(key, 0);
  }
  const auto weight = [&](const std::vector<size_t>& prompts) {
    double most = 0;
    for (const size_t i : prompts) most = std::max(most, demands[i].weight);
    return most;
  };
  double weights = 0;
  for (const auto& [key, prompts] : by_key) weights += weight(prompts);
  const double budget_of_step = budget;
  auto turn = by_key.upper_bound(last_key_);
  // Rounds over the keys until the budget or the prompts are used up.
  for (size_t idle = 0; budget > 0 && idle < by_key.size(); ++turn) {
    if (turn == by_key.end()) turn = by_key.begin();
    int64_t& deficit = deficit_.find(turn->first)->second;
    const auto quantum = std::max(static_cast<int64_t>(budget_of_step * weight(turn->second) / weights), int64_t{1});
    deficit += quantum;
    int64_t given = 0;
    for (const size_t i : turn->second) {
      const int left = std::min(demands[i].remaining, demands[i].most) - (*tokens)[i];
      if (left <= 0 || ((*tokens)[i] == 0 && sequences == 0)) continue;
      const int n = static_cast<int>(std::min<int64_t>({left, deficit, budget}));
      if (n <= 0) break;
      if ((*tokens)[i] == 0) --sequences;
      (*tokens)[i] += n;
      deficit -= n;
      budget -= n;
      given += n;
    }
    if (given > 0) last_key_ = turn->first;
    if (given == 0) deficit = std::min(deficit, quantum);  // what it cannot use is not saved up for ever
    idle = given > 0 ? 0 : idle + 1;
  }
}

}  // namespace kedge::engine
