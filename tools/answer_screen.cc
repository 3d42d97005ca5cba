#include "tools/answer_screen.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "tools/terminal_mode.h"
#include "tools/text_cells.h"

namespace kedge::tools {

namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr const char* kDim = "\033[2m";
constexpr const char* kNormal = "\033[0m";
constexpr const char* kLabel = "(draft) ";  // in front of what nobody has checked yet

// Rows of the terminal that a text takes.
size_t rows_of(std::string_view text, size_t columns) {
  size_t rows = 1;
  size_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = next_character(text, at);
    if (text[at] == '\n') {
      ++rows;
      column = 0;
    } else {
      const size_t width = cell_of(text.substr(at, end - at), column).columns;
      if (column + width > columns) {
        ++rows;
        column = 0;
      }
      column += width;
    }
    at = end;
  }
  return rows;
}

// Without the marks of citations, of which the beginning may have come.
std::string without_marks(const std::string& draft) {
  std::string text = draft.substr(0, draft.find("<|"));
  while (!text.empty() && (text.back() == '<' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

void AnswerScreen::say(const std::string& what) {
  if (!shown_.empty()) return;  // a draft stands there
  const double now = seconds_now();
  if (saying_ && now - last_ < kRedrawSeconds) return;
  last_ = now;
  std::fprintf(stderr, "\r%s%s%s\033[K", colour_ ? kDim : "", what.c_str(), colour_ ? kNormal : "");
  std::fflush(stderr);
  saying_ = true;
}

void AnswerScreen::write(const std::string& more) {
  if (std::exchange(saying_, false)) std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  std::string out = colour_ ? kDim : "";
  if (shown_.empty()) out += kLabel;
  out += more;
  if (colour_) out += kNormal;
  (void)stream_text(out);
  shown_ += more;
}

void AnswerScreen::event(const Json& event) {
  if (!on_) return;
  const std::string state = event.value("state", "");
  if (state == "text") {
    const int64_t attempt = event.value("attempt", int64_t{0});
    if (attempt != attempt_) {
      (void)take_back();
      draft_.clear();
      attempt_ = attempt;
    }
    draft_ += event.value("text", "");
    const std::string readable = without_marks(draft_);
    if (readable.size() > shown_.size()) write(readable.substr(shown_.size()));
    return;
  }
  // Somebody else is asked, or the same one again: what stands there is no longer what is waited for.
  const bool next_one = (state == "loading" && event.value("alias", "") != "verifier") || state == "retrieving" ||
                        (state == "reading" && event.value("attempt", int64_t{0}) != attempt_);
  if (next_one && !shown_.empty()) (void)take_back();
  if (state == "loading") say("loading the " + event.value("alias", "") + " model ...");
  if (state == "opening") say("opening the index ...");
  if (state == "retrieving") say("looking for passages ...");
  if (state == "verifying") say("the verifier reads the answer ...");
  if (state == "reading") {
    const auto done = event.value("done", 0.0);
    const auto total = event.value("total", 0.0);
    if (total > 0) say(event.value("model", "") + format(" reads: %.0f of %.0f tokens", done, total));
  }
}

// The draft, when it is too tall for the terminal to be taken back.
std::string AnswerScreen::take_back() {
  if (std::exchange(saying_, false)) std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  std::string left = std::exchange(shown_, {});
  if (left.empty()) return "";
  const terminal::Size size = terminal::size();
  const size_t rows = size.columns == 0 ? SIZE_MAX : rows_of(kLabel + left, size.columns);
  if (rows >= size.rows) {
    (void)stream_text("\n");
    return left;
  }
  (void)stream_text("\r" + (rows > 1 ? "\033[" + std::to_string(rows - 1) + "A" : std::string()) + "\033[J");
  return "";
}

std::string AnswerScreen::finish() {
  std::string left = take_back();
  std::fflush(stdout);
  return left;
}

}  // namespace kedge::tools
