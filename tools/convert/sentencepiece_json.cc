#include "tools/convert/sentencepiece_json.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace kedge::tools::convert {
namespace {

constexpr std::string_view kSpace = "\u2581";

Error unsupported(const std::string& what) { return {ErrorCode::kUnsupported, "tokenizer.json: " + what}; }

bool is_byte_name(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && digit(text[3]) && digit(text[4]);
}

// What normaliser and pre-tokeniser together do to spaces.
struct Spaces {
  bool replaced = false;  // by U+2581
  bool prefix = false;    // one is put in front
  bool collapsed = false;
  std::string charsmap;  // base64
};

std::string pattern_of(const Json& step) {
  const Json* pattern = step.pointee("/pattern");
  if (pattern == nullptr) return "";
  const std::string text = text_at(*pattern, "String");
  return text.empty() ? "regex " + text_at(*pattern, "Regex") : text;
}

// One step; false when it is none of those that SentencePiece has a word for.
bool read_step(const Json& step, Spaces* s) {
  const std::string type = text_at(step, "type");
  if (type == "Prepend" && text_at(step, "prepend") == kSpace) return s->prefix = true;
  if (type == "Replace" && pattern_of(step) == " " && text_at(step, "content") == kSpace) return s->replaced = true;
  if (type == "Replace" && pattern_of(step) == "regex  {2,}") return s->collapsed = true;
  if (type == "Precompiled") {
    s->charsmap = text_at(step, "precompiled_charsmap");
    return !s->charsmap.empty();
  }
  if (type == "WhitespaceSplit") return s->collapsed = true;
  if (type == "Metaspace" && text_at(step, "replacement") == kSpace) {
    const std::string scheme = text_at(step, "prepend_scheme");
    const Json* old = step.pointee("/add_prefix_space");
    s->replaced = true;
    s->prefix = scheme.empty() ? old == nullptr || (old->is_boolean() && old->get<bool>()) : scheme != "never";
    return true;
  }
  // Spaces are not in the middle of a token, which no token of such a vocabulary has anyway.
  return type == "Split" && pattern_of(step) == " " && text_at(step, "behavior") == "MergedWithPrevious";
}

Status read_steps_of(const Json* json, const char* list, Spaces* s) {
  if (json == nullptr) return {};
  const bool sequence = text_at(*json, "type") == "Sequence" && json->contains(list);
  if (!sequence) return read_step(*json, s) ? Status() : unsupported("no counterpart in GGUF: " + shown(*json));
  for (const Json& step : json->at(list)) {
    if (!read_step(step, s)) return unsupported("no counterpart in GGUF: " + shown(step));
  }
  return {};
}

Result<Spaces> read_spaces(Config& file) {
  Spaces s;
  KEDGE_TRY(read_steps_of(file.find("normalizer"), "normalizers", &s));
  KEDGE_TRY(read_steps_of(file.find("pre_tokenizer"), "pretokenizers", &s));
  if (!s.replaced) return unsupported("a SentencePiece vocabulary whose spaces do not become U+2581");
  return s;
}

// How many ways there are to make a token from two others: by as many merges, or the list says less than the scores.
size_t count_splits(std::string_view text, const std::unordered_set<std::string_view>& tokens) {
  size_t n = 0;
  for (size_t i = 1; i < text.size(); ++i) n += tokens.contains(text.substr(0, i)) && tokens.contains(text.substr(i));
  return n;
}

// Merges that ordinary tokens take part in: others are found in a text before there is any merging.
class MergeScores {
 public:
  explicit MergeScores(Vocab& v) : v_(v) {
    for (size_t i = 0; i < v.tokens.size(); ++i) {
      if (v.kinds[i] == kNormal) plain_.insert(v.tokens[i]);
    }
  }

  Status write() {
    KEDGE_TRY(rank());
    v_.scores.assign(v_.tokens.size(), 0.0f);
    for (size_t i = 0; i < v_.tokens.size(); ++i) {
      if (v_.kinds[i] != kNormal) continue;
      const auto at = made_.find(v_.tokens[i]);
      if (count_splits(v_.tokens[i], plain_) != (at == made_.end() ? 0 : at->second.merges)) {
        return unsupported("the merges of " + in_quotes(v_.tokens[i]) +
                           " are not all that its parts allow, so no scores say the same; tokenizer.model is needed");
      }
      v_.scores[i] = at == made_.end() ? -1e9f : -static_cast<float>(at->second.rank);
    }
    return {};
  }

