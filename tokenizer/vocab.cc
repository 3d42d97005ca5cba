#include "tokenizer/vocab.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <initializer_list>
#include <unordered_map>
#include <unordered_set>

#include "tokenizer/pretokenizers.h"

namespace kedge::tokenizer {
namespace {

using Index = std::unordered_map<std::string_view, int32_t>;

std::string key(const char* name) { return std::string("tokenizer.ggml.") + name; }
Error corrupt(std::string message) { return {ErrorCode::kCorrupt, std::move(message)}; }
Error capacity(std::string message) { return {ErrorCode::kCapacity, std::move(message)}; }

// A token's text for an error message: short, and printable whatever the file holds.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(byte < 0x20 || byte >= 0x7f ? '?' : c);
  }
  return out + (text.size() > 40 ? "...'" : "'");
}

TokenType type_of(const VocabData& v, int32_t id) { return static_cast<TokenType>(v.types[static_cast<size_t>(id)]); }
void set_type(VocabData* v, int32_t id, TokenType t) { v->types[static_cast<size_t>(id)] = static_cast<int32_t>(t); }

Status check_sizes(const VocabData& v) {
  const size_t n = v.tokens.size();
  if (n == 0) return corrupt(key("tokens") + " is missing or empty");
  if (n > kMaxTokens) {
    return capacity(key("tokens") + " has " + std::to_string(n) + " entries; the limit is " +
                    std::to_string(kMaxTokens));
  }
  if (!v.scores.empty() && v.scores.size() != n) {
    return corrupt(key("scores") + " has " + std::to_string(v.scores.size()) + " entries, but " + key("tokens") +
                   " has " + std::to_string(n));
  }
  if (!v.types.empty() && v.types.size() != n) {
    return corrupt(key("token_type") + " has " + std::to_string(v.types.size()) + " entries, but " + key("tokens") +
                   " has " + std::to_string(n));
  }
  if (v.merges.size() > kMaxMerges) {
    return capacity(key("merges") + " has " + std::to_string(v.merges.size()) + " entries; the limit is " +
                    std::to_string(kMaxMerges));
  }
  for (size_t i = 0; i < v.scores.size(); ++i) {
    if (!std::isfinite(v.scores[i]))
      return corrupt(key("scores") + "[" + std::to_string(i) + "] is not a finite number");
  }
  for (size_t i = 0; i < v.types.size(); ++i) {
    if (v.types[i] < 0 || v.types[i] > 6) {
      return corrupt(key("token_type") + "[" + std::to_string(i) + "] is " + std::to_string(v.types[i]) +
                     "; the values are 0 to 6");
    }
  }
  return {};
}

// Names the empty texts and indexes all of them; duplicates would make ids ambiguous.
Result<Index> index_tokens(VocabData* v) {
  for (size_t i = 0; i < v->tokens.size(); ++i) {
    std::string& text = v->tokens[i];
    if (text.empty()) text = "[EMPTY_" + std::to_string(i) + "]";
    if (text.size() > kMaxTokenBytes) {
      return capacity(key("tokens") + "[" + std::to_string(i) + "] has " + std::to_string(text.size()) +
                      " bytes; the limit is " + std::to_string(kMaxTokenBytes));
    }
  }
  Index index;
  index.reserve(v->tokens.size());
  for (size_t i = 0; i < v->tokens.size(); ++i) {
    const auto [at, fresh] = index.emplace(v->tokens[i], static_cast<int32_t>(i));
    if (!fresh) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "] " + quoted(v->tokens[i]) + " repeats token " +
                     std::to_string(at->second));
    }
  }
  return index;
}

Status check_ids(const VocabData& v) {
  const std::array<std::pair<const char*, int32_t>, 7> ids = {{{"bos_token_id", v.bos_id},
                                                               {"eos_token_id", v.eos_id},
                                                               {"eot_token_id", v.eot_id},
                                                               {"eom_token_id", v.eom_id},
                                                               {"unknown_token_id", v.unk_id},
                                                               {"seperator_token_id", v.sep_id},
                                                               {"padding_token_id", v.pad_id}}};
  const auto n = static_cast<int32_t>(v.tokens.size());
  for (const auto& [name, id] : ids) {
    if (id < -1 || id >= n) {
      return corrupt(key(name) + " is " + std::to_string(id) + ", but the vocabulary has " + std::to_string(n) +
                     " tokens");
    }
  }
  for (const int32_t id : v.eog_ids) {
    if (id < 0 || id >= n) {
      return corrupt(key("eog_token_ids") + " holds " + std::to_string(id) + ", but the vocabulary has " +
                     std::to_string(n) + " tokens");
    }
  }
  return {};
}

