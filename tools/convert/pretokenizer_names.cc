#include "tools/convert/pretokenizer_names.h"

#include <algorithm>

#include "tools/convert/config.h"
#include "weights/gguf_format.h"

namespace kedge::tools::convert {
namespace {

// The published patterns, as they stand in tokenizer.json.
#define KEDGE_CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define KEDGE_TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define KEDGE_TAIL_SLASH R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define KEDGE_CASED(after)                                                                \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" after \
  R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" after

constexpr std::string_view kLlama3 = "split " KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" KEDGE_TAIL;
constexpr std::string_view kQwen2 = "split " KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" KEDGE_TAIL;
constexpr std::string_view kQwen35 =
    "split " KEDGE_CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k = "split " KEDGE_CASED(KEDGE_CONTRACTION "?") R"(|\p{N}{1,3})" KEDGE_TAIL_SLASH;
constexpr std::string_view kTekken = "split " KEDGE_CASED("") R"(|\p{N})" KEDGE_TAIL_SLASH;
constexpr std::string_view kSeedCoder =
    "split " KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kThreeDigits = R"(split \p{N}{1,3})";
constexpr std::string_view kCjk3 = "split [\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
// Its line ends are the characters themselves.
constexpr std::string_view kDeepseek3 = R"(split [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
                                        "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
                                        "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kBailing = R"(split '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}|)"
                                      R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";

#undef KEDGE_CONTRACTION
#undef KEDGE_TAIL
#undef KEDGE_TAIL_SLASH
#undef KEDGE_CASED

// In front the names that other readers know too. What a name implies is the tokenizer room's table; a test compares.
const std::vector<PretokenizerName>& table() {
  static const std::vector<PretokenizerName> names = {
      {"gpt-2", {"words"}, false, false},
      {"olmo", {"words"}, true, false},
      {"llama-bpe", {kLlama3, "bytes"}, false, true},
      {"dbrx", {kLlama3, "bytes"}, false, false},
      {"qwen2", {kQwen2, "bytes"}, true, false},
      {"deepseek-r1-qwen", {kQwen2, "bytes"}, false, false},
      {"qwen35", {kQwen35, "bytes"}, true, false},
      {"starcoder", {"digit", "words"}, false, false},
      {"command-r", {"digit", "words"}, true, false},
      {"tekken", {kTekken, "bytes"}, false, true},
      {"gpt-4o", {kO200k, "bytes"}, false, false},
      {"granite-embed-multi-97m", {kO200k, "bytes"}, false, true},
      {"seed-coder", {kSeedCoder, "bytes"}, false, false},
      {"deepseek-v3", {kThreeDigits, kCjk3, kDeepseek3, "bytes"}, false, false},
      {"bailingmoe2", {kBailing, "bytes"}, false, false},
  };
  return names;
}

Error unsupported(const std::string& what, const Json& json) {
  return {ErrorCode::kUnsupported, "tokenizer.json: " + what + " has no counterpart in GGUF: " + shown(json)};
}

Result<std::string> split_step(Config step) {
  KEDGE_ASSIGN(behavior, step.text_or("behavior", ""));
  KEDGE_ASSIGN(invert, step.flag_or("invert", false));
  KEDGE_ASSIGN(pattern, step.object("pattern"));
  KEDGE_ASSIGN(regex, pattern.text_or("Regex", ""));
  // A pattern that leaves nothing between its matches cuts the same either way.
  const bool complete = regex.ends_with(R"(|\s+)");
  const bool matches = (behavior == "Isolated" && !invert) || (complete && behavior == "Removed" && invert);
  if (regex.empty() || !matches) return unsupported("a pre-tokeniser", step.json());
  return "split " + regex;
}

Result<std::string> byte_level_step(Config step) {
  KEDGE_ASSIGN(prefix, step.flag_or("add_prefix_space", true));
  KEDGE_ASSIGN(regex, step.flag_or("use_regex", true));
  step.ignore({"trim_offsets"});
  if (prefix) return unsupported("a space in front of every text (add_prefix_space)", step.json());
  return std::string(regex ? "words" : "bytes");
}

Status add_steps(const Json& json, PretokenizerSteps* out) {
  if (!json.is_object()) return unsupported("a pre-tokeniser", json);
  Config step(json, "tokenizer.json: pre_tokenizer");
  KEDGE_ASSIGN(type, step.text_or("type", ""));
  if (type == "Sequence") {
    const Json* all = step.find("pretokenizers");
    if (all == nullptr || !all->is_array()) return unsupported("a pre-tokeniser", json);
    KEDGE_TRY(step.finish());
    for (const Json& part : *all) {
      if (text_at(part, "type") == "Sequence") return unsupported("a sequence within a sequence", part);
      KEDGE_TRY(add_steps(part, out));
    }
    return {};
  }
  if (type == "Split") {
    KEDGE_ASSIGN(text, split_step(step));
    out->steps.push_back(std::move(text));
  } else if (type == "ByteLevel") {
    KEDGE_ASSIGN(text, byte_level_step(step));
    out->steps.push_back(std::move(text));
  } else if (type == "Digits") {
    KEDGE_ASSIGN(each, step.flag_or("individual_digits", false));
    out->steps.emplace_back(each ? "digit" : "digits");
  } else {
    return unsupported("a pre-tokeniser", json);
  }
  return step.finish();
}

// NFC or nothing, alone or in a sequence.
Result<bool> read_nfc(const Json& json) {
  const std::string type = text_at(json, "type");
  if (type == "NFC") return true;
  if (type != "Sequence" || !json.contains("normalizers")) return unsupported("the normaliser", json);
  bool nfc = false;
  for (const Json& part : json.at("normalizers")) {
    if (text_at(part, "type") != "NFC") return unsupported("the normaliser", json);
    nfc = true;
  }
  return nfc;
}

}  // namespace

std::span<const PretokenizerName> pretokenizer_names_of_json() { return table(); }

Result<PretokenizerSteps> read_steps(const Json* pre_tokenizer, const Json* normalizer, bool ignore_merges) {
  PretokenizerSteps out;
  out.ignore_merges = ignore_merges;
  if (pre_tokenizer != nullptr) KEDGE_TRY(add_steps(*pre_tokenizer, &out));
  if (normalizer != nullptr) {
    KEDGE_ASSIGN(nfc, read_nfc(*normalizer));
    out.nfc = nfc;
  }
  return out;
}

Result<std::string> name_of_steps(const PretokenizerSteps& steps) {
  std::string near;
  for (const PretokenizerName& row : table()) {
    if (!std::equal(row.steps.begin(), row.steps.end(), steps.steps.begin(), steps.steps.end())) continue;
    if (row.nfc == steps.nfc && row.ignore_merges == steps.ignore_merges) return std::string(row.name);
    near += (near.empty() ? "" : ", ") + std::string(row.name);
  }
  std::string what;
  for (const std::string& step : steps.steps) what += (what.empty() ? "" : ", ") + Json(step).dump();  // all of it
  const std::string flags = std::string(steps.nfc ? "with NFC" : "without NFC") +
                            (steps.ignore_merges ? ", ignore_merges" : ", merges not ignored");
  return Error{ErrorCode::kUnsupported,
               "tokenizer.json: no pre-tokeniser that GGUF has a name for: " + what + " (" + flags + ")" +
                   (near.empty() ? "" : "; " + near + " cut likewise, but differ in the rest")};
}

}  // namespace kedge::tools::convert
