// /v1/rerank and /rerank, as Jina's and Cohere's clients call them, and those of TEI: `texts` in place of `documents`,
// and an array as the answer.
#include "tools/serve/api/parts.h"
#include "tools/serve/rank.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostDocuments = 1024;

struct Wanted {
  std::string model;
  std::string query;
  std::vector<std::string> documents;
  int top = 0;  // 0: all
  bool with_documents = false;
  bool bare = false;  // TEI's shape
};

// A text each, or an object with one.
void read_documents(Members& in, Wanted& wanted) {
  const Json* given = in.array("documents");
  const Json* texts = in.array("texts");
  if (given == nullptr && texts == nullptr) return in.ok() ? in.wrong("documents", "is missing") : void();
  if (given != nullptr && texts != nullptr) return in.wrong("texts", "and 'documents' are two names of one thing");
  wanted.bare = given == nullptr;
  const std::string name = wanted.bare ? "texts" : "documents";
  if (wanted.bare) given = texts;
  if (given->empty() || given->size() > kMostDocuments) {
    return in.wrong(name.c_str(), "has " + std::to_string(given->size()) + " entries, 1 to " +
                                      std::to_string(kMostDocuments) + " are taken");
  }
  for (size_t i = 0; i < given->size(); ++i) {
    const Json& one = (*given)[i];
    const Json* text = one.is_object() ? one.pointee("/text") : &one;
    const std::string path = name + "[" + std::to_string(i) + "]";
    if (text == nullptr || !text->is_string() || text->get<std::string>().empty()) {
      return in.fail(bad_request("'" + path + "' must be a text, or an object with a member 'text'", path));
    }
    wanted.documents.push_back(text->get<std::string>());
  }
}

Answer<Ranking> ranked(Parts& parts, const Wanted& wanted, const Call& call, std::string& model_name) {
  const auto alias = parts.catalog.resolve(wanted.model);
  if (!alias.ok()) return alias.error();
  const auto model = parts.catalog.open(*alias == "auto" ? "fast" : *alias);
  if (!model.ok()) return model.error();
  model_name = (*model)->name();
  const auto method = rank_method((*model)->model());
  if (!method.ok())
    return ApiError{.status = 400, .code = "unsupported", .message = method.error().message, .param = "model"};
  auto end = kedge::Cancel::create();
  if (!end.ok()) return library_error(end.error());
  Cancel gone;
  const Cancel::Hears hears(gone, [&end] { end->set(); });
  if (call.reply->gone()) gone.now(Cancel::kGone);
  RankOptions options;
  options.key = call.who.name;
  options.cancel = &*end;
  auto made = rank((*model)->engine(), (*model)->model(), wanted.query, wanted.documents, options);
  if (!made.ok()) return library_error(made.error());
  return *std::move(made);
}

void rerank(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  Members in(*body, "");
  Wanted wanted;
  in.text("model", wanted.model);
  if (!in.text("query", wanted.query) && in.ok()) in.wrong("query", "is missing");
  if (in.ok() && wanted.query.empty()) in.wrong("query", "is empty");
  read_documents(in, wanted);
  in.integer("top_n", wanted.top, 1, 1 << 20);
  in.flag("return_documents", wanted.with_documents);
  if (in.error()) return call.send_error(*in.error());
  std::string name;
  const auto made = ranked(parts, wanted, call, name);
  if (!made.ok()) return call.send_error(made.error());
  Json results = Json::array();
  for (const Ranked& r : made->documents) {
    if (wanted.top > 0 && results.size() == static_cast<size_t>(wanted.top)) break;
    Json one = {{"index", r.index}, {wanted.bare ? "score" : "relevance_score", r.score}};
    if (wanted.with_documents) one["document"] = {{"text", wanted.documents[r.index]}};
    results.push_back(std::move(one));
  }
  if (wanted.bare) return call.send_json(results);
  call.send_json({{"object", "list"},
                  {"model", name},
                  {"results", std::move(results)},
                  {"usage", {{"prompt_tokens", made->n_tokens}, {"total_tokens", made->n_tokens}}},
                  {"kedge", {{"method", name_of(made->method)}, {"ignored", in.unknown()}}}});
}

}  // namespace

void add_rerank(Routes& routes, Parts& parts) {
  for (const char* path : {"/v1/rerank", "/rerank"}) {
    routes.add(
        "POST", path, Role::kUse, [&parts](const Call& call) { rerank(parts, call); }, Where::kWorker);
  }
}

}  // namespace kedge::tools::serve
