// Stop strings over text that arrives in pieces. What is matched is the text, so where tokens begin and end never
// matters; text that could be the beginning of a stop string is held back until it cannot.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::engine {

inline constexpr size_t kMaxStopStrings = 256;
inline constexpr size_t kMaxStopBytes = 65536;  // of all together: every byte of text is compared with each string

// Knuth-Morris-Pratt, one automaton per string. One thread at a time.
class StopMatcher {
 public:
  // Errors (kInvalidArgument): an empty string, one that is not UTF-8; (kCapacity): the limits above.
  static Result<StopMatcher> create(const std::vector<std::string>& stops);

  // Takes whole characters; appends to *out what is certain not to belong to a stop string. True when one is complete:
  // the one that ends first, of those the longest. Then the matcher is done and nothing from its beginning on came out.
  bool push(std::string_view text, std::string* out);
  // The text ends here: appends what was held back. Nothing after a match.
  void finish(std::string* out);

  int matched() const { return matched_; }         // index of the stop string met, -1 before
  size_t pending() const { return held_.size(); }  // bytes held back

 private:
  struct Automaton {
    std::string text;
    std::vector<size_t> border;  // of the prefix of each length: its longest proper border
    size_t state = 0;            // bytes matched
    bool step(char c);           // true when complete
  };

  std::vector<Automaton> automata_;
  std::string held_;
  int matched_ = -1;
};

}  // namespace kedge::engine
