// What a constraint says about an answer, as one grammar of whole answers: what may come before it holds included.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_format.h"
#include "engine/grammar/grammar.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

// Reasoning between two texts, before the rest of an answer.
struct Reasoning {
  std::string begin;
  std::string end;
  std::optional<size_t> budget;  // tokens, after which it is closed
  bool open = false;             // the prompt began it; otherwise the answer may
};

struct AnswerGrammar {
  Grammar grammar;
  std::vector<Grammar::NodeId> open;  // where control tokens may stand for their bytes (compile())
  std::optional<Reasoning> reasoning;
};

// Reads the JSON object that kedge_generate_options.constraint is. `format`: of "chat"; null: none is known. Errors:
// kInvalidArgument (not such an object; a member that is not known), kUnsupported ("chat" without a format), and those
// of the readers; they name the place by its pointer within the object.
Result<AnswerGrammar> read_answer_grammar(std::string_view spec, const ChatFormat* format);

}  // namespace kedge::engine::grammar
