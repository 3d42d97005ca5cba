// POST /v1/responses: answers, whole and as the full set of events.
#include <array>
#include <utility>

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/error_shape.h"
#include "tools/serve/wire/openai_responses.h"
#include "tools/serve/wire/sse.h"
#include "tools/serve/wire/whole_reply.h"

namespace kedge::tools::serve {

namespace {

// A part of the output: a message, what was thought, or a call.
struct Item {
  enum Kind { kMessage, kReasoning, kRefusal, kCall };
  Kind kind;
  std::string id;
  std::string text = {};  // of a call its arguments
  ToolCall call = {};
  Json logprobs = Json::array();

  // The one part of a message or a thought.
  Json part(bool whole) const {
    const std::string said = whole ? text : std::string();
    if (kind == kReasoning) return {{"type", "reasoning_text"}, {"text", said}};
    if (kind == kRefusal) return {{"type", "refusal"}, {"refusal", said}};
    return {{"type", "output_text"},
            {"annotations", Json::array()},
            {"logprobs", whole ? logprobs : Json::array()},
            {"text", said}};
  }
  Json json(const char* status, bool whole) const {
    Json content = Json::array();
    if (whole) content.push_back(part(true));
    switch (kind) {
      case kMessage:
      case kRefusal:
        return {{"id", id}, {"type", "message"}, {"status", status}, {"content", content}, {"role", "assistant"}};
      case kReasoning:
        return {
            {"id", id}, {"type", "reasoning"}, {"status", status}, {"summary", Json::array()}, {"content", content}};
      default:
        return {{"id", id},           {"type", "function_call"}, {"status", status},
                {"call_id", call.id}, {"name", call.name},       {"arguments", whole ? text : std::string()}};
    }
  }
};

class Responses : public Sink {
 public:
  explicit Responses(const ResponseForm& form) : form_(form) {}

 protected:
  static Item item_of(Item::Kind kind) {
    static constexpr std::array kPrefix = {"msg_", "rs_", "msg_", "fc_"};
    return {.kind = kind, .id = new_id(kPrefix[kind])};
  }
  bool cut() const { return finish_.reason != KEDGE_FINISH_STOP_TOKEN && finish_.reason != KEDGE_FINISH_STOP_STRING; }
  const char* status() const { return cut() ? "incomplete" : "completed"; }

  // `outcome`: null while it is being made.
  Json response(const char* status, Json output, const Outcome* outcome) const {
    Json json = {{"id", id_},
                 {"object", "response"},
                 {"created_at", started_.created},
                 {"status", status},
                 {"background", false},
                 {"error", Json()},
                 {"incomplete_details", Json()},
                 {"instructions", form_.instructions},
                 {"max_output_tokens", form_.max_output_tokens},
                 {"model", started_.model},
                 {"output", std::move(output)},
                 {"parallel_tool_calls", form_.parallel_calls},
                 {"previous_response_id", Json()},
                 {"reasoning", {{"effort", form_.effort}, {"summary", Json()}}},
                 {"store", false},
                 {"temperature", Json()},
                 {"text", {{"format", form_.format}}},
                 {"tool_choice", form_.tool_choice},
                 {"tools", form_.tools},
                 {"top_p", Json()},
                 {"truncation", "disabled"},
                 {"usage", Json()},
                 {"user", form_.user},
                 {"metadata", form_.metadata}};
    if (outcome == nullptr) return json;
    if (cut()) json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    const Usage& u = outcome->usage;
    json["usage"] = {{"input_tokens", u.prompt},
                     {"input_tokens_details", {{"cached_tokens", u.cached}}},
                     {"output_tokens", u.generated},
                     {"output_tokens_details", {{"reasoning_tokens", u.reasoning}}},
                     {"total_tokens", u.prompt + u.generated}};
    for (const char* name : {"temperature", "top_p"}) {
      if (const Json* value = outcome->kedge.pointee("/settings/" + std::string(name))) json[name] = *value;
    }
    json["kedge"] = outcome->kedge;
    return json;
  }
  Json whole(const Outcome& outcome) const {
    Json output = Json::array();
    // Only the last item can have been cut off.
    for (size_t i = 0; i < items_.size(); ++i) {
      output.push_back(items_[i].json(i + 1 < items_.size() ? "completed" : status(), true));
    }
    return response(status(), std::move(output), &outcome);
  }

  const ResponseForm form_;
  const std::string id_ = new_id("resp_");
  Started started_;
  Finish finish_;
  std::vector<Item> items_;
};

class WholeResponse final : public Responses {
 public:
  WholeResponse(const ResponseForm& form, std::shared_ptr<HttpReply> reply)
      : Responses(form), out_(std::move(reply), ErrorShape::kOpenAi) {}

  bool started(const Started& started) override {
    started_ = started;
    return !out_.gone();
  }
  bool text(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> tokens) override {
    if (text.empty() && tokens.empty()) return !out_.gone();
    Item& item = at(Item::kMessage);
    item.text += text;
    for (const TokenInfo& t : tokens) item.logprobs.push_back(openai_logprob(t));
    return !out_.gone();
  }
  bool reasoning(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    at(Item::kReasoning).text += text;
    return !out_.gone();
  }
  bool refused(size_t /*choice*/, std::string_view why) override {
    at(Item::kRefusal).text += why;
    return !out_.gone();
  }
  bool call(size_t /*choice*/, const ToolCall& call, std::span<const TokenInfo> /*tokens*/) override {
    items_.push_back(item_of(Item::kCall));
    items_.back().call = call;
    return !out_.gone();
  }
  bool arguments(size_t /*choice*/, std::string_view json, std::span<const TokenInfo> /*tokens*/) override {
    items_.back().text += json;
    return !out_.gone();
  }
  bool finished(size_t /*choice*/, const Finish& finish) override {
    finish_ = finish;
    if (items_.empty()) at(Item::kMessage);
    return !out_.gone();
  }
  bool is_whole() const override { return true; }
  bool ping() override { return out_.keep_alive(); }
  void done(const Outcome& outcome) override { out_.send(whole(outcome), outcome.kedge); }
  void failed(const ApiError& error) override { out_.failed(error); }

