#include "engine/chat_tokens.h"

#include <string>

#include "tokenizer/special.h"
#include "tokenizer/vocab.h"

namespace kedge {
namespace {

bool is_user_defined(const Tokenizer& t, int32_t id) { return t.type(id) == TokenType::kUserDefined; }

// What encode() recognises only with parse_special.
bool is_guarded(const Tokenizer& t, int32_t id) {
  return t.is_control(id) || (is_user_defined(t, id) && (is_markup(t.token_text(id)) || t.is_eog(id) || id == t.bos()));
}

SpecialTokens special_tokens(const Tokenizer& t) {
  SpecialTokens special;
  for (int32_t id = 0; id < t.size(); ++id) {
    if (t.is_control(id) || is_user_defined(t, id)) special.add(t.token_text(id), id);
  }
  special.build();
  return special;
}

Result<std::vector<int32_t>> encode_segments(const Tokenizer& tokenizer, std::span<const TextSegment> segments,
                                             bool allow_special) {
  std::vector<int32_t> out;
  std::string run;  // text since the last special token
  const auto encode_run = [&](bool parse_special) -> Status {
    KEDGE_ASSIGN(ids, tokenizer.encode(run, {.add_special = false, .parse_special = parse_special}));
    out.insert(out.end(), ids.begin(), ids.end());
    run.clear();
    return {};
  };
  if (allow_special) {
    for (const TextSegment& segment : segments) run += segment.text;
    KEDGE_TRY(encode_run(true));
    return out;
  }
  const SpecialTokens special = special_tokens(tokenizer);
  for (const TextSegment& segment : segments) {
    if (segment.from_input) {
      run += segment.text;
      continue;
    }
    for (size_t at = 0; at < segment.text.size();) {
      const SpecialTokens::Match match = special.find(segment.text, at);
      const size_t begin = match.id < 0 ? segment.text.size() : match.begin;
      run.append(segment.text, at, begin - at);
      at = begin + match.length;
      if (match.id < 0) break;
      if (!is_guarded(tokenizer, match.id)) {  // ordinary text, which encode() finds again
        run.append(segment.text, begin, match.length);
        continue;
      }
      KEDGE_TRY(encode_run(false));
      out.push_back(match.id);
    }
  }
  KEDGE_TRY(encode_run(false));
  return out;
}

}  // namespace

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, std::span<const TextSegment> segments,
                                         bool allow_special) {
  KEDGE_ASSIGN(ids, encode_segments(tokenizer, segments, allow_special));
  const bool has_bos = !ids.empty() && ids.front() == tokenizer.bos();
  if (tokenizer.add_bos() && !has_bos) ids.insert(ids.begin(), tokenizer.bos());
  return ids;
}

}  // namespace kedge
