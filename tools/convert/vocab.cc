#include "tools/convert/vocab.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "kernels/base/input_file.h"
#include "tools/convert/sentencepiece_file.h"

namespace kedge::tools::convert {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{256} << 20;

// Tokens beside the vocabulary proper: of tokenizer_config.json and, older, added_tokens.json. What tokenizer.json has
// too says the same.
Status add_configured(Config& config, const std::string& folder, Vocab& v) {
  const auto known = [&](int64_t id) {
    return std::any_of(v.added.begin(), v.added.end(), [&](const AddedToken& t) { return t.id == id; });
  };
  const auto id_of = [](const std::string& text) -> int64_t {
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
    return std::stoll(text);
  };
  KEDGE_ASSIGN(decoder, config.object("added_tokens_decoder"));
  for (const Json::Member& member : decoder.json().items()) {
    decoder.find(member.key);
    const int64_t id = id_of(member.key);
    const std::string text = text_at(member.value, "content");
    if (id < 0 || text.empty()) return decoder.wrong(member.key, "must be a token");
    const Json* special = member.value.pointee("/special");
    if (!known(id)) v.added.push_back({id, text, special != nullptr && *special == true, false});
  }
  KEDGE_ASSIGN(older, read_config(folder + "/added_tokens.json", "added_tokens.json"));
  if (!older) return {};
  for (const Json::Member& member : older->json().items()) {
    if (!member.value.is_number_unsigned()) return older->wrong(member.key, "must be an id");
    const auto id = member.value.get<int64_t>();
    if (!known(id)) v.added.push_back({id, member.key, false, false});
  }
  return {};
}

// A piece keeps its own kind where it is more than ordinary text; others become what the folder marks them as.
Status merge_added(Conversion& c, Vocab& v) {
  size_t stripping = 0;
  for (const AddedToken& t : v.added) {
    const auto i = static_cast<size_t>(t.id);
    if (t.id >= c.count_of('V')) {
      c.notes.push_back("token " + in_quotes(t.text) + " with id " + std::to_string(t.id) +
                        " is left out: the embedding has " + std::to_string(c.count_of('V')) + " rows");
      continue;
    }
    stripping += t.strips ? 1 : 0;
    if (i >= v.tokens.size()) {
      v.tokens.resize(i + 1);
      v.kinds.resize(i + 1, kUnused);
      if (!v.scores.empty()) v.scores.resize(i + 1, 0.0f);
    }
    const bool own = v.kinds[i] == kUnknown || v.kinds[i] == kByte || (v.kinds[i] == kControl && t.text == v.tokens[i]);
    v.tokens[i] = t.text;
    if (!own) v.kinds[i] = t.special ? kControl : kUserDefined;
  }
  if (stripping > 0) {
    c.notes.push_back(std::to_string(stripping) +
                      " added tokens take away spaces beside them (lstrip, rstrip), for which GGUF has no key");
  }
  return {};
}

// As many tokens as the embedding has rows, no text twice.
Status fill_up(Conversion& c, Vocab& v) {
  const auto rows = static_cast<size_t>(c.count_of('V'));
  if (v.tokens.size() > rows) {
    return Error{ErrorCode::kCorrupt, "the vocabulary has " + std::to_string(v.tokens.size()) +
                                          " tokens, but config.json's vocab_size is " + std::to_string(rows)};
  }
  if (v.tokens.size() < rows) {
    c.notes.push_back(std::to_string(rows - v.tokens.size()) + " rows at the end of the embedding have no token");
  }
  v.tokens.resize(rows);
  v.kinds.resize(rows, kUnused);
  if (!v.scores.empty()) v.scores.resize(rows, 0.0f);
  for (size_t i = 0; i < rows; ++i) {
    if (v.tokens[i].empty() && v.kinds[i] == kUnused) v.tokens[i] = "[PAD" + std::to_string(i) + "]";
  }
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < rows; ++i) {
    if (seen.insert(v.tokens[i]).second) continue;
    return Error{ErrorCode::kCorrupt, "token " + std::to_string(i) + " repeats the text " + in_quotes(v.tokens[i])};
  }
  return {};
}

