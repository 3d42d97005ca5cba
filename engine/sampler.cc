#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/logits.h"
#include "engine/sampler_math.h"
#include "engine/token_filter.h"
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

std::string sampler_names() {
  std::string names;
  for (const SamplerDef* def : sampler_defs()) names += (names.empty() ? "" : ", ") + std::string(def->name);
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

// All samplers in the order they would run in, were they all on.
Result<std::vector<Sampler::Step>> Sampler::ordered(const std::vector<std::string>& order) const {
  std::vector<Step> all;
  size_t first = 0;
  for (const SamplerDef* def : sampler_defs()) {
    all.push_back({def, first, 0});
    first += def->settings.size();
  }
  if (order.empty()) return all;
  std::vector<Step> list;
  for (const std::string& name : order) {
    const auto named = [&](const Step& step) {
      return same_name(name, step.def->name) || (step.def->alias != nullptr && same_name(name, step.def->alias));
    };
    const auto at = std::find_if(all.begin(), all.end(), named);
    if (at == all.end()) return invalid("unknown sampler '" + name + "' in the order; known are " + sampler_names());
    if (std::any_of(list.begin(), list.end(), named)) return invalid("sampler " + name + " is in the order twice");
    list.push_back(*at);
  }
  const auto steers = [](const Step& step) { return step.def->role == SamplerRole::kSteer; };
  std::erase_if(list, steers);
  std::copy_if(all.begin(), all.end(), std::back_inserter(list), steers);
  return list;
}

std::span<const double> Sampler::settings_of(const Step& step) const {
  return std::span(values_).subspan(step.first_setting, step.def->settings.size());
}

Status Sampler::choose_steps(const std::vector<std::string>& order) {
  KEDGE_ASSIGN(steps, ordered(order));
  const Step* steering = nullptr;
  bool greedy = false;
  for (const Step& step : steps) {
    for (size_t i = 0; i < step.def->settings.size(); ++i) {
      if (std::string_view(step.def->settings[i].name) == "temperature") greedy = settings_of(step)[i] == 0.0;
    }
    if (step.def->role != SamplerRole::kSteer || !step.def->active(settings_of(step))) continue;
    if (steering != nullptr) {
      return invalid(std::string(steering->def->name) + " and " + step.def->name +
                     " are both on: each has to be the one that the draw follows");
    }
    steering = &step;
  }
  const bool cuts_alone = steering != nullptr && steering->def->cuts_alone;
  for (Step& step : steps) {
    if (!step.def->active(settings_of(step)) || (greedy && step.def->keeps_best)) continue;
    if (cuts_alone && step.def->role == SamplerRole::kCut) continue;
    step.first_state = state_.size();
    state_.resize(state_.size() + step.def->n_state);
    if (step.def->begin != nullptr) step.def->begin(settings_of(step), std::span(state_).subspan(step.first_state));
    steps_.push_back(step);
  }
  keep_best_first();
  return {};
}

void Sampler::keep_best_first() {
  constexpr size_t kMost = 1024;  // more are found faster by a partial sort
  if (steps_.empty() || steps_.front().def->n_best == nullptr) return;
  const size_t n = steps_.front().def->n_best(settings_of(steps_.front()));
  if (n <= kMost) n_best_ = n;
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
  std::stable_sort(s.bias_.begin(), s.bias_.end(),
                   [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
  if (!options.breakers.empty()) s.is_breaker_.assign(n_vocab, 0);
  for (const int32_t id : options.breakers) {
    if (!in_vocab(id)) return invalid("breaker token " + std::to_string(id) + " is outside the vocabulary");
    s.is_breaker_[static_cast<size_t>(id)] = 1;
  }
  KEDGE_TRY(s.choose_steps(options.order));
  return s;
}

Status check_finite(std::span<const float> logits, int position) {
  if (all_finite(logits)) return {};
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      return Error{ErrorCode::kInternal, "logit of token " + std::to_string(i) + " at position " +
                                             std::to_string(position) + " is " + number(logits[i]) +
                                             ": the weights are damaged or overflow"};
    }
  }
  return {};
}

Status Sampler::some_left(bool masked) const {
  if (candidates_.size() > 0) return {};
  if (!masked) return invalid("logit bias forbids every token");
  return invalid(bias_.empty() ? "no token is allowed to come next"
                               : "no token is left: the bias forbids all that may come next");
}

// The candidates that the mask, the bias and a first sampler that keeps the best leave.
Status Sampler::gather(std::span<const float> logits, std::span<const uint64_t> allowed, int position) {
  if (n_best_ > 0) {
    std::vector<Candidate>& changed = scratch_candidates_;
    changed.clear();
    for (const LogitBias& b : bias_) {
      if (changed.empty() || changed.back().id != b.token) {
        changed.push_back({logits[static_cast<size_t>(b.token)], b.token});
      }
      changed.back().logit += b.bias;
    }
    if (!candidates_.reset_to_best(logits, changed, n_best_, allowed)) return check_finite(logits, position);
    return some_left(!allowed.empty());
  }
  KEDGE_TRY(check_finite(logits, position));
  candidates_.reset(logits, allowed);
  bool forbids = false;
  for (const LogitBias& b : bias_) {
    if (Candidate* c = candidates_.find(b.token)) c->logit += b.bias;
    forbids = forbids || std::isinf(b.bias);
  }
  if (forbids) candidates_.keep_if([](const Candidate& c, size_t) { return !std::isinf(c.logit); });
  return some_left(!allowed.empty());
}

Result<int32_t> Sampler::next(std::span<const float> logits, std::span<const int32_t> history, int position,
                              std::span<const uint64_t> allowed) {
  if (logits.size() != n_vocab_) {
    return invalid("sampler made for " + std::to_string(n_vocab_) + " tokens was given " +
                   std::to_string(logits.size()) + " logits");
  }
  if (!allowed.empty() && allowed.size() != token_words(n_vocab_)) {
    return invalid("a mask of " + std::to_string(n_vocab_) + " tokens has " + std::to_string(token_words(n_vocab_)) +
                   " words, not " + std::to_string(allowed.size()));
  }
  KEDGE_TRY(gather(logits, allowed, position));
  const size_t done = n_best_ > 0 ? 1 : 0;
  for (const Step& step : std::span(steps_).subspan(done)) {
    SamplerContext context = context_of(step, history, position);
    step.def->apply(candidates_, context);
  }
  const int32_t token = draw(position);
  if (!steps_.empty() && steps_.back().def->observe != nullptr) {
    SamplerContext context = context_of(steps_.back(), history, position);
    steps_.back().def->observe(*candidates_.find(token), context);
  }
  return token;
}

SamplerContext Sampler::context_of(const Step& step, std::span<const int32_t> history, int position) {
  return {
      .settings = settings_of(step),
      .history = history,
      .is_breaker = is_breaker_,
      .random = {seed_, request_, static_cast<uint32_t>(position), static_cast<uint32_t>(step.def->rank)},
      .scratch = scratch_,
      .scratch_candidates = scratch_candidates_,
      .state = std::span(state_).subspan(step.first_state, step.def->n_state),
  };
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

std::vector<const char*> Sampler::order() const {
  std::vector<const char*> names;
  for (const Step& step : steps_) names.push_back(step.def->name);
  return names;
}

std::vector<std::string> split_sampler_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
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
