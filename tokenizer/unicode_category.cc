#include "tokenizer/unicode_category.h"

#include <utf8proc.h>

#include <array>
#include <string>

namespace kedge::tokenizer {
namespace {

struct Category {
  std::string_view names[2];
  const char* categories;  // as utf8proc names them, two letters each
};

constexpr std::array kCategories = {
    Category{{"L", "Letter"}, "LuLlLtLmLo"},
    Category{{"LC", "Cased_Letter"}, "LuLlLt"},
    Category{{"M", "Mark"}, "MnMcMe"},
    Category{{"N", "Number"}, "NdNlNo"},
    Category{{"P", "Punctuation"}, "PcPdPsPePiPfPo"},
    Category{{"S", "Symbol"}, "SmScSkSo"},
    Category{{"Z", "Separator"}, "ZsZlZp"},
    Category{{"C", "Other"}, "CcCfCsCoCn"},
    Category{{"Lu", "Uppercase_Letter"}, "Lu"},
    Category{{"Ll", "Lowercase_Letter"}, "Ll"},
    Category{{"Lt", "Titlecase_Letter"}, "Lt"},
    Category{{"Lm", "Modifier_Letter"}, "Lm"},
    Category{{"Lo", "Other_Letter"}, "Lo"},
    Category{{"Mn", "Nonspacing_Mark"}, "Mn"},
    Category{{"Mc", "Spacing_Mark"}, "Mc"},
    Category{{"Me", "Enclosing_Mark"}, "Me"},
    Category{{"Nd", "Decimal_Number"}, "Nd"},
    Category{{"Nl", "Letter_Number"}, "Nl"},
    Category{{"No", "Other_Number"}, "No"},
    Category{{"Pc", "Connector_Punctuation"}, "Pc"},
    Category{{"Pd", "Dash_Punctuation"}, "Pd"},
    Category{{"Ps", "Open_Punctuation"}, "Ps"},
    Category{{"Pe", "Close_Punctuation"}, "Pe"},
    Category{{"Pi", "Initial_Punctuation"}, "Pi"},
    Category{{"Pf", "Final_Punctuation"}, "Pf"},
    Category{{"Po", "Other_Punctuation"}, "Po"},
    Category{{"Sm", "Math_Symbol"}, "Sm"},
    Category{{"Sc", "Currency_Symbol"}, "Sc"},
    Category{{"Sk", "Modifier_Symbol"}, "Sk"},
    Category{{"So", "Other_Symbol"}, "So"},
    Category{{"Zs", "Space_Separator"}, "Zs"},
    Category{{"Zl", "Line_Separator"}, "Zl"},
    Category{{"Zp", "Paragraph_Separator"}, "Zp"},
    Category{{"Cc", "Control"}, "Cc"},
    Category{{"Cf", "Format"}, "Cf"},
    Category{{"Co", "Private_Use"}, "Co"},
    Category{{"Cn", "Unassigned"}, "Cn"},
};

}  // namespace

std::vector<std::pair<char32_t, char32_t>> unicode_category(std::string_view name) {
  std::vector<std::pair<char32_t, char32_t>> runs;
  for (const Category& category : kCategories) {
    if (name != category.names[0] && name != category.names[1]) continue;
    const std::string_view wanted = category.categories;
    for (char32_t c = 0; c <= 0x10ffff; ++c) {
      const std::string_view is = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
      bool in = false;
      for (size_t i = 0; i < wanted.size(); i += 2) in |= wanted.substr(i, 2) == is;
      if (!in) continue;
      if (!runs.empty() && runs.back().second + 1 == c) {
        runs.back().second = c;
      } else {
        runs.emplace_back(c, c);
      }
    }
  }
  return runs;
}

}  // namespace kedge::tokenizer
