#include "tools/serve/wire/fields.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kedge::tools::serve {

namespace {

struct SettingSchema {
  std::string name;
  double low;
  double high;
};

const std::vector<SettingSchema>& sampler_settings() {
  static const std::vector<SettingSchema> settings = [] {
    std::vector<SettingSchema> all;
    const auto schema = kedge::settings_schema();
    if (!schema.ok()) return all;
    const Json json = Json::parse(*schema);
    for (const Json& s : json["settings"]) {
      all.push_back({s["name"].get<std::string>(), s["min"].get<double>(), s["max"].get<double>()});
    }
    return all;
  }();
  return settings;
}

constexpr size_t kMaxSamplers = 64;
constexpr int kMostAdapter = 4095;
constexpr double kMostScale = 100;

bool token_id(std::string_view text, int32_t& id) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() && end == text.data() + text.size() && id >= 0;
}

// A bias as a number, or false (llama-server's): never.
bool bias_of(const Json& value, float& bias) {
  if (value.is_boolean() && !value.get<bool>()) {
    bias = -std::numeric_limits<float>::infinity();
    return true;
  }
  if (!value.is_number()) return false;
  bias = static_cast<float>(value.get<double>());
  // OpenAI's "-100 means a ban".
  if (bias <= -100.0f) bias = -std::numeric_limits<float>::infinity();
  return std::fabs(bias) <= 100.0f || std::isinf(bias);
}

}  // namespace

void read_sampling(Members& in, Job& job) {
  for (const SettingSchema& s : sampler_settings()) {
    double value = 0;
    if (in.number(s.name.c_str(), value, s.low, s.high)) job.options.settings.emplace_back(s.name, value);
  }
  int64_t seed = 0;
  // llama-server's -1: any.
  if (in.integer("seed", seed, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()) &&
      seed != -1) {
    job.options.seed = static_cast<uint64_t>(seed);
    job.seeded = true;
  }
  in.flag("ignore_eos", job.options.ignore_eos);
}

void read_stop(Members& in, const char* key, Job& job) {
  if (!in.texts(key, job.options.stop, kMaxStops)) return;
  for (const std::string& stop : job.options.stop) {
    if (stop.empty()) in.wrong(key, "has an empty string, which would stop everything");
    if (stop.size() > kMaxStopBytes) {
      in.wrong(key, "has a string of " + std::to_string(stop.size()) + " bytes, at most " +
                        std::to_string(kMaxStopBytes) + " are taken");
    }
  }
}

void read_logit_bias(Members& in, Job& job) {
  const Json* given = in.any("logit_bias");
  if (given == nullptr) return;
  const auto add = [&](const std::string& name, const Json& value) {
    kedge_logit_bias bias{};
    if (!token_id(name, bias.token)) return in.wrong("logit_bias", "has '" + name + "', which is no token id");
    if (!bias_of(value, bias.bias))
      return in.wrong("logit_bias", "of token " + name + " must be a number from -100 to 100");
    job.options.logit_bias.push_back(bias);
  };
  constexpr size_t kMost = 4096;
  if (given->size() > kMost) return in.wrong("logit_bias", "has more than " + std::to_string(kMost) + " entries");
  if (given->is_object()) {
    for (const Json::Member& m : given->items()) add(m.key, m.value);
  } else if (given->is_array()) {
    for (const Json& pair : *given) {
      if (!pair.is_array() || pair.size() != 2 || !pair[size_t{0}].is_number_integer()) {
        return in.wrong("logit_bias", "must be an object, or an array of [token id, bias]");
      }
      add(pair[size_t{0}].dump(), pair[size_t{1}]);
    }
  } else {
    in.wrong("logit_bias", "must be an object of token ids");
  }
}

void read_identity(Members& in, Job& job) {
  for (const char* key : {"safety_identifier", "session_id", "user"}) in.text(key, job.user);
  in.text("cache_salt", job.cache_salt);
  in.integer("id_slot", job.slot, -1, kMostSlot);
  std::string hint;
  in.text("prompt_cache_key", hint);
  if (job.user.empty()) job.user = hint;
}

