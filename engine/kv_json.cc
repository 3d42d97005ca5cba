#include "engine/kv_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "kernels/base/byte_size.h"
#include "kernels/base/json_object.h"

namespace kedge::engine {

namespace {

constexpr int kMaxTokens = 1 << 24;
constexpr double kMaxBytes = 1e15;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// "12.5%" as a share; negative when it is none.
double parse_share(std::string_view text) {
  if (text.empty() || text.back() != '%') return -1;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, number);
  if (error != std::errc() || end != text.data() + text.size() - 1 || !(number >= 0 && number <= 100)) return -1;
  return number / 100;
}

// One member after the other; the first error stays.
class Reader {
 public:
  Reader(const Json& json, KvOptions& options, int n_ctx, size_t bytes_per_token)
      : json_(json), o_(options), n_ctx_(n_ctx), bytes_per_token_(bytes_per_token) {}

  Status read() {
    if (json_.contains("budget")) KEDGE_TRY(budget(json_["budget"]));  // others are shares of it
    for (const auto& [key, value] : json_.items()) KEDGE_TRY(member(key, value));
    return {};
  }

 private:
  static Error wrong(const std::string& key, const Json& value, const char* wanted) {
    return invalid("KV option " + key + " is " + value.dump() + ", must be " + wanted);
  }

  Status budget(const Json& value) {
    constexpr const char* kWanted = "tokens (2048), bytes (\"64MiB\") or a share of the context (\"25%\")";
    double tokens = -1;
    if (value.is_number()) {
      KEDGE_ASSIGN(given, whole_number(value, "KV option budget", 0, kMaxTokens));
      tokens = static_cast<double>(given);
    } else if (value.is_string()) {
      const std::string text = value.get<std::string>();
      const double share = parse_share(text);
      const bool plain = text.find_first_not_of("0123456789") == std::string::npos && !text.empty();
      if (share >= 0) {
        tokens = std::floor(share * n_ctx_);
      } else if (plain) {
        tokens = base::byte_size(text);
      } else if (const double bytes = base::byte_size(text); bytes >= 0) {
        // Whole pages: their bytes are what a budget in bytes buys.
        if (bytes_per_token_ == 0) {
          return invalid("KV option budget is " + value.dump() +
                         ": no layer of this model keeps all of the text, so "
                         "there is nothing that it could act on");
        }
        tokens = std::floor(bytes / (static_cast<double>(bytes_per_token_) * kPageTokens)) * kPageTokens;
      }
    }
    if (!(tokens >= 0 && tokens <= kMaxTokens)) return wrong("budget", value, kWanted);
    if (tokens < kMinBudget) {
      return invalid("KV option budget is " + value.dump() + ", that is " + std::to_string(static_cast<int>(tokens)) +
                     " tokens; the smallest is " + std::to_string(kMinBudget));
    }
    o_.budget = static_cast<int>(tokens);
    return {};
  }

  Status recent(const Json& value) {
    if (value.is_number()) return number("recent", value, 0, kMaxTokens, o_.recent);
    const double share = value.is_string() ? parse_share(value.get<std::string>()) : -1;
    if (share < 0) return wrong("recent", value, "tokens (64) or a share of the budget (\"12.5%\")");
    o_.recent = static_cast<int>(share * (o_.budget == 0 ? n_ctx_ : o_.budget));
    return {};
  }

  template <class T>
  static Status number(const std::string& key, const Json& value, double low, double high, T& out) {
    if constexpr (std::is_integral_v<T>) {
      KEDGE_ASSIGN(given,
                   whole_number(value, "KV option " + key, static_cast<int64_t>(low), static_cast<int64_t>(high)));
      out = static_cast<T>(given);
    } else {
      KEDGE_ASSIGN(given, number_within(value, "KV option " + key, low, high));
      out = static_cast<T>(given);
    }
    return {};
  }

