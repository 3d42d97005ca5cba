// The table. Patterns are those of the models' own tokenizer.json files where Perl syntax can say them; `\s` means the
// Unicode property White_Space and `\d` decimal digits, as there.
#include "tokenizer/pretokenizers.h"

#include <algorithm>

namespace kedge::tokenizer {
namespace {

// Contractions: the case-insensitive group of the original spelt out. It takes U+017F for an s, as there.
#define KEDGE_CONTRACTION R"((?:'[sS\x{17F}]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]))"
#define KEDGE_TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define KEDGE_TAIL_SLASH R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define KEDGE_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define KEDGE_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
// The same without the Han script (sc: the property itself, not its extensions): what is in none of the others.
#define KEDGE_UPPER_NOT_HAN R"([^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
#define KEDGE_LOWER_NOT_HAN R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
// A capitalised or camel-case word with an optional leading mark; `after` may follow it.
#define KEDGE_CASED_OF(upper, lower, after) \
  R"([^\r\n\p{L}\p{N}]?)" upper "*" lower "+" after R"(|[^\r\n\p{L}\p{N}]?)" upper "+" lower "*" after
#define KEDGE_CASED(after) KEDGE_CASED_OF(KEDGE_UPPER, KEDGE_LOWER, after)

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 = KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" KEDGE_TAIL;
constexpr std::string_view kQwen2 = KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" KEDGE_TAIL;
constexpr std::string_view kQwen35 = KEDGE_CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k = KEDGE_CASED(KEDGE_CONTRACTION "?") R"(|\p{N}{1,3})" KEDGE_TAIL_SLASH;
constexpr std::string_view kTekken = KEDGE_CASED("") R"(|\p{N})" KEDGE_TAIL_SLASH;
constexpr std::string_view kYoutu = KEDGE_CASED(KEDGE_CONTRACTION "?") R"(|\p{N})" KEDGE_TAIL_SLASH;
constexpr std::string_view kKimi = R"(\p{sc:Han}+|)" KEDGE_CASED_OF(KEDGE_UPPER_NOT_HAN, KEDGE_LOWER_NOT_HAN,
                                                                    KEDGE_CONTRACTION "?") R"(|\p{N}{1,3})" KEDGE_TAIL;
constexpr std::string_view kMinicpm5 = KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+)" KEDGE_TAIL;
constexpr std::string_view kJais2 = KEDGE_CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kBailing =
    R"('(?:[sS\x{17F}dDmMtT]|[lL][lL]|[vV][eE]|[rR][eE]))"
    R"(|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kSeedCoder =
    KEDGE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
// The published form repeats (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+; this says the same without nested repeats.
constexpr std::string_view kExaoneMoe = KEDGE_CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?\p{L}(?:[\p{L}\p{M}]++| \p{L})*+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
    R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCjk3 = "[一-龥\\x{3040}-ゟ゠-ヿ]+";
constexpr std::string_view kCjkHangul = "[一-龥ࠀ-一가-\\x{d7ff}]+";
// The published form is \s+$, which tries every suffix of every run of spaces.
constexpr std::string_view kTrailingSpace = R"((?<!\s)\s++$)";
constexpr std::string_view kBloom = " ?[^(\\s|.,!?…。，、।۔،)]+";
constexpr std::string_view kLines = R"([^\n]+|[\n]+)";
constexpr std::string_view kDeepseekLetters =
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}-"
    "\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-"
    "\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-"
    "\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}"
    "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-"
    "\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}"
    "\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-"
    "\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}"
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}"
    "\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}"
    "\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-"
    "\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}"
    "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"
    "\\x{1E900}-\\x{1E943}]+";
constexpr std::string_view kDeepseekPunctuation = "\\s?[!-/:-~！-／：-～‘-‟\\x{3000}-。]+";
constexpr std::string_view kAsianScripts =
    "[一-鿿㐀-䶿\\x{F900}-\\x{FAFF}\\x{3040}-ゟ゠-ヿ･-ﾟ⼀-\\x{2FDF}เ-\\x{0E7F}\\x{0E80}-\\x{0EFF}ក-\\x{"
    "17FF}"
    "က-"
    "႟ꩠ-"
    "ꩿꧠ-\\x{A9FF}"
    "가-\\x{D7AF}ᄀ-ᇿ]+";
constexpr std::string_view kYoutuScripts =
    "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\\x{3040}-ゟ゠-ヿ]+";

