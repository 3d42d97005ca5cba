#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/sampler_math.h"
#include "kernels/base/names.h"

namespace kedge::engine {

namespace samplers {
#define KEDGE_ENTRY(stem) extern const SamplerDef stem;
#include "registry/samplers.inc"
#undef KEDGE_ENTRY
}  // namespace samplers

namespace {

std::string number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.10g", value);
  return text.data();
}

std::string setting_names() {
  std::string names;
  for (const SamplerDef* def : sampler_defs()) {
    for (const SamplerSetting& s : def->settings) names += (names.empty() ? "" : ", ") + std::string(s.name);
  }
  return names;
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

std::span<const SamplerDef* const> sampler_defs() {
  static const auto defs = [] {
    std::vector<const SamplerDef*> list = {
#define KEDGE_ENTRY(stem) &samplers::stem,
#include "registry/samplers.inc"
#undef KEDGE_ENTRY
    };
    std::sort(list.begin(), list.end(), [](const SamplerDef* a, const SamplerDef* b) { return a->rank < b->rank; });
    return list;
  }();
  return defs;
}

Status Sampler::set(const std::string& name, double value, std::vector<bool>& seen) {
  size_t index = 0;
  for (const SamplerDef* def : sampler_defs()) {
    for (const SamplerSetting& s : def->settings) {
      if (!same_name(name, s.name)) {
        ++index;
        continue;
      }
      if (!(value >= s.min && value <= s.max)) {
        return invalid(name + " = " + number(value) + " is outside " + number(s.min) + " to " + number(s.max));
      }
      if (s.integer && value != std::floor(value)) return invalid(name + " = " + number(value) + " is not an integer");
      if (seen[index]) return invalid("setting " + name + " is given twice");
      seen[index] = true;
      values_[index] = value;
      return {};
    }
  }
  return invalid("unknown setting '" + name + "'; known are " + setting_names());
}

void Sampler::choose_steps() {
  size_t first = 0;
  bool greedy = false;
  for (const SamplerDef* def : sampler_defs()) {
    for (size_t i = 0; i < def->settings.size(); ++i) {
      if (std::string_view(def->settings[i].name) == "temperature") greedy = values_[first + i] == 0.0;
    }
    first += def->settings.size();
  }
  first = 0;
  for (const SamplerDef* def : sampler_defs()) {
    const bool active = def->active(std::span(values_).subspan(first, def->settings.size()));
    if (active && !(greedy && def->keeps_best)) steps_.push_back({def, first});
    first += def->settings.size();
  }
  plain_greedy_ = greedy && steps_.size() == 1 && bias_.empty();
}

Result<Sampler> Sampler::create(const SamplerOptions& options, size_t n_vocab) {
  Sampler s;
  s.n_vocab_ = n_vocab;
  s.seed_ = options.seed;
  s.request_ = options.request;
  for (const SamplerDef* def : sampler_defs()) {
    for (const SamplerSetting& setting : def->settings) s.values_.push_back(setting.initial);
  }
  std::vector<bool> seen(s.values_.size());
  for (const auto& [name, value] : options.settings) KEDGE_TRY(s.set(name, value, seen));
  const auto in_vocab = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < n_vocab; };
  for (const LogitBias& b : options.logit_bias) {
    const std::string what = "logit bias of token " + std::to_string(b.token);
    if (!in_vocab(b.token)) return invalid(what + ": the vocabulary has " + std::to_string(n_vocab) + " tokens");
    if (std::isnan(b.bias) || b.bias == INFINITY) return invalid(what + " is " + number(b.bias));
  }
  s.bias_ = options.logit_bias;
  if (!options.breakers.empty()) s.is_breaker_.assign(n_vocab, 0);
  for (const int32_t id : options.breakers) {
    if (!in_vocab(id)) return invalid("breaker token " + std::to_string(id) + " is outside the vocabulary");
    s.is_breaker_[static_cast<size_t>(id)] = 1;
  }
  s.choose_steps();
  return s;
}

Status check_finite(std::span<const float> logits, int position) {
  // Most of the time is spent on rows without a fault: this loop has no exit and so vectorises.
  int faults = 0;
  for (const float l : logits) faults += std::fabs(l) <= std::numeric_limits<float>::max() ? 0 : 1;
  if (faults == 0) return {};
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      return Error{ErrorCode::kInternal, "logit of token " + std::to_string(i) + " at position " +
                                             std::to_string(position) + " is " + number(logits[i]) +
                                             ": the weights are damaged or overflow"};
    }
  }
  return {};
}

