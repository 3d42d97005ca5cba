// Text cut into statements: the sentence or line that has to be kept for something in it to stay answerable.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::memory::anchors {

inline constexpr size_t kMaxStatementBytes = 1024;  // a longer one is cut, at a space where there is one
// How far behind a statement's last byte the decision that it ends there can look; with the above, the most text that
// can be unsettled.
inline constexpr size_t kLookaheadBytes = 160;

struct Statement {
  size_t begin, end;  // without the white space around it
};

enum class StatementStatus {
  kFound,      // *out is the first statement of the text
  kNone,       // nothing but white space; out->begin is the text's size
  kUndecided,  // text that follows could still belong to it; only out->begin is known
};

// The first statement of text that begins at a statement boundary. What is found does not depend on what follows
// behind it, nor on at_end unless the text ends with it.
StatementStatus first_statement(std::string_view text, bool at_end, Statement* out);

// The line defines a function: `def f(a):`, `fn f(a: i32) -> i32 {`. Such a line is a statement whatever it contains.
bool begins_definition(std::string_view line);

}  // namespace kedge::memory::anchors
