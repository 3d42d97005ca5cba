// tokenizer.json of the tokenizers library: byte-level BPE, SentencePiece's BPE, WordPiece and unigram models.
#include <algorithm>
#include <array>

#include "tools/convert/pretokenizer_names.h"
#include "tools/convert/sentencepiece_json.h"
#include "tools/convert/vocab.h"

namespace kedge::tools::convert {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 22;

Error corrupt(const std::string& what) { return {ErrorCode::kCorrupt, "tokenizer.json: " + what}; }
Error unsupported(const std::string& what) { return {ErrorCode::kUnsupported, "tokenizer.json: " + what}; }

Status put(Vocab& v, int64_t id, std::string text) {
  const auto i = static_cast<size_t>(id);
  if (i >= v.tokens.size()) {
    v.tokens.resize(i + 1);
    v.kinds.resize(i + 1, kUnused);
  }
  if (v.kinds[i] != kUnused) return corrupt("id " + std::to_string(id) + " is given to two tokens");
  v.tokens[i] = std::move(text);
  v.kinds[i] = kNormal;
  return {};
}

// {"text": id, ...}
Status read_vocab(Config& model, Vocab& v) {
  const Json* vocab = model.find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->empty()) return corrupt("model.vocab must be an object");
  for (const Json::Member& member : vocab->items()) {
    if (!member.value.is_number_unsigned() || member.value > static_cast<double>(kMaxTokens - 1)) {
      return corrupt("model.vocab: the id of " + in_quotes(member.key) + " is " + shown(member.value));
    }
    KEDGE_TRY(put(v, member.value.get<int64_t>(), member.key));
  }
  return {};
}

// "left right", or ["left", "right"] as newer files have it.
Status read_merges(Config& model, Vocab& v) {
  const Json* merges = model.find("merges");
  if (merges == nullptr || !merges->is_array()) return corrupt("model.merges must be a list");
  v.merges.reserve(merges->size());
  for (const Json& merge : *merges) {
    if (merge.is_string()) {
      v.merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge.at(size_t{0}).is_string() && merge.at(1).is_string()) {
      v.merges.push_back(merge.at(size_t{0}).get<std::string>() + " " + merge.at(1).get<std::string>());
    } else {
      return corrupt("model.merges has " + shown(merge));
    }
    const std::string& text = v.merges.back();
    const size_t space = text.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == text.size() ||
        text.find(' ', space + 1) != text.npos) {
      return corrupt("model.merges has " + in_quotes(text) + ", which is no pair");
    }
  }
  return {};
}

Status read_added(Config& file, Vocab& v) {
  const Json* added = file.find("added_tokens");
  if (added == nullptr) return {};
  if (!added->is_array()) return corrupt("added_tokens must be a list");
  for (const Json& item : *added) {
    Config token(item, "tokenizer.json: added_tokens");
    AddedToken t;
    KEDGE_ASSIGN(id, token.count("id", 0));
    KEDGE_ASSIGN(text, token.text_or("content", ""));
    KEDGE_ASSIGN(special, token.flag_or("special", false));
    KEDGE_ASSIGN(left, token.flag_or("lstrip", false));
    KEDGE_ASSIGN(right, token.flag_or("rstrip", false));
    token.ignore({"normalized", "single_word"});
    KEDGE_TRY(token.finish());
    if (id >= kMaxTokens || text.empty()) return corrupt("added_tokens has " + shown(item));
    v.added.push_back({id, text, special, left || right});
  }
  return {};
}

Status read_byte_level(Config& file, Config& model, Vocab& v) {
  v.model = "gpt2";
  KEDGE_TRY(read_vocab(model, v));
  KEDGE_TRY(read_merges(model, v));
  KEDGE_ASSIGN(ignore_merges, model.flag_or("ignore_merges", false));
  KEDGE_ASSIGN(steps, read_steps(file.find("pre_tokenizer"), file.find("normalizer"), ignore_merges));
  KEDGE_ASSIGN(name, name_of_steps(steps));
  v.pre = name;
  return {};
}

Status read_bpe(Config& file, Config& model, TokenizerJson* out) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model.has(key) && !(*model.find(key) == "") && !(*model.find(key) == 0)) {
      return unsupported(std::string("model.") + key + " = " + shown(*model.find(key)) + " has no counterpart in GGUF");
    }
    model.find(key);
  }
  KEDGE_ASSIGN(bytes, model.flag_or("byte_fallback", false));
  KEDGE_ASSIGN(unknown, model.text_or("unk_token", ""));
  model.ignore({"fuse_unk"});
  out->vocab.unknown = unknown;
  out->sentencepiece = bytes;
  if (!bytes) return read_byte_level(file, model, out->vocab);
  KEDGE_TRY(model.must_be("ignore_merges", false));
  KEDGE_TRY(read_vocab(model, out->vocab));
  KEDGE_TRY(read_merges(model, out->vocab));
  return sentencepiece_from_json(file, out->vocab);
}