Status Sampler::apply_bias(std::span<const float> logits) {
  candidates_.reset(logits);
  if (bias_.empty()) return {};
  bool forbids = false;
  for (const LogitBias& b : bias_) {
    candidates_.items()[static_cast<size_t>(b.token)].logit += b.bias;
    forbids = forbids || std::isinf(b.bias);
  }
  if (forbids) candidates_.keep_if([](const Candidate& c, size_t) { return !std::isinf(c.logit); });
  if (candidates_.size() == 0) return invalid("logit bias forbids every token");
  return {};
}

Result<int32_t> Sampler::next(std::span<const float> logits, std::span<const int32_t> history, int position) {
  if (logits.size() != n_vocab_) {
    return invalid("sampler made for " + std::to_string(n_vocab_) + " tokens was given " +
                   std::to_string(logits.size()) + " logits");
  }
  KEDGE_TRY(check_finite(logits, position));
  if (plain_greedy_) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  KEDGE_TRY(apply_bias(logits));
  for (const Step& step : steps_) {
    SamplerContext context{
        .settings = std::span(values_).subspan(step.first_setting, step.def->settings.size()),
        .history = history,
        .is_breaker = is_breaker_,
        .random = {seed_, request_, static_cast<uint32_t>(position), static_cast<uint32_t>(step.def->rank)},
        .scratch = scratch_,
        .scratch_candidates = scratch_candidates_,
    };
    step.def->apply(candidates_, context);
  }
  return draw(position);
}

int32_t Sampler::draw(int position) const {
  const std::span<const Candidate> items = candidates_.items();
  if (items.size() == 1) return items.front().id;
  const double best = candidates_.best().logit;
  const double target = uniform({seed_, request_, static_cast<uint32_t>(position), 0}) * candidates_.total_weight(best);
  double sum = 0.0;
  int32_t last = -1;  // with some weight: rounding must never hand out an impossible token
  for (const Candidate& c : items) {
    const double weight = Candidates::weight(c.logit, best);
    if (weight == 0.0) continue;
    sum += weight;
    last = c.id;
    if (sum > target) break;
  }
  return last;
}

std::vector<std::pair<const char*, double>> Sampler::effective() const {
  std::vector<std::pair<const char*, double>> all;
  size_t index = 0;
  for (const SamplerDef* def : sampler_defs()) {
    for (const SamplerSetting& s : def->settings) all.emplace_back(s.name, values_[index++]);
  }
  return all;
}

void log_probabilities(std::span<const float> logits, int32_t chosen, std::span<TokenLogprob> out) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double total = 0.0;
  for (const float l : logits) total += stable_exp(l - best);
  const double log_total = stable_log(total);
  const auto logprob = [&](int32_t id) { return logits[static_cast<size_t>(id)] - best - log_total; };
  if (out.empty()) return;
  out[0] = {chosen, logprob(chosen)};
  // The most likely by insertion: out is short and most tokens lose against its last entry at once.
  const std::span<TokenLogprob> top = out.subspan(1);
  if (top.empty()) return;
  size_t n = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const TokenLogprob entry{static_cast<int32_t>(i), logits[i]};
    if (n == top.size() && entry.logprob <= top[n - 1].logprob) continue;
    size_t at = n < top.size() ? n++ : n - 1;
    for (; at > 0 && top[at - 1].logprob < entry.logprob; --at) top[at] = top[at - 1];
    top[at] = entry;
  }
  for (TokenLogprob& entry : top) entry.logprob = logprob(entry.token);
}

}  // namespace kedge::engine
