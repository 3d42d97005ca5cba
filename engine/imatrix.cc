#include "engine/imatrix.h"

#include <algorithm>
#include <map>
#include <vector>

#include "engine/activation_stats.h"
#include "engine/session.h"
#include "tokenizer/tokenizer.h"
#include "weights/gguf_writer.h"

namespace kedge::engine {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// The tensors of the file by the names of those of the model; a tied output matrix is its table.
std::map<std::string, const ActivationStats::Sums*> named(const Model& model, const ActivationStats& stats) {
  std::map<std::string, const ActivationStats::Sums*> all;
  for (size_t i = 0; i < stats.sums().size(); ++i) {
    const ActivationStats::Sums& sums = stats.sums()[i];
    if (sums.counts.empty()) continue;
    std::string name = model.sites()[i].tensor;
    if (name == "output.weight" && model.store().find(name) == nullptr) name = "token_embd.weight";
    all.emplace(std::move(name), &sums);
  }
  return all;
}

Status write(const std::map<std::string, const ActivationStats::Sums*>& all, const ImatrixOptions& options,
             const ImatrixReport& report, const std::string& path) {
  weights::GgufWriter w;
  w.add_string("general.type", "imatrix");
  const std::string datasets[] = {options.dataset};
  w.add_strings("imatrix.datasets", datasets);
  w.add("imatrix.chunk_count", static_cast<uint32_t>(report.chunks));
  w.add("imatrix.chunk_size", static_cast<uint32_t>(options.chunk));
  const QuantFormat& f32 = *find_quant("F32");
  for (const auto& [name, sums] : all) {
    const auto n = static_cast<int64_t>(sums->counts.size());
    const int64_t of_sums[] = {static_cast<int64_t>(sums->squares.size()) / n, n};
    const int64_t of_counts[] = {1, n};
    w.add_tensor(name + ".in_sum2", f32, of_sums);
    w.add_tensor(name + ".counts", f32, of_counts);
  }
  KEDGE_TRY(w.begin(path));
  std::vector<float> values;
  for (const auto& [name, sums] : all) {
    values.assign(sums->squares.begin(), sums->squares.end());
    KEDGE_TRY(w.write(name + ".in_sum2", std::as_bytes(std::span(values))));
    values.assign(sums->counts.begin(), sums->counts.end());
    KEDGE_TRY(w.write(name + ".counts", std::as_bytes(std::span(values))));
  }
  return w.finish();
}

Status evaluate(Session& session, std::span<const int32_t> chunk, const ImatrixOptions& options,
                const std::function<bool(size_t, size_t)>& progress) {
  KEDGE_TRY(session.truncate(0));
  const EvalHooks hooks{.progress = progress, .cancel = options.cancel, .key = {}};
  const auto nothing = [](int, std::span<const float>) -> Status { return {}; };
  // Asked for the hidden states of all tokens, a pass takes all of them through its last layer.
  return options.output ? session.eval_all(chunk, nothing, hooks) : session.eval_hidden(chunk, 0, nothing, hooks);
}

}  // namespace

Result<ImatrixReport> write_imatrix(std::shared_ptr<const Model> model, std::span<const int32_t> tokens,
                                    const ImatrixOptions& options, const std::string& path) {
  if (options.chunk < 1) return invalid("chunk = " + std::to_string(options.chunk) + ", must be positive");
  if (options.chunks < -1 || options.chunks == 0) {
    return invalid("chunks = " + std::to_string(options.chunks) + ", must be positive, or -1: all");
  }
  const auto size = static_cast<size_t>(options.chunk);
  ImatrixReport report;
  report.chunks = tokens.size() / size;
  if (report.chunks == 0) {
    return invalid("the text has " + std::to_string(tokens.size()) + " tokens, less than one chunk of " +
                   std::to_string(size));
  }
  if (options.chunks > 0) report.chunks = std::min(report.chunks, static_cast<size_t>(options.chunks));
  report.tokens = report.chunks * size;
  ActivationStats stats(model->sites());
  SessionOptions shape;
  shape.n_ctx = options.chunk;
  shape.n_threads = options.n_threads;
  shape.chunk = std::min(shape.chunk, options.chunk);
  KEDGE_ASSIGN(session, Session::create(model, shape));
  KEDGE_TRY(session->watch_activations(&stats));
  const auto& vocab = model->tokenizer().vocab();
  std::vector<int32_t> chunk;
  for (size_t i = 0; i < report.chunks; ++i) {
    const auto piece = tokens.subspan(i * size, size);
    chunk.assign(piece.begin(), piece.end());
    if (vocab.add_bos.value_or(false) && vocab.bos_id >= 0) chunk.front() = vocab.bos_id;
    std::function<bool(size_t, size_t)> progress;
    if (options.progress) {
      progress = [&, i](size_t done, size_t) { return options.progress(i * size + done, report.tokens); };
    }
    KEDGE_TRY(evaluate(*session, chunk, options, progress));
  }
  const auto all = named(*model, stats);
  report.tensors = all.size();
  for (const auto& [name, sums] : all) {
    report.unused_experts += static_cast<size_t>(std::count(sums->counts.begin(), sums->counts.end(), 0u));
  }
  KEDGE_TRY(write(all, options, report, path));
  return report;
}

}  // namespace kedge::engine
