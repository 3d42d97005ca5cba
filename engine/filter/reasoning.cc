#include "engine/filter/reasoning.h"

#include <algorithm>

#include "engine/grammar/spelling.h"

namespace kedge::engine {

ReasoningFilter::ReasoningFilter(std::unique_ptr<TokenFilter> inner,
                                 std::shared_ptr<const grammar::Vocabulary> vocabulary, grammar::Reasoning reasoning)
    : inner_(std::move(inner)),
      vocabulary_(std::move(vocabulary)),
      reasoning_(std::move(reasoning)),
      at_(reasoning_.open ? At::kInside : At::kBefore) {}

Status ReasoningFilter::allow(TokenBits bits, size_t left) {
  KEDGE_TRY(inner_->allow(bits, left));
  if (at_ != At::kInside || n_inside_ < *reasoning_.budget) return {};
  // In the midst of a character nothing can close yet: then the character is finished first.
  const int32_t token = closing_token();
  if (token < 0 || !token_allowed(bits, static_cast<size_t>(token))) return {};
  std::fill(bits.begin(), bits.end(), 0);
  bits[static_cast<size_t>(token) / 64] = uint64_t{1} << (static_cast<size_t>(token) % 64);
  return {};
}

// The next token of the closing text, of which the model may have written a part already; -1: it cannot be spelled.
int32_t ReasoningFilter::closing_token() const {
  std::string_view rest = reasoning_.end;
  for (size_t n = std::min(text_.size(), rest.size() - 1); n > 0; --n) {
    if (!text_.ends_with(rest.substr(0, n))) continue;
    rest.remove_prefix(n);
    break;
  }
  int32_t best = -1;
  size_t longest = 0;
  for (uint32_t label = 0; label < vocabulary_->special_texts().size(); ++label) {
    const std::string& text = vocabulary_->special_texts()[label];
    if (text.size() <= longest || !rest.starts_with(text)) continue;
    longest = text.size();
    best = vocabulary_->special_token(label);
  }
  if (best >= 0) return best;
  const auto spelled = grammar::spell(*vocabulary_, rest);
  return spelled.empty() ? -1 : spelled[0];
}

Status ReasoningFilter::accept(int32_t token) {
  KEDGE_TRY(inner_->accept(token));
  if (at_ == At::kBehind) return {};
  if (at_ == At::kInside) ++n_inside_;
  text_ += vocabulary_->tokenizer().piece(token);
  if (at_ == At::kBefore) {
    const size_t begin = text_.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return {};
    const std::string_view written = std::string_view(text_).substr(begin);
    if (written.starts_with(reasoning_.begin)) {
      at_ = At::kInside;
      text_.erase(0, begin + reasoning_.begin.size());
    } else if (!reasoning_.begin.starts_with(written)) {
      at_ = At::kBehind;
    }
  }
  if (at_ != At::kInside) return {};
  if (text_.find(reasoning_.end) != std::string::npos) {
    at_ = At::kBehind;
  } else if (text_.size() >= reasoning_.end.size()) {
    text_.erase(0, text_.size() - (reasoning_.end.size() - 1));
  }
  return {};
}

}  // namespace kedge::engine
