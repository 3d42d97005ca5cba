// The Tab key.
#include <algorithm>

#include "tools/terminal_input.h"
#include "tools/terminal_mode.h"
#include "tools/text_cells.h"

namespace kedge::tools {

namespace {

constexpr size_t kShown = 40;  // of what a text may go on as

std::string common_beginning(const std::vector<std::string>& texts) {
  std::string common = texts.front();
  for (const std::string& text : texts) {
    const auto end = std::mismatch(common.begin(), common.end(), text.begin(), text.end()).first;
    common.erase(end, common.end());
  }
  while (!common.empty() && common.size() < texts.front().size() &&
         (static_cast<unsigned char>(texts.front()[common.size()]) & 0xc0) == 0x80) {
    common.pop_back();  // not within a character
  }
  return common;
}

// What distinguishes them: behind the last blank or slash that they share.
std::string listed(const std::vector<std::string>& texts, const std::string& before) {
  const size_t word = before.find_last_of(" /");
  const size_t from = word == std::string::npos || word == 0 ? 0 : word + 1;
  std::string list;
  for (size_t i = 0; i < std::min(texts.size(), kShown); ++i) list += (i == 0 ? "" : "  ") + texts[i].substr(from);
  if (texts.size() > kShown) list += "  and " + std::to_string(texts.size() - kShown) + " more";
  return list;
}

}  // namespace

bool TerminalInput::complete() {
  const std::string before = editor_.text().substr(0, editor_.cursor());
  const bool pasted = next_ < pending_.size();  // nobody types on this soon
  if (pasted || !completer_ || !before.starts_with('/') || before.find('\n') != std::string::npos) return false;
  const std::vector<std::string> texts = completer_(before);
  if (texts.empty()) {
    terminal::put("\a");
    return true;
  }
  const std::string whole = common_beginning(texts);
  if (whole.size() > before.size()) {
    editor_.insert(std::string_view(whole).substr(before.size()));
    return true;
  }
  if (texts.size() == 1) return true;  // it is whole
  refresh();
  terminal::put(screen_.finish() + listed(texts, before) + "\r\n" + screen_.begin(prompt_));
  return true;
}

}  // namespace kedge::tools
