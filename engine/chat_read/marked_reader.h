// An answer of content, reasoning and calls that begin with markers: what all families but gpt-oss write.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_read/call_parser.h"

namespace kedge::engine::chat_read {

struct MarkedForm {
  std::string_view reasoning_begin = {};  // empty: the family does not reason
  std::string_view reasoning_end = {};
  std::span<const std::string_view> call_begins = {};
  std::span<const std::string_view> dropped = {};  // markers that say nothing, around an answer's content
  // Of the calls behind `marker`; "" is a call without one, at '{' where an answer begins.
  std::unique_ptr<CallParser> (*parser)(const ChatReadOptions& options, std::string_view marker) = nullptr;
  bool bare_calls = false;
};

// White space beside a marker is layout and in no event. Reasoning begins where nothing but white space stands before
// it, or behind another marker; elsewhere its marker is content. Without tools, calls are content too.
class MarkedReader final : public ChatReader {
 public:
  MarkedReader(const MarkedForm& form, const ChatReadOptions& options);
  Status push(std::string_view text, std::vector<ChatEvent>& out) override;
  Status end(std::vector<ChatEvent>& out) override;

 private:
  enum class Where { kContent, kReasoning, kCall };
  struct Marker {
    enum class Kind { kNone, kReasoning, kCall, kDropped };
    Kind kind = Kind::kNone;
    size_t at = 0;
    std::string_view text = {};
  };

  Status run(bool last, std::vector<ChatEvent>& out);
  Result<bool> step(bool last);  // whether there is more to do
  bool read_content(bool last);
  bool read_reasoning(bool last);
  Result<bool> read_call(bool last);
  Marker find_marker() const;
  size_t unsure() const;
  void give(size_t n, bool marker_follows, bool last, bool reasoning);
  void give_verbatim(size_t n);
  void take(size_t n) { text_.erase(0, n); }

  MarkedForm form_;
  ChatReadOptions options_;
  bool takes_calls_;
  Events events_;
  Where where_ = Where::kContent;
  std::string text_;         // not given out yet
  bool fresh_ = true;        // nothing but white space since the beginning, or a marker
  bool drop_space_ = false;  // white space that comes stands behind a marker
  bool bare_ = false;        // a call without a marker may begin
  std::unique_ptr<CallParser> parser_;
  size_t lead_ = 0;  // of a call that may yet be none: bytes of white space and marker before it ...
  size_t read_ = 0;  // ... and bytes of it that the parser has read
  size_t calls_before_ = 0;
  Status failed_;
};

}  // namespace kedge::engine::chat_read
