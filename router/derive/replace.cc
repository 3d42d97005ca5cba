// "Replace lead by feather: lead pear duck"
#include <algorithm>

#include "router/derive.h"
#include "router/text_norm.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

std::optional<Derived> derive(std::string_view question) {
  const auto r = parse_text_request(question);
  if (!r || r->unclear() || r->quoted || !r->head.starts_with("replace ")) return std::nullopt;
  std::string_view pair = std::string_view(r->head).substr(8);
  const auto cut = [&]() -> std::optional<std::pair<std::string, std::string>> {
    for (const std::string_view join : {" by ", " with "}) {
      const size_t at = pair.find(join);
      if (at != std::string_view::npos)
        return {{std::string(pair.substr(0, at)), std::string(pair.substr(at + join.size()))}};
    }
    return std::nullopt;
  }();
  if (!cut || !is_ascii_word(cut->first) || !is_ascii_word(cut->second)) return std::nullopt;
  // Instructions are read in lower case: the words have to stand so in the question.
  if (question.find(cut->first) == std::string_view::npos || question.find(cut->second) == std::string_view::npos) {
    return std::nullopt;
  }
  std::string text(r->payload);
  const std::string lower = folded(text);
  size_t n = 0;
  for (size_t at = 0; (at = find_words(text, cut->first, at)) != std::string::npos; at += cut->second.size()) {
    text.replace(at, cut->first.size(), cut->second);
    ++n;
  }
  // In other words, or with capitals: nobody says whether it is replaced there.
  size_t everywhere = 0;
  for (size_t at = lower.find(cut->first); at != std::string::npos; at = lower.find(cut->first, at + 1)) ++everywhere;
  if (n == 0 || n != everywhere) return std::nullopt;
  return Derived{.answer = std::move(text),
                 .steps = cut->first + " is there " + std::to_string(n) + (n == 1 ? " time" : " times"),
                 .form = Derived::Form::kText};
}

}  // namespace

extern constinit const DerivationDef replace;
constinit const DerivationDef replace = {"replace", "a word replaced by another", derive};

}  // namespace kedge::router::derivations
