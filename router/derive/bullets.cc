// "Write as a bullet list: cat, copper"
#include <algorithm>
#include <array>

#include "router/derive.h"
#include "router/text_request.h"

namespace kedge::router::derivations {
namespace {

std::optional<Derived> derive(std::string_view question) {
  constexpr auto kHeads = std::to_array<std::string_view>(
      {"write as bullet list", "make bullet list of", "make bullet list", "write as bulleted list", "write as bullets",
       "format as bullet list", "turn into bullet list"});
  const auto r = parse_text_request(question);
  if (!r || std::find(kHeads.begin(), kHeads.end(), r->head) == kHeads.end()) return std::nullopt;
  const auto items = list_items(*r);
  if (!items) return std::nullopt;
  return Derived{.answer = "- " + joined(*items, "\n- "),
                 .steps = std::to_string(items->size()) + " items, a line each",
                 .form = Derived::Form::kList,
                 .items = *items};
}

}  // namespace

extern constinit const DerivationDef bullets;
constinit const DerivationDef bullets = {"bullets", "a list as bullets", derive};

}  // namespace kedge::router::derivations