void read_kedge(Members& in, Job& job) {
  const Json* given = in.object("kedge");
  if (given == nullptr) return;
  KedgeOptions& k = job.kedge;
  Members m(*given, in.path_of("kedge"));
  double number = 0;
  if (m.number("min_confidence", number, 0, 1)) k.min_confidence = number;
  if (m.number("deadline_ms", number, 1, 24.0 * 3600 * 1000)) k.deadline_ms = number;
  int count = 0;
  if (m.integer("max_attempts", count, 1, 16)) k.max_attempts = count;
  m.text("index", k.index);
  if (const Json* evidence = m.array("evidence")) k.evidence = *evidence;
  if (const Json* segments = m.array("segments")) k.segments = *segments;
  if (const Json* kv = m.object("kv")) k.kv = *kv;
  std::string mode = "verified";
  if (m.text("stream_mode", mode) && mode != "verified" && mode != "optimistic") {
    m.wrong("stream_mode", "must be 'verified' or 'optimistic', not '" + mode + "'");
  }
  k.optimistic = mode == "optimistic";
  m.flag("strict", k.strict);
  m.flag("compare", k.compare);
  m.text("conversation", k.conversation);
  if (m.text("speculation", k.speculation) && k.speculation != "none" && k.speculation != "ngram" &&
      k.speculation != "draft") {
    m.wrong("speculation", "is '" + k.speculation + "'; known are none, ngram and draft");
  }
  for (const std::string& name : m.unknown()) m.fail(bad_request("'" + name + "' is not known", name));
  if (m.error()) in.fail(*m.error());
}

// What the engine knows them by is the engine's to say.
void read_samplers(Members& in, Job& job) {
  const Json* given = in.any("samplers");
  if (given == nullptr) return;
  std::vector<std::string> names;
  if (given->is_string()) {
    in.text("samplers", job.options.samplers);
    return;
  }
  if (!in.texts("samplers", names, kMaxSamplers)) return;
  if (names.empty()) return in.wrong("samplers", "is empty; for the likeliest token say \"temperature\": 0");
  for (const std::string& name : names) {
    if (name.empty() || name.find(';') != std::string::npos) {
      return in.wrong("samplers", "has '" + name + "', which is no sampler's name");
    }
    job.options.samplers += (job.options.samplers.empty() ? "" : ";") + name;
  }
}

void read_lora(Members& in, Job& job) {
  const Json* given = in.array("lora");
  if (given == nullptr) return;
  std::vector<LoraUse> uses;
  for (size_t i = 0; i < given->size() && in.ok(); ++i) {
    Members m((*given)[i], in.path_of("lora") + "[" + std::to_string(i) + "]");
    LoraUse use;
    if (!m.integer("id", use.id, 0, kMostAdapter) && m.ok()) m.wrong("id", "is missing");
    m.number("scale", use.scale, -kMostScale, kMostScale);
    for (const LoraUse& other : uses) {
      if (other.id == use.id) m.wrong("id", "is there twice");
    }
    uses.push_back(use);
    if (m.error()) in.fail(*m.error());
    for (const std::string& name : m.unknown()) in.note(name);
  }
  job.lora = std::move(uses);
}

void read_stream_options(Members& in, bool& usage) {
  const Json* options = in.object("stream_options");
  if (options == nullptr) return;
  Members m(*options, "stream_options");
  m.flag("include_usage", usage);
  m.known({"include_obfuscation"});
  if (m.error()) in.fail(*m.error());
  for (const std::string& name : m.unknown()) in.note(name);
}

void read_hints(Members& in) {
  in.known({"cache_prompt", "sse_ping_interval", "timings_per_token", "return_tokens", "return_progress", "metadata",
            "store", "service_tier"});
}

void finish(Members& in, Job& job) {
  job.ignored = in.unknown();
  if (!job.kedge.strict) return;
  for (const std::string& name : job.ignored) in.fail(bad_request("'" + name + "' is not known (strict)", name));
}

}  // namespace kedge::tools::serve
