#include "tools/chat_history.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "kernels/base/json.h"
#include "kernels/base/utf8.h"
#include "tools/state_folder.h"

namespace kedge::tools {

namespace {

std::string line_of(const std::string& entry) { return base::Json(entry).dump() + "\n"; }

}  // namespace

ChatHistory::ChatHistory(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::ifstream file(path_);
  size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const auto entry = base::parse_json(line, "history");
    if (entry.ok() && entry->is_string()) entries_.push_back(entry->get<std::string>());
  }
  if (entries_.size() > kEntries) entries_.erase(entries_.begin(), entries_.end() - kEntries);
  if (lines <= kEntries + kEntries / 4) return;  // not at every chat
  std::string kept;
  for (const std::string& entry : entries_) kept += line_of(entry);
  (void)write_private(path_, kept);  // it is only longer than it should be
}

void ChatHistory::add(const std::string& text) {
  if (text.empty() || text.front() == ' ' || (!entries_.empty() && entries_.back() == text)) return;
  entries_.push_back(text);
  if (path_.empty() || text.size() > kEntryBytes || !base::utf8_valid(text)) return;
  if (!append_private(path_, line_of(text))) path_.clear();  // the chat goes on without
}

size_t ChatHistory::find(std::string_view text, size_t before) const {
  for (size_t i = std::min(before, entries_.size()); i-- > 0;) {
    if (entries_[i].find(text) != std::string::npos) return i;
  }
  return npos;
}

std::string chat_history_file() {
  const std::string folder = state_folder();
  return folder.empty() ? "" : folder + "/chat_history";
}

}  // namespace kedge::tools
