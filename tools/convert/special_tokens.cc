// Tokens with a meaning, settings and chat templates: several files say them, the more special one counts.
#include <algorithm>

#include "tools/convert/vocab.h"

namespace kedge::tools::convert {
namespace {

// What changes no token of a text: batches, cleaning of what comes out, classes of the library, other modalities.
constexpr std::string_view kHarmless[] = {"model_max_length",
                                          "max_length",
                                          "clean_up_tokenization_spaces",
                                          "padding*",
                                          "truncation*",
                                          "pad_to_multiple_of",
                                          "pad_token_type_id",
                                          "stride",
                                          "model_input_names",
                                          "special_tokens_map_file",
                                          "name_or_path",
                                          "processor_class",
                                          "auto_map",
                                          "*special_tokens",
                                          "legacy",
                                          "use_fast",
                                          "use_default_system_prompt",
                                          "sp_model_kwargs",
                                          "spaces_between_special_tokens",
                                          "errors",
                                          "split_special_tokens",
                                          "do_basic_tokenize",
                                          "never_split",
                                          "is_local",
                                          "backend",
                                          "image_token*",
                                          "video_token*",
                                          "audio_token*",
                                          "vision_*",
                                          "boi_token",
                                          "eoi_token"};
constexpr std::string_view kHarmlessGeneration[] = {"_from_model_config",
                                                    "transformers_version",
                                                    "do_sample",
                                                    "max_length",
                                                    "max_new_tokens",
                                                    "cache_implementation",
                                                    "use_cache",
                                                    "output_*",
                                                    "return_*"};
constexpr std::string_view kHarmlessMap[] = {"additional_special_tokens", "image_token", "boi_token", "eoi_token"};

// A text, or an object with one as its content.
std::string token_text(const Json* json) {
  if (json == nullptr) return "";
  return json->is_string() ? json->get<std::string>() : text_at(*json, "content");
}

struct Sources {
  Config& tokenizer_config;
  Config map;         // special_tokens_map.json
  Config model;       // config.json
  Config generation;  // generation_config.json
};

// The ids of a member that is a number or a list of them.
Result<std::vector<int64_t>> read_ids(Config& config, const char* key, int64_t below) {
  std::vector<int64_t> ids;
  const Json* value = config.find(key);
  if (value == nullptr) return ids;
  const auto take = [&](const Json& item) {
    if (!item.is_number_unsigned() || item > static_cast<double>(below - 1)) return false;
    ids.push_back(item.get<int64_t>());
    return true;
  };
  bool good = true;
  if (value->is_array()) {
    for (const Json& item : *value) good = good && take(item);
  } else {
    good = value->is_number_integer() && *value < 0 ? true : take(*value);  // -1: there is none
  }
  if (!good) return config.wrong(key, "must be below vocab_size = " + std::to_string(below));
  return ids;
}

class SpecialTokens {
 public:
  SpecialTokens(Conversion& c, const Vocab& v, Sources s) : c_(c), v_(v), s_(std::move(s)) {}

  Status write() {
    KEDGE_ASSIGN(bos, id_of("bos_token", "bos_token_id"));
    KEDGE_ASSIGN(eos, id_of("eos_token", "eos_token_id"));
    KEDGE_ASSIGN(pad, id_of("pad_token", "pad_token_id"));
    KEDGE_ASSIGN(unk, id_of("unk_token", nullptr));
    KEDGE_ASSIGN(sep, id_of("sep_token", nullptr));
    KEDGE_ASSIGN(cls, id_of("cls_token", nullptr));
    KEDGE_ASSIGN(mask, id_of("mask_token", nullptr));
    KEDGE_TRY(around(v_.add_bos, v_.first, &bos));
    const int64_t end_of_text = eos;
    KEDGE_TRY(around(v_.add_eos, v_.last, &eos));
    if (unk < 0 && !v_.unknown.empty()) unk = v_.find(v_.unknown);
    for (const auto& [name, id] : {std::pair{"bos", bos},
                                   {"eos", eos},
                                   {"unknown", unk},
                                   {"seperator", sep},
                                   {"padding", pad},
                                   {"cls", cls},
                                   {"mask", mask}}) {
      if (id >= 0) c_.out.add(std::string("tokenizer.ggml.") + name + "_token_id", static_cast<uint32_t>(id));
    }
    return ends(eos, end_of_text);
  }

 private:
  // By its text, or else by its number.
  Result<int64_t> id_of(const char* text_key, const char* id_key) {
    const std::string own = token_text(s_.tokenizer_config.find(text_key));
    const std::string mapped = token_text(s_.map.find(text_key));
    std::vector<int64_t> ids;
    if (id_key != nullptr) {
      for (Config* config : {&s_.model, &s_.generation}) {
        KEDGE_ASSIGN(more, read_ids(*config, id_key, c_.count_of('V')));
        ids.insert(ids.end(), more.begin(), more.end());
      }
    }
    const std::string& text = own.empty() ? mapped : own;
    if (const int64_t id = text.empty() ? -1 : v_.find(text); id >= 0) return id;
    if (!text.empty()) c_.notes.push_back(std::string(text_key) + " " + in_quotes(text) + " is not in the vocabulary");
    return ids.empty() ? int64_t{-1} : ids.front();
  }