// For files without token_type: what the texts and ids say.
void infer_types(VocabData* v) {
  v->types.assign(v->tokens.size(), static_cast<int32_t>(TokenType::kNormal));
  for (size_t i = 0; i < v->tokens.size() && v->model == "llama"; ++i) {
    const std::string& text = v->tokens[i];
    const auto id = static_cast<int32_t>(i);
    if (parse_byte_token(text) >= 0) set_type(v, id, TokenType::kByte);
    if (text == "<s>" || text == "</s>") set_type(v, id, TokenType::kControl);
    if (text == "<unk>") set_type(v, id, TokenType::kUnknown);
  }
  for (const int32_t id : {v->bos_id, v->eos_id, v->eot_id, v->eom_id}) {
    if (id >= 0) set_type(v, id, TokenType::kControl);
  }
  if (v->unk_id >= 0) set_type(v, v->unk_id, TokenType::kUnknown);
}

// Byte tokens must parse and be distinct; a SentencePiece vocabulary has all 256 of them or none.
Status check_bytes(const VocabData& v) {
  std::bitset<256> seen;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (v.types[i] != static_cast<int32_t>(TokenType::kByte)) continue;
    const int byte = parse_byte_token(v.tokens[i]);
    if (byte < 0) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "] " + quoted(v.tokens[i]) +
                     " has the type byte, but is not of the form <0x00> to <0xFF>");
    }
    if (seen.test(static_cast<size_t>(byte))) {
      return corrupt(key("tokens") + "[" + std::to_string(i) + "]: a second token for byte " + std::to_string(byte));
    }
    seen.set(static_cast<size_t>(byte));
  }
  if (v.model == "llama" && seen.any() && !seen.all()) {
    return corrupt(key("token_type") + " marks " + std::to_string(seen.count()) +
                   " byte tokens; there must be 256 or none");
  }
  return {};
}

// Texts that mark the end of a generation in the model families known to us; metadata often leaves them out.
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|flush|>",
                                          "<|calls|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "</s>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "<|end_of_text|>",
                                          "<end_of_utterance>",
                                          "<eos>",
                                          "<turn|>",
                                          "<|tool_response>",
                                          "<｜end▁of▁sentence｜>",
                                          "[e~["};
