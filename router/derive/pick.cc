// "Give the first word: copper cat chair east", "What is the last letter of "banana"?"
#include <algorithm>

#include "router/derive.h"
#include "router/text_norm.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

std::optional<Derived> derive(std::string_view question) {
  const auto r = parse_text_request(question);
  if (!r || r->unclear() || !r->tail.empty()) return std::nullopt;
  std::string head = r->head;
  for (const std::string_view verb :
       {"give me ", "give ", "what is ", "whats ", "write ", "return ", "name ", "print "}) {
    if (!head.starts_with(verb)) continue;
    head.erase(0, verb.size());
    break;
  }
  const bool first = head.starts_with("first ");
  if (!first && !head.starts_with("last ")) return std::nullopt;
  head.erase(0, first ? 6 : 5);
  // The last word of "War and Peace" may be that of the book.
  const auto says_text = [&](std::string_view name) { return head.ends_with(name); };
  if (r->quoted && head.starts_with("word") && !says_text(" sentence") && !says_text(" text")) return std::nullopt;
  for (const std::string_view of :
       {" of", " in", " of sentence", " in sentence", " of word", " in word", " of list", " of text"}) {
    if (!head.ends_with(of)) continue;
    head.resize(head.size() - of.size());
    break;
  }
  const std::string text = normalized(r->payload);
  std::string picked;
  if (head == "letter") {
    if (!is_ascii_word(text)) return std::nullopt;
    picked = first ? text.front() : text.back();
  } else if (head == "word") {
    const size_t space = first ? text.find(' ') : text.rfind(' ');
    if (space == std::string::npos) return std::nullopt;
    picked = first ? text.substr(0, space) : text.substr(space + 1);
    if (!is_ascii_word(picked)) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return Derived{
      .answer = picked, .steps = std::string(first ? "the first " : "the last ") + head, .form = Derived::Form::kText};
}

}  // namespace

extern constinit const DerivationDef pick;
constinit const DerivationDef pick = {"pick", "the first or last word or letter", derive};

}  // namespace kedge::router::derivations
