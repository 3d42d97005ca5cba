// The C interface: importance matrices.
#include "engine/imatrix.h"

#include "engine/capi/handles.h"
#include "kernels/base/json.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

kedge_imatrix_options defaults() {
  const ImatrixOptions known;
  kedge_imatrix_options o{};
  o.struct_size = sizeof o;
  o.chunk = known.chunk;
  o.chunks = known.chunks;
  return o;
}

Result<ImatrixOptions> imatrix_options(const kedge_imatrix_options& o) {
  ImatrixOptions options;
  options.chunk = o.chunk;
  options.chunks = o.chunks;
  options.n_threads = o.n_threads;
  options.output = o.output != 0;
  KEDGE_ASSIGN(dataset, in_text(o.dataset.data, o.dataset.size, "dataset"));
  options.dataset = dataset;
  if (o.cancel != nullptr) options.cancel = &o.cancel->on;
  if (o.on_progress != nullptr) {
    options.progress = [&o](size_t done, size_t total) { return o.on_progress(o.user, done, total) == 0; };
  }
  return options;
}

}  // namespace

extern "C" {

void kedge_imatrix_options_init(kedge_imatrix_options* options, size_t struct_size) {
  write_struct(options, struct_size, defaults());
}

kedge_status kedge_imatrix_write(const kedge_model* model, const int32_t* tokens, size_t n_tokens,
                                 const kedge_imatrix_options* given, const char* path, size_t path_size, char** json,
                                 size_t* json_size) {
  return text_out(json, json_size, [&]() -> Result<std::string> {
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(ids, in_span(tokens, n_tokens, "tokens"));
    KEDGE_ASSIGN(name, in_text(path, path_size, "path"));
    if (name.empty()) return invalid("path is empty");
    if (name.find('\0') != std::string_view::npos) return invalid("path contains a NUL byte");
    kedge_imatrix_options o = defaults();
    KEDGE_TRY(read_options(given, "kedge_imatrix_options", o));
    KEDGE_ASSIGN(options, imatrix_options(o));
    KEDGE_ASSIGN(report, write_imatrix(model->model, ids, options, std::string(name)));
    const Json all = {{"chunks", report.chunks},
                      {"tokens", report.tokens},
                      {"tensors", report.tensors},
                      {"unused_experts", report.unused_experts}};
    return all.dump();
  });
}

}  // extern "C"
