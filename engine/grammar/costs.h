// How many tokens it takes to come to an end: what decides which tokens are still allowed when few are left.
#pragma once

#include "engine/grammar/automaton.h"
#include "engine/grammar/vocabulary.h"

namespace kedge::engine::grammar {

// Automaton::cost of every state: the tokens that the shortest text to its callee's end takes, none of them across a
// call's beginning or end. So there is always a way with no more tokens; kNever where the vocabulary has no bytes for
// it.
void find_costs(Automaton& automaton, const Vocabulary& vocabulary);

}  // namespace kedge::engine::grammar
