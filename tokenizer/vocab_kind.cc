#include "tokenizer/vocab_kind.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "tokenizer/pretokenizers.h"

namespace kedge::tokenizer {
namespace {

using vocab_message::corrupt;
using vocab_message::in_quotes;
using vocab_message::key;

struct Kind {
  const char* name;
  const char* what;
};
constexpr Kind kKinds[] = {{"llama", "SentencePiece BPE"},    {"gpt2", "byte-level BPE"},
                           {"gemma4", "BPE over characters"}, {"bert", "WordPiece"},
                           {"t5", "SentencePiece unigram"},   {"rwkv", "longest match"}};

bool is_bpe(const VocabData& v) { return v.model == "gpt2" || v.model == "gemma4"; }

void set_type(VocabData* v, int32_t id, TokenType t) { v->types[static_cast<size_t>(id)] = static_cast<int32_t>(t); }

int32_t first_of_type(const VocabData& v, TokenType type) {
  const auto at = std::find(v.types.begin(), v.types.end(), static_cast<int32_t>(type));
  return at == v.types.end() ? -1 : static_cast<int32_t>(at - v.types.begin());
}

// The first of `ids` that there is, else the token of this text.
int32_t first_id(std::initializer_list<int32_t> ids, const VocabData& v, std::string_view text) {
  for (const int32_t id : ids) {
    if (id >= 0) return id;
  }
  return v.find(text);
}

void resolve_llama(VocabData* v) {
  const auto control_at = [&](size_t id) {
    return id < v->types.size() && v->types[id] == static_cast<int32_t>(TokenType::kControl);
  };
  if (v->bos_id < 0 && control_at(1)) v->bos_id = 1;
  if (v->eos_id < 0 && control_at(2)) v->eos_id = 2;
  if (v->unk_id < 0) v->unk_id = first_of_type(*v, TokenType::kUnknown);
  if (!v->add_bos) v->add_bos = v->bos_id >= 0;
  if (!v->add_space_prefix) v->add_space_prefix = true;
}

// Text is put between [CLS] and [SEP]; a file says which tokens those are as bos and eos, or by their own names.
void resolve_bert(VocabData* v) {
  v->bos_id = first_id({v->cls_id, v->bos_id}, *v, "[CLS]");
  v->eos_id = first_id({v->sep_id, v->eos_id}, *v, "[SEP]");
  v->sep_id = v->eos_id;
  v->unk_id = first_id({v->unk_id}, *v, "[UNK]");
  for (const int32_t id : {v->bos_id, v->eos_id, v->pad_id}) {
    if (id >= 0) set_type(v, id, TokenType::kControl);
  }
  if (!v->add_bos) v->add_bos = v->bos_id >= 0;
  if (!v->add_eos) v->add_eos = v->eos_id >= 0;
  if (!v->lowercase) v->lowercase = true;
  if (!v->strip_accents) v->strip_accents = v->lowercase;
}

Status resolve_bpe(VocabData* v) {
  KEDGE_ASSIGN(rules, find_pretokenizer(v->pre));
  if (!v->add_bos) v->add_bos = (rules->add_bos || v->model == "gemma4") && v->bos_id >= 0;
  if (!v->ignore_merges) v->ignore_merges = rules->ignore_merges;
  if (!v->nfc) v->nfc = pretokenizer_implies_nfc(v->pre);
  if (rules->metaspace && v->unk_id < 0) v->unk_id = first_of_type(*v, TokenType::kUnknown);
  if (v->merges.empty() && !rules->merges_by_id) return corrupt(key("merges") + " is missing or empty");
  return {};
}

}  // namespace

std::string vocab_kinds() {
  std::string out;
  for (const Kind& kind : kKinds) {
    out += std::string(out.empty() ? "'" : ", '") + kind.name + "' (" + kind.what + ")";
  }
  return out;
}

Status check_kind(VocabData* v) {
  const auto unsupported = [](std::string message) { return Error{ErrorCode::kUnsupported, std::move(message)}; };
  if (std::none_of(std::begin(kKinds), std::end(kKinds), [&](const Kind& kind) { return v->model == kind.name; })) {
    return unsupported(key("model") + " is " + in_quotes(v->model) + "; supported are " + vocab_kinds());
  }
  if (v->model == "gemma4") v->pre = "gemma4";
  if (v->model != "t5" && !v->precompiled_charsmap.empty()) {
    return unsupported(key("precompiled_charsmap") + " has " + std::to_string(v->precompiled_charsmap.size()) +
                       " bytes; a " + in_quotes(v->model) +
                       " vocabulary is supported only without a normalisation table");
  }
  if (v->model != "bert" && v->lowercase.value_or(false))
    return unsupported(key("normalizer.lowercase") + " is true, which only a 'bert' vocabulary supports");
  if (v->model != "bert" && v->strip_accents.value_or(false))
    return unsupported(key("normalizer.strip_accents") + " is true, which only a 'bert' vocabulary supports");
  if (v->model == "gemma4" && v->add_space_prefix.value_or(false))
    return unsupported(key("add_space_prefix") + " is true, which a 'gemma4' vocabulary does not support");
  return {};
}

void infer_types(VocabData* v) {
  const bool given = !v->types.empty();
  if (!given) v->types.assign(v->tokens.size(), static_cast<int32_t>(TokenType::kNormal));
  const auto rules = find_pretokenizer(v->pre);
  // Converters mark the bytes of a "gpt2" vocabulary never, of others always.
  const bool bytes = (!given && v->model == "llama") || (is_bpe(*v) && rules.ok() && (*rules)->metaspace);
  for (size_t i = 0; i < v->tokens.size(); ++i) {
    const std::string& text = v->tokens[i];
    const auto id = static_cast<int32_t>(i);
    if (bytes && parse_byte_token(text) >= 0) set_type(v, id, TokenType::kByte);
    if (given || v->model != "llama") continue;
    if (text == "<s>" || text == "</s>") set_type(v, id, TokenType::kControl);
    if (text == "<unk>") set_type(v, id, TokenType::kUnknown);
  }
  if (given) return;
  for (const int32_t id : {v->bos_id, v->eos_id, v->eot_id, v->eom_id}) {
    if (id >= 0 && v->model != "rwkv") set_type(v, id, TokenType::kControl);
  }
  if (v->unk_id >= 0) set_type(v, v->unk_id, TokenType::kUnknown);
}

Status resolve_defaults(VocabData* v) {
  if (v->model == "llama") resolve_llama(v);
  if (v->model == "bert") resolve_bert(v);
  if (is_bpe(*v)) KEDGE_TRY(resolve_bpe(v));
  if (v->model == "t5") {
    if (v->unk_id < 0) v->unk_id = first_of_type(*v, TokenType::kUnknown);
    if (!v->add_eos) v->add_eos = v->eos_id >= 0;
    if (!v->add_space_prefix) v->add_space_prefix = true;
  } else if (v->model != "llama") {
    v->add_space_prefix = false;
  }
  if (!v->add_bos) v->add_bos = false;
  if (!v->add_eos) v->add_eos = false;
  if (!v->add_sep) v->add_sep = false;
  if (!is_bpe(*v)) v->ignore_merges = false;
  if (!is_bpe(*v)) v->nfc = false;
  if (!v->lowercase) v->lowercase = false;
  if (!v->strip_accents) v->strip_accents = false;
  if (*v->add_bos && v->bos_id < 0)
    return corrupt(key("add_bos_token") + " is true, but there is no " + key("bos_token_id"));
  if (*v->add_eos && v->eos_id < 0)
    return corrupt(key("add_eos_token") + " is true, but there is no " + key("eos_token_id"));
  return {};
}

}  // namespace kedge::tokenizer
