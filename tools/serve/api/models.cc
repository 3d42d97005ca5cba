// What models there are: OpenAI's, Ollama's and llama-server's ways of asking.
#include "tools/serve/api/parts.h"
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/ollama.h"

namespace kedge::tools::serve {

namespace {

constexpr int64_t kNoDate = 0;  // of when a model was made nothing is known

Json openai_model(const Json& model, const std::string& id) {
  Json json = {{"id", id}, {"object", "model"}, {"created", kNoDate}, {"owned_by", "kedge"}};
  Json k = model;
  k["router"] = false;
  json["kedge"] = std::move(k);
  return json;
}

Json openai_auto() {
  return {{"id", "auto"},
          {"object", "model"},
          {"created", kNoDate},
          {"owned_by", "kedge"},
          {"kedge", {{"name", "auto"}, {"router", true}}}};
}

// Every name a request may use, each once.
Answer<Json> all_models(const Parts& parts) {
  auto models = parts.catalog.list();
  if (!models.ok()) return models.error();
  Json list = Json::array();
  list.push_back(openai_auto());
  for (const Json& model : *models) {
    for (const Json& alias : model["aliases"]) {
      if (alias != model["name"]) list.push_back(openai_model(model, alias.get<std::string>()));
    }
    list.push_back(openai_model(model, model["name"].get<std::string>()));
  }
  return list;
}

void list_models(Parts& parts, const Call& call) {
  const auto list = all_models(parts);
  if (!list.ok()) return call.send_error(list.error());
  call.send_json({{"object", "list"}, {"data", *list}});
}

void one_model(Parts& parts, const Call& call) {
  const std::string id(call.capture("id"));
  const auto list = all_models(parts);
  if (!list.ok()) return call.send_error(list.error());
  for (const Json& model : *list) {
    if (model["id"] == id) return call.send_json(model);
  }
  call.send_error(parts.catalog.resolve(id).error());
}

Json ollama_model(const Json& model, const std::string& name) {
  const Json* known = model.pointee("/digest");  // null before the file is read
  const std::string digest = known != nullptr && known->is_string() ? known->get<std::string>() : "";
  return {{"name", name},
          {"model", name},
          {"modified_at", rfc3339(model.value("modified", int64_t{0}))},
          {"size", model.value("bytes", uint64_t{0})},
          {"digest", digest.starts_with("sha256:") ? digest.substr(7) : digest},
          {"details",
           {{"parent_model", ""},
            {"format", "gguf"},
            {"family", model.value("architecture", "")},
            {"families", Json::array()},
            {"parameter_size", ""},
            {"quantization_level", ""}}}};
}

// /api/tags: all; /api/ps: those in memory.
void ollama_list(Parts& parts, const Call& call, bool loaded_only) {
  const auto models = parts.catalog.list();
  if (!models.ok()) return call.send_error(models.error());
  Json list = Json::array();
  if (!loaded_only) list.push_back(ollama_model(Json::object(), "auto"));
  for (const Json& model : *models) {
    if (loaded_only && !model.value("loaded", false)) continue;
    list.push_back(ollama_model(model, model["name"].get<std::string>()));
  }
  call.send_json({{"models", std::move(list)}});
}

void ollama_show(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  const std::string name = without_tag(body->value("model", body->value("name", "").c_str()));
  const auto alias = parts.catalog.resolve(name);
  if (!alias.ok()) return call.send_error(alias.error());
  if (*alias == "auto") {
    return call.send_json({{"details", ollama_model(Json::object(), "auto")["details"]},
                           {"model_info", Json::object()},
                           {"capabilities", Json::array({"completion"})}});
  }
  const auto model = parts.catalog.open(*alias);
  if (!model.ok()) return call.send_error(model.error());
  const auto about = (*model)->model().describe();
  if (!about.ok()) return call.send_error(library_error(about.error()));
  const Json described = Json::parse(*about);
  const std::string architecture = described.value("architecture", "");
  const Json info = {{"general.architecture", architecture},
                     {"general.parameter_count", (*model)->model().info().n_parameters},
                     {architecture + ".context_length", (*model)->n_ctx()},
                     {architecture + ".embedding_length", (*model)->model().info().d_model}};
  Json details = ollama_model(described, *alias)["details"];
  const auto format = (*model)->model().chat_format();
  Json abilities = Json::array({"completion"});
  if (format.ok()) {
    const Json written = Json::parse(*format);
    if (written.value("tools", false)) abilities.push_back("tools");
    if (written.contains("reasoning") && !written["reasoning"].is_null()) abilities.push_back("thinking");
  }
  call.send_json({{"details", std::move(details)},
                  {"model_info", info},
                  {"template", ""},  // the library renders with it, and does not give it away
                  {"capabilities", std::move(abilities)}});
}

// llama-server's: of one model, by ?model=, else of the one without a name.
void props(Parts& parts, const Call& call) {
  auto alias = parts.catalog.resolve(std::string(call.request.parameter("model")));
  if (alias.ok() && *alias == "auto") alias = std::string("fast");
  if (!alias.ok()) return call.send_error(alias.error());
  const auto model = parts.catalog.open(*alias);
  if (!model.ok()) return call.send_error(model.error());
  const auto about = (*model)->model().describe();
  if (!about.ok()) return call.send_error(library_error(about.error()));
  const Json described = Json::parse(*about);
  call.send_json({{"default_generation_settings", {{"n_ctx", (*model)->n_ctx()}}},
                  {"model_alias", (*model)->name()},
                  {"chat_template", ""},  // the library renders with it, and does not give it away
                  {"build_info", fingerprint()},
                  {"modalities", {{"vision", false}, {"audio", false}}},
                  {"kedge", described}});
}

}  // namespace

void add_models(Routes& routes, Parts& parts) {
  const auto add = [&](const char* method, const char* path, auto f, Where where) {
    routes.add(
        method, path, Role::kUse, [&parts, f](const Call& call) { f(parts, call); }, where);
  };
  add("GET", "/v1/models", list_models, Where::kWorker);
  add("GET", "/v1/models/{id...}", one_model, Where::kWorker);
  add(
      "GET", "/api/tags", [](Parts& p, const Call& c) { ollama_list(p, c, false); }, Where::kWorker);
  add(
      "GET", "/api/ps", [](Parts& p, const Call& c) { ollama_list(p, c, true); }, Where::kWorker);
  add("POST", "/api/show", ollama_show, Where::kWorker);
  add("GET", "/props", props, Where::kWorker);
  add(
      "GET", "/lora-adapters", [](Parts& p, const Call& c) { c.send_json(p.catalog.adapters()); }, Where::kHere);
  add(
      "GET", "/api/version",
      [](Parts&, const Call& c) {
        c.send_json({{"version", kedge::version()}});
      },
      Where::kHere);
}

}  // namespace kedge::tools::serve
