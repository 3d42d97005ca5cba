// The C interface: building, searching and describing an index.
#include <algorithm>
#include <initializer_list>

#include "engine/c_api.h"
#include "engine/json_in.h"
#include "include/kedge/kedge_router.h"
#include "router/retrieval/build_index.h"
#include "router/retrieval/index_file.h"
#include "router/retrieval/model_embedder.h"
#include "router/retrieval/retrieval_index.h"
#include "weights/mapped_file.h"

using namespace kedge;
using namespace kedge::c_api;

namespace {

// A request whose members are all among those known.
class Request {
 public:
  static Result<Request> read(const char* data, size_t size, const char* function,
                              std::initializer_list<const char*> known) {
    KEDGE_ASSIGN(text, in_text(data, size, "request"));
    KEDGE_ASSIGN(json, parse_json(text, "the request"));
    if (!json.is_object()) return invalid(std::string(function) + ": the request is not a JSON object");
    std::string names;
    for (const char* name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    for (const auto& [key, value] : json.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        return invalid(std::string(function) + ": unknown member '" + key + "'; known are " + names);
      }
    }
    return Request(std::move(json), function);
  }

  bool has(const char* key) const { return json_.contains(key); }
  Error wrong(const char* key, const char* expected) const {
    if (!has(key)) return invalid(function_ + ": member '" + key + "' is missing; it is " + expected);
    return invalid(function_ + ": '" + key + "' is " + json_.at(key).dump() + "; it has to be " + expected);
  }
  Result<std::string> text(const char* key, const char* expected) const {
    if (!has(key) || !json_.at(key).is_string()) return wrong(key, expected);
    return json_.at(key).get<std::string>();
  }
  Result<int> whole(const char* key, int fallback, int max) const {
    if (!has(key)) return fallback;
    const Json& value = json_.at(key);
    if (value.is_number_integer() && value >= 1 && value <= max) return value.get<int>();
    return wrong(key, ("a whole number from 1 to " + std::to_string(max)).c_str());
  }
  Result<bool> flag(const char* key) const {
    if (!has(key)) return false;
    if (!json_.at(key).is_boolean()) return wrong(key, "true or false");
    return json_.at(key).get<bool>();
  }
  Result<std::vector<std::string>> texts(const char* key, const char* expected) const {
    if (!has(key) || !json_.at(key).is_array()) return wrong(key, expected);
    std::vector<std::string> out;
    for (const Json& value : json_.at(key)) {
      if (!value.is_string()) return wrong(key, expected);
      out.push_back(value.get<std::string>());
    }
    return out;
  }

 private:
  Request(Json json, const char* function) : json_(std::move(json)), function_(function) {}
  Json json_;
  std::string function_;
};

Result<std::shared_ptr<const Embedder>> open_embedder(const std::string& path) {
  ModelOptions options;
  options.vocab_only = true;  // the tokenizer; the token vectors are read where the file is mapped
  KEDGE_ASSIGN(model, Model::load(path, options));
  return make_model_embedder(std::move(model));
}

Json hit_json(const Hit& hit) {
  // The metadata is an object of ours, written by build_index().
  Json metadata = hit.metadata.empty() ? Json() : Json::parse(hit.metadata, nullptr, false);
  return {{"id", hit.id},
          {"title", hit.title},
          {"text", hit.text},
          {"source", hit.source},
          {"doc_sha256", hit.doc_sha256},
          {"begin", hit.begin},
          {"end", hit.end},
          {"metadata", metadata.is_discarded() ? Json() : std::move(metadata)},
          {"score", hit.score},
          {"bm25_rank", hit.bm25_rank},
          {"bm25_score", hit.bm25_score},
          {"vector_rank", hit.vector_rank},
          {"vector_score", hit.vector_score}};
}

constexpr const char* kByNames[] = {"both", "bm25", "vectors"};

Result<SearchBy> search_by(const Request& request) {
  if (!request.has("by")) return SearchBy::kBoth;
  constexpr const char* kExpected = "\"both\", \"bm25\" or \"vectors\"";
  KEDGE_ASSIGN(name, request.text("by", kExpected));
  for (const SearchBy by : {SearchBy::kBoth, SearchBy::kBm25, SearchBy::kVectors}) {
    if (name == kByNames[static_cast<int>(by)]) return by;
  }
  return request.wrong("by", kExpected);
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
    KEDGE_ASSIGN(r, Request::read(request, request_size, "kedge_index_build",
                                  {"paths", "out", "model", "passage_words", "skip_bad"}));
    BuildOptions options;
    KEDGE_ASSIGN(paths, r.texts("paths", "an array of paths of files and folders"));
    KEDGE_ASSIGN(out, r.text("out", "the path of the index file"));
    KEDGE_ASSIGN(model, r.text("model", "the path of a GGUF file"));
    KEDGE_ASSIGN(words, r.whole("passage_words", kDefaultPassageWords, kMaxPassageWords));
    KEDGE_ASSIGN(skip_bad, r.flag("skip_bad"));
    options.paths = std::move(paths);
    options.out = std::move(out);
    options.passage_words = words;
    options.skip_bad = skip_bad;
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
    KEDGE_ASSIGN(r, Request::read(request, request_size, "kedge_index_search", {"index", "query", "k", "by", "model"}));
    KEDGE_ASSIGN(path, r.text("index", "the path of an index"));
    KEDGE_ASSIGN(query, r.text("query", "a text"));
    KEDGE_ASSIGN(k, r.whole("k", 8, kMaxHits));
    KEDGE_ASSIGN(by, search_by(r));
    std::shared_ptr<const Embedder> embedder;
    if (by != SearchBy::kBm25) {
      KEDGE_ASSIGN(model,
                   r.text("model", "the path of the GGUF file the index was built with (or \"by\" is \"bm25\")"));
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
    KEDGE_ASSIGN(r, Request::read(request, request_size, "kedge_index_info", {"index"}));
    KEDGE_ASSIGN(path, r.text("index", "the path of an index"));
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
