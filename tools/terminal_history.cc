// What was said before, at the keys: arrows and Ctrl-R.
#include <termios.h>

#include "kernels/base/utf8.h"
#include "tools/terminal_input.h"
#include "tools/terminal_mode.h"
#include "tools/text_cells.h"

namespace kedge::tools {

namespace {

constexpr char kSearch = '\x12';  // Ctrl-R
constexpr char kGiveUp = '\x07';  // Ctrl-G

}  // namespace

// Within the text first; from its first line to the message before.
void TerminalInput::older() {
  if (!editor_.up() && entry_ > 0) show_entry(entry_ - 1);
}

void TerminalInput::newer() {
  if (!editor_.down() && entry_ < history_.entries().size()) show_entry(entry_ + 1);
}

void TerminalInput::show_entry(size_t entry) {
  const auto& entries = history_.entries();
  if (entry_ == entries.size()) draft_ = editor_.text();
  entry_ = entry;
  editor_.set(entry == entries.size() ? draft_ : entries[entry]);
}

void TerminalInput::begin_search() {
  refresh();
  if (entry_ == history_.entries().size()) draft_ = editor_.text();
  query_.clear();
  found_ = history_.entries().size();
  searching_ = true;
  find(found_);
}

void TerminalInput::find(size_t before) {
  const size_t found = query_.empty() ? ChatHistory::npos : history_.find(query_, before);
  if (found != ChatHistory::npos) editor_.set(history_.entries()[entry_ = found_ = found]);
  const bool failed = !query_.empty() && found == ChatHistory::npos;
  const std::string prompt = (failed ? "not found '" : "search '") + query_ + "': ";
  terminal::put(screen_.change_prompt(prompt, editor_.text(), editor_.cursor()));
}

// False: the search has ended, and the key is still to be obeyed.
bool TerminalInput::search(char c) {
  const size_t all = history_.entries().size();
  if (c == kSearch) {
    find(found_);
  } else if (c == kGiveUp) {
    editor_.set(draft_);
    entry_ = all;
    end_search();
  } else if (c == '\x7f' || c == '\b' || terminal::is_key(c, VERASE)) {
    if (!query_.empty()) query_.resize(previous_character(query_, query_.size()));
    find(all);
  } else if (static_cast<unsigned char>(c) >= ' ') {
    query_ += c;
    // Half a character is in no entry.
    if (base::utf8_valid(query_)) find(found_ == all ? all : found_ + 1);
  } else {
    end_search();
    return false;
  }
  return true;
}

void TerminalInput::end_search() {
  searching_ = false;
  terminal::put(screen_.change_prompt(prompt_, editor_.text(), editor_.cursor()));
}

}  // namespace kedge::tools