// tokenizer.model and tokenizer.json of one folder have to mean one vocabulary.
Status check_same(const Vocab& model, const Vocab& json) {
  for (size_t i = 0; i < std::min(model.tokens.size(), json.tokens.size()); ++i) {
    const bool plain = model.kinds[i] == kNormal && (json.kinds[i] == kNormal || json.kinds[i] == kUserDefined);
    if (!plain || model.tokens[i] == json.tokens[i]) continue;
    return Error{ErrorCode::kCorrupt, "token " + std::to_string(i) + " is " + in_quotes(model.tokens[i]) +
                                          " in tokenizer.model, but " + in_quotes(json.tokens[i]) +
                                          " in tokenizer.json"};
  }
  return {};
}

// SentencePiece's own file says more than the merges made from it, so it is what counts where there are both.
Result<Vocab> read_vocab(const std::string& folder) {
  KEDGE_ASSIGN(json, read_optional(folder + "/tokenizer.json"));
  KEDGE_ASSIGN(model, read_optional(folder + "/tokenizer.model"));
  if (!json && !model) {
    return Error{ErrorCode::kNotFound, folder + ": has neither tokenizer.json nor tokenizer.model"};
  }
  if (!json) return read_tokenizer_model(*model, "tokenizer.model");
  auto parsed = read_tokenizer_json(*json);
  if (parsed.ok() && !(parsed->sentencepiece && model)) return std::move(parsed->vocab);
  if (!model || (!parsed.ok() && parsed.error().code != ErrorCode::kUnsupported)) return std::move(parsed).error();
  auto own = read_tokenizer_model(*model, "tokenizer.model");
  if (!parsed.ok()) return own.ok() ? std::move(parsed).error() : std::move(own).error();
  if (!own.ok()) return own;
  KEDGE_TRY(check_same(*own, parsed->vocab));
  own->added = std::move(parsed->vocab.added);
  own->add_bos = parsed->vocab.add_bos;
  own->add_eos = parsed->vocab.add_eos;
  own->first = std::move(parsed->vocab.first);
  own->last = std::move(parsed->vocab.last);
  return own;
}

void write_vocab(Conversion& c, const Vocab& v) {
  const std::string p = "tokenizer.ggml.";
  c.out.add_string(p + "model", v.model);
  c.out.add_string(p + "pre", v.pre);
  c.out.add_strings(p + "tokens", v.tokens);
  if (!v.scores.empty()) c.out.add_array<float>(p + "scores", v.scores);
  c.out.add_array<int32_t>(p + "token_type", v.kinds);
  if (!v.merges.empty()) c.out.add_strings(p + "merges", v.merges);
  if (!v.charsmap.empty()) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(v.charsmap.data());
    c.out.add_array<uint8_t>(p + "precompiled_charsmap", std::span(bytes, v.charsmap.size()));
  }
  for (const auto& [name, flag] : {std::pair{"add_bos_token", v.add_bos},
                                   {"add_eos_token", v.add_eos},
                                   {"add_space_prefix", v.add_space_prefix},
                                   {"remove_extra_whitespaces", v.remove_extra_whitespaces},
                                   {"normalizer.lowercase", v.lowercase},
                                   {"normalizer.strip_accents", v.strip_accents}}) {
    if (flag) c.out.add(p + name, *flag);
  }
}

// Classes that make their template from add_bos_token and add_eos_token, whatever tokenizer.json has.
bool makes_own_template(std::string_view name) {
  return name.starts_with("Llama") || name.starts_with("Gemma") || name.starts_with("CodeLlama");
}