#undef KEDGE_CONTRACTION
#undef KEDGE_TAIL
#undef KEDGE_TAIL_SLASH
#undef KEDGE_UPPER
#undef KEDGE_LOWER
#undef KEDGE_UPPER_NOT_HAN
#undef KEDGE_LOWER_NOT_HAN
#undef KEDGE_CASED_OF
#undef KEDGE_CASED

const std::vector<PretokenizerRules>& table() {
  static const std::vector<PretokenizerRules> rules = {
      {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code", "roberta-bpe",
        "gigachat", "a.x-4.0", "mellum", "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling",
        "exaone4"},
       {kGpt2}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       {kLlama3},
       true,
       true},
      // Llama 3's words without its first token (SmolLM3): 588 of them no merges make, and there as here they are
      // whole.
      {{"smaug-bpe"}, {kLlama3}, true},
      {{"dbrx", "glm4", "chatglm-bpe"}, {kLlama3}},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
       {kQwen2}},
      {{"qwen35"}, {kQwen35}},
      {{"laguna"}, {kLines, kQwen2}},
      {{"deepseek-llm"}, {"[\r\n]", kDeepseekLetters, kDeepseekPunctuation, kTrailingSpace, kCjkHangul, R"(\p{N}+)"}},
      {{"deepseek-coder"}, {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjkHangul, R"(\p{N})"}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, {R"(\p{N}{1,3})", kCjk3, kDeepseek3}},
      {{"afmoe"}, {kDigitGroups, kAsianScripts, kDeepseek3}},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {R"(\p{N})", kGpt2}},
      {{"poro-chat", "bloom", "gpt3-finnish"}, {kBloom}},
      {{"viking"}, {kBloom, R"(\p{N})"}},
      {{"tekken"}, {kTekken}, true, true},
      {{"gpt-4o", "o200k", "llama4", "kanana2", "talkie", "minimax-m2"}, {kO200k}},
      {{"granite-embed-multi-97m"}, {kO200k}, true},
      {.names = {"kimi-k2"}, .patterns = {kKimi}, .ignore_merges = true, .merges_by_id = true},
      {.names = {"gemma4", "granite-embed-multi-311m", "sarvam-moe"}, .patterns = {}, .metaspace = true},
      {{"tiny_aya", "cohere2moe"}, {kDigitGroupsOfWords, kO200k}},
      {{"youtu"}, {kYoutuScripts, kYoutu}, true},
      {{"jais-2"}, {kJais2}},
      {{"minicpm5"}, {R"(\p{N}{1,3})", kMinicpm5}, true},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, {kBailing}},
      {{"seed-coder"}, {kSeedCoder}},
      {{"exaone-moe"}, {kExaoneMoe}},
      {{"superbpe"}, {R"(\p{N}+)", kDigitGroups}},
      {{"chameleon"},
       {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))", R"(\p{N})",
        R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
       false,
       true},
  };
  return rules;
}

}  // namespace

Result<const PretokenizerRules*> find_pretokenizer(std::string_view name) {
  for (const PretokenizerRules& rules : table()) {
    if (std::find(rules.names.begin(), rules.names.end(), name) != rules.names.end()) return &rules;
  }
  if (name.empty()) {
    return Error{ErrorCode::kUnsupported,
                 "tokenizer.ggml.pre is missing: a 'gpt2' vocabulary cannot be used without knowing its pre-tokeniser"};
  }
  return Error{ErrorCode::kUnsupported,
               "unknown pre-tokeniser tokenizer.ggml.pre = '" + std::string(name.substr(0, 100)) + "'"};
}

bool pretokenizer_implies_nfc(std::string_view name) {
  // The Qwen family and those made from its code (unicodedata.normalize("NFC", ...)), Cohere's, and GPT-NeoX's with its
  // heirs. "deepseek-r1-qwen" has Qwen's words but an empty normaliser.
  static constexpr std::string_view kNames[] = {"qwen2",     "qwen35", "f2llmv2", "stablelm2",  "hunyuan",
                                                "command-r", "olmo",   "mpt",     "modern-bert"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::vector<std::string_view> pretokenizer_names() {
  std::vector<std::string_view> names;
  for (const PretokenizerRules& rules : table()) names.insert(names.end(), rules.names.begin(), rules.names.end());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace kedge::tokenizer