 private:
  struct Made {
    size_t rank = 0;
    size_t merges = 0;
  };

  Status rank() {
    std::string last;
    for (const std::string& merge : v_.merges) {
      const size_t space = merge.find(' ');
      std::string text = merge;
      text.erase(space, 1);
      const std::string_view parts = merge;
      const bool plain =
          plain_.contains(text) && plain_.contains(parts.substr(0, space)) && plain_.contains(parts.substr(space + 1));
      if (!plain) continue;
      const auto [at, fresh] = made_.emplace(text, Made{made_.size(), 0});
      if (!fresh && text != last) {
        return unsupported("merges that make " + in_quotes(text) +
                           " do not stand together, so no scores say the same; tokenizer.model is needed");
      }
      ++at->second.merges;
      last = std::move(text);
    }
    return {};
  }

  Vocab& v_;
  std::unordered_set<std::string_view> plain_;
  std::unordered_map<std::string, Made> made_;
};

Result<std::string> from_base64(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int n = 0;
  for (const char c : text) {
    if (c == '=') break;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return unsupported("precompiled_charsmap is not base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    n += 6;
    if (n < 8) continue;
    n -= 8;
    out.push_back(static_cast<char>(bits >> n));
  }
  return out;
}

}  // namespace

Status sentencepiece_from_json(Config& file, Vocab& v) {
  KEDGE_ASSIGN(spaces, read_spaces(file));
  if (!spaces.charsmap.empty() || spaces.collapsed) {
    return unsupported("a normalisation table or collapsed spaces, which GGUF has for unigram vocabularies only");
  }
  v.model = "llama";
  v.pre = "default";
  v.add_space_prefix = spaces.prefix;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (v.kinds[i] == kNormal && is_byte_name(v.tokens[i])) v.kinds[i] = kByte;
    if (v.kinds[i] == kNormal && v.tokens[i] == v.unknown) v.kinds[i] = kUnknown;
  }
  for (const AddedToken& t : v.added) {  // no merges make these
    const auto i = static_cast<size_t>(t.id);
    if (i < v.kinds.size() && v.kinds[i] == kNormal) v.kinds[i] = t.special ? kControl : kUserDefined;
  }
  KEDGE_TRY(MergeScores(v).write());
  v.merges.clear();
  return {};
}

Status unigram_from_json(Config& file, Config& model, Vocab& v) {
  KEDGE_ASSIGN(spaces, read_spaces(file));
  KEDGE_ASSIGN(bytes, model.flag_or("byte_fallback", false));
  KEDGE_ASSIGN(unknown, model.count("unk_id", 0));
  KEDGE_ASSIGN(map, from_base64(spaces.charsmap));
  const Json* vocab = model.find("vocab");
  if (vocab == nullptr || !vocab->is_array()) return unsupported("model.vocab must be a list of texts and scores");
  for (const Json& piece : *vocab) {
    if (!piece.is_array() || piece.size() != 2 || !piece.at(size_t{0}).is_string() || !piece.at(1).is_number()) {
      return unsupported("model.vocab has " + shown(piece));
    }
    v.tokens.push_back(piece.at(size_t{0}).get<std::string>());
    v.scores.push_back(piece.at(1).get<float>());
    v.kinds.push_back(bytes && is_byte_name(v.tokens.back()) ? kByte : kNormal);
  }
  if (static_cast<size_t>(unknown) >= v.tokens.size()) return model.wrong("unk_id", "there is no such token");
  v.kinds[static_cast<size_t>(unknown)] = kUnknown;
  v.unknown = v.tokens[static_cast<size_t>(unknown)];
  v.model = "t5";
  v.pre = "default";
  v.charsmap = std::move(map);
  v.add_space_prefix = spaces.prefix;
  v.remove_extra_whitespaces = spaces.collapsed;
  return {};
}

}  // namespace kedge::tools::convert
