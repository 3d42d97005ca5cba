#include "tokenizer/vocab_end.h"

#include <algorithm>

namespace kedge::tokenizer {
namespace {

TokenType type_of(const VocabData& v, int32_t id) { return static_cast<TokenType>(v.types[static_cast<size_t>(id)]); }

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
// Tokens that mean the same once they are special: of code models, and ends of turns of Llama 4, Command R and Aya,
// EXAONE, Ling.
constexpr std::string_view kSpecialEndTexts[] = {"<|eot|>",       "<|eom|>",      "<|END_OF_TURN_TOKEN|>",
                                                 "[|endofturn|]", "<|role_end|>", "<|fim_pad|>",
                                                 "<fim-pad>",     "<fim_pad>",    "<PAD>",
                                                 "[PAD]",         "<|fim_repo|>", "<|repo_name|>",
                                                 "<fim-repo>",    "<REPO>",       "<reponame>",
                                                 "<|file_sep|>"};
// In this order of preference when the metadata does not name the end of a turn.
constexpr std::string_view kTurnTexts[] = {"<|eot_id|>",
                                           "<|im_end|>",
                                           "<|end|>",
                                           "<end_of_turn>",
                                           "<turn|>",
                                           "<|endoftext|>",
                                           "<|end_of_text|>",
                                           "<EOT>",
                                           "_<EOT>",
                                           "[EOT]",
                                           "<｜end▁of▁sentence｜>",
                                           "<end_of_utterance>"};

// Whether ordinary text can become this token through a merge; then it is a word, whatever it looks like.
bool is_merged(const VocabData& v, std::string_view text) {
  return std::any_of(v.merges.begin(), v.merges.end(), [&](const std::string& merge) {
    if (merge.size() != text.size() + 1) return false;
    const size_t space = merge.find(' ', 1);
    return space != std::string::npos && text.substr(0, space) == std::string_view(merge).substr(0, space) &&
           text.substr(space) == std::string_view(merge).substr(space + 1);
  });
}

}  // namespace

void resolve_end_tokens(VocabData* v) {
  std::vector<int32_t>& eog = v->eog_ids;
  const auto find = [v](std::string_view text) { return v->find(text); };
  for (const std::string_view text : kEndTexts) {
    const int32_t id = find(text);
    if (text == "</s>" && find("<|tool_response>") >= 0) continue;  // Gemma 4: an HTML tag
    if (id < 0 || (type_of(*v, id) == TokenType::kNormal && is_merged(*v, text))) continue;
    v->types[static_cast<size_t>(id)] = static_cast<int32_t>(TokenType::kControl);
    eog.push_back(id);
  }
  for (const std::string_view text : kSpecialEndTexts) {
    const int32_t id = find(text);
    if (id >= 0 && (type_of(*v, id) == TokenType::kControl || type_of(*v, id) == TokenType::kUserDefined))
      eog.push_back(id);
  }
  for (const std::string_view text : kTurnTexts) {
    const int32_t id = find(text);
    if (v->eot_id < 0 && id >= 0 && type_of(*v, id) == TokenType::kControl) v->eot_id = id;
  }
  if (v->eom_id < 0) v->eom_id = find("<|eom_id|>");
  // Formats in which one of these only ends a part: harmony (<|return|>, <|call|>) and its like, and tool responses.
  const auto has = [&](std::string_view text) { return std::count(eog.begin(), eog.end(), find(text)) > 0; };
  const bool parts =
      (has("<|return|>") && has("<|call|>")) || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")));
  if (parts) std::erase(eog, find("<|end|>"));
  if (parts && v->eot_id == find("<|end|>")) v->eot_id = -1;
  if (has("<|tool_response>")) std::erase(eog, find("</s>"));
  for (const int32_t id : {v->eos_id, v->eot_id, v->eom_id}) {
    if (id >= 0) eog.push_back(id);
  }
  std::sort(eog.begin(), eog.end());
  eog.erase(std::unique(eog.begin(), eog.end()), eog.end());
}

}  // namespace kedge::tokenizer
