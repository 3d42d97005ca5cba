// "Write in upper case: cow melon lake", "Convert "Hello" to lowercase"
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

// The instruction without its letters' size: "write in", "convert to", ...
constexpr auto kBefore = std::to_array<std::string_view>({"",
                                                          "write in",
                                                          "write text in",
                                                          "write words in",
                                                          "write word in",
                                                          "write sentence in",
                                                          "convert to",
                                                          "convert text to",
                                                          "convert word to",
                                                          "convert words to",
                                                          "convert into",
                                                          "change to",
                                                          "turn into",
                                                          "put in",
                                                          "put into",
                                                          "make",
                                                          "in",
                                                          "write",
                                                          "transform to",
                                                          "print in",
                                                          "rewrite in",
                                                          "say in",
                                                          "convert sentence to",
                                                          "convert string to"});
constexpr auto kVerbs = std::to_array<std::string_view>({"write", "convert", "change", "turn", "put", "make", "print"});
constexpr auto kUpper =
    std::to_array<std::string_view>({"upper case", "uppercase", "capital letters", "capitals", "caps",
                                     "upper case letters", "uppercase letters", "block capitals"});
constexpr auto kLower = std::to_array<std::string_view>(
    {"lower case", "lowercase", "small letters", "lower case letters", "lowercase letters"});

// 'U' or 'L' when the instruction ends in the name of a size and what stands before that is in the list.
template <size_t N>
char size_of(std::string_view text, const std::array<std::string_view, N>& before) {
  const auto fits = [&](std::string_view name) {
    if (!text.ends_with(name)) return false;
    std::string_view rest = text.substr(0, text.size() - name.size());
    if (!rest.empty() && rest.back() != ' ') return false;
    if (!rest.empty()) rest.remove_suffix(1);
    return std::find(before.begin(), before.end(), rest) != before.end();
  };
  if (std::any_of(kUpper.begin(), kUpper.end(), fits)) return 'U';
  return std::any_of(kLower.begin(), kLower.end(), fits) ? 'L' : '\0';
}

std::optional<Derived> derive(std::string_view question) {
  constexpr auto kBehind = std::to_array<std::string_view>({"in", "to", "into", "in all", "with"});
  const auto r = parse_text_request(question);
  if (!r || r->unclear()) return std::nullopt;
  char size = '\0';
  if (r->tail.empty()) {
    size = size_of(r->head, kBefore);
  } else {
    std::string verb = r->head;
    for (const std::string_view object : {" word", " words", " text", " sentence", " string"}) {
      if (verb.ends_with(object)) verb.resize(verb.size() - object.size());
    }
    if (std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end()) size = size_of(r->tail, kBehind);
  }
  const bool ascii = std::all_of(r->payload.begin(), r->payload.end(), [](char c) { return c > 0; });
  if (size == '\0' || !ascii) return std::nullopt;  // other alphabets have rules of their own
  std::string text(r->payload);
  for (char& c : text) {
    const bool turn = size == 'U' ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
    if (turn) c = static_cast<char>(c ^ 32);
  }
  return Derived{.answer = std::move(text),
                 .steps = size == 'U' ? "every letter in upper case" : "every letter in lower case",
                 .form = Derived::Form::kText};
}

}  // namespace

extern constinit const DerivationDef letter_case;
constinit const DerivationDef letter_case = {"letter_case", "text in upper or lower case", derive};

}  // namespace kedge::router::derivations
