// What becomes of the tensors of a folder: the table of an architecture says under which name and in which form each
// goes into the GGUF file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "kernels/quants.h"
#include "weights/safetensors.h"

namespace kedge::tools::convert {

class Conversion;

// A tensor of the file: its rows are made when they are written.
struct PlannedTensor {
  std::string name;
  std::vector<int64_t> dims;  // as in GGUF: the row is first
  SafetensorsType from = SafetensorsType::kF32;
  std::vector<const SafetensorsTensor*> sources;
  int layer = -1;  // the number at '#'
  // Row `row` of all rows(), dims[0] floats. Called by several threads.
  std::function<void(size_t row, float* out)> read;
  // Where the values are in a block format already: the row's blocks, dims[0] values.
  const QuantFormat* blocks_in = nullptr;
  std::function<void(size_t row, std::byte* out)> read_blocks;

  size_t row_values() const { return static_cast<size_t>(dims[0]); }
  size_t rows() const;
};

// Changes a tensor from the layout of the folder to that of GGUF.
using TensorForm = Status (*)(const Conversion&, PlannedTensor&);

struct TensorRule {
  const char* from;           // name in the folder; '#' is the number of a block, '@' that of an expert
  const char* to;             // in the file; experts become one tensor
  const char* shape;          // in the folder, rows first: letters of Conversion::size(), digits for themselves
  TensorForm form = nullptr;  // null: as it is
  bool optional = false;
  char kind = 0;  // only blocks of this kind have it; 0: all do
};

// The rule of the embedding.
TensorRule embedding_rule(const char* from = "model.embed_tokens.weight");

// Adds what the rules make of the folder's tensors to the conversion. A tensor may have several rules. Errors, with the
// tensor's name: kUnsupported (no rule), kNotFound (a rule without its tensor), kCorrupt (another shape).
Status plan_tensors(Conversion& c, std::span<const TensorRule> rules);

// --- forms -----------------------------------------------------------------------------------------------------------

// Rotated pairs stand side by side in GGUF's "llama" layout, half a head apart in the folder. Matrices and biases.
Status pair_query_rows(const Conversion& c, PlannedTensor& t);
Status pair_key_rows(const Conversion& c, PlannedTensor& t);
Status add_one(const Conversion& c, PlannedTensor& t);          // norm weights that are kept around zero
Status minus_exp(const Conversion& c, PlannedTensor& t);        // A_log to A
Status transpose(const Conversion& c, PlannedTensor& t);        // [in][out] as GPT-2 has its matrices
Status squeeze(const Conversion& c, PlannedTensor& t);          // without dimensions of 1
Status as_column(const Conversion& c, PlannedTensor& t);        // [n] to n rows of one value
Status first_half_rows(const Conversion& c, PlannedTensor& t);  // of every matrix; a gate and what it gates in one
Status second_half_rows(const Conversion& c, PlannedTensor& t);

// Row r of the new tensor is row `from(r)` of the old one; with another number of rows in a matrix.
void choose_rows(PlannedTensor& t, int64_t rows, std::function<size_t(size_t)> from);
// Value k of every row is value `from(k)` of the old one.
void choose_columns(PlannedTensor& t, std::function<size_t(size_t)> from);
// Every value by itself.
void change_values(PlannedTensor& t, float (*change)(float));

}  // namespace kedge::tools::convert