  // What the tokenizer puts around a text has to be what GGUF calls its first or last token.
  Status around(std::optional<bool> added, const std::string& text, int64_t* id) const {
    if (text.empty() || (*id >= 0 && !added.value_or(false))) return {};
    const int64_t found = v_.find(text);
    if (found < 0) {
      return Error{ErrorCode::kCorrupt,
                   "the tokenizer puts " + in_quotes(text) + " around a text, which is not in the vocabulary"};
    }
    *id = found;
    return {};
  }

  Status ends(int64_t eos, int64_t end_of_text) {
    std::vector<int32_t> all;
    const auto add = [&](int64_t id) {
      if (id >= 0 && id != eos) all.push_back(static_cast<int32_t>(id));
    };
    add(end_of_text);
    for (Config* config : {&s_.model, &s_.generation}) {
      KEDGE_ASSIGN(ids, read_ids(*config, "eos_token_id", c_.count_of('V')));
      for (const int64_t id : ids) add(id);
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    if (!all.empty()) c_.out.add_array<int32_t>("tokenizer.ggml.eog_token_ids", all);
    return {};
  }

  Conversion& c_;
  const Vocab& v_;
  Sources s_;
};

Status sampling_keys(Conversion& c, Config& generation) {
  KEDGE_ASSIGN(samples, generation.flag_or("do_sample", true));
  for (const auto& [from, to] : {std::pair{"temperature", "temp"},
                                 {"top_p", "top_p"},
                                 {"min_p", "min_p"},
                                 {"repetition_penalty", "penalty_repeat"}}) {
    if (!generation.has(from)) continue;
    KEDGE_ASSIGN(value, generation.number(from));
    if (samples) c.out.add(std::string("general.sampling.") + to, static_cast<float>(value));
  }
  if (generation.has("top_k")) {
    KEDGE_ASSIGN(k, generation.count("top_k", 0));
    if (samples) c.out.add("general.sampling.top_k", static_cast<int32_t>(k));
  }
  KEDGE_ASSIGN(suppressed, read_ids(generation, "suppress_tokens", c.count_of('V')));
  if (!suppressed.empty()) {
    c.out.add_array<int32_t>("tokenizer.ggml.suppress_tokens",
                             std::vector<int32_t>(suppressed.begin(), suppressed.end()));
  }
  return {};
}

}  // namespace

Status special_keys(Conversion& c, const Vocab& vocab, Config& tokenizer_config,
                    const std::vector<std::string>& ignore) {
  KEDGE_ASSIGN(map, read_config(c.folder + "/special_tokens_map.json", "special_tokens_map.json"));
  KEDGE_ASSIGN(given, read_config(c.folder + "/generation_config.json", "generation_config.json"));
  Config generation = given ? *given : Config();
  tokenizer_config.ignore(kHarmless);
  KEDGE_TRY(SpecialTokens(c, vocab, {tokenizer_config, map ? *map : Config(), c.config, generation}).write());
  KEDGE_TRY(sampling_keys(c, generation));
  generation.ignore(kHarmlessGeneration);
  generation.ignore(ignore);
  if (map) map->ignore(kHarmlessMap);
  if (map) map->ignore(ignore);
  if (map) KEDGE_TRY(map->finish());
  return generation.finish();
}

Status template_keys(Conversion& c, Config& tokenizer_config) {
  constexpr const char* kKey = "tokenizer.chat_template";
  const Json* own = tokenizer_config.find("chat_template");
  KEDGE_ASSIGN(jinja, read_optional(c.folder + "/chat_template.jinja"));
  if (jinja) {
    c.out.add_string(kKey, *jinja);
    return {};
  }
  KEDGE_ASSIGN(file, read_config(c.folder + "/chat_template.json", "chat_template.json"));
  const Json* text = file ? file->find("chat_template") : own;
  if (text == nullptr) return {};
  if (text->is_string()) {
    c.out.add_string(kKey, text->get_ref<const std::string&>());
    return {};
  }
  if (!text->is_array()) return tokenizer_config.wrong("chat_template", "must be a text, or a list of named ones");
  std::vector<std::string> names;
  for (const Json& item : *text) {
    const std::string name = text_at(item, "name");
    const std::string body = text_at(item, "template");
    if (name.empty() || body.empty()) return tokenizer_config.wrong("chat_template", "has one without name or text");
    c.out.add_string(name == "default" ? std::string(kKey) : std::string(kKey) + "." + name, body);
    if (name != "default") names.push_back(name);
  }
  if (!names.empty()) c.out.add_strings("tokenizer.chat_templates", names);
  return {};
}

}  // namespace kedge::tools::convert
