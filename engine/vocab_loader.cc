#include "engine/vocab_loader.h"

#include <limits>

#include "engine/model_keys.h"

namespace kedge::engine {

namespace {

constexpr const char* kPrefix = "tokenizer.ggml.";

Status read_id(ModelKeys& m, const char* name, int32_t* id) {
  const std::string key = std::string(kPrefix) + name;
  if (!m.has(key)) return {};
  KEDGE_ASSIGN(v, m.get_u32(key));
  // Some files say "none" with all bits set.
  *id = v > static_cast<uint32_t>(std::numeric_limits<int32_t>::max()) ? -1 : static_cast<int32_t>(v);
  return {};
}

Status read_flag(ModelKeys& m, const char* name, std::optional<bool>* flag) {
  const std::string key = std::string(kPrefix) + name;
  if (!m.has(key)) return {};
  KEDGE_ASSIGN(v, m.get_bool(key));
  *flag = v;
  return {};
}

Status read_arrays(ModelKeys& m, VocabData* v) {
  const std::string prefix = kPrefix;
  KEDGE_ASSIGN(tokens, m.get_strings(prefix + "tokens"));
  v->tokens.assign(tokens.begin(), tokens.end());
  if (m.has(prefix + "scores")) {
    KEDGE_ASSIGN(scores, m.get_f32s(prefix + "scores"));
    v->scores = std::move(scores);
  }
  if (m.has(prefix + "token_type")) {
    KEDGE_ASSIGN(types, m.get_i32s(prefix + "token_type"));
    v->types = std::move(types);
  }
  if (m.has(prefix + "merges")) {
    KEDGE_ASSIGN(merges, m.get_strings(prefix + "merges"));
    v->merges.assign(merges.begin(), merges.end());
  }
  for (const auto& [name, list] : {std::pair{"eog_token_ids", &v->eog_ids}, {"suppress_tokens", &v->suppress_ids}}) {
    if (!m.has(prefix + name)) continue;
    KEDGE_ASSIGN(ids, m.get_i32s(prefix + name));
    *list = std::move(ids);
  }
  if (const GgufEntry* map = m.find(prefix + "precompiled_charsmap"); map != nullptr) {
    if (!map->is_array() || (map->element != GgufType::kUint8 && map->element != GgufType::kInt8)) {
      return Error{ErrorCode::kCorrupt, m.file() + ": " + prefix + "precompiled_charsmap is " + map->type_name() +
                                            "; it must be an array of bytes"};
    }
    v->precompiled_charsmap.assign(reinterpret_cast<const char*>(map->bytes.data()), map->bytes.size());
  }
  return {};
}

}  // namespace

Result<VocabData> load_vocab(const GgufMetadata& metadata, std::vector<std::string>* ignored) {
  ModelKeys m(metadata);
  VocabData v;
  KEDGE_ASSIGN(model, m.get_string("tokenizer.ggml.model"));
  KEDGE_ASSIGN(pre, m.get_string_or("tokenizer.ggml.pre", ""));
  v.model = std::string(model);
  v.pre = std::string(pre);
  KEDGE_TRY(read_arrays(m, &v));
  const std::pair<const char*, int32_t*> ids[] = {{"bos_token_id", &v.bos_id},     {"eos_token_id", &v.eos_id},
                                                  {"eot_token_id", &v.eot_id},     {"eom_token_id", &v.eom_id},
                                                  {"unknown_token_id", &v.unk_id}, {"seperator_token_id", &v.sep_id},
                                                  {"padding_token_id", &v.pad_id}, {"cls_token_id", &v.cls_id}};
  for (const auto& [name, id] : ids) KEDGE_TRY(read_id(m, name, id));
  KEDGE_TRY(read_flag(m, "add_bos_token", &v.add_bos));
  KEDGE_TRY(read_flag(m, "add_eos_token", &v.add_eos));
  KEDGE_TRY(read_flag(m, "add_sep_token", &v.add_sep));
  KEDGE_TRY(read_flag(m, "add_space_prefix", &v.add_space_prefix));
  KEDGE_TRY(read_flag(m, "normalizer.lowercase", &v.lowercase));
  KEDGE_TRY(read_flag(m, "normalizer.strip_accents", &v.strip_accents));
  std::optional<bool> remove;
  KEDGE_TRY(read_flag(m, "remove_extra_whitespaces", &remove));
  v.remove_extra_whitespaces = remove.value_or(false);
  // Names of tokens and counts encode nothing; any other key may change ids.
  static const std::vector<HarmlessKey> kHarmless = {{"*_token_id"}, {"*_token_ids"}, {"token_type_count"}};
  std::vector<std::string> unread;
  KEDGE_TRY(m.check_all_read(kPrefix, kHarmless, ignored == nullptr ? &unread : ignored));
  return v;
}

}  // namespace kedge::engine
