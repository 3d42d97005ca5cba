#include "weights/quantize.h"

#include <algorithm>
#include <filesystem>

#include "kernels/base/parallel.h"
#include "weights/gguf_format.h"
#include "weights/gguf_writer.h"
#include "weights/quantize_row.h"
#include "weights/quantize_rules.h"

namespace kedge::weights {

namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;  // of float values converted between two writes, at least a row

struct Scratch {
  std::vector<float> before;
  std::vector<float> after;
};

// One row from one type to another. `weights`: of its values, or null.
RowResult convert_row(const QuantFormat& from, const std::byte* in, const QuantFormat& to, std::byte* out, size_t n,
                      const float* weights, Scratch* s) {
  s->before.resize(n);
  from.dequantise(in, s->before.data(), n);
  return quantize_row(to, s->before, weights, out, &s->after);
}

Error refused(const TensorInfo& t, int64_t row, const std::string& why) {
  return {ErrorCode::kInvalidArgument, "tensor " + in_quotes(t.name) + ", row " + std::to_string(row) + ": " + why};
}

class Quantizer {
 public:
  Quantizer(const TensorStore& in, const QuantizeOptions& options, QuantizeReport* report)
      : in_(in), options_(options), report_(*report) {
    scratch_.resize(static_cast<size_t>(std::max(1, options.threads)));
    for (const TensorInfo& t : in.tensors()) progress_.values_total += static_cast<uint64_t>(t.n_values());
    progress_.n_tensors = in.tensors().size();
  }

  // What the file will hold; its size is known from then on.
  void declare(uint32_t file_type) {
    add_metadata(file_type);
    for (size_t i = 0; i < report_.tensors.size(); ++i) {
      const TensorInfo& t = in_.tensors()[i];
      writer_.add_tensor(t.name, *report_.tensors[i].to, std::span(t.dims.data(), static_cast<size_t>(t.n_dims)));
    }
    report_.file_bytes = writer_.total_bytes();
  }

  Status write(const std::string& path) {
    KEDGE_TRY(writer_.begin(path));
    for (size_t i = 0; i < report_.tensors.size(); ++i) {
      progress_.tensor = in_.tensors()[i].name;
      progress_.index = i;
      KEDGE_TRY(write_tensor(in_.tensors()[i], &report_.tensors[i]));
    }
    return writer_.finish();
  }

 private:
  void add_metadata(uint32_t file_type) {
    constexpr std::string_view kFileType = "general.file_type";
    constexpr std::string_view kVersion = "general.quantization_version";
    const auto set = [&](std::string_view key) { writer_.add(key, key == kFileType ? file_type : uint32_t{2}); };
    for (const GgufEntry& e : in_.metadata().entries()) {
      if (e.key == kFileType || e.key == kVersion) {
        set(e.key);
      } else if (!e.key.starts_with("split.")) {
        writer_.copy(e);
      }
    }
    for (const std::string_view key : {kFileType, kVersion}) {
      if (!in_.metadata().has(key)) set(key);
    }
  }

  Status advance(uint64_t values) {
    progress_.values_done += values;
    if (options_.progress && !options_.progress(progress_)) {
      return Error{ErrorCode::kCancelled, "quantising was cancelled at tensor " + in_quotes(progress_.tensor)};
    }
    return {};
  }

  Status write_tensor(const TensorInfo& t, QuantizedTensor* out) {
    const auto data = in_.data(t);
    if (out->from == out->to) {
      KEDGE_TRY(writer_.write(t.name, data));
      return advance(out->values);
    }
    const auto n = static_cast<size_t>(t.row_values());
    const auto rows = static_cast<size_t>(t.rows());
    const size_t per_piece = std::clamp<size_t>(kPieceBytes / (n * sizeof(float)), 1, rows);
    double squared_error = 0;
    for (size_t first = 0; first < rows; first += per_piece) {
      const size_t count = std::min(per_piece, rows - first);
      KEDGE_TRY(write_piece(t, data.data(), *out->to, first, count));
      for (const RowResult& r : results_) {  // in row order: the sums do not depend on threads
        squared_error += r.squared_error;
        out->max_error = std::max(out->max_error, r.max_error);
      }
      KEDGE_TRY(advance(count * n));
    }
    out->mse = squared_error / static_cast<double>(out->values);
    return {};
  }

  static size_t matrix_of(const TensorInfo& t, size_t row) { return row / static_cast<size_t>(t.dims[1]); }

  // The weights of the matrices (experts) that a piece has rows of; none where nothing is known.
  Status read_importance(const TensorInfo& t, size_t first, size_t count) {
    importance_.clear();
    if (options_.importance == nullptr || !options_.importance->has(t.name)) return {};
    const auto n = static_cast<size_t>(t.row_values());
    first_matrix_ = matrix_of(t, first);
    const size_t matrices = matrix_of(t, first + count - 1) - first_matrix_ + 1;
    importance_.resize(matrices * n);
    for (size_t m = 0; m < matrices; ++m) {
      KEDGE_TRY(options_.importance->read(t, static_cast<int64_t>(first_matrix_ + m),
                                          std::span(importance_).subspan(m * n, n)));
    }
    return {};
  }

