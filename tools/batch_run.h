// Answers the rows of a batch, several at once.
#pragma once

#include <cstddef>
#include <vector>

#include "tools/batch_file.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"

namespace kedge::tools {

// How the rows are answered; what a row says itself counts instead.
struct BatchPlan {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  SamplerFlags sampler;
  TextFlags text;
  int max_tokens = -1;
  bool ignore_eos = false;
  int parallel = 8;
  uint64_t memory = 0;  // of the engine, in bytes; 0: its default
  uint64_t seed = 0;    // of the first row; the others count on from it
};

struct BatchFigures {  // of the rows answered now
  size_t rows = 0;
  size_t prompt_tokens = 0;
  size_t tokens = 0;
  double seconds = 0;
  bool stopped = false;  // Ctrl-C came before all were answered
};

// The rows that `file` has no answers to yet. Answers depend neither on `parallel` nor on threads. A row that cannot be
// answered is an answer with an error; a Failure is the file's, or the engine's that cannot be made.
BatchFigures run_batch(const kedge::Model& model, const BatchPlan& plan, const std::vector<BatchRow>& rows,
                       BatchFile& file);

}  // namespace kedge::tools
