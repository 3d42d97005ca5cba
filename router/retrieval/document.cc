#include "router/retrieval/document.h"

#include <algorithm>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "router/retrieval/hyphens.h"
#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {

const char* format_name(Format format) {
  switch (format) {
    case Format::kText:
      return "text";
    case Format::kMarkdown:
      return "markdown";
    case Format::kHtml:
      return "html";
    case Format::kPdf:
      return "pdf";
    case Format::kJsonl:
      return "jsonl";
  }
  return "unknown";
}

void Outline::close(size_t end, int next_level) {
  size_t begin = section_begin_;
  // A heading with nothing under it, not even a deeper heading that names it, is text: nothing may get lost.
  const bool bare = trim(std::string_view(document_->text).substr(begin, end - begin)).empty();
  if (bare && !path_.empty() && next_level <= path_.back().first) begin = heading_begin_;
  if (trim(std::string_view(document_->text).substr(begin, end - begin)).empty()) return;
  std::string title;
  for (const auto& [level, name] : path_) title += (title.empty() ? "" : " > ") + name;
  document_->sections.push_back({std::move(title), begin, end});
}

void Outline::heading(int level, std::string title, size_t begin, size_t end) {
  close(begin, level);
  while (!path_.empty() && path_.back().first >= level) path_.pop_back();
  path_.emplace_back(level, std::move(title));
  heading_begin_ = begin;
  section_begin_ = end;
}

void Outline::finish() { close(document_->text.size(), 0); }

Result<Document> read_plain_text(std::string_view bytes, const std::string& name) {
  KEDGE_TRY(check_utf8(bytes, name));
  KEDGE_ASSIGN(text, clean_text(join_hyphenated(bytes), name));
  Document document{std::move(text), {}};
  Outline(document).finish();
  return document;
}

namespace {

std::string_view without_end_spaces(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

// Whether a line can be one of a YAML mapping: a key and a colon, a comment, an entry of a list, or what goes on with
// the line before.
bool is_yaml_line(std::string_view line, bool* has_key) {
  const char c = line.empty() ? '#' : line[0];
  if (c == '#' || c == ' ' || c == '\t' || c == ']' || c == '}') return true;
  if (c == '-' && *has_key) return line.size() == 1 || line[1] == ' ';
  const bool quoted = c == '"' || c == '\'';
  const size_t close = quoted ? line.find(c, 1) : 0;
  const size_t colon = close == std::string_view::npos ? close : line.find(':', close);
  if (colon == std::string_view::npos || colon == 0 || (colon + 1 < line.size() && line[colon + 1] != ' '))
    return false;
  const std::string_view key = line.substr(0, colon);
  const bool plain = std::all_of(key.begin(), key.end(), [](char k) {
    return k == '_' || k == '-' || k == '.' || (k >= '0' && k <= '9') || (k >= 'a' && k <= 'z') ||
           (k >= 'A' && k <= 'Z') || static_cast<unsigned char>(k) >= 0x80;
  });
  *has_key = *has_key || plain || quoted;
  return plain || quoted;
}

// Bytes of front matter at the start of the text, 0 when there is none: a rule ("---") may begin a text as well, so
// what follows has to be a mapping from its first line on, and to be closed.
size_t front_matter(std::string_view text) {
  for (const std::string_view fence : {"---", "+++"}) {
    if (!text.starts_with(fence) || text.find('\n') == std::string_view::npos) continue;
    size_t at = text.find('\n') + 1;
    if (without_end_spaces(text.substr(0, at - 1)) != fence) continue;
    const size_t begin = at;
    bool has_key = false;
    while (at < text.size()) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = without_end_spaces(text.substr(at, end - at));
      if (line == fence || (fence == "---" && line == "...")) {
        if (fence == "+++") has_key = toml::parse(text.substr(begin, at - begin)).succeeded();
        return has_key ? std::min(end + 1, text.size()) : 0;
      }
      if (fence == "---" && (!is_yaml_line(line, &has_key) || (line.empty() && at == begin))) return 0;
      at = end + 1;
    }
  }
  return 0;
}

// Level of an ATX heading ("## Title ##"), 0 for another line.
int atx_level(std::string_view line, std::string* title) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos || start > 3) return 0;
  const size_t end = line.find_first_not_of('#', start);
  const size_t level = (end == std::string_view::npos ? line.size() : end) - start;
  if (level == 0 || level > 6) return 0;
  if (end != std::string_view::npos && line[end] != ' ' && line[end] != '\t') return 0;
  std::string_view rest = trim(line.substr(start + level));
  const size_t last = rest.find_last_not_of('#');
  if (last == std::string_view::npos) {
    rest = {};
  } else if (last + 1 < rest.size() && (rest[last] == ' ' || rest[last] == '\t')) {
    rest = trim(rest.substr(0, last));
  }
  *title = rest;
  return static_cast<int>(level);
}

