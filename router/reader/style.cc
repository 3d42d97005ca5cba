#include "router/reader/style.h"

#include <algorithm>

#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {

namespace {

// Without comments, in lower case.
std::string plain(std::string_view css) {
  std::string out;
  for (size_t i = 0; i < css.size();) {
    if (css.substr(i).starts_with("/*")) {
      const size_t end = css.find("*/", i + 2);
      i = end == std::string_view::npos ? css.size() : end + 2;
      out += ' ';
      continue;
    }
    const char c = css[i++];
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '\r' || c == '\f' ? ' ' : c);
  }
  return out;
}

struct Value {
  std::string text;
  bool important = false;
  void set(std::string_view value) {
    const size_t bang = value.find('!');
    const bool now_important = bang != std::string_view::npos && trim(value.substr(bang + 1)) == "important";
    if (important && !now_important) return;
    text = trim(value.substr(0, bang));
    important = now_important;
  }
};

bool is_zero(std::string_view number) {
  return !number.empty() && number.find_first_not_of("0.%") == std::string_view::npos;
}

}  // namespace

Style read_style(std::string_view attribute) {
  if (attribute.empty()) return {};
  const std::string css = plain(attribute);
  Value display, visibility, opacity, content;
  for (size_t at = 0; at < css.size();) {
    const size_t end = std::min(css.find(';', at), css.size());
    const std::string_view declaration = std::string_view(css).substr(at, end - at);
    at = end + 1;
    const size_t colon = declaration.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim(declaration.substr(0, colon));
    const std::string_view value = declaration.substr(colon + 1);
    if (name == "display") display.set(value);
    if (name == "visibility") visibility.set(value);
    if (name == "opacity") opacity.set(value);
    if (name == "content-visibility") content.set(value);
  }
  Style style{display.text, visibility.text};
  // What is in these cannot take it back.
  if (is_zero(opacity.text) || content.text == "hidden") style.display = "none";
  return style;
}

}  // namespace kedge::router::retrieval
