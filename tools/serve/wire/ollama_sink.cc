// POST /api/chat and /api/generate: answers.
#include <chrono>
#include <ctime>
#include <optional>

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/error_shape.h"
#include "tools/serve/wire/ollama.h"
#include "tools/serve/wire/whole_reply.h"

namespace kedge::tools::serve {

namespace {

std::string rfc3339(int64_t seconds, int64_t nanoseconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string fraction = std::to_string(nanoseconds);
  fraction.insert(0, 9 - fraction.size(), '0');
  return std::string(text, n) + "." + fraction + "Z";
}

}  // namespace

std::string rfc3339_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  return rfc3339(seconds.count(), std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds).count());
}

std::string rfc3339(int64_t seconds) { return rfc3339(seconds, 0); }

namespace {

int64_t nanoseconds(double ms) { return static_cast<int64_t>(ms * 1e6); }

class OllamaSink final : public Sink {
 public:
  OllamaSink(bool chat, bool stream, std::string model, std::shared_ptr<HttpReply> reply)
      : chat_(chat),
        stream_(stream),
        model_(std::move(model)),
        reply_(reply),
        whole_(std::move(reply), ErrorShape::kOllama) {}

  bool started(const Started& /*started*/) override {
    if (stream_) reply_->start(200, {{"content-type", "application/x-ndjson"}, {"cache-control", "no-cache"}});
    return !reply_->gone();
  }
  bool text(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    if (stream_) return text.empty() || line(head(text, false, {}));
    text_ += text;
    return !reply_->gone();
  }
  bool reasoning(size_t /*choice*/, std::string_view text, std::span<const TokenInfo> /*tokens*/) override {
    if (stream_) return line(head("", false, {{"thinking", text}}));
    thinking_ += text;
    return !reply_->gone();
  }
  // Their calls are said whole.
  bool call(size_t /*choice*/, const ToolCall& call, std::span<const TokenInfo> /*tokens*/) override {
    const bool good = say_call();
    call_ = call;
    return good;
  }
  bool arguments(size_t /*choice*/, std::string_view json, std::span<const TokenInfo> /*tokens*/) override {
    arguments_ += json;
    return !reply_->gone();
  }
  bool finished(size_t /*choice*/, const Finish& finish) override {
    reason_ = ended_itself(finish) ? "stop" : "length";
    return say_call();
  }
  // Their clients complain of blank lines.
  bool ping() override { return stream_ ? line(head("", false, {})) : whole_.keep_alive(); }
  bool is_whole() const override { return !stream_; }
  void done(const Outcome& outcome) override {
    Json more = Json::object();
    if (!thinking_.empty()) more["thinking"] = thinking_;
    if (!calls_.empty()) more["tool_calls"] = calls_;
    Json last = head(text_, true, more);
    last["done_reason"] = reason_;
    last["total_duration"] = nanoseconds(outcome.queue_ms + outcome.prefill_ms + outcome.decode_ms);
    last["load_duration"] = nanoseconds(outcome.queue_ms);
    last["prompt_eval_count"] = outcome.usage.prompt;
    last["prompt_eval_duration"] = nanoseconds(outcome.prefill_ms);
    last["eval_count"] = outcome.usage.generated;
    last["eval_duration"] = nanoseconds(outcome.decode_ms);
    last["kedge"] = outcome.kedge;
    if (!stream_) return whole_.send(last, outcome.kedge);
    line(last);
    reply_->end();
  }
  void failed(const ApiError& error) override {
    if (!stream_ || !reply_->started()) return whole_.failed(error);
    line(error_json(ErrorShape::kOllama, error));
    reply_->end();
  }

 private:
  // `more`: members of the message beside its content, an object or null.
  Json head(std::string_view text, bool done, const Json& more) const {
    Json json = {{"model", model_}, {"created_at", rfc3339_now()}};
    Json message = {{"role", "assistant"}, {"content", text}};
    if (!more.is_null()) message.update(more);
    if (chat_) {
      json["message"] = std::move(message);
    } else {
      json["response"] = text;
      if (message.contains("thinking")) json["thinking"] = message["thinking"];
    }
    json["done"] = done;
    return json;
  }
  // The call that is over now. Arguments that were cut off are no object: they are said as the text they are.
  bool say_call() {
    if (!call_) return !reply_->gone();
    auto arguments = base::parse_json(arguments_, "arguments");
    const Json said = {{"id", call_->id},
                       {"function",
                        {{"index", call_->index},
                         {"name", call_->name},
                         {"arguments", arguments.ok() ? std::move(arguments).value() : Json(arguments_)}}}};
    call_.reset();
    arguments_.clear();
    if (stream_) return line(head("", false, {{"tool_calls", Json::array({said})}}));
    calls_.push_back(said);
    return !reply_->gone();
  }
  bool line(const Json& json) { return reply_->write(json.dump() + "\n"); }

  const bool chat_;
  const bool stream_;
  const std::string model_;
  const std::shared_ptr<HttpReply> reply_;
  WholeReply whole_;
  std::string text_;  // of whole answers, as are the next two
  std::string thinking_;
  Json calls_ = Json::array();
  std::optional<ToolCall> call_;
  std::string arguments_;
  std::string reason_;
};

}  // namespace

std::unique_ptr<Sink> ollama_sink(bool chat, bool stream, std::string model, std::shared_ptr<HttpReply> reply) {
  return std::make_unique<OllamaSink>(chat, stream, std::move(model), std::move(reply));
}

}  // namespace kedge::tools::serve
