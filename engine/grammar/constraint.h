// What an answer's text has to obey, compiled for one vocabulary: immutable, shared by any number of generations.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/chat_format.h"
#include "engine/token_filter.h"
#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"

namespace kedge::engine::grammar {

// Compiled, and where it begins to hold.
class Constraint {
 public:
  virtual ~Constraint() = default;
  // For one generation, from its first token on.
  virtual std::unique_ptr<TokenFilter> filter() const = 0;
  virtual size_t bytes() const = 0;  // of memory
  virtual double compile_ms() const = 0;
};

// The constraints of one model, compiled once for each text, the least recently used given up at `kMaxBytes`. Any
// threads.
class Constraints {
 public:
  static constexpr size_t kMaxBytes = 256 << 20;
  // Costs nothing before the first get(). The tokenizer outlives it. `n_vocab`: rows of logits, which may be more than
  // the tokenizer has. `format`: of the "chat" of a spec; null: the model writes no calls in a form that is known.
  Constraints(const Tokenizer& tokenizer, size_t n_vocab, const ChatFormat* format);
  ~Constraints();
  // `spec`: JSON object as kedge_generate_options.constraint describes it.
  Result<std::shared_ptr<const Constraint>> get(std::string_view spec);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kedge::engine::grammar
