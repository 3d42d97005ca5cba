// The filter of a text that has to be one of a grammar's from its first token on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/matcher.h"
#include "engine/grammar/token_table.h"
#include "engine/token_filter.h"

namespace kedge::engine::grammar {

// A grammar compiled for a vocabulary. Immutable but for what the table learns.
struct Compiled {
  std::shared_ptr<const Vocabulary> vocabulary;
  Automaton automaton;
  std::unique_ptr<TokenTable> table;
  double ms = 0;

  // `open`: as of compile(). Errors: those of compile(); no text of it can be spelled with the vocabulary
  // (kUnsupported).
  static Result<std::shared_ptr<const Compiled>> make(const Grammar& grammar,
                                                      std::shared_ptr<const Vocabulary> vocabulary,
                                                      std::span<const Grammar::NodeId> open = {});
  size_t bytes() const { return automaton.bytes() + table->bytes(); }
};

class GrammarFilter final : public TokenFilter {
 public:
  explicit GrammarFilter(std::shared_ptr<const Compiled> compiled);

  bool active() const override { return true; }
  Status allow(TokenBits bits, size_t left) override;
  Status accept(int32_t token) override;
  size_t forced(std::span<int32_t> out, size_t left) override;
  bool over() const override;
  bool may_end() const override { return finished_ || at_.may_end(); }

  // Bytes of the text that came in another way than by tokens. False when it is none of the grammar's; nothing changed.
  bool read(std::string_view bytes);
  // Tokens to an end along the shortest way, Automaton::kNever if there is none.
  uint32_t cost() const { return at_.cost(); }

 private:
  struct Piece {  // of what is forced: bytes, then perhaps a control token
    std::string bytes = {};
    int32_t special = -1;
  };

  bool step_special(int32_t label);
  int forced_byte() const;
  std::vector<uint32_t> open_states() const;
  int32_t forced_special();
  std::vector<Piece> forced_pieces();
  void hold_back(std::vector<int32_t>& tokens, std::string_view bytes);
  size_t in_time(std::span<const int32_t> tokens, size_t left);
  void settle();

  std::shared_ptr<const Compiled> compiled_;
  Matcher at_;
  std::vector<uint64_t> allowed_;
  size_t settled_bytes_ = 0;
  bool finished_ = false;  // by a token that ends a generation
};

}  // namespace kedge::engine::grammar
