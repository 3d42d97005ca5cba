// Raised and lowered text as it can be written in a line.
#pragma once

#include <cstddef>
#include <string>

namespace kedge::router::retrieval {

struct SuperSub {
  size_t begin = 0;   // where its text begins in the line
  bool note = false;  // it leads to a note
};

// Puts what stands between the text before and a raised text: "10^6", "x^2", "10^(n+1)"; "[3]" for a note; nothing for
// an ordinal or an abbreviation ("1st", "Mme"), a trade mark (its own sign) and what has nothing before it.
void mark_super(std::string& line, const SuperSub& raised);
// "x_1", "10_2", "v_max"; nothing in a formula of chemistry ("H2O") and where nothing stands before it.
void mark_sub(std::string& line, const SuperSub& lowered);

}  // namespace kedge::router::retrieval
