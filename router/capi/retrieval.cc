// The C interface: building, searching and describing an index.
#include "include/kedge/kedge_router.h"
#include "kernels/base/capi.h"
#include "kernels/base/json_object.h"
#include "router/retrieval/build_index.h"
#include "router/retrieval/index_file.h"
#include "router/retrieval/model_embedder.h"
#include "router/retrieval/retrieval_index.h"
#include "weights/mapped_file.h"

using namespace kedge::router;
using namespace kedge::base::capi;

namespace {

// `function` is in the errors.
Result<JsonObject> read_request(const char* data, size_t size, const char* function) {
  KEDGE_ASSIGN(text, in_text(data, size, "request"));
  return JsonObject::parse(text, std::string(function) + ": request");
}

Result<std::shared_ptr<const Embedder>> open_embedder(const std::string& path) {
  ModelOptions options;
  options.vocab_only = true;  // the tokenizer; the token vectors are read where the file is mapped
  KEDGE_ASSIGN(model, Model::load(path, options));
  return make_model_embedder(std::move(model));
}

Json hit_json(const Hit& hit) {
  // The metadata is an object of ours, written by build_index().
  auto metadata = parse_json(hit.metadata, "the metadata");
  return {{"id", hit.id},
          {"title", hit.title},
          {"text", hit.text},
          {"source", hit.source},
          {"doc_sha256", hit.doc_sha256},
          {"begin", hit.begin},
          {"end", hit.end},
          {"metadata", metadata.ok() ? std::move(*metadata) : Json()},
          {"score", hit.score},
          {"bm25_rank", hit.bm25_rank},
          {"bm25_score", hit.bm25_score},
          {"vector_rank", hit.vector_rank},
          {"vector_score", hit.vector_score}};
}

constexpr const char* kByNames[] = {"both", "bm25", "vectors"};

Result<SearchBy> search_by(JsonObject& request) {
  std::string name = "both";
  KEDGE_TRY(request.text("by", name));
  for (const SearchBy by : {SearchBy::kBoth, SearchBy::kBm25, SearchBy::kVectors}) {
    if (name == kByNames[static_cast<int>(by)]) return by;
  }
  return request.wrong("by", "'" + name + "' is none of both, bm25, vectors");
}

Result<Json> format_counts(const std::string& path) {
  KEDGE_ASSIGN(database, retrieval::open_index_file(path));
  KEDGE_ASSIGN(rows, database.prepare("SELECT format, count(*) FROM documents GROUP BY format ORDER BY format"));
  Json formats = Json::object();
  while (true) {
    KEDGE_ASSIGN(more, rows.step());
    if (!more) return formats;
    formats[rows.bytes(0)] = rows.integer(1);
  }
}

}  // namespace

extern "C" {

kedge_status kedge_index_build(const char* request, size_t request_size, kedge_progress_fn on_progress, void* user,
                               char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(r, read_request(request, request_size, "kedge_index_build"));
    BuildOptions options;
    std::string model;
    KEDGE_TRY(r.texts("paths", options.paths));
    KEDGE_TRY(r.text("root", options.root));
    KEDGE_TRY(r.text("out", options.out));
    KEDGE_TRY(r.text("model", model));
    KEDGE_TRY(r.integer("passage_words", options.passage_words, 1, kMaxPassageWords));
    KEDGE_TRY(r.flag("skip_bad", options.skip_bad));
    KEDGE_TRY(r.finish({"paths", "out", "model"}));
    if (on_progress != nullptr) {
      options.progress = [&](size_t done, size_t total) { return on_progress(user, done, total) == 0; };
    }
    KEDGE_ASSIGN(embedder, open_embedder(model));
    KEDGE_ASSIGN(report, build_index(options, std::move(embedder)));
    Json skipped = Json::array();
    for (const auto& p : report.skipped) skipped.push_back({{"path", p.path}, {"error", p.error.message}});
    const Json answer = {{"index", options.out},
                         {"documents", report.n_documents},
                         {"passages", report.n_passages},
                         {"dim", report.dim},
                         {"sha256", report.sha256},
                         {"fingerprint", report.fingerprint},
                         {"model", model},
                         {"bytes", report.n_bytes},
                         {"normalised", true},
                         {"hidden", report.n_hidden},
                         {"skipped", std::move(skipped)}};
    return give_text(answer.dump(), json, json_size);
  });
}

kedge_status kedge_index_search(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(r, read_request(request, request_size, "kedge_index_search"));
    std::string path, query, model;
    int k = 8;
    KEDGE_TRY(r.text("index", path));
    KEDGE_TRY(r.text("query", query));
    KEDGE_TRY(r.integer("k", k, 1, kMaxHits));
    KEDGE_ASSIGN(by, search_by(r));
    KEDGE_TRY(r.text("model", model));
    KEDGE_TRY(r.finish({"index", "query"}));
    std::shared_ptr<const Embedder> embedder;
    if (by != SearchBy::kBm25) {
      if (model.empty()) {
        return r.wrong("model", "is missing: the GGUF file the index was built with (or \"by\" is \"bm25\")");
      }
      KEDGE_ASSIGN(opened, open_embedder(model));
      embedder = std::move(opened);
    }
    KEDGE_ASSIGN(index, RetrievalIndex::open(path, std::move(embedder)));
    KEDGE_ASSIGN(found, index->search(query, k, by));
    Json hits = Json::array();
    for (const Hit& hit : found) hits.push_back(hit_json(hit));
    const Json answer = {{"index", path},
                         {"sha256", index->sha256()},
                         {"by", kByNames[static_cast<int>(by)]},
                         {"hits", std::move(hits)}};
    return give_text(answer.dump(), json, json_size);
  });
}

kedge_status kedge_index_info(const char* request, size_t request_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(r, read_request(request, request_size, "kedge_index_info"));
    std::string path;
    KEDGE_TRY(r.text("index", path));
    KEDGE_TRY(r.finish({"index"}));
    KEDGE_ASSIGN(index, RetrievalIndex::open(path, nullptr));
    KEDGE_ASSIGN(formats, format_counts(path));
    KEDGE_ASSIGN(size, regular_file_size(path));
    const Json answer = {{"index", path},
                         {"documents", index->n_documents()},
                         {"formats", std::move(formats)},
                         {"passages", index->n_passages()},
                         {"passage_words", index->passage_words()},
                         {"dim", index->dim()},
                         {"model", index->model()},
                         {"fingerprint", index->fingerprint()},
                         {"sha256", index->sha256()},
                         {"bytes", size}};
    return give_text(answer.dump(), json, json_size);
  });
}

}  // extern "C"
