// What one chat template may cost. A template comes from a model file, so it is input like any other: every limit that
// is exceeded is an error (kCapacity) that names the limit and its value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer::jinja {

struct Limits {
  size_t max_source_bytes = size_t{1} << 20;    // the template's own text
  size_t max_depth = 200;                       // nesting of expressions and statements in the source, and of values
  size_t max_eval_depth = 1000;                 // nesting of evaluations at run time: bounds the use of the stack
  size_t max_call_depth = 64;                   // macros within macros
  uint64_t max_steps = 10'000'000;              // evaluation steps; long strings and lists cost in proportion
  size_t max_output_bytes = size_t{32} << 20;   // the rendered text
  size_t max_memory_bytes = size_t{256} << 20;  // strings, lists and dicts that are alive at once
};

}  // namespace kedge::tokenizer::jinja
