// Reasoning that is closed after so many tokens.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/grammar/answer_grammar.h"
#include "engine/grammar/vocabulary.h"
#include "engine/token_filter.h"

namespace kedge::engine {

// Counts the tokens of an answer's reasoning, and when they are all used leaves nothing but its closing text.
// Everything else is the inner filter's, which knows that the text closes it.
class ReasoningFilter final : public TokenFilter {
 public:
  // `reasoning.budget` is there.
  ReasoningFilter(std::unique_ptr<TokenFilter> inner, std::shared_ptr<const grammar::Vocabulary> vocabulary,
                  grammar::Reasoning reasoning);

  bool active() const override { return inner_->active(); }
  Status allow(TokenBits bits, size_t left) override;
  Status accept(int32_t token) override;
  size_t forced(std::span<int32_t> out, size_t left) override { return inner_->forced(out, left); }
  bool over() const override { return inner_->over(); }
  bool may_end() const override { return inner_->may_end(); }

 private:
  enum class At { kBefore, kInside, kBehind };

  int32_t closing_token() const;

  std::unique_ptr<TokenFilter> inner_;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;
  grammar::Reasoning reasoning_;
  At at_;
  size_t n_inside_ = 0;  // tokens
  std::string text_;     // the end of what came, as long as a marker may begin in it
};

}  // namespace kedge::engine
