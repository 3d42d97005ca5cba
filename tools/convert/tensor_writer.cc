#include "tools/convert/tensor_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/parallel.h"

namespace kedge::tools::convert {
namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;  // of float values between two writes, at least a row

const char* format_of(SafetensorsType type) {
  return type == SafetensorsType::kF16 ? "F16" : type == SafetensorsType::kBf16 ? "BF16" : "F32";
}

// The type that most of the folder's bytes have.
const char* usual_format(const SafetensorsStore& store) {
  std::map<std::string, uint64_t> bytes;
  for (const SafetensorsTensor& t : store.tensors()) {
    if (is_float(t.type)) bytes[format_of(t.type)] += t.data.size();
  }
  const char* most = "F32";
  for (const char* name : {"F16", "BF16"}) {
    if (bytes[name] > bytes[most]) most = name;
  }
  return most;
}

TensorInfo info_of(const PlannedTensor& t) {
  TensorInfo info;
  info.name = t.name;
  info.type = t.blocks_in != nullptr ? t.blocks_in : find_quant(format_of(t.from));
  info.n_dims = static_cast<int>(t.dims.size());
  std::copy(t.dims.begin(), t.dims.end(), info.dims.begin());
  return info;
}

QuantizeModel describe(const Conversion& c) {
  QuantizeModel model{static_cast<int>(c.count_of('L')), false, true};
  for (const PlannedTensor& t : c.tensors) {
    model.has_experts = model.has_experts || t.name.find("_exps.") != std::string::npos;
    model.tied_output = model.tied_output && t.name != "output.weight";
  }
  return model;
}

}  // namespace

Result<TypeChoice> TypeChoice::make(const std::string& type, const SafetensorsStore& store,
                                    std::vector<std::pair<std::string, std::string>> overrides) {
  TypeChoice choice;
  choice.keep_ = type == "auto";
  choice.overrides_ = std::move(overrides);
  KEDGE_ASSIGN(mix, find_quantize_mix(choice.keep_ ? usual_format(store) : type));
  choice.mix_ = mix;
  choice.name_ = mix.name;
  return choice;
}

Result<const QuantFormat*> TypeChoice::type_of(const PlannedTensor& t, const QuantizeModel& model) const {
  const TensorInfo info = info_of(t);
  const bool to_floats = !keep_ && mix_.base->family == QuantFamily::kFloat;
  if (t.blocks_in != nullptr && !to_floats) return t.blocks_in;  // whoever quantised it knew the values
  QuantizeMix mix = mix_;
  if (keep_) {
    KEDGE_ASSIGN(own, find_quantize_mix(info.type->name));
    mix = own;
  }
  KEDGE_ASSIGN(choice, choose_type(info, model, mix, overrides_));
  return choice.type;
}

Status TensorWriter::declare() {
  const QuantizeModel model = describe(c_);
  for (const PlannedTensor& t : c_.tensors) {
    KEDGE_ASSIGN(type, choice_.type_of(t, model));
    c_.out.add_tensor(t.name, *type, t.dims);
    to_.push_back(type);
    total_ += t.rows() * t.row_values();
  }
  return {};
}

std::map<std::string, size_t> TensorWriter::types() const {
  std::map<std::string, size_t> n;
  for (const QuantFormat* type : to_) ++n[type->name];
  return n;
}

Status TensorWriter::write(const std::string& path) {
  scratch_.resize(static_cast<size_t>(std::max(1, options_.threads)));
  KEDGE_TRY(c_.out.begin(path));
  for (size_t i = 0; i < c_.tensors.size(); ++i) KEDGE_TRY(write_tensor(i));
  return c_.out.finish();
}

Status TensorWriter::write_tensor(size_t index) {
  const PlannedTensor& t = c_.tensors[index];
  const size_t rows = t.rows();
  const size_t n = t.row_values();
  const size_t per_piece = std::clamp<size_t>(kPieceBytes / (n * sizeof(float)), 1, rows);
  for (size_t first = 0; first < rows; first += per_piece) {
    const size_t count = std::min(per_piece, rows - first);
    KEDGE_TRY(write_piece(t, *to_[index], first, count));
    done_ += count * n;
    if (options_.progress && !options_.progress(done_, total_)) {
      return Error{ErrorCode::kCancelled, "converting was cancelled at tensor " + in_quotes(t.name)};
    }
  }
  for (const SafetensorsTensor* source : t.sources) c_.weights.drop(*source);
  return {};
}

Status TensorWriter::write_piece(const PlannedTensor& t, const QuantFormat& to, size_t first, size_t count) {
  const size_t n = t.row_values();
  const size_t out_bytes = to.row_bytes(n);
  const bool as_it_is = t.blocks_in == &to;
  piece_.resize(count * out_bytes);
  results_.assign(count, {});
  for (Scratch& s : scratch_) {  // here, where a failed allocation can be reported
    s.before.resize(n);
    s.after.resize(n);
    if (t.blocks_in != nullptr) s.blocks.resize(t.blocks_in->row_bytes(n));
  }
  base::parallel_for_dynamic(static_cast<int>(scratch_.size()), count, [&](size_t i, int thread) {
    Scratch& s = scratch_[static_cast<size_t>(thread)];
    std::byte* out = piece_.data() + i * out_bytes;
    if (as_it_is) return t.read_blocks(first + i, out);
    if (t.blocks_in != nullptr) {
      t.read_blocks(first + i, s.blocks.data());
      t.blocks_in->dequantise(s.blocks.data(), s.before.data(), n);
    } else {
      t.read(first + i, s.before.data());
    }
    results_[i] = quantize_row(to, s.before, nullptr, out, &s.after);
  });
  for (size_t i = 0; i < count; ++i) {
    const std::string why = as_it_is ? "" : row_problem(results_[i], to);
    if (why.empty()) continue;
    const std::string source = t.sources.empty() ? t.name : t.sources.front()->name;
    return Error{ErrorCode::kInvalidArgument,
                 "tensor " + in_quotes(source) + ", row " + std::to_string(first + i) + ": " + why};
  }
  return c_.out.write(t.name, piece_);
}

}  // namespace kedge::tools::convert
