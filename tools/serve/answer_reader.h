// The text of one choice on its way to the sink: taken apart into what the model says, thinks and calls.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/job.h"
#include "tools/serve/speaker.h"

namespace kedge::tools::serve {

class AnswerReader {
 public:
  // Without a reader all is text.
  AnswerReader(Speaker& out, size_t choice, std::optional<kedge::ChatReader> reader)
      : out_(out), choice_(choice), reader_(std::move(reader)) {}

  // A token was chosen; its text comes later.
  void token() { ++pending_; }
  void token(TokenInfo info) { waiting_.push_back(std::move(info)); }
  // Each is false when nobody listens any more.
  bool text(std::string_view text);
  bool end();

  size_t calls() const { return calls_; }
  size_t reasoning_tokens() const { return reasoning_tokens_; }
  bool said_something() const { return said_; }                          // text or a call
  const std::optional<kedge::Error>& broken() const { return broken_; }  // a call that was cut off

 private:
  bool hear(const kedge::ChatReader::Events& events);
  bool hear(const Json& event);
  bool begin_call(const Json& event, std::span<const TokenInfo> tokens);

  Speaker& out_;
  const size_t choice_;
  std::optional<kedge::ChatReader> reader_;
  std::vector<TokenInfo> waiting_;  // that nothing was said of yet
  size_t pending_ = 0;              // tokens since the last event
  bool in_reasoning_ = false;
  bool said_ = false;
  size_t calls_ = 0;
  size_t reasoning_tokens_ = 0;
  std::set<std::string> ids_;
  std::optional<kedge::Error> broken_;
};

}  // namespace kedge::tools::serve