 private:
  Item& at(Item::Kind kind) {
    if (items_.empty() || items_.back().kind != kind) items_.push_back(item_of(kind));
    return items_.back();
  }

  WholeReply out_;
};

class ResponseStream final : public Responses {
 public:
  ResponseStream(const ResponseForm& form, std::shared_ptr<HttpReply> reply)
      : Responses(form), reply_(reply), out_(std::move(reply)) {}

  bool started(const Started& started) override {
    started_ = started;
    out_.start();
    const Json begun = response("in_progress", Json::array(), nullptr);
    return say("response.created", {{"response", begun}}) && say("response.in_progress", {{"response", begun}});
  }
  bool progress(size_t done, size_t total) override {
    return out_.comment("prompt " + std::to_string(done) + "/" + std::to_string(total));
  }
  bool text(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> tokens) override {
    if ((text.empty() && tokens.empty()) || !open(Item::kMessage)) return !reply_->gone();
    Json logprobs = Json::array();
    for (const TokenInfo& t : tokens) logprobs.push_back(openai_logprob(t));
    for (const Json& l : logprobs) items_.back().logprobs.push_back(l);
    items_.back().text += text;
    return say("response.output_text.delta", in_part({{"delta", text}, {"logprobs", std::move(logprobs)}}));
  }
  bool reasoning(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    if (!open(Item::kReasoning)) return false;
    items_.back().text += text;
    return say("response.reasoning_text.delta", in_part({{"delta", text}}));
  }
  bool refused(size_t /*choice*/, std::string_view why) override {
    if (!open(Item::kRefusal)) return false;
    items_.back().text += why;
    return say("response.refusal.delta", in_part({{"delta", why}}));
  }
  bool call(size_t /*choice*/, const ToolCall& call, std::span<const TokenInfo> /*tokens*/) override {
    return close("completed") && open(Item::kCall, call);
  }
  bool arguments(size_t /*choice*/, std::string_view json, std::span<const TokenInfo> /*tokens*/) override {
    items_.back().text += json;
    return say("response.function_call_arguments.delta", in_item({{"delta", json}}));
  }
  bool finished(size_t /*choice*/, const Finish& finish) override {
    finish_ = finish;
    return (!items_.empty() || open(Item::kMessage)) && close(status());
  }
  bool ping() override { return out_.comment("ping"); }
  void done(const Outcome& outcome) override {
    say(cut() ? "response.incomplete" : "response.completed", {{"response", whole(outcome)}});
    out_.end();
  }
  void failed(const ApiError& error) override {
    if (!reply_->started()) return send_error(*reply_, ErrorShape::kOpenAi, error);
    Json failed = response("failed", Json::array(), nullptr);
    failed["error"] = {{"code", error.status >= 500 ? "server_error" : error.code}, {"message", error.message}};
    say("response.failed", {{"response", std::move(failed)}});
    out_.end();
  }

 private:
  // The item that what follows is of.
  bool open(Item::Kind kind, const ToolCall& call = {}) {
    if (open_ && items_.back().kind == kind) return true;
    if (!close("completed")) return false;
    items_.push_back(item_of(kind));
    items_.back().call = call;
    open_ = true;
    if (!say("response.output_item.added",
             {{"output_index", items_.size() - 1}, {"item", items_.back().json("in_progress", false)}})) {
      return false;
    }
    return kind == Item::kCall || say("response.content_part.added", in_part({{"part", items_.back().part(false)}}));
  }
  bool close(const char* status) {
    if (!std::exchange(open_, false)) return true;
    const Item& item = items_.back();
    return say_content_done(item) &&
           say("response.output_item.done", {{"output_index", items_.size() - 1}, {"item", item.json(status, true)}});
  }
  bool say_content_done(const Item& item) {
    const auto part_done = [&] { return say("response.content_part.done", in_part({{"part", item.part(true)}})); };
    switch (item.kind) {
      case Item::kCall:
        return say("response.function_call_arguments.done",
                   in_item({{"name", item.call.name}, {"arguments", item.text}}));
      case Item::kReasoning:
        return say("response.reasoning_text.done", in_part({{"text", item.text}})) && part_done();
      case Item::kRefusal:
        return say("response.refusal.done", in_part({{"refusal", item.text}})) && part_done();
      default:
        return say("response.output_text.done", in_part({{"text", item.text}, {"logprobs", item.logprobs}})) &&
               part_done();
    }
  }
  Json in_item(const Json& members) const {
    Json json = {{"item_id", items_.back().id}, {"output_index", items_.size() - 1}};
    json.update(members);
    return json;
  }
  Json in_part(const Json& members) const {
    Json json = in_item({{"content_index", 0}});
    json.update(members);
    return json;
  }
  bool say(const char* type, const Json& members) {
    Json json = {{"type", type}, {"sequence_number", number_++}};
    json.update(members);
    return out_.event(type, json);
  }

  const std::shared_ptr<HttpReply> reply_;
  SseWriter out_;
  bool open_ = false;  // the last item is being said
  int64_t number_ = 0;
};

}  // namespace

std::unique_ptr<Sink> openai_responses_sink(const ResponseForm& form, bool stream, std::shared_ptr<HttpReply> reply) {
  if (stream) return std::make_unique<ResponseStream>(form, std::move(reply));
  return std::make_unique<WholeResponse>(form, std::move(reply));
}

}  // namespace kedge::tools::serve
