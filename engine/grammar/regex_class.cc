#include "engine/grammar/regex_class.h"

#include "tokenizer/unicode_category.h"

namespace kedge::engine::grammar {

std::vector<CharRange> class_escape(char32_t letter) {
  switch (letter) {
    case 'd':
      return {{'0', '9'}};
    case 'w':
      return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 's':  // WhiteSpace and LineTerminator
      return {{0x09, 0x0d},     {0x20, 0x20},     {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
              {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
    default:
      return {};
  }
}

std::optional<std::vector<CharRange>> property_class(std::string_view name) {
  if (name == "Any") return {{{0, 0x10ffff}}};
  if (name == "ASCII") return {{{0, 0x7f}}};
  for (const std::string_view prefix : {"gc=", "General_Category="}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  const auto characters = unicode_category(name);
  if (characters.empty()) return std::nullopt;
  std::vector<CharRange> ranges;
  for (const auto& [first, last] : characters) ranges.push_back({first, last});
  return ranges;
}

}  // namespace kedge::engine::grammar