  Status cold(const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    constexpr std::string_view kFile = "file:";
    if (text == "off") {
      o_.cold = KvOptions::Cold::kOff;
    } else if (text == "ram") {
      o_.cold = KvOptions::Cold::kRam;
    } else if (text.starts_with(kFile) && text.size() > kFile.size()) {
      o_.cold = KvOptions::Cold::kFile;
      o_.cold_path = text.substr(kFile.size());
    } else {
      return wrong("cold", value, "\"off\", \"ram\" or \"file:PATH\"");
    }
    return {};
  }

  Status cold_type(const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    o_.cold_format.reset();
    if (text == "same") return {};
    o_.cold_format = kv_format_named(text);
    if (!o_.cold_format || !is_quantised(*o_.cold_format)) {
      return wrong("cold_type", value, "\"same\", \"q8_0\" or \"q4_0\"");
    }
    return {};
  }

  Status member(const std::string& key, const Json& value) {
    if (key == "budget") return {};
    if (key == "policy") {
      if (!value.is_string()) return wrong(key, value, "the name of a policy");
      o_.policy = value.get<std::string>();
      return {};
    }
    if (key == "recent") return recent(value);
    if (key == "cold") return cold(value);
    if (key == "cold_type") return cold_type(value);
    if (key == "cold_budget") {
      if (value.is_number()) return number(key, value, 0, kMaxBytes, o_.cold_bytes);
      const double bytes = value.is_string() ? base::byte_size(value.get<std::string>()) : -1;
      if (!(bytes >= 0 && bytes <= kMaxBytes)) return wrong(key, value, "bytes (\"256MiB\"), at most 1e15");
      o_.cold_bytes = static_cast<size_t>(bytes);
      return {};
    }
    if (key == "anchor_detect") {
      if (!value.is_boolean()) return wrong(key, value, "true or false");
      o_.anchor_detect = value.get<bool>();
      return {};
    }
    if (key == "sinks") return number(key, value, 0, 1 << 20, o_.sinks);
    if (key == "anchor_threshold") return number(key, value, 0, 1, o_.anchor_threshold);
    if (key == "anchor_cap") return number(key, value, 0, 1, o_.anchor_cap);
    if (key == "anchor_margin") return number(key, value, 0, 1024, o_.anchor_margin);
    if (key == "recall_threshold") return number(key, value, 0, 1, o_.recall_threshold);
    if (key == "forks") return number(key, value, 1, 1024, o_.forks);
    if (key == "log") return number(key, value, 0, 1 << 24, o_.log);
    if (key == "seed") return number(key, value, 0, 9007199254740992.0, o_.seed);
    return invalid("unknown KV option '" + key +
                   "'; known are budget, policy, sinks, recent, anchor_threshold, anchor_cap, anchor_margin, "
                   "anchor_detect, cold, cold_budget, cold_type, recall_threshold, forks, log, seed");
  }

  const Json& json_;
  KvOptions& o_;
  int n_ctx_;
  size_t bytes_per_token_;
};

}  // namespace

Result<KvOptions> parse_kv_options(std::string_view text, int n_ctx, size_t bytes_per_token) {
  KvOptions options;
  if (text.empty()) return options;
  KEDGE_ASSIGN(json, parse_json(text, "the KV options"));
  if (!json.is_object()) return invalid("the KV options are not a JSON object");
  KEDGE_TRY(Reader(json, options, n_ctx, bytes_per_token).read());
  return options;
}

Result<KvOptions> parse_kv_options(std::string_view json, const ModelConfig& c, KvFormat type, int n_ctx) {
  // What a budget acts on: layers that keep all of the text.
  size_t bytes = 0;
  for (const LayerShape& l : c.layers) {
    if (l.window > 0) continue;
    const KvLayout layout{type, l.head_dim_k, l.head_dim_v, l.values_in_keys};
    bytes += layout.page_bytes() / kPageTokens * static_cast<size_t>(l.n_kv_heads);
  }
  return parse_kv_options(json, n_ctx > 0 ? n_ctx : c.n_ctx_train, bytes);
}

}  // namespace kedge::engine
