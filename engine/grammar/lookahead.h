// Which states of an automaton are alike as far as a token reaches: those of a long repetition, but for its end.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/grammar/automaton.h"

namespace kedge::engine::grammar {

// Classes, by state, of states that no text of at most `bytes` bytes tells apart: neither by where it goes and what is
// called on the way, nor by where calls may end, nor by what it then costs to come to an end. Numbered from 0 in the
// order of their first states.
std::vector<uint32_t> alike_within(const Automaton& automaton, size_t bytes);

}  // namespace kedge::engine::grammar
