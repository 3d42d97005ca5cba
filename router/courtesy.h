// The courtesies around a question: "Hello, could you please tell me: Q? Thanks!" asks Q.
#pragma once

#include <string_view>

namespace kedge::router {

struct Courtesy {
  std::string_view core;    // the question itself, a view into the text, trimmed; everything when it is all courtesy
  std::string_view behind;  // what was taken from its end
  bool asks = false;        // what stood before it asks for an answer ("tell me")
};

// Takes whole phrases of a fixed list, in any order, from both ends; a word that is not in it ends that. Meaning that a
// phrase could change ("not", "roughly") is not in the list.
Courtesy without_courtesy(std::string_view question);

// The next word at or behind `at`: ASCII letters and apostrophes, in lower case and without the latter; moves `at`
// behind it. Empty (and `at` unmoved) when something else stands there.
std::string next_word(std::string_view text, size_t& at);

}  // namespace kedge::router
