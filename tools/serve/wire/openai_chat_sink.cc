// POST /v1/chat/completions: answers, whole and as a stream.
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/openai_chat.h"

namespace kedge::tools::serve {

namespace {

class WholeChat final : public OpenAiWhole {
 public:
  WholeChat(const OpenAiForm& form, std::shared_ptr<HttpReply> reply)
      : OpenAiWhole(form, "chatcmpl-", "chat.completion", std::move(reply)), choices_(form.choices) {}

  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    take(choice, tokens).text += text;
    return listened();
  }
  bool reasoning(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    take(choice, tokens).reasoning += text;
    return listened();
  }
  bool refused(size_t choice, std::string_view why) override {
    choices_.at(choice).refusal = why;
    return listened();
  }
  bool call(size_t choice, const ToolCall& call, std::span<const TokenInfo> tokens) override {
    take(choice, tokens).calls.push_back({call, ""});
    return listened();
  }
  bool arguments(size_t choice, std::string_view json, std::span<const TokenInfo> tokens) override {
    take(choice, tokens).calls.back().arguments += json;
    return listened();
  }

 private:
  struct Call {
    ToolCall call;
    std::string arguments;
  };
  struct Choice {
    std::string text;
    std::string reasoning;
    std::string refusal;
    std::vector<Call> calls;
    Json logprobs = Json::array();
  };
  Choice& take(size_t choice, std::span<const TokenInfo> tokens) {
    Choice& c = choices_.at(choice);
    for (const TokenInfo& t : tokens) c.logprobs.push_back(openai_logprob(t));
    return c;
  }
  Json choice(size_t index) override {
    const Choice& c = choices_[index];
    const bool no_text = c.text.empty() && (!c.calls.empty() || !c.refusal.empty());
    Json message = {{"role", "assistant"},
                    {"content", no_text ? Json() : Json(c.text)},
                    {"refusal", c.refusal.empty() ? Json() : Json(c.refusal)}};
    if (!c.reasoning.empty()) message["reasoning_content"] = c.reasoning;
    for (const Call& call : c.calls) {
      message["tool_calls"].push_back({{"id", call.call.id},
                                       {"type", "function"},
                                       {"function", {{"name", call.call.name}, {"arguments", call.arguments}}}});
    }
    Json json = {{"message", std::move(message)}, {"logprobs", Json()}};
    if (form_.logprobs) json["logprobs"] = {{"content", c.logprobs}, {"refusal", Json()}};
    return json;
  }
  std::vector<Choice> choices_;
};

class ChatStream final : public OpenAiStream {
 public:
  ChatStream(const OpenAiForm& form, std::shared_ptr<HttpReply> reply)
      : OpenAiStream(form, "chatcmpl-", "chat.completion.chunk", std::move(reply)), calls_(form.choices) {}

  bool progress(size_t done, size_t total) override {
    if (!form_.progress) return OpenAiStream::progress(done, total);
    Json json = head();
    json["prompt_progress"] = {{"total", total + started_.usage.cached},
                               {"cache", started_.usage.cached},
                               {"processed", done + started_.usage.cached}};
    return say(json);
  }
  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    return delta(choice, {{"content", text}}, tokens);
  }
  bool reasoning(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    return delta(choice, {{"reasoning_content", text}}, tokens);
  }
  bool refused(size_t choice, std::string_view why) override { return delta(choice, {{"refusal", why}}, {}); }
  // Clients lose calls whose first delta has not all of index, id, type and name.
  bool call(size_t choice, const ToolCall& call, std::span<const TokenInfo> tokens) override {
    calls_.at(choice) = call.index;
    return call_delta(choice,
                      {{"index", call.index},
                       {"id", call.id},
                       {"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", ""}}}},
                      tokens);
  }
  bool arguments(size_t choice, std::string_view json, std::span<const TokenInfo> tokens) override {
    return call_delta(choice, {{"index", calls_.at(choice)}, {"function", {{"arguments", json}}}}, tokens);
  }
  // Its text so far does not count: the clients that know read so, the others see a choice that ended.
  bool superseded(size_t choice, size_t by, std::string_view reason) override {
    Json json = head();
    json["kedge"] = {{"superseded", {{"choice", choice}, {"by", by}, {"reason", reason}}}};
    return say(json);
  }
  bool can_supersede() const override { return true; }

 private:
  bool begun() override {
    for (size_t i = 0; i < form_.choices; ++i) {
      if (!open(i)) return false;
    }
    return true;
  }
  bool call_delta(size_t choice, Json call, std::span<const TokenInfo> tokens) {
    return delta(choice, {{"tool_calls", Json::array({std::move(call)})}}, tokens);
  }
  bool delta(size_t choice, Json what, std::span<const TokenInfo> tokens) {
    if (choice >= opened_ && !open(choice)) return false;
    Json logprobs;
    if (form_.logprobs) {
      Json content = Json::array();
      for (const TokenInfo& t : tokens) content.push_back(openai_logprob(t));
      logprobs = {{"content", content}, {"refusal", Json()}};
    }
    return say(choice, {{"delta", std::move(what)}, {"logprobs", std::move(logprobs)}});
  }
  bool open(size_t choice) {
    opened_ = choice + 1;
    const Json delta = {{"role", "assistant"}, {"content", ""}, {"refusal", Json()}};
    return say(choice, {{"delta", delta}, {"logprobs", Json()}});
  }
  Json closing() const override { return {{"delta", Json::object()}, {"logprobs", Json()}}; }

  size_t opened_ = 0;          // choices whose role has been said
  std::vector<size_t> calls_;  // the call that each choice is at
};

}  // namespace

std::unique_ptr<Sink> openai_chat_sink(const OpenAiForm& form, bool stream, std::shared_ptr<HttpReply> reply) {
  if (stream) return std::make_unique<ChatStream>(form, std::move(reply));
  return std::make_unique<WholeChat>(form, std::move(reply));
}

}  // namespace kedge::tools::serve