// Tokens of code models that mean the same, once they are control tokens.
constexpr std::string_view kCodeEndTexts[] = {"<|fim_pad|>", "<fim-pad>",    "<fim_pad>",     "<PAD>",
                                              "[PAD]",       "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                              "<REPO>",      "<reponame>",   "<|file_sep|>"};
// In this order of preference when the metadata does not name the end of a turn.
constexpr std::string_view kTurnTexts[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",     "<|end_of_text|>",
    "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>"};

int32_t find(const Index& index, std::string_view text) {
  const auto at = index.find(text);
  return at == index.end() ? -1 : at->second;
}

// Whether ordinary text can become this token through a merge; then it is a word, whatever it looks like.
bool is_merged(const VocabData& v, std::string_view text) {
  return std::any_of(v.merges.begin(), v.merges.end(), [&](const std::string& merge) {
    if (merge.size() != text.size() + 1) return false;
    const size_t space = merge.find(' ', 1);
    return space != std::string::npos && text.substr(0, space) == std::string_view(merge).substr(0, space) &&
           text.substr(space) == std::string_view(merge).substr(space + 1);
  });
}

void resolve_end_tokens(VocabData* v, const Index& index) {
  std::vector<int32_t>& eog = v->eog_ids;
  for (const std::string_view text : kEndTexts) {
    const int32_t id = find(index, text);
    if (id < 0 || (type_of(*v, id) == TokenType::kNormal && is_merged(*v, text))) continue;
    set_type(v, id, TokenType::kControl);
    eog.push_back(id);
  }
  for (const std::string_view text : kCodeEndTexts) {
    const int32_t id = find(index, text);
    if (id >= 0 && (type_of(*v, id) == TokenType::kControl || type_of(*v, id) == TokenType::kUserDefined))
      eog.push_back(id);
  }
  for (const std::string_view text : kTurnTexts) {
    const int32_t id = find(index, text);
    if (v->eot_id < 0 && id >= 0 && type_of(*v, id) == TokenType::kControl) v->eot_id = id;
  }
  if (v->eom_id < 0) v->eom_id = find(index, "<|eom_id|>");
  // Formats in which one of these only ends a part: harmony (<|return|>, <|call|>) and its like, and tool responses.
  const auto has = [&](std::string_view text) { return std::count(eog.begin(), eog.end(), find(index, text)) > 0; };
  const bool parts =
      (has("<|return|>") && has("<|call|>")) || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")));
  if (parts) std::erase(eog, find(index, "<|end|>"));
  if (parts && v->eot_id == find(index, "<|end|>")) v->eot_id = -1;
  if (has("<|tool_response>")) std::erase(eog, find(index, "</s>"));
  for (const int32_t id : {v->eos_id, v->eot_id, v->eom_id}) {
    if (id >= 0) eog.push_back(id);
  }
  std::sort(eog.begin(), eog.end());
  eog.erase(std::unique(eog.begin(), eog.end()), eog.end());
}

// The ids and flags a "llama" or "gpt2" file may leave out.
Status resolve_defaults(VocabData* v) {
  if (v->model == "llama") {
    const auto control_at = [&](size_t id) {
      return id < v->types.size() && v->types[id] == static_cast<int32_t>(TokenType::kControl);
    };
    if (v->bos_id < 0 && control_at(1)) v->bos_id = 1;
    if (v->eos_id < 0 && control_at(2)) v->eos_id = 2;
    if (v->unk_id < 0) {
      const auto at = std::find(v->types.begin(), v->types.end(), static_cast<int32_t>(TokenType::kUnknown));
      if (at != v->types.end()) v->unk_id = static_cast<int32_t>(at - v->types.begin());
    }
    if (!v->add_bos) v->add_bos = v->bos_id >= 0;
    if (!v->add_space_prefix) v->add_space_prefix = true;
    v->ignore_merges = false;
    v->nfc = false;
  } else {
    KEDGE_ASSIGN(rules, find_pretokenizer(v->pre));
    if (!v->add_bos) v->add_bos = rules->add_bos && v->bos_id >= 0;
    if (!v->ignore_merges) v->ignore_merges = rules->ignore_merges;
    if (!v->nfc) v->nfc = pretokenizer_implies_nfc(v->pre);
    v->add_space_prefix = false;
  }
  if (!v->add_eos) v->add_eos = false;
  if (*v->add_bos && v->bos_id < 0)
    return corrupt(key("add_bos_token") + " is true, but there is no " + key("bos_token_id"));
  if (*v->add_eos && v->eos_id < 0)
    return corrupt(key("add_eos_token") + " is true, but there is no " + key("eos_token_id"));
  return {};
}

Status check_specials(const VocabData& v) {
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    const auto type = static_cast<TokenType>(v.types[i]);
    const bool searched = type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
    if (searched && v.tokens[i].size() > kMaxSpecialBytes) {
      return capacity(key("tokens") + "[" + std::to_string(i) + "] is a special token of " +
                      std::to_string(v.tokens[i].size()) + " bytes; the limit is " + std::to_string(kMaxSpecialBytes));
    }
  }
  return {};
}

}  // namespace

int parse_byte_token(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool is_markup(std::string_view text) { return text.find_first_of("<>[]{}|") != std::string_view::npos; }

Result<VocabData> resolve_vocab(VocabData v) {
  if (v.model != "llama" && v.model != "gpt2") {
    return Error{ErrorCode::kUnsupported, key("model") + " is " + quoted(v.model) +
                                              "; supported are 'llama' (SentencePiece) and 'gpt2' (byte-level BPE)"};
  }
  if (v.model == "llama" && !v.precompiled_charsmap.empty()) {
    return Error{ErrorCode::kUnsupported,
                 key("precompiled_charsmap") + " has " + std::to_string(v.precompiled_charsmap.size()) +
                     " bytes; a 'llama' vocabulary is supported only without a normalisation table"};
  }
  KEDGE_TRY(check_sizes(v));
  if (v.scores.empty()) v.scores.assign(v.tokens.size(), 0.0f);
  if (v.model == "gpt2" && v.merges.empty()) return corrupt(key("merges") + " is missing or empty");
  KEDGE_ASSIGN(index, index_tokens(&v));
  KEDGE_TRY(check_ids(v));
  if (v.types.empty()) infer_types(&v);
  KEDGE_TRY(check_bytes(v));
  KEDGE_TRY(resolve_defaults(&v));
  resolve_end_tokens(&v, index);
  KEDGE_TRY(check_specials(v));
  return v;
}

}  // namespace kedge::tokenizer
