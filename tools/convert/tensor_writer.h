// The planned tensors on their way to the file: which type each gets, and its rows, several at a time.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/result.h"
#include "tools/convert/conversion.h"
#include "tools/convert/convert.h"
#include "weights/quantize_row.h"
#include "weights/quantize_rules.h"

namespace kedge::tools::convert {

// What --type means for a folder.
class TypeChoice {
 public:
  // Errors: kInvalidArgument (no such type).
  static Result<TypeChoice> make(const std::string& type, const SafetensorsStore& store,
                                 std::vector<std::pair<std::string, std::string>> overrides);

  std::string name() const { return name_; }
  uint32_t file_type() const { return mix_.file_type; }
  // Errors: those of choose_type().
  Result<const QuantFormat*> type_of(const PlannedTensor& t, const QuantizeModel& model) const;

 private:
  std::string name_;
  bool keep_ = false;  // every matrix has the type of its source
  QuantizeMix mix_{};
  std::vector<std::pair<std::string, std::string>> overrides_;
};

class TensorWriter {
 public:
  TensorWriter(Conversion& c, const TypeChoice& choice, const ConvertOptions& options)
      : c_(c), choice_(choice), options_(options) {}

  Status declare();  // tells the writer of the file what will come
  Status write(const std::string& path);
  std::map<std::string, size_t> types() const;  // tensors by type

 private:
  Status write_tensor(size_t index);
  Status write_piece(const PlannedTensor& t, const QuantFormat& to, size_t first, size_t count);

  Conversion& c_;
  const TypeChoice& choice_;
  const ConvertOptions& options_;
  std::vector<const QuantFormat*> to_;  // by tensor
  uint64_t done_ = 0;
  uint64_t total_ = 0;  // values
  struct Scratch {
    std::vector<float> before;
    std::vector<float> after;
    std::vector<std::byte> blocks;
  };
  std::vector<Scratch> scratch_;  // by thread
  std::vector<std::byte> piece_;
  std::vector<RowResult> results_;
};

}  // namespace kedge::tools::convert
