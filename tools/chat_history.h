// What was said to chats, the newest last: for the arrow keys and Ctrl-R. A file of JSON strings, a line each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kedge::tools {

class ChatHistory {
 public:
  static constexpr size_t kEntries = 1000;
  static constexpr size_t kEntryBytes = 64 * 1024;  // a larger one is kept for this chat only

  // Empty path: nothing is kept. A file that cannot be read is a history without entries.
  explicit ChatHistory(std::string path);

  // Not when it is the same as the last one, or begins with a space: that is said in confidence.
  void add(const std::string& text);
  const std::vector<std::string>& entries() const { return entries_; }
  // The newest entry before `before` that has this text in it; npos: none.
  static constexpr size_t npos = static_cast<size_t>(-1);
  size_t find(std::string_view text, size_t before) const;

 private:
  std::string path_;
  std::vector<std::string> entries_;
};

// $XDG_STATE_HOME/kedge/chat_history; empty when there is no home folder.
std::string chat_history_file();

}  // namespace kedge::tools
