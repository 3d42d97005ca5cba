// Beam search: the most likely answers that keeping the `beams` best beginnings at every token finds. Each beginning is
// a fork of one session, so that their pages are shared; a step of the engine holds all of them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/generate.h"
#include "engine/grammar/constraint.h"
#include "kernels/base/result.h"

namespace kedge::engine {

class Session;

inline constexpr int kMostBeams = 256;

// When a search ends, as soon as it has n answers: at once; when no beginning, scored as it stands, is better than the
// worst of them; when none can become better, were all its tokens to come certain and as many as may be.
enum class BeamStop { kFirst = 1, kAsTheyStand = 2, kProven = 3 };

struct BeamOptions {
  int beams = 4;        // beginnings kept, 1 to kMostBeams
  int n_best = 0;       // answers wanted, at most `beams`; 0: as many
  int max_tokens = -1;  // -1: until the context is full
  // The score of an answer is the sum of its tokens' log-probabilities, the one that ends it included, divided by their
  // number to this power (0 to 10). 0: the sum itself, which favours short answers.
  double length_penalty = 1;
  BeamStop stop = BeamStop::kAsTheyStand;
  bool render_special = false;                                 // control tokens appear in the texts
  std::shared_ptr<const grammar::Constraint> constraint = {};  // of every answer; null: none
  std::function<bool(size_t done, size_t total)> on_prefill = {};
  const std::atomic<bool>* cancel = nullptr;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct BeamAnswer {
  std::vector<int32_t> tokens;  // the one that ended it included
  std::string text;
  double logprob = 0;  // sum of natural logarithms, by the raw logits
  double score = 0;
  FinishReason finish = FinishReason::kLength;
  bool unfinished = false;  // ended where the constraint's text is not whole
};

struct BeamResult {
  std::vector<BeamAnswer> answers;  // best first; of equals, who ended first
  size_t n_prompt = 0;
  size_t steps = 0;  // in which beginnings grew
  double prefill_ms = 0;
  double search_ms = 0;
};

// Appends `prompt` to the session, which then holds no more than that, and searches from there. At every step the pairs
// of a beginning and a token are taken in the order of their log-probabilities (then of their beginnings, then of their
// tokens): one that ends the answer is an answer when it is among the `beams` best pairs, others become the beginnings
// of the next step until there are enough. Tokens that the vocabulary suppresses and those a constraint forbids are
// left out, without the others becoming more likely. Errors: kInvalidArgument (an option, no prompt and no logits to go
// on from), kUnsupported (a session with an engine of its own), kCancelled (also when the deadline passes), those of
// Session::eval() and of the constraint.
Result<BeamResult> beam_search(Session& session, std::span<const int32_t> prompt, const BeamOptions& options);

}  // namespace kedge::engine