// Words begin with U+2581 in GGUF, where here those that go on do with "##".
Status read_wordpiece(Config& file, Config& model, Vocab& v) {
  v.model = "bert";
  v.pre = "default";
  KEDGE_TRY(read_vocab(model, v));
  KEDGE_ASSIGN(unknown, model.text_or("unk_token", "[UNK]"));
  v.unknown = unknown;
  KEDGE_TRY(model.must_be("continuing_subword_prefix", "##"));
  KEDGE_TRY(model.must_be("max_input_chars_per_word", 100));
  const Json* pre = file.find("pre_tokenizer");
  const Json* rules = file.find("normalizer");
  if (pre == nullptr || text_at(*pre, "type") != "BertPreTokenizer" || rules == nullptr ||
      text_at(*rules, "type") != "BertNormalizer") {
    return unsupported("a WordPiece vocabulary without BERT's cleaning has no counterpart in GGUF");
  }
  Config normalizer(*rules, "tokenizer.json: normalizer");
  normalizer.find("type");
  KEDGE_TRY(normalizer.must_be("clean_text", true));
  KEDGE_TRY(normalizer.must_be("handle_chinese_chars", true));
  KEDGE_ASSIGN(lowercase, normalizer.flag_or("lowercase", true));
  KEDGE_ASSIGN(strip, normalizer.flag_or("strip_accents", lowercase));
  KEDGE_TRY(normalizer.finish());
  v.lowercase = lowercase;
  v.strip_accents = strip;
  const auto special = [&](size_t i) {
    return std::any_of(v.added.begin(), v.added.end(),
                       [&](const AddedToken& t) { return t.special && t.id == static_cast<int64_t>(i); });
  };
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (v.kinds[i] == kUnused || special(i)) continue;
    std::string& text = v.tokens[i];
    text = text.starts_with("##") ? text.substr(2) : "\u2581" + text;
  }
  return {};
}

// The special tokens of a template around the sequence: at most one on either side has a place in GGUF.
Status read_template(const Json& single, Vocab& v) {
  std::vector<std::string> before;
  std::vector<std::string> after;
  bool seen = false;
  for (const Json& part : single) {
    const Json* special = part.is_object() ? part.pointee("/SpecialToken/id") : nullptr;
    if (special != nullptr && special->is_string()) {
      (seen ? after : before).push_back(special->get<std::string>());
    } else if (part.is_object() && part.contains("Sequence")) {
      seen = true;
    } else {
      return unsupported("a template with " + shown(part) + " has no counterpart in GGUF");
    }
  }
  if (before.size() > 1 || after.size() > 1) {
    return unsupported("a template with several tokens on one side has no counterpart in GGUF: " + shown(single));
  }
  v.add_bos = !before.empty();
  v.add_eos = !after.empty();
  v.first = before.empty() ? "" : before.front();
  v.last = after.empty() ? "" : after.front();
  return {};
}

Status read_post_processor(const Json& json, Vocab& v) {
  const std::string type = text_at(json, "type");
  if (type == "Sequence" && json.contains("processors") && json.at("processors").is_array()) {
    for (const Json& part : json.at("processors")) {
      if (text_at(part, "type") == "Sequence") return unsupported("a sequence within a sequence: " + shown(part));
      KEDGE_TRY(read_post_processor(part, v));
    }
    return {};
  }
  if (type == "ByteLevel") return {};  // offsets only
  if (type == "TemplateProcessing" && json.contains("single")) return read_template(json.at("single"), v);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    const Json* first = json.pointee("/cls/0");
    const Json* last = json.pointee("/sep/0");
    if (first == nullptr || last == nullptr || !first->is_string() || !last->is_string()) {
      return corrupt("post_processor: " + shown(json));
    }
    v.add_bos = true;
    v.add_eos = true;
    v.first = first->get<std::string>();
    v.last = last->get<std::string>();
    return {};
  }
  return unsupported("post_processor has no counterpart in GGUF: " + shown(json));
}

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text) {
  KEDGE_ASSIGN(file, Config::parse(text, "tokenizer.json"));
  TokenizerJson out;
  file.ignore({"version", "truncation", "padding", "decoder"});  // how much text, batches, the way back
  KEDGE_TRY(read_added(file, out.vocab));
  KEDGE_ASSIGN(model, file.object("model"));
  KEDGE_ASSIGN(type, model.text_or("type", model.has("merges") ? "BPE" : ""));
  if (type == "BPE") {
    KEDGE_TRY(read_bpe(file, model, &out));
  } else if (type == "WordPiece") {
    KEDGE_TRY(read_wordpiece(file, model, out.vocab));
  } else if (type == "Unigram") {
    KEDGE_TRY(unigram_from_json(file, model, out.vocab));
  } else {
    return unsupported("model.type is " + in_quotes(type) + "; BPE, WordPiece and Unigram have a counterpart in GGUF");
  }
  if (const Json* post = file.find("post_processor"); post != nullptr) KEDGE_TRY(read_post_processor(*post, out.vocab));
  KEDGE_TRY(file.finish());
  return out;
}

}  // namespace kedge::tools::convert
