// Texts to tokens and back, chats through their template, and how many tokens a request would have.
#include "kernels/base/utf8.h"
#include "tools/serve/api/parts.h"
#include "tools/serve/prompt_tokens.h"
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

namespace {

// The model a request names; the router counts as its fast one.
Answer<std::shared_ptr<ServedModel>> model_of(Parts& parts, const std::string& name) {
  auto alias = parts.catalog.resolve(name);
  if (!alias.ok()) return alias.error();
  return parts.catalog.open(*alias == "auto" ? "fast" : *alias);
}

// Bytes that are no whole UTF-8 as an array of numbers, as llama-server has it.
Json piece_json(const std::string& piece) {
  if (base::utf8_valid(piece)) return piece;
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(static_cast<unsigned>(static_cast<unsigned char>(c)));
  return bytes;
}

Answer<Json> tokenize(Parts& parts, const Json& body) {
  Members in(body, "");
  std::string name;
  std::string content;
  bool add_special = false;
  bool parse_special = true;
  bool with_pieces = false;
  in.text("model", name);
  if (!in.text("content", content) && !in.text("prompt", content)) in.wrong("content", "is missing");
  in.flag("add_special", add_special);
  in.flag("parse_special", parse_special);
  in.flag("with_pieces", with_pieces);
  if (in.error()) return *in.error();
  const auto model = model_of(parts, name);
  if (!model.ok()) return model.error();
  const auto ids = (*model)->model().tokenize(content, add_special, parse_special);
  if (!ids.ok()) return library_error(ids.error());
  Json tokens = Json::array();
  for (const int32_t id : *ids) {
    if (!with_pieces) {
      tokens.push_back(id);
      continue;
    }
    const auto token = (*model)->model().token(id);
    if (!token.ok()) return library_error(token.error());
    tokens.push_back({{"id", id}, {"piece", piece_json(token->piece)}});
  }
  return Json{{"tokens", std::move(tokens)}, {"count", ids->size()}, {"max_model_len", (*model)->n_ctx()}};
}

Answer<Json> detokenize(Parts& parts, const Json& body) {
  Members in(body, "");
  std::string name;
  in.text("model", name);
  const Json* given = in.array("tokens");
  if (given == nullptr) in.wrong("tokens", "is missing");
  if (in.error()) return *in.error();
  std::vector<int32_t> ids;
  for (const Json& id : *given) {
    if (!id.is_number_integer() || id < 0 || id > 0x7fffffff) return bad_request("'tokens' has " + id.dump(), "tokens");
    ids.push_back(id.get<int32_t>());
  }
  const auto model = model_of(parts, name);
  if (!model.ok()) return model.error();
  const auto text = (*model)->model().detokenize(ids, true);
  if (!text.ok()) return library_error(text.error());
  return Json{{"content", *text}, {"prompt", *text}};
}

Answer<Json> apply_template(Parts& parts, const Json& body, const HttpRequest& request) {
  const auto wire = read_openai_chat(body, request);
  if (!wire.ok()) return wire.error();
  const auto model = model_of(parts, wire->job.model);
  if (!model.ok()) return model.error();
  const Prompt& prompt = wire->job.prompts.front();
  const auto text = (*model)->model().chat_render(prompt.messages.dump(), chat_options(prompt).dump());
  if (!text.ok()) return library_error(text.error());
  return Json{{"prompt", *text}};
}

// The tokens that a request of this API would be read as.
Answer<size_t> count(Parts& parts, WireReader reader, const Json& body, const HttpRequest& request) {
  const auto wire = reader(body, request);
  if (!wire.ok()) return wire.error();
  const auto model = model_of(parts, wire->job.model);
  if (!model.ok()) return model.error();
  size_t n = 0;
  for (const Prompt& prompt : wire->job.prompts) {
    const auto tokens = prompt_tokens(prompt, (*model)->model());
    if (!tokens.ok()) return tokens.error();
    n += tokens->ids.size();
  }
  return n;
}

Answer<Json> count_anthropic(Parts& parts, const Json& body, const HttpRequest& request) {
  const auto n = count(parts, read_anthropic, body, request);
  if (!n.ok()) return n.error();
  return Json{{"input_tokens", *n}};
}

Answer<Json> count_responses(Parts& parts, const Json& body, const HttpRequest& request) {
  const auto n = count(parts, read_openai_responses, body, request);
  if (!n.ok()) return n.error();
  return Json{{"object", "response.input_tokens"}, {"input_tokens", *n}};
}

}  // namespace

void add_tokens(Routes& routes, Parts& parts) {
  const auto add = [&](const char* path, auto f) {
    routes.add(
        "POST", path, Role::kUse,
        [&parts, f](const Call& call) {
          const auto body = json_body(call.request);
          if (!body.ok()) return call.send_error(body.error());
          const Answer<Json> answer = f(parts, *body, call.request);
          answer.ok() ? call.send_json(*answer) : call.send_error(answer.error());
        },
        Where::kWorker);
  };
  add("/tokenize", [](Parts& p, const Json& b, const HttpRequest&) { return tokenize(p, b); });
  add("/detokenize", [](Parts& p, const Json& b, const HttpRequest&) { return detokenize(p, b); });
  add("/apply-template", apply_template);
  add("/v1/messages/count_tokens", count_anthropic);
  add("/v1/responses/input_tokens", count_responses);
}

}  // namespace kedge::tools::serve
