// POST /v1/messages: answers, whole and as a stream of named events.
#include "tools/serve/wire/anthropic.h"
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/error_shape.h"
#include "tools/serve/wire/sse.h"
#include "tools/serve/wire/whole_reply.h"

namespace kedge::tools::serve {

namespace {

// Their input tokens are those that no cache had.
Json usage_json(const Usage& u) {
  return {{"input_tokens", u.prompt - u.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", u.cached},
          {"output_tokens", u.generated}};
}

const char* stop_reason(const Finish& finish) {
  if (finish.refused) return "refusal";
  switch (finish.reason) {
    case KEDGE_FINISH_STOP_TOKEN:
      return finish.calls > 0 ? "tool_use" : "end_turn";
    case KEDGE_FINISH_STOP_STRING:
      return "stop_sequence";
    default:
      return "max_tokens";
  }
}

Json stop_sequence(const Finish& finish) { return finish.stop.empty() ? Json() : Json(finish.stop); }

Json text_block(std::string_view text) { return {{"type", "text"}, {"text", text}}; }
Json thinking_block(std::string_view text) {
  return {{"type", "thinking"}, {"thinking", text}, {"signature", ""}};  // nothing is hidden, so nothing is signed
}
Json tool_block(const ToolCall& call, Json input) {
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
}

class Messages : public Sink {
 protected:
  Json message(Json content, Json reason, Json sequence, const Usage& usage) const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", started_.model},
            {"content", std::move(content)},
            {"stop_reason", std::move(reason)},
            {"stop_sequence", std::move(sequence)},
            {"usage", usage_json(usage)}};
  }

  const std::string id_ = new_id("msg_");
  Started started_;
  Finish finish_;
};

class WholeMessage final : public Messages {
 public:
  WholeMessage(std::shared_ptr<HttpReply> reply, std::string request_id)
      : out_(std::move(reply), ErrorShape::kAnthropic, std::move(request_id)) {}

  bool started(const Started& started) override {
    started_ = started;
    return !out_.gone();
  }
  bool text(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    return text.empty() || add(text_block(""), "text", text);
  }
  bool reasoning(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    return add(thinking_block(""), "thinking", text);
  }
  bool call(size_t /*choice*/, const ToolCall& call, std::span<const TokenInfo> /*tokens*/) override {
    blocks_.push_back({tool_block(call, Json::object()), ""});
    return !out_.gone();
  }
  bool arguments(size_t /*choice*/, std::string_view json, std::span<const TokenInfo> /*tokens*/) override {
    blocks_.back().text += json;
    return !out_.gone();
  }
  bool finished(size_t /*choice*/, const Finish& finish) override {
    finish_ = finish;
    return !out_.gone();
  }
  bool is_whole() const override { return true; }
  bool ping() override { return out_.keep_alive(); }
  void done(const Outcome& outcome) override {
    Json answer = message(content(), stop_reason(finish_), stop_sequence(finish_), outcome.usage);
    answer["kedge"] = outcome.kedge;
    out_.send(answer, outcome.kedge);
  }
  void failed(const ApiError& error) override { out_.failed(error); }

 private:
  struct Block {
    Json json;
    std::string text;  // of a text, a thought, or the JSON of an input
  };
  bool add(Json empty, const char* type, std::string_view text) {
    if (blocks_.empty() || blocks_.back().json["type"] != type) blocks_.push_back({std::move(empty), ""});
    blocks_.back().text += text;
    return !out_.gone();
  }
  Json content() const {
    Json list = Json::array();
    for (const Block& block : blocks_) {
      Json json = block.json;
      const std::string type = json["type"];
      if (type != "tool_use") {
        json[type] = block.text;
      } else if (const auto input = base::parse_json(block.text, "input"); input.ok()) {
        json["input"] = *input;
      } else {
        json["input"] = block.text;  // it was cut off
      }
      list.push_back(std::move(json));
    }
    if (list.empty()) list.push_back(text_block(""));
    return list;
  }

  std::vector<Block> blocks_;
  WholeReply out_;
};

class MessageStream final : public Messages {
 public:
  MessageStream(std::shared_ptr<HttpReply> reply, std::string request_id)
      : reply_(reply), request_id_(std::move(request_id)), out_(std::move(reply)) {}

  bool started(const Started& started) override {
    started_ = started;
    out_.start();
    return say("message_start", {{"message", message(Json::array(), {}, {}, started.usage)}});
  }
  bool progress(size_t done, size_t total) override {
    return out_.comment("prompt " + std::to_string(done) + "/" + std::to_string(total));
  }
  bool text(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    if (text.empty()) return !reply_->gone();
    return open("text", text_block("")) && delta({{"type", "text_delta"}, {"text", text}});
  }
  bool reasoning(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    return open("thinking", thinking_block("")) && delta({{"type", "thinking_delta"}, {"thinking", text}});
  }
  bool call(size_t /*choice*/, const ToolCall& call, std::span<const TokenInfo> /*tokens*/) override {
    return close() && open("tool_use", tool_block(call, Json::object()));
  }
  bool arguments(size_t /*choice*/, std::string_view json, std::span<const TokenInfo> /*tokens*/) override {
    return delta({{"type", "input_json_delta"}, {"partial_json", json}});
  }
  bool finished(size_t /*choice*/, const Finish& finish) override {
    finish_ = finish;
    // A message has a block.
    return (blocks_ > 0 || open("text", text_block(""))) && close();
  }
  bool ping() override { return say("ping", Json::object()); }
  void done(const Outcome& outcome) override {
    say("message_delta", {{"delta", {{"stop_reason", stop_reason(finish_)}, {"stop_sequence", stop_sequence(finish_)}}},
                          {"usage", usage_json(outcome.usage)},
                          {"kedge", outcome.kedge}});
    say("message_stop", Json::object());
    out_.end();
  }
  void failed(const ApiError& error) override {
    if (!reply_->started()) return send_error(*reply_, ErrorShape::kAnthropic, error, request_id_);
    out_.event("error", error_json(ErrorShape::kAnthropic, error, request_id_));
    out_.end();
  }

 private:
  // The block that what follows is of.
  bool open(const std::string& type, Json block) {
    if (open_ == type) return true;
    if (!close()) return false;
    open_ = type;
    return say("content_block_start", {{"index", blocks_++}, {"content_block", std::move(block)}});
  }
  bool close() {
    if (open_.empty()) return true;
    const std::string type = std::exchange(open_, "");
    if (type == "thinking" && !delta({{"type", "signature_delta"}, {"signature", ""}})) return false;
    return say("content_block_stop", {{"index", blocks_ - 1}});
  }
  bool delta(Json what) { return say("content_block_delta", {{"index", blocks_ - 1}, {"delta", std::move(what)}}); }
  bool say(const char* type, Json members) {
    Json json = {{"type", type}};
    json.update(members);
    return out_.event(type, json);
  }

  const std::shared_ptr<HttpReply> reply_;
  const std::string request_id_;
  SseWriter out_;
  std::string open_;  // type of the block that is being said; empty: none
  size_t blocks_ = 0;
};

}  // namespace

std::unique_ptr<Sink> anthropic_sink(bool stream, std::shared_ptr<HttpReply> reply, std::string request_id) {
  if (stream) return std::make_unique<MessageStream>(std::move(reply), std::move(request_id));
  return std::make_unique<WholeMessage>(std::move(reply), std::move(request_id));
}

}  // namespace kedge::tools::serve
