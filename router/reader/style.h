// What a style attribute says about being seen.
#pragma once

#include <string>
#include <string_view>

namespace kedge::router::retrieval {

// Lower-case values, empty where the attribute does not say.
struct Style {
  std::string display;
  std::string visibility;
};

// Declarations as CSS has them: the last one counts, unless an earlier one is !important. "opacity: 0" and
// "content-visibility: hidden" are read as display: none.
Style read_style(std::string_view attribute);

}  // namespace kedge::router::retrieval