  Status write_piece(const TensorInfo& t, const std::byte* data, const QuantFormat& to, size_t first, size_t count) {
    const auto n = static_cast<size_t>(t.row_values());
    const size_t in_bytes = t.row_bytes();
    const size_t out_bytes = to.row_bytes(n);
    piece_.resize(count * out_bytes);
    results_.assign(count, {});
    KEDGE_TRY(read_importance(t, first, count));
    for (Scratch& s : scratch_) {  // here, where a failed allocation can be reported
      s.before.reserve(n);
      s.after.reserve(n);
    }
    parallel_for_dynamic(static_cast<int>(scratch_.size()), count, [&](size_t i, int thread) {
      const float* weights =
          importance_.empty() ? nullptr : &importance_[(matrix_of(t, first + i) - first_matrix_) * n];
      results_[i] = convert_row(*t.type, data + (first + i) * in_bytes, to, piece_.data() + i * out_bytes, n, weights,
                                &scratch_[static_cast<size_t>(thread)]);
    });
    for (size_t i = 0; i < count; ++i) {
      const auto row = static_cast<int64_t>(first + i);
      if (std::string why = row_problem(results_[i], to); !why.empty()) return refused(t, row, why);
    }
    return writer_.write(t.name, piece_);
  }

  const TensorStore& in_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  GgufWriter writer_;
  QuantizeProgress progress_;
  std::vector<Scratch> scratch_;  // per thread
  std::vector<std::byte> piece_;
  std::vector<RowResult> results_;
  std::vector<float> importance_;  // [matrices of the piece][columns]
  size_t first_matrix_ = 0;
};

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) && !error;
}

void summarise(QuantizeReport* report) {
  double squared_error = 0;
  double quantised = 0;
  double values = 0;
  double bits = 0;
  for (const QuantizedTensor& t : report->tensors) {
    values += static_cast<double>(t.values);
    bits += 8 * static_cast<double>(t.bytes);
    if (t.to->family == QuantFamily::kFloat) continue;
    squared_error += t.mse * static_cast<double>(t.values);
    quantised += static_cast<double>(t.values);
  }
  report->mse = quantised > 0 ? squared_error / quantised : 0;
  report->bits_per_value = values > 0 ? bits / values : 0;
}

Result<QuantizeReport> plan(const TensorStore& in, const QuantizeOptions& options) {
  KEDGE_ASSIGN(mix, find_quantize_mix(options.type));
  const QuantizeModel model = describe_for_quantize(in);
  QuantizeReport report;
  report.type = mix.name;
  for (const TensorInfo& t : in.tensors()) {
    KEDGE_ASSIGN(choice, choose_type(t, model, mix, options.overrides));
    if (t.type != choice.type && t.type->family != QuantFamily::kFloat && !options.allow_requantize) {
      return Error{ErrorCode::kInvalidArgument, in.path() + ": tensor " + in_quotes(t.name) + " is " + t.type->name +
                                                    " already; quantising it again to " + choice.type->name +
                                                    " loses twice and must be allowed explicitly"};
    }
    QuantizedTensor q;
    q.name = t.name;
    q.shape = t.shape();
    q.from = t.type;
    q.to = choice.type;
    q.values = static_cast<uint64_t>(t.n_values());
    q.bytes_before = t.bytes;
    q.bytes = static_cast<uint64_t>(choice.type->row_bytes(static_cast<size_t>(t.n_values())));
    q.note = std::move(choice.note);
    const bool searched = choice.type->family != QuantFamily::kFloat && choice.type != t.type;
    if (searched && options.importance != nullptr && !options.importance->has(t.name)) {
      q.note += std::string(q.note.empty() ? "" : "; ") + "the importance matrix does not have it";
    }
    report.tensors.push_back(std::move(q));
  }
  summarise(&report);
  return report;
}

}  // namespace

Result<QuantizeReport> plan_quantize(const TensorStore& in, const QuantizeOptions& options) {
  return without_bad_alloc(in.path(), [&]() -> Result<QuantizeReport> {
    KEDGE_ASSIGN(report, plan(in, options));
    KEDGE_ASSIGN(mix, find_quantize_mix(options.type));
    Quantizer(in, options, &report).declare(mix.file_type);
    return report;
  });
}

Result<QuantizeReport> quantize_file(const TensorStore& in, const std::string& path, const QuantizeOptions& options) {
  return without_bad_alloc(in.path(), [&]() -> Result<QuantizeReport> {
    if (same_file(path, in.path())) {
      return Error{ErrorCode::kInvalidArgument, path + ": is the model that is being quantised; choose another name"};
    }
    KEDGE_ASSIGN(report, plan(in, options));
    KEDGE_ASSIGN(mix, find_quantize_mix(options.type));
    Quantizer quantizer(in, options, &report);
    quantizer.declare(mix.file_type);
    KEDGE_TRY(quantizer.write(path));
    summarise(&report);
    return report;
  });
}

}  // namespace kedge::weights
