// Calls written as JSON objects with a name and arguments, one, one behind the other, or in an array.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/chat_read/call_parser.h"
#include "engine/chat_read/json_scanner.h"

namespace kedge::engine::chat_read {

// A JSON text as it comes, and what of it may be given out. Control characters inside strings, which models forget to
// escape, are written as escapes.
class JsonForwarder {
 public:
  bool take(char c);  // false: see problem()
  const JsonScanner& scanner() const { return scanner_; }
  std::string take_out() { return std::exchange(out_, {}); }

 private:
  JsonScanner scanner_;
  std::string out_;
};

// {"name": ..., "arguments": {...}} in any order, with other members and the names that families have for those two.
// Arguments may also be a string that holds the object, or null.
class CallObject {
 public:
  bool take(char c);  // false: see problem()
  bool done() const { return forwarder_.scanner().done(); }
  bool named() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  // A member came that no call has.
  bool strange() const { return strange_; }
  // More of the arguments; "{}" at the end when there were none.
  std::string take_arguments();
  std::string closers() const { return forwarder_.scanner().closers(); }
  const std::string& problem() const { return problem_; }

 private:
  enum class Role { kOther, kName, kArguments };
  bool take_member(JsonScanner::At was, bool was_key, size_t was_depth);
  bool end_key();
  bool begin_value(char c);
  bool end_value();
  bool fail(std::string problem);

  JsonForwarder forwarder_;
  std::string key_;
  std::string value_;  // of a member that is read as a whole
  Role role_ = Role::kOther;
  bool in_value_ = false;
  bool forward_ = false;  // the value is the arguments' object, given out as it comes
  bool has_arguments_ = false;
  bool gave_ = false;
  bool strange_ = false;
  std::string name_;
  std::string arguments_;
  std::string problem_;
};

struct JsonCallForm {
  bool array = false;         // [{...}, {...}]; one object without brackets is read too
  std::string_view end = {};  // what closes the calls; it may be missing
  bool bare = false;          // no marker says that this is a call: only an object that names a tool is one
};
std::unique_ptr<CallParser> json_calls(const JsonCallForm& form, const ChatReadOptions& options);

}  // namespace kedge::engine::chat_read