// Level of the heading that `line` underlines (=== or ---), 0 when it does not.
int setext_level(std::string_view line) {
  const std::string_view rest = trim(line);
  if (rest.size() < 2 || line.find_first_not_of(' ') > 3) return 0;
  if (rest.find_first_not_of('=') == std::string_view::npos) return 1;
  return rest.find_first_not_of('-') == std::string_view::npos ? 2 : 0;
}

// Whether the line can be a heading that is underlined; below a list item or a quotation, "---" is a rule.
bool can_be_heading(std::string_view line) {
  const size_t start = line.find_first_not_of(' ');
  return start != std::string_view::npos && start <= 3 &&
         std::string_view("-*+>|").find(line[start]) == std::string_view::npos;
}

// The run of "`" or "~", three at least, that a line begins with; empty for another line.
std::string_view fence_run(std::string_view line) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos || start > 3 || (line[start] != '`' && line[start] != '~')) return {};
  const size_t end = std::min(line.find_first_not_of(line[start], start), line.size());
  return end - start >= 3 ? line.substr(start, end - start) : std::string_view();
}

// Whether the line opens a code block (no fence is open) or closes the one that `open` began. What stands behind an
// opening run of "`" has none of them; behind a closing run stands nothing.
bool is_fence(std::string_view line, std::string_view open) {
  const std::string_view run = fence_run(line);
  if (run.empty()) return false;
  const std::string_view rest = line.substr(static_cast<size_t>(run.data() - line.data()) + run.size());
  if (open.empty()) return run[0] == '~' || rest.find('`') == std::string_view::npos;
  return run[0] == open[0] && run.size() >= open.size() && trim(rest).empty();
}

}  // namespace

Result<Document> read_markdown(std::string_view bytes, const std::string& name) {
  KEDGE_ASSIGN(clean, clean_text(bytes, name));
  Document document{clean.substr(front_matter(clean)), {}};
  const std::string_view text = document.text;
  Outline outline(document);
  std::string_view fence;
  constexpr size_t kNone = std::string_view::npos;
  size_t paragraph = kNone;  // where the paragraph begins that an underline would make a heading
  bool in_paragraph = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    std::string title;
    const bool marks = is_fence(line, fence);
    const int level = marks || !fence.empty() ? 0 : atx_level(line, &title);
    const int under = marks || !fence.empty() || paragraph == kNone ? 0 : setext_level(line);
    if (marks) fence = fence.empty() ? fence_run(line) : std::string_view();
    if (level > 0) outline.heading(level, title, at, end);
    if (under > 0) outline.heading(under, std::string(trim(text.substr(paragraph, at - paragraph))), paragraph, end);
    const bool plain = !marks && fence.empty() && level == 0 && under == 0 && !trim(line).empty();
    if (!plain) {
      paragraph = kNone;
    } else if (!in_paragraph && can_be_heading(line)) {
      paragraph = at;
    }
    in_paragraph = plain;
    at = end + 1;
  }
  outline.finish();
  return document;
}

}  // namespace kedge::router::retrieval
