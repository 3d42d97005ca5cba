#include "engine/answer_json.h"

#include <algorithm>
#include <cmath>

namespace kedge::engine {

namespace {

// A reference whose anchor is hot, cold or gone now.
const char* state_of(const KvMemory& memory, const DetachedReference& d) {
  const std::vector<int32_t> positions = memory.hot_positions();
  bool all_hot = true;
  for (int32_t p = d.first; p < d.last; ++p) {
    const bool hot = std::binary_search(positions.begin(), positions.end(), p);
    if (!hot && !(memory.cold() && memory.cold()->contains(p))) return "lost";
    all_hot = all_hot && hot;
  }
  return all_hot ? "hot" : "demoted";
}

}  // namespace

// Integers without a decimal point; JSON has no infinities.
Json setting_json(double value) {
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

Json gone_json(const KvMemory& memory) {
  constexpr size_t kListed = 32;
  auto runs = memory.gone_runs();
  int64_t gone = 0;
  for (const auto& [first, last] : runs) gone += last - first;
  const size_t more = runs.size() - std::min(runs.size(), kListed);
  std::stable_sort(runs.begin(), runs.end(), [](auto& a, auto& b) { return a.second - a.first > b.second - b.first; });
  runs.resize(runs.size() - more);
  std::sort(runs.begin(), runs.end());
  Json ranges = Json::array();
  for (const auto& [first, last] : runs) ranges.push_back({first, last});
  return {{"gone", gone},
          {"gone_ranges", std::move(ranges)},
          {"gone_ranges_more", more},
          {"references", memory.watches_references() ? "on" : "off"}};
}

Json detached_json(const KvMemory& memory, uint64_t newest) {
  Json list = Json::array();
  const auto& all = memory.detached();
  for (size_t i = all.size() - std::min<size_t>(all.size(), newest); i < all.size(); ++i) {
    const DetachedReference& d = all[i];
    list.push_back({{"reference", d.reference},
                    {"position", d.position},
                    {"range", {d.first, d.last}},
                    {"statements", d.statements},
                    {"state", state_of(memory, d)}});
  }
  return list;
}

std::string generate_settings_json(const GenerateOptions& options, const GenerateResult& result) {
  Json settings = Json::object();
  for (const auto& [name, value] : result.settings) settings[name] = setting_json(value);
  Json bias = Json::array();
  for (const LogitBias& b : options.sampler.logit_bias)
    bias.push_back({{"token", b.token}, {"bias", setting_json(b.bias)}});
  const Json json = {{"seed", result.seed},
                     {"request", result.request},
                     {"max_tokens", options.max_tokens},
                     {"logprobs", options.logprobs},
                     {"ignore_eos", options.ignore_eos},
                     {"render_special", options.render_special},
                     {"stop", options.stop},
                     {"logit_bias", bias},
                     {"settings", settings},
                     {"samplers", result.samplers}};
  return json.dump();
}

std::string speculation_json(const GenerateOptions& options, const GenerateResult& result) {
  if (options.speculation.kind == SpeculationOptions::Kind::kNone) return {};
  Json json = {{"kind", speculation_kind_name(options.speculation.kind)},
               {"steps", result.speculation.steps},
               {"guessed", result.speculation.guessed},
               {"accepted", result.speculation.accepted}};
  if (!result.speculation.stopped.empty()) json["stopped"] = result.speculation.stopped;
  return json.dump();
}

std::string kv_answer_json(const KvMemory& memory, const KvCounts& before) {
  const KvCounts& now = memory.counts();
  Json answer = {{"hot", memory.sequence().most_slots()},
                 {"evicted", now.evicted - before.evicted},
                 {"demoted", now.demoted - before.demoted},
                 {"recalled", now.recalled - before.recalled},
                 {"lost", now.lost - before.lost},
                 {"pins_refused", now.pins_refused},
                 {"detached", detached_json(memory, now.detached - before.detached)}};
  answer.update(gone_json(memory));
  return answer.dump();
}

}  // namespace kedge::engine
