// "Repeat exactly: ..."
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

std::optional<Derived> derive(std::string_view question) {
  constexpr auto kHeads = std::to_array<std::string_view>(
      {"repeat exactly", "repeat", "repeat after me", "repeat text", "repeat text exactly", "repeat verbatim",
       "repeat word for word", "copy exactly", "copy text", "copy text exactly", "repeat sentence", "copy sentence"});
  const auto r = parse_text_request(question);
  if (!r || r->courtesy || !r->tail.empty()) return std::nullopt;
  if (std::find(kHeads.begin(), kHeads.end(), r->head) == kHeads.end()) return std::nullopt;
  // With quotation marks around it nobody knows whether they are to be repeated.
  if (r->quoted && question.find(':') != std::string_view::npos) return std::nullopt;
  return Derived{.answer = std::string(r->payload), .steps = "the text as it stands", .form = Derived::Form::kText};
}

}  // namespace

extern constinit const DerivationDef copy;
constinit const DerivationDef copy = {"copy", "a text repeated", derive};

}  // namespace kedge::router::derivations
