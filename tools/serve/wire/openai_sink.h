// What the answers of chat completions and of completions have in common.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/serve/job.h"
#include "tools/serve/wire/sse.h"
#include "tools/serve/wire/whole_reply.h"

namespace kedge::tools::serve {

struct OpenAiForm {
  size_t choices = 1;
  bool logprobs = false;
  bool usage = false;     // stream_options.include_usage
  bool progress = false;  // return_progress
};

class OpenAiWhole : public Sink {
 public:
  bool started(const Started& started) override;
  bool finished(size_t choice, const Finish& finish) override;
  bool is_whole() const override { return true; }
  bool ping() override { return out_.keep_alive(); }
  void done(const Outcome& outcome) override;
  void failed(const ApiError& error) override { out_.failed(error); }

 protected:
  // `object`: what the answer calls itself.
  OpenAiWhole(const OpenAiForm& form, const char* id_prefix, const char* object, std::shared_ptr<HttpReply> reply);
  // The members of a choice but its index and its finish_reason.
  virtual Json choice(size_t index) = 0;
  bool listened() const { return !out_.gone(); }

  const OpenAiForm form_;

 private:
  const char* const object_;
  const std::string id_;
  Started started_;
  std::vector<std::string> finish_;
  WholeReply out_;
};

class OpenAiStream : public Sink {
 public:
  bool started(const Started& started) override;
  bool progress(size_t done, size_t total) override;
  bool finished(size_t choice, const Finish& finish) override;
  bool ping() override { return out_.comment("ping"); }
  void done(const Outcome& outcome) override;
  void failed(const ApiError& error) override;

 protected:
  OpenAiStream(const OpenAiForm& form, const char* id_prefix, const char* object, std::shared_ptr<HttpReply> reply);
  virtual bool begun() { return !reply_->gone(); }
  // What stands in a choice's last chunk beside its finish_reason.
  virtual Json closing() const = 0;

  Json head() const;  // without choices
  // A chunk of one choice: `members` and, where there is one, the reason why it ended.
  bool say(size_t choice, Json members) { return out_.data(chunk(choice, std::move(members), {})); }
  bool say(const Json& json) { return out_.data(json); }

  const OpenAiForm form_;
  Started started_;

 private:
  Json chunk(size_t choice, Json members, Json finish) const;
  // The last choice's end waits for what is known at the end of all: a chunk without choices would be news to clients
  // that did not ask for usage.
  bool flush(Json kedge);

  const char* const object_;
  const std::string id_;
  const std::shared_ptr<HttpReply> reply_;
  SseWriter out_;
  std::optional<Json> last_;
};

}  // namespace kedge::tools::serve