// What tokenizer_config.json says about the tokens around a text. Said nowhere, a class of SentencePiece's puts the
// first one there, and none puts a last one.
Status read_flags(Conversion& c, Config& config, Vocab& v) {
  KEDGE_ASSIGN(name, config.text_or("tokenizer_class", ""));
  const bool own = makes_own_template(name);
  for (const auto& [key, flag] : {std::pair{"add_bos_token", &v.add_bos}, {"add_eos_token", &v.add_eos}}) {
    if (!config.has(key)) continue;
    KEDGE_ASSIGN(value, config.flag_or(key, false));
    if (flag->has_value() && **flag != value && !own) {
      c.notes.push_back(std::string("tokenizer_config.json: ") + key + " is " + (value ? "true" : "false") +
                        ", but tokenizer.json does otherwise, and that is what counts");
    } else {
      *flag = value;
    }
  }
  if (!v.add_bos && (own || v.model == "gpt2")) v.add_bos = own;
  if (!v.add_eos && (own || v.model == "gpt2")) v.add_eos = false;
  if (config.has("add_prefix_space") && v.model == "llama") {
    KEDGE_ASSIGN(prefix, config.flag_or("add_prefix_space", true));
    v.add_space_prefix = prefix;
  }
  config.ignore({"add_prefix_space"});
  if (v.lowercase) {  // BERT's class takes these instead of what tokenizer.json says
    KEDGE_TRY(config.must_be("do_lower_case", *v.lowercase));
    KEDGE_TRY(config.must_be("strip_accents", *v.strip_accents));
    KEDGE_TRY(config.must_be("tokenize_chinese_chars", true));
  }
  return {};
}

}  // namespace

int64_t Vocab::find(std::string_view text) const {
  for (const AddedToken& t : added) {
    if (t.text == text && static_cast<size_t>(t.id) < tokens.size()) return t.id;
  }
  const auto at = std::find(tokens.begin(), tokens.end(), text);
  return at == tokens.end() ? -1 : at - tokens.begin();
}

Result<std::optional<std::string>> read_optional(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::optional<std::string>();
  KEDGE_ASSIGN(text, base::read_input_file(path, kMaxTextBytes));
  return std::optional(std::move(text));
}

Result<std::optional<Config>> read_config(const std::string& path, const std::string& name) {
  KEDGE_ASSIGN(text, read_optional(path));
  if (!text) return std::optional<Config>();
  KEDGE_ASSIGN(config, Config::parse(*text, name));
  return std::optional(std::move(config));
}

Result<Vocab> read_tokenizer_model(std::string_view bytes, const std::string& file) {
  KEDGE_ASSIGN(m, parse_sentencepiece(bytes, file));
  Vocab v;
  const bool unigram = m.kind == SentencePieceFile::Kind::kUnigram;
  if (!unigram && m.kind != SentencePieceFile::Kind::kBpe) {
    return Error{ErrorCode::kUnsupported, file + ": a model of words or characters has no counterpart in GGUF"};
  }
  if (!m.escape_whitespaces) {
    return Error{ErrorCode::kUnsupported, file + ": spaces that are not escaped have no counterpart in GGUF"};
  }
  if (!unigram && !m.charsmap.empty()) {
    return Error{ErrorCode::kUnsupported, file + ": a normalisation table, which GGUF has for unigram models only"};
  }
  v.model = unigram ? "t5" : "llama";
  v.pre = "default";
  v.charsmap = m.charsmap;
  v.add_space_prefix = m.add_dummy_prefix;
  v.remove_extra_whitespaces = m.remove_extra_whitespaces;
  for (const SentencePieceFile::Piece& piece : m.pieces) {
    v.tokens.push_back(piece.text);
    v.scores.push_back(piece.score);
    v.kinds.push_back(piece.type);
  }
  const auto text_of = [&](int64_t id) {
    return id >= 0 && static_cast<size_t>(id) < v.tokens.size() ? v.tokens[static_cast<size_t>(id)] : std::string();
  };
  v.unknown = text_of(m.unk_id);
  v.first = text_of(m.bos_id);
  v.last = text_of(m.eos_id);
  return v;
}

Status vocab_keys(Conversion& c, const std::vector<std::string>& ignore) {
  KEDGE_ASSIGN(vocab, read_vocab(c.folder));
  KEDGE_ASSIGN(given, read_config(c.folder + "/tokenizer_config.json", "tokenizer_config.json"));
  Config config = given ? *given : Config(Json::object(), "tokenizer_config.json");
  KEDGE_TRY(add_configured(config, c.folder, vocab));
  KEDGE_TRY(merge_added(c, vocab));
  KEDGE_TRY(fill_up(c, vocab));
  KEDGE_TRY(read_flags(c, config, vocab));
  write_vocab(c, vocab);
  KEDGE_TRY(special_keys(c, vocab, config, ignore));
  KEDGE_TRY(template_keys(c, config));
  config.ignore(ignore);
  return config.finish();
}

}  // namespace kedge::tools::convert
