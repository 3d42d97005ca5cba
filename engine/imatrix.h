// Importance matrices: how much each column of each matrix is used over a text, in the file that the quantiser reads
// (weights/importance.h) and that llama.cpp's tools write and read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/model.h"
#include "kernels/base/result.h"

namespace kedge::engine {

struct ImatrixOptions {
  int chunk = 512;           // the text is cut into pieces of so many tokens, each by itself; the rest is left out
  int chunks = -1;           // at most; -1: all
  int n_threads = 0;         // 0: default_threads()
  bool output = false;       // also of the output matrix, which takes the time of all logits
  std::string dataset = {};  // name of the text, for the file
  std::function<bool(size_t done, size_t total)> progress = {};  // tokens; false cancels
  const std::atomic<bool>* cancel = nullptr;
};

struct ImatrixReport {
  size_t chunks = 0;
  size_t tokens = 0;
  size_t tensors = 0;         // in the file
  size_t unused_experts = 0;  // matrices of experts that no token came to
};

// Evaluates the chunks and writes the file, which appears complete or not at all. The first token of a chunk becomes
// bos where the model wants one. Matrices of heads (attn_k_b, attn_v_b) and tables that are looked up in are not in the
// file. Errors: kInvalidArgument (less than a chunk, an option outside its range), kCancelled, those of Session and of
// the writer.
Result<ImatrixReport> write_imatrix(std::shared_ptr<const Model> model, std::span<const int32_t> tokens,
                                    const ImatrixOptions& options, const std::string& path);

}  // namespace kedge::engine
